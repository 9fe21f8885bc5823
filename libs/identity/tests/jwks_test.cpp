#include "identity/jwks.hpp"

#include <atomic>
#include <fstream>
#include <future>
#include <sstream>

#include "base/json.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::identity;
using namespace std::chrono_literals;

namespace {

constexpr auto kPatience = 20s;  // a test that waits longer has failed

class FakeClock : public Clock {
public:
    Instant now() const override {
        ++asked;
        return Instant{} + std::chrono::seconds(seconds.load());
    }
    /// `find` asks for the time under its lock, so that who has asked is past the point where it could miss what comes after.
    bool wait_until_asked(int times) const {
        auto end = std::chrono::steady_clock::now() + kPatience;
        while (asked < times && std::chrono::steady_clock::now() < end) std::this_thread::yield();
        return asked >= times;
    }
    std::atomic<std::int64_t> seconds{1'700'000'000};
    mutable std::atomic<int> asked{0};
};

/// The log lines of a test.
class Log {
public:
    Log() {
        tel::set_log_sink([this](std::string_view line) {
            std::lock_guard guard(lock_);
            text_ += line;
        });
    }
    ~Log() { tel::set_log_sink({}); }
    bool has(const std::string& part) {
        std::lock_guard guard(lock_);
        return text_.find(part) != std::string::npos;
    }

private:
    std::mutex lock_;
    std::string text_;
};

/// A key set of the published key under these ids.
std::string key_set(const std::vector<std::string>& kids, const std::string& more = "") {
    static const std::string numbers = [] {
        std::ifstream in(OTTO_SOURCE_DIR "/tests/sandbox/vectors/clerk_rs256.json");
        std::stringstream text;
        text << in.rdbuf();
        auto vector = JsonDocument::parse(text.str()).value();
        auto jwk = vector.root()["jwk"];
        return R"("n":)" + jwk["n"].dump() + R"(,"e":)" + jwk["e"].dump();
    }();
    std::string out;
    for (auto& kid : kids)
        out +=
            (out.empty() ? "" : ",") + (R"({"kty":"RSA","use":"sig","alg":"RS256","kid":")" + kid) + "\"," + numbers + more + "}";
    return "{\"keys\":[" + out + "]}";
}

/// The issuer: counts fetches, answers what it is told, and can be held in the middle of a fetch.
class Issuer {
public:
    Fetch fetch() {
        return [this](const std::string& url) -> Result<std::string> {
            if (url != "https://issuer/jwks") return Error("asked for " + url);
            std::unique_lock guard(lock_);
            ++fetches_;
            changed_.notify_all();
            changed_.wait_for(guard, kPatience, [this] { return !held_; });
            if (throws_) throw std::runtime_error("a socket broke");
            return answer_;
        };
    }
    void answer(Result<std::string> a) {
        set([&] { answer_ = std::move(a); });
    }
    void hold() {
        set([&] { held_ = true; });
    }
    void release() {
        set([&] { held_ = false; });
    }
    void throw_from_now_on() {
        set([&] { throws_ = true; });
    }
    bool logged(const std::string& part) { return log_.has(part); }
    int fetches() {
        std::lock_guard guard(lock_);
        return fetches_;
    }
    bool wait_for_fetch(int number) {
        std::unique_lock guard(lock_);
        return changed_.wait_for(guard, kPatience, [&] { return fetches_ >= number; });
    }

private:
    void set(const std::function<void()>& change) {
        std::lock_guard guard(lock_);
        change();
        changed_.notify_all();
    }
    Log log_;
    std::mutex lock_;
    std::condition_variable changed_;
    Result<std::string> answer_{key_set({"k1"})};
    int fetches_ = 0;
    bool held_ = false, throws_ = false;
};

Jwks::Options options(Millis wait = 20'000ms) {
    Jwks::Options o{"https://issuer/jwks"};
    o.wait = wait;
    return o;
}

std::string outcome(Jwks& keys, const std::string& kid) {
    auto key = keys.find(kid);
    return key ? "found" : key.error().message;
}

const std::string kNotTheirs = "the token's key is not one of its issuer's",
                  kNotNow = "the issuer's keys cannot be had at the moment";

/// Asks until a background fetch has come in.
bool becomes(Jwks& keys, const std::string& kid, const std::string& wanted) {
    auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end) {
        if (outcome(keys, kid) == wanted) return true;
        std::this_thread::yield();
    }
    return false;
}

double failures() {
    auto text = tel::expose_metrics();
    auto at = text.find("\notto_jwks_fetch_failures_total ");
    return at == std::string::npos ? 0 : std::stod(text.substr(text.find(' ', at)));
}

}  // namespace

