#include "outside.hpp"

#include <atomic>
#include <future>

#include "telemetry/metrics.hpp"
#include "testing/catch.hpp"

using namespace otto;
using app::Outside;

namespace {

bool shows(const std::string& line) { return tel::expose_metrics().find(line + "\n") != std::string::npos; }

std::string told(const std::vector<Outside::Known>& all) {
    std::string out;
    for (const auto& k : all) out += k.service + " " + k.name + ": " + k.why.value_or("there") + "\n";
    return out;
}

constexpr Millis kLong{20'000};

}  // namespace

TEST_CASE("what is outside is asked once for a service, and shown as it was when it was asked last") {
    std::atomic<bool> up{true};
    Outside outside({kLong, kLong});
    auto ask = [&]() -> Result<void> {
        if (up) return {};
        return Error("it refuses connections");
    };
    outside.add("one", "test_database", ask);
    outside.add("one", "test_database", []() -> Result<void> { throw std::logic_error("asked"); });
    outside.add("two", "test_database", []() -> Result<void> { return {}; });
    CHECK(told(outside.known()) ==
          "one test_database: it has not been asked yet\ntwo test_database: it has not been asked yet\n");
    outside.start();
    CHECK(told(outside.known(kLong)) == "one test_database: there\ntwo test_database: there\n");
    CHECK(shows("otto_dependency_up{name=\"test_database\"} 1"));
    up = false;
    CHECK(told(outside.known()).find("one test_database: there") == 0);  // nobody has asked since
    CHECK(told(outside.known(kLong)).find("one test_database: it refuses connections") == 0);
    CHECK(shows("otto_dependency_up{name=\"test_database\"} 0"));
}

TEST_CASE("who wants to know does not wait for what gives no answer") {
    std::promise<void> go;
    auto gone = go.get_future().share();
    Outside outside({Millis{1}, Millis{1}});
    outside.add("one", "test_broker", [gone]() -> Result<void> {
        gone.wait();
        return {};
    });
    outside.start();
    CHECK(told(outside.known(Millis{30})) == "one test_broker: it has not been asked yet\n");
    outside.end();
    CHECK_FALSE(outside.over(Millis{10}));
    go.set_value();
    CHECK(outside.over(kLong));
}
