#include "start.hpp"

#include <atomic>
#include <condition_variable>
#include <mutex>

#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"
#include "testing/catch.hpp"

using namespace otto;
using app::Awaited;
using app::Start;
using app::StartStep;

namespace {

/// Something that a start may wait for.
struct Thing {
    std::string name;
    std::atomic<bool> there{false};
    std::atomic<int> asked{0};
    StartStep step(bool holds = true) {
        return {name,
                {},
                [this]() -> std::optional<Awaited> {
                    ++asked;
                    return there ? std::nullopt : std::optional(Awaited{name, "it is away"});
                },
                holds};
    }
};

/// A start as the process runs it.
class Rig {
public:
    explicit Rig(Start::Patience patience = {Millis{1}, Millis{0}, Millis{2}, Millis{0}, Millis{30'000}})
        : start_(
              [this] {
                  std::lock_guard guard(lock_);
                  ++changes_;
                  wake_.notify_all();
              },
              patience) {}
    Start& start() { return start_; }
    StartStep step(const std::string& name) {
        return {name, [this, name] { ran_ += name + " "; }};
    }
    std::string ran() const { return ran_; }
    /// Goes on until that much has run, or all has.
    bool advance_until(const std::string& wanted) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
        for (;;) {
            std::unique_lock guard(lock_);
            auto seen = changes_;
            guard.unlock();
            if (bool all = start_.advance(); all || (!wanted.empty() && ran_ == wanted)) return all;
            guard.lock();
            REQUIRE(wake_.wait_until(guard, end, [&] { return changes_ > seen; }));
        }
    }

private:
    std::mutex lock_;
    std::condition_variable wake_;
    int changes_ = 0;
    std::string ran_;
    Start start_;
};

template <class Check>
void eventually(Check check) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!check()) {
        REQUIRE(std::chrono::steady_clock::now() < end);
        std::this_thread::yield();
    }
}

bool shows(const std::string& line) { return tel::expose_metrics().find(line + "\n") != std::string::npos; }

}  // namespace

TEST_CASE("what a start waits for holds up what comes after it, and that service's routes, and nothing else") {
    Thing database{"postgres"}, topic{"directory"};
    Rig rig;
    auto why = [] { return std::string(); };
    auto first = std::make_shared<http::Gate>(why), second = std::make_shared<http::Gate>(why);
    rig.start().add("first", {rig.step("a"), database.step(), rig.step("b")}, first);
    rig.start().add("second", {rig.step("c"), topic.step(false), rig.step("d")}, second);
    CHECK_FALSE(rig.start().advance());
    CHECK(rig.ran() == "a c d ");
    CHECK_FALSE(first->is_open());
    CHECK(second->is_open());  // it does without meanwhile
    eventually([&] { return database.asked > 1 && topic.asked > 1; });
    CHECK(rig.start().waiting() == "for postgres: it is away; for directory: it is away");
    CHECK(rig.start().held_by("first") == "for postgres");
    CHECK(rig.start().held_by("second").empty());
    CHECK(shows("otto_start_waiting{for=\"postgres\"} 1"));
    database.there = true;
    CHECK_FALSE(rig.advance_until("a c d b "));
    CHECK(first->is_open());
    CHECK(shows("otto_start_waiting{for=\"postgres\"} 0"));
    CHECK(shows("otto_start_waiting{for=\"directory\"} 1"));
    topic.there = true;
    CHECK(rig.advance_until(""));
    CHECK(rig.start().waiting().empty());
    CHECK(shows("otto_start_waiting{for=\"directory\"} 0"));
}

TEST_CASE("what no start stands between is asked side by side") {
    Thing one{"one"}, two{"two"}, three{"three"};
    Rig rig;
    rig.start().add("service", {one.step(), two.step(), rig.step("a"), three.step()}, nullptr);
    CHECK_FALSE(rig.start().advance());
    eventually([&] { return one.asked > 0 && two.asked > 0; });
    CHECK(three.asked == 0);  // it may need what starts before it
    two.there = true;
    one.there = true;
    CHECK_FALSE(rig.advance_until("a "));
    three.there = true;
    CHECK(rig.advance_until(""));
}

TEST_CASE("a start ends with an error for what other settings alone could mend") {
    Rig rig;
    rig.start().add("service", {{"keys", [] { throw std::runtime_error("there is no key ring"); }}}, nullptr);
    CHECK_THROWS_WITH(rig.start().advance(), "there is no key ring");
    Rig other;
    other.start().add("service", {{"postgres", {}, []() -> std::optional<Awaited> { throw std::runtime_error("no such URL"); }}},
                      nullptr);
    CHECK_THROWS_WITH(other.advance_until(""), "no such URL");
}

TEST_CASE("a wait tells the log at once what it waits for, and again every so often") {
    std::mutex lock;
    std::vector<std::string> lines;
    tel::set_log_sink([&](std::string_view line) {
        std::lock_guard guard(lock);
        lines.emplace_back(line);
    });
    auto count = [&](const std::string& part) {
        std::lock_guard guard(lock);
        return std::count_if(lines.begin(), lines.end(), [&](const auto& l) { return l.find(part) != std::string::npos; });
    };
    Thing kafka{"kafka"};
    {
        Rig rig({Millis{1}, Millis{0}, Millis{1}, Millis{0}, Millis{20}});
        rig.start().add("service", {kafka.step()}, nullptr);
        rig.start().advance();
        eventually([&] { return count(R"("message":"the start is waiting for kafka","for":"kafka","why":"it is away")") >= 3; });
        auto told = count("the start is waiting");
        CHECK(kafka.asked > told);  // not each time
        kafka.there = true;
        CHECK(rig.advance_until(""));
        CHECK(count("what the start waited for is there") == 1);
    }
    {
        Rig rig({Millis{1}, Millis{0}, Millis{1}, Millis{20'000}, Millis{30'000}});
        Thing soon{"directory"};
        rig.start().add("service", {soon.step()}, nullptr);
        rig.start().advance();
        eventually([&] { return soon.asked > 5; });
        soon.there = true;
        CHECK(rig.advance_until(""));
        CHECK(count("directory") == 0);  // a start that takes a moment is nobody's concern
    }
    tel::set_log_sink({});
}

TEST_CASE("a start that is given up asks nobody any more") {
    Thing database{"postgres"};
    Rig rig({Millis{60'000}, Millis{60'000}, Millis{60'000}, Millis{0}, Millis{30'000}});
    rig.start().add("service", {database.step()}, nullptr);
    rig.start().advance();
    eventually([&] { return database.asked > 0; });
    CHECK_FALSE(rig.start().over(Millis{0}));
    rig.start().end();
    CHECK(rig.start().over(Millis{20'000}));
    CHECK(database.asked == 1);
    CHECK(rig.start().waiting().empty());
}