TEST_CASE("requests that come during the first fetch wait for it and are let in") {
    Issuer issuer;
    FakeClock clock;
    issuer.hold();
    Jwks keys(options(), issuer.fetch(), clock);
    std::vector<std::future<std::string>> all;
    for (int i = 0; i < 8; ++i) all.push_back(std::async(std::launch::async, [&] { return outcome(keys, "k1"); }));
    REQUIRE(issuer.wait_for_fetch(1));
    REQUIRE(clock.wait_until_asked(8));
    for (auto& one : all) CHECK(one.wait_for(0s) == std::future_status::timeout);
    issuer.release();
    for (auto& one : all) CHECK(one.get() == "found");
    CHECK(issuer.fetches() == 1);
}

TEST_CASE("waiting for another's fetch ends after a moment, and says that the keys are away, not that the token is wrong") {
    Issuer issuer;
    FakeClock clock;
    issuer.hold();
    Jwks keys(options(1ms), issuer.fetch(), clock);
    auto first = std::async(std::launch::async, [&] { return outcome(keys, "k1"); });
    REQUIRE(issuer.wait_for_fetch(1));
    CHECK(outcome(keys, "k1") == kNotNow);
    clock.seconds += 3'600;  // nor does a fetch that outlasts every pause get a second one beside it
    CHECK(outcome(keys, "k1") == kNotNow);
    CHECK(issuer.fetches() == 1);
    issuer.release();
    CHECK(first.get() == "found");
    CHECK(issuer.fetches() == 1);
}

TEST_CASE("a known key never waits, however old the set, and however long the issuer takes") {
    Issuer issuer;
    FakeClock clock;
    Jwks keys(options(), issuer.fetch(), clock);
    REQUIRE(outcome(keys, "k1") == "found");
    issuer.hold();
    issuer.answer(key_set({"k2"}));
    clock.seconds += 301;
    for (int i = 0; i < 50; ++i) CHECK(outcome(keys, "k1") == "found");
    REQUIRE(issuer.wait_for_fetch(2));
    CHECK(outcome(keys, "k1") == "found");
    CHECK(issuer.fetches() == 2);
    issuer.release();
    CHECK(becomes(keys, "k1", kNotTheirs));  // what the issuer withdrew counts no longer
    CHECK(outcome(keys, "k2") == "found");
    CHECK(issuer.fetches() == 3);  // once more for the one that is gone
}

TEST_CASE("a set is fetched again when it is older than five minutes, not before") {
    Issuer issuer;
    FakeClock clock;
    auto fetches_after = [&](int age) {
        auto before = issuer.fetches();
        {
            Jwks keys(options(), issuer.fetch(), clock);
            CHECK(outcome(keys, "k1") == "found");
            clock.seconds += age;
            CHECK(outcome(keys, "k1") == "found");
        }  // waits for what runs in the background
        return issuer.fetches() - before;
    };
    CHECK(fetches_after(300) == 1);
    CHECK(fetches_after(301) == 2);
}

TEST_CASE("a rotation: a new key is fetched for by its first token, the former one stays as long as the issuer says") {
    Issuer issuer;
    FakeClock clock;
    Jwks keys(options(), issuer.fetch(), clock);
    REQUIRE(outcome(keys, "k1") == "found");
    issuer.answer(key_set({"k1", "k2"}));
    CHECK(outcome(keys, "k2") == "found");  // at once, though the set is not a second old
    CHECK(outcome(keys, "k1") == "found");
    CHECK(issuer.fetches() == 2);
    issuer.answer(key_set({"k2", "k3"}));
    CHECK(outcome(keys, "k3") == "found");  // and the next one
    CHECK(outcome(keys, "k4") == kNotTheirs);
    CHECK(issuer.fetches() == 4);
    issuer.answer(key_set({"k3", "k4"}));
    CHECK(outcome(keys, "k4") == kNotTheirs);  // what the last fetch did not bring waits for the pause
    clock.seconds += 10;
    CHECK(outcome(keys, "k4") == "found");
    CHECK(issuer.fetches() == 5);
}

TEST_CASE("a flood of made-up key ids costs one fetch in ten seconds and keeps nobody with a known key waiting") {
    Issuer issuer;
    FakeClock clock;
    Jwks keys(options(1ms), issuer.fetch(), clock);
    REQUIRE(outcome(keys, "k1") == "found");
    for (int second = 0; second < 100; ++second) {
        clock.seconds += 1;
        for (int i = 0; i < 20; ++i) CHECK(outcome(keys, "made up " + std::to_string(second * 20 + i)) == kNotTheirs);
    }
    CHECK(issuer.fetches() == 1 + 10);
    issuer.hold();
    clock.seconds += 10;
    std::vector<std::future<std::string>> flood;
    for (int i = 0; i < 8; ++i)
        flood.push_back(std::async(std::launch::async, [&, i] { return outcome(keys, "made up again " + std::to_string(i)); }));
    REQUIRE(issuer.wait_for_fetch(12));
    CHECK(outcome(keys, "k1") == "found");
    issuer.release();
    for (auto& one : flood) CHECK_FALSE(one.get() == "found");
    CHECK(issuer.fetches() == 12);
}

