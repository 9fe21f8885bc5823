// When the outside is left alone: what fails by itself makes nothing else wait.
#include "base/breaker.hpp"

#include <random>

#include "testing/catch.hpp"

using namespace otto;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

const Instant kNow = *parse_time("2026-11-21T12:00:00Z");

Asker call_of(const std::string& company, std::int64_t call) { return {CompanyId{company}, std::to_string(call)}; }

/// Opened by calls 1 to 5 of companies a and b, the last failure at kNow.
void open_up(Breaker& b) {
    for (int i = 1; i <= 5; ++i) b.failed(call_of(i < 3 ? "a" : "b", i), true, kNow);
    REQUIRE(b.standing(kNow) > 0);
}

}  // namespace

TEST_CASE("a breaker opens upon failures of five different calls, and of two companies where a second one has calls under way") {
    struct Case {
        const char* what;
        std::vector<std::pair<const char*, int>> failed;
        bool others;
        bool opens;
    };
    for (const auto& c : std::vector<Case>{
             {"one call again and again",
              {{"a", 1}, {"a", 1}, {"a", 1}, {"a", 1}, {"a", 1}, {"a", 1}, {"a", 1}, {"a", 1}},
              false,
              false},
             {"two calls of two companies again and again",
              {{"a", 1}, {"b", 2}, {"a", 1}, {"b", 2}, {"a", 1}, {"b", 2}, {"a", 1}},
              true,
              false},
             {"four calls", {{"a", 1}, {"a", 2}, {"b", 3}, {"b", 4}, {"b", 4}}, true, false},
             {"five of one company beside another's calls",
              {{"a", 1}, {"a", 2}, {"a", 3}, {"a", 4}, {"a", 5}, {"a", 6}, {"a", 7}},
              true,
              false},
             {"five of the only company", {{"a", 1}, {"a", 2}, {"a", 3}, {"a", 4}, {"a", 5}}, false, true},
             {"five of two companies", {{"a", 1}, {"a", 2}, {"a", 3}, {"a", 4}, {"b", 5}}, true, true},
             {"one each of five", {{"a", 1}, {"b", 2}, {"c", 3}, {"d", 4}, {"e", 5}}, true, true},
         }) {
        INFO(c.what);
        Breaker b;
        for (auto [company, call] : c.failed) b.failed(call_of(company, call), c.others, kNow);
        CHECK((b.standing(kNow) > 0) == c.opens);
        CHECK(b.ask(call_of(c.failed[0].first, c.failed[0].second), kNow).has_value() == c.opens);
    }
    Breaker b;
    for (int i = 1; i < 5; ++i) b.failed(call_of("a", i), false, kNow);
    b.worked(call_of("a", 9));
    for (int i = 11; i < 15; ++i) b.failed(call_of("a", i), false, kNow);
    CHECK(b.standing(kNow) == 0);  // somebody was served between
}

TEST_CASE("who failed while others were served fails for a reason of its own, until it is served") {
    Breaker b;
    for (int i = 1; i <= 4; ++i) b.failed(call_of("a", i), true, kNow);
    b.worked(call_of("c", 9));
    for (int again = 0; again < 3; ++again)
        for (int i = 1; i <= 4; ++i) b.failed(call_of("a", i), true, kNow);
    b.failed(call_of("b", 5), true, kNow);
    CHECK(b.standing(kNow) == 0);
    b.worked(call_of("a", 1));  // b5 is by its own now, and a1 is not any more
    b.failed(call_of("b", 5), true, kNow);
    for (int i : {1, 6, 7, 8}) b.failed(call_of("a", i), false, kNow);
    CHECK(b.standing(kNow) == 0);
    b.failed(call_of("a", 10), false, kNow);
    CHECK(b.standing(kNow) > 0);
}

