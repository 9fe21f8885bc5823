// How a text stands, where nobody says; and a slow company beside others.
#include "sender/statuses.hpp"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "sending.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;

namespace {

/// A text that Twilio has taken and says nothing more of.
struct Silent : World {
    std::string id = accept("hello");
    Silent() { run(); }
    int asked_at(int seconds_later) {
        auto before = twilio.questions;
        age(seconds_later);
        ask();
        return twilio.questions - before;
    }
    std::string unknown() { return of(id, "status_unknown::text"); }
    std::string work() {
        return look("SELECT count(*)::text AS v FROM work WHERE company_id = $1 AND queue = 'lead-pipeline/text-statuses'");
    }
};

}  // namespace

TEST_CASE("statuses: a silent text is asked about four times in a day, and then stays as it stands", "[integration]") {
    Silent w;
    w.twilio.taken[0].status = "sent";
    CHECK(w.asked_at(590) == 0);
    CHECK(w.asked_at(11) == 1);  // ten minutes
    CHECK(w.status(w.id) == "sent");
    CHECK(w.asked_at(2'900) == 0);
    CHECK(w.asked_at(101) == 1);  // an hour
    CHECK(w.asked_at(17'900) == 0);
    CHECK(w.asked_at(101) == 1);  // six hours
    CHECK(w.unknown() == "false");
    CHECK(w.asked_at(64'700) == 0);
    CHECK(w.asked_at(101) == 1);  // a day
    CHECK(w.status(w.id) == "sent");
    CHECK(w.unknown() == "true");
    CHECK(w.work() == "0");
    CHECK(w.asked_at(9 * 86'400) == 0);
    w.calls_back(w.id, w.sid(w.id), "delivered");  // after nine days
    CHECK(w.status(w.id) == "delivered");
    CHECK(w.unknown() == "false");
}

TEST_CASE("statuses: who has an end is not asked about any more", "[integration]") {
    Silent w;
    SECTION("by a callback") {
        w.calls_back(w.id, w.sid(w.id), "delivered");
        CHECK(w.asked_at(601) == 0);
    }
    SECTION("by Twilio's answer") {
        w.twilio.taken[0].status = "undelivered";
        CHECK(w.asked_at(601) == 1);
        CHECK(w.status(w.id) == "undelivered");
    }
    CHECK(w.work() == "0");
}

TEST_CASE("statuses: while Twilio is silent it is asked again, for two days", "[integration]") {
    Silent w;
    w.twilio.answers = false;
    CHECK(w.asked_at(601) == 1);
    CHECK(w.asked_at(300) == 0);
    CHECK(w.asked_at(301) == 1);
    CHECK(w.asked_at(86'400) == 1);
    CHECK(w.unknown() == "false");
    CHECK(w.asked_at(86'400) == 1);
    CHECK(w.unknown() == "true");
    CHECK(w.work() == "0");
}

TEST_CASE("statuses: a message that was deleted at Twilio is asked for a day", "[integration]") {
    Silent w;
    w.twilio.taken.clear();
    CHECK(w.asked_at(601) == 1);
    CHECK(w.asked_at(601) == 0);
    CHECK(w.asked_at(86'400) == 1);
    CHECK(w.unknown() == "true");
    CHECK(w.work() == "0");
}

TEST_CASE("sender: a company whose texts are slow to leave holds up no other", "[integration]") {
    World slow, quick;
    std::mutex lock;
    std::condition_variable changed;
    int inside = 0;
    bool open = false;
    FakeTwilio twilio;
    TermsOf terms = [&](const CompanyId& c) -> std::optional<Terms> {
        return c == slow.company || c == quick.company ? std::optional(slow.terms) : std::nullopt;
    };
    Numbers numbers(terms);
    Sender sender({terms,
                   [&](const twilio::Account& a, const twilio::NewText& t) {
                       std::unique_lock guard(lock);
                       if (t.body == "slow") {
                           ++inside;
                           changed.notify_all();
                           changed.wait(guard, [&] { return open; });
                       }
                       return twilio.send(a, t);
                   },
                   {},
                   [](auto&&...) -> std::optional<std::string> { return std::nullopt; },
                   "https://otto.example/?m="});
    rt::WorkQueue releasing{rt::work_of<&Numbers::release>(std::string(kTextNumbers), numbers), 1};
    rt::WorkQueue sending{rt::work_of<&Sender::next>(std::string(kTexts), sender, {.threads = 8, .share = 0.25}), 8};
    for (int i = 0; i < 50; ++i) slow.accept("slow", "+1202555" + std::to_string(2000 + i));
    releasing.run_one(slow.pool);
    slow.age(1);
    releasing.run_one(slow.pool);
    std::thread one([&] { sending.run_one(slow.pool); }), two([&] { sending.run_one(slow.pool); });
    {
        std::unique_lock guard(lock);
        changed.wait(guard, [&] { return inside == 2; });
    }
    // Two are its quarter of eight: the others are free, however many of its texts are due.
    auto id = quick.accept("quick");
    releasing.run_one(quick.pool);
    CHECK(sending.run_one(quick.pool));
    CHECK(quick.sid(id) != "");
    CHECK_FALSE(sending.run_one(quick.pool));
    {
        std::lock_guard guard(lock);
        CHECK(inside == 2);
        open = true;
    }
    changed.notify_all();
    one.join();
    two.join();
    CHECK(twilio.times("slow") == 2);
}