TEST_CASE(
    "a failing fetch: the former set stays, pauses grow from ten seconds to a minute, each failure is counted and logged, and it "
    "heals") {
    Issuer issuer;
    FakeClock clock;
    auto before = failures();
    Jwks keys(options(), issuer.fetch(), clock);
    REQUIRE(outcome(keys, "k1") == "found");
    issuer.answer(Error("https://issuer/jwks answered 500"));
    std::vector<std::int64_t> pauses;
    clock.seconds += 10;
    std::int64_t last = clock.seconds;
    REQUIRE(outcome(keys, "k9") == kNotNow);
    for (int n = 3; n < 9; ++n) {
        while (issuer.fetches() < n && clock.seconds - last < 200) {
            clock.seconds += 1;
            CHECK(outcome(keys, "k9") == kNotNow);
        }
        pauses.push_back(clock.seconds - last);
        last = clock.seconds;
    }
    CAPTURE(pauses);
    CHECK(pauses[0] >= 10);
    CHECK(pauses[0] <= 12);
    CHECK(pauses[1] >= 16);
    CHECK(pauses[2] >= 32);
    for (auto p : pauses) CHECK(p <= 73);  // a minute and its fifth of jitter
    CHECK(pauses.back() >= 48);
    CHECK(outcome(keys, "k1") == "found");
    CHECK(failures() - before == 7);
    CHECK(issuer.logged("https://issuer/jwks answered 500"));
    CHECK(issuer.logged("\"known\":1"));
    issuer.answer(key_set({"k9"}));
    clock.seconds += 73;
    CHECK(outcome(keys, "k9") == "found");
    CHECK(outcome(keys, "k1") == kNotTheirs);
    CHECK(failures() - before == 7);
}

TEST_CASE("keys that could never be had are not the token's fault") {
    Issuer issuer;
    FakeClock clock;
    issuer.answer(Error("connection refused"));
    Jwks keys(options(), issuer.fetch(), clock);
    CHECK(outcome(keys, "k1") == kNotNow);
    CHECK(outcome(keys, "k1") == kNotNow);
    CHECK(issuer.fetches() == 1);
    issuer.answer(key_set({"k1"}));
    clock.seconds += 12;
    CHECK(outcome(keys, "k1") == "found");
}

TEST_CASE("a fetch that throws is a failed fetch, in the foreground and in the background") {
    Issuer issuer;
    FakeClock clock;
    Jwks keys(options(), issuer.fetch(), clock);
    REQUIRE(outcome(keys, "k1") == "found");
    issuer.throw_from_now_on();
    clock.seconds += 301;
    CHECK(outcome(keys, "k1") == "found");
    REQUIRE(issuer.wait_for_fetch(2));
    CHECK(becomes(keys, "k9", kNotNow));
    clock.seconds += 73;
    CHECK(outcome(keys, "k9") == kNotNow);
    CHECK(outcome(keys, "k1") == "found");
}

TEST_CASE("answers that are no usable key set leave the former one") {
    auto answer = GENERATE(std::string(""), std::string("<html>"), std::string("[]"), std::string("{\"keys\":{}}"),
                           std::string("{\"keys\":[]}"), std::string("{\"keys\":[1,null,{}]}"),
                           std::string(R"({"keys":[{"kty":"RSA","kid":"k2","n":"AQAB","e":"AQAB"}]})"),
                           std::string(R"({"keys":[{"kty":"EC","kid":"k2","crv":"P-256"}]})"), key_set({""}),
                           key_set({"k2"}, R"(,"x":1)").replace(key_set({"k2"}).find("\"sig\""), 5, "\"enc\""),
                           key_set({"k2"}).replace(key_set({"k2"}).find("RS256"), 5, "RS512"));
    CAPTURE(answer);
    Issuer issuer;
    FakeClock clock;
    Jwks keys(options(), issuer.fetch(), clock);
    REQUIRE(outcome(keys, "k1") == "found");
    issuer.answer(answer);
    clock.seconds += 10;
    CHECK(outcome(keys, "k2") == kNotNow);
    CHECK(issuer.fetches() == 2);
    CHECK(outcome(keys, "k1") == "found");
}

TEST_CASE("a clock that is set back does not keep a set for as long") {
    Issuer issuer;
    FakeClock clock;
    Jwks keys(options(), issuer.fetch(), clock);
    REQUIRE(outcome(keys, "k1") == "found");
    issuer.answer(key_set({"k1", "k2"}));
    clock.seconds -= 86'400;
    CHECK(outcome(keys, "k2") == "found");
    CHECK(issuer.fetches() == 2);
}