TEST_CASE("an open breaker is tried by calls that did not fail, one at a time, and by whoever that serves closed for all") {
    Breaker b;
    open_up(b);
    auto third = call_of("c", 7);
    CHECK_FALSE(b.ask(third, kNow));                       // at once
    CHECK(b.ask(call_of("d", 8), kNow) == Millis{1'000});  // the others wait for the one
    CHECK(b.ask(call_of("a", 1), kNow).value() > Millis{0});
    b.spared(third);
    CHECK_FALSE(b.ask(third, kNow));
    b.failed(third, true, kNow);
    CHECK(b.standing(kNow) == 1);
    CHECK(b.ask(third, kNow) == Millis{30'000});
    CHECK(b.ask(call_of("a", 6), kNow + seconds(1)) == Millis{29'000});  // of a company that failed
    CHECK_FALSE(b.ask(call_of("d", 8), kNow + seconds(1)));              // of one that did not
    b.failed(call_of("d", 8), true, kNow + seconds(1));
    auto later = kNow + seconds(31);
    for (int i = 1; i <= 5; ++i) CHECK(b.ask(call_of(i < 3 ? "a" : "b", i), later));  // never one that failed
    CHECK(b.ask(third, later));
    CHECK_FALSE(b.ask(call_of("a", 6), later));
    b.worked(call_of("a", 6));
    CHECK(b.standing(later) == 0);
    for (int i = 1; i <= 8; ++i) CHECK_FALSE(b.ask(call_of(i < 3 ? "a" : "b", i), later));
}

TEST_CASE("where nobody is left to try, a breaker closes by itself and what fails counts anew") {
    Breaker b;
    open_up(b);
    CHECK(b.ask(call_of("a", 1), kNow).value() <= Millis{30'000});
    CHECK(b.ask(call_of("a", 1), kNow + seconds(29)));
    CHECK_FALSE(b.ask(call_of("a", 1), kNow + seconds(30)));
    b.failed(call_of("a", 1), true, kNow + seconds(30));
    CHECK_FALSE(b.ask(call_of("a", 2), kNow + seconds(30)));
    CHECK(b.standing(kNow + seconds(30)) == 0);
}

TEST_CASE("calls that fail by themselves, in whatever order, never make another company's wait") {
    for (unsigned seed = 0; seed < 200; ++seed) {
        std::mt19937 random(seed);
        auto any = [&](int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); };
        Breaker b;
        int broken = 1 + any(12), bad_companies = 1 + any(4), waited = 0;
        auto now = kNow;
        for (int turn = 0; turn < 400; ++turn) {
            now += seconds(any(40));
            if (any(4) == 0) {
                auto good = call_of("good" + std::to_string(any(2)), 1'000 + turn);
                if (b.ask(good, now))
                    ++waited;
                else
                    b.worked(good);
            } else {
                int i = any(broken);
                auto bad = call_of("bad" + std::to_string(i % bad_companies), i);
                if (!b.ask(bad, now)) b.failed(bad, true, now);
            }
        }
        INFO("seed " << seed);
        CHECK(waited == 0);
    }
}

TEST_CASE("in an outage Shunya is asked seldom, however many calls and companies wait, and all go on once it is over") {
    Breaker b;
    std::mt19937 random(7);
    constexpr int kCalls = 2'000, kCompanies = 20;
    int asked = 0;
    std::multimap<Instant, int> due;
    for (int i = 0; i < kCalls; ++i) due.emplace(kNow + Millis{i}, i);
    auto end = kNow + hours(1);
    while (due.begin()->first < end) {
        auto [now, i] = *due.begin();
        due.erase(due.begin());
        auto who = call_of("org" + std::to_string(i % kCompanies), i);
        auto wait = b.ask(who, now);
        if (!wait) {
            ++asked;
            b.failed(who, true, now);
        }
        due.emplace(now + wait.value_or(seconds(10)) + Millis{random() % 5'000}, i);
    }
    CHECK(asked < 5 + kCompanies + 3'600 / 30 + 1);
    CHECK(asked > 60);
    std::set<int> served;
    while (served.size() < kCalls && due.begin()->first < end + seconds(120)) {
        auto [now, i] = *due.begin();
        due.erase(due.begin());
        auto who = call_of("org" + std::to_string(i % kCompanies), i);
        if (auto wait = b.ask(who, now)) {
            due.emplace(now + *wait + Millis{random() % 5'000}, i);
            continue;
        }
        b.worked(who);
        served.insert(i);
    }
    CHECK(served.size() == kCalls);
}

TEST_CASE("a key counts as refused upon the refusals of two calls; one call's refusal while others are let in is its own") {
    RefusedKeys keys(Millis{60'000});
    auto one = call_of("org", 1), two = call_of("org", 2), three = call_of("org", 3), four = call_of("org", 4);
    CHECK(keys.refused("a", one, kNow));
    CHECK_FALSE(keys.ask("a", two, kNow));
    CHECK(keys.refused("a", two, kNow));
    CHECK_FALSE(keys.ask("a", three, kNow));  // one that was not refused looks
    CHECK(keys.ask("a", four, kNow) == Millis{1'000});
    CHECK(keys.refused("a", three, kNow));
    CHECK(keys.ask("a", four, kNow) == Millis{60'000});
    CHECK_FALSE(keys.ask("a", call_of("other", 5), kNow));
    CHECK_FALSE(keys.ask("a", four, kNow + seconds(60)));
    CHECK(keys.ask("a", one, kNow + seconds(60)));  // never one that was
    keys.spared("a", four);
    CHECK_FALSE(keys.ask("a", four, kNow + seconds(60)));
    keys.let_in("a", four);
    for (auto& who : {one, two, three, four}) CHECK_FALSE(keys.ask("a", who, kNow + seconds(60)));
    CHECK_FALSE(keys.refused("a", one, kNow + seconds(60)));
    CHECK_FALSE(keys.refused("a", two, kNow + seconds(60)));
    CHECK_FALSE(keys.ask("a", three, kNow + seconds(60)));
    CHECK(keys.refused("b", one, kNow + seconds(60)));  // another key: anew
    CHECK(keys.refused("b", two, kNow + seconds(60)));
    CHECK_FALSE(keys.ask("c", one, kNow + seconds(60)));
    CHECK(keys.ask("b", one, kNow + seconds(60)));
}

TEST_CASE("a company's keys are refused each for itself, and of many the latest are known") {
    RefusedKeys keys(Millis{60'000});
    auto one = call_of("org", 1), two = call_of("org", 2);
    for (const char* key : {"callrail", "twilio"})
        for (const auto& who : {one, two}) CHECK(keys.refused(key, who, kNow));
    keys.let_in("twilio", two);
    CHECK_FALSE(keys.ask("twilio", one, kNow));
    CHECK(keys.ask("callrail", one, kNow));
    for (auto key : {"third", "fourth"}) keys.refused(key, one, kNow);
    CHECK(keys.ask("callrail", one, kNow));
    keys.refused("fifth", one, kNow);
    CHECK_FALSE(keys.ask("callrail", one, kNow));
}
