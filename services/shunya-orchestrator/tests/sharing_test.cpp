// Several workers and processes at the same calls: each is done once, by one of them, and no company takes all of them.
#include "rig.hpp"

using namespace otto;
using namespace otto::shunya_orchestrator;
using namespace otto::shunya_orchestrator::tests;

TEST_CASE("killed between the note and the answer: it is asked for, and posted once", "[integration]") {
    for (bool arrived : {false, true}) {
        Rig rig;
        rig.record({rig.recorded()});
        rig.peer.refuse_posts = arrived ? std::deque<int>{} : std::deque<int>{503};
        // Whoever posted is gone before it can write down what came of it: another has its lease.
        rig.peer.in_post = [&](bool before) {
            if (before) rig.steal_lease();
        };
        rig.run();
        rig.peer.in_post = {};
        CHECK(rig.job("transcription", "job_status || (posted_at IS NOT NULL) || (shunya_job_id IS NULL)") == "pendingtruetrue");
        CHECK(rig.told("JobSubmitted") == 1);
        auto first = rig.peer.seen.at(0);
        REQUIRE(rig.run());
        CHECK(rig.peer.seen.at(1).what == "status transcription");
        CHECK(rig.peer.posts("transcription") == (arrived ? 1 : 2));
        if (!arrived) {
            CHECK(rig.peer.seen.back().key == first.key);
            CHECK(rig.peer.seen.back().body == first.body);  // to the byte, the link too
        }
        CHECK(rig.peer.accepted == 1);
        CHECK(rig.job("transcription", "job_status") == "running");
    }
}

TEST_CASE("a webhook overtakes the answer to the post", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.peer.in_post = [&](bool before) {
        if (before) return;
        rig.peer.in_post = {};
        rig.report(R"({"data": {"transcript_text": "fast"}})", "completed", "call.transcription.complete", "task_transcription");
    };
    rig.run();
    CHECK(rig.job("transcription", "job_status") == "succeeded");
    CHECK(rig.job("analysis", "job_status") == "running");  // the same turn went on
    CHECK(rig.told("TranscriptReady") == 0);                // the webhook told it
    CHECK(rig.peer.accepted == 2);
}

TEST_CASE("several processes: each call is fetched and posted once", "[integration]") {
    Rig rig;
    std::vector<calls::v1::CallRecorded> events;
    constexpr int kCalls = 12;
    for (int i = 0; i < kCalls; ++i)
        events.push_back(rig.recorded(1, "completed", "https://rec.example/" + std::to_string(i), rig.call + i));
    rig.record(events);
    auto other = rig.make(rig.peer.address());
    std::vector<std::thread> threads;
    for (int i = 0; i < 6; ++i)
        threads.emplace_back([&, i] {
            auto& driver = i % 2 ? *rig.driver : *other;
            while (driver.run_one(*World::shared().pool)) {
            }
        });
    for (auto& t : threads) t.join();
    CHECK(rig.peer.posts("transcription") == kCalls);
    CHECK(rig.peer.accepted == kCalls);
    CHECK(rig.fetched.size() == kCalls);
    CHECK(value("SELECT count(*)::text AS v FROM shunya_jobs WHERE company_id = '" + rig.company +
                "' AND job_status = 'running'") == std::to_string(kCalls));
}

TEST_CASE("two orchestrators together ask for no more recordings of one CallRail account than it allows", "[integration]") {
    Rig rig;
    rig.api_key = "key";
    constexpr int kAllowed = 7, kCalls = 20;
    Driver::Options scarce;
    scarce.callrail_budget = {{kAllowed, std::chrono::hours(1)}};
    rig.driver = rig.make(rig.peer.address(), scarce);
    auto other = rig.make(rig.peer.address(), scarce);
    execute("DELETE FROM budgets");
    std::vector<calls::v1::CallRecorded> events;
    for (int i = 0; i < kCalls; ++i)
        events.push_back(rig.recorded(1, "completed", "https://rec.example/" + std::to_string(i), rig.call + i));
    rig.record(events);
    std::vector<std::thread> threads;
    for (auto* process : {rig.driver.get(), other.get(), rig.driver.get(), other.get()})
        threads.emplace_back([process] {
            while (process->run_one(*World::shared().pool)) {
            }
        });
    for (auto& t : threads) t.join();
    CHECK(rig.fetched.size() == kAllowed);
    CHECK(value("SELECT count(*)::text AS v FROM recordings WHERE company_id = '" + rig.company +
                "' AND error LIKE 'waits its turn%' AND next_at > now()") == std::to_string(kCalls - kAllowed));
    // Half of the hour later half of it may be asked for again, whoever asks.
    execute("UPDATE budgets SET at = at - interval '30 minutes'");
    rig.driver = rig.make(rig.peer.address(), scarce);  // one that was told nothing yet
    rig.due();
    while (rig.run()) {
    }
    CHECK(rig.fetched.size() == kAllowed + kAllowed / 2);
}

namespace {

/// Eight workers, and a company with forty recordings that do not come before gate.open().
struct Crowd {
    Rig greedy, modest;
    Gate gate;
    std::vector<std::thread> workers;
    bool full;

    explicit Crowd(rt::QueueOptions how = {}) {
        greedy.driver = greedy.make(greedy.peer.address(), {}, how);
        std::vector<calls::v1::CallRecorded> events;
        for (int i = 0; i < 40; ++i)
            events.push_back(greedy.recorded(1, "completed", "https://slow.example/" + std::to_string(i), greedy.call + i));
        greedy.record(events);
        greedy.before_fetch = [this](const std::string& url) {
            if (url.starts_with("https://slow.")) gate.pass();
        };
        for (int i = 0; i < 8; ++i) workers.emplace_back([this] { work(); });
        full = gate.waits_for(6);
    }
    ~Crowd() { finish(); }
    void work() {
        while (greedy.run()) {
        }
    }
    bool stored() { return modest.recording("status") == "stored"; }
    void finish() {
        gate.open();
        for (auto& w : workers) w.join();
        workers.clear();
        work();
    }
};

}  // namespace

TEST_CASE("a company with many calls whose recordings take their time leaves workers for the others", "[integration]") {
    Crowd crowd;
    crowd.modest.record({crowd.modest.recorded()});
    std::thread other([&] {  // as a worker looks again
        for (auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
             !crowd.stored() && std::chrono::steady_clock::now() < end;)
            crowd.work();
    });
    other.join();
    CHECK(crowd.full);
    CHECK(crowd.gate.waiting() == 6);  // of eight workers
    CHECK(crowd.stored());
    crowd.finish();
    CHECK(crowd.greedy.fetched.size() == 41);
}

TEST_CASE("while a company has its share of the workers, not every one that is woken searches for others' calls",
          "[integration]") {
    rt::QueueOptions rarely;
    rarely.others_every = std::chrono::hours(1);
    Crowd crowd(rarely);
    CHECK(crowd.full);
    CHECK_FALSE(crowd.greedy.run());  // by now somebody has looked
    crowd.modest.record({crowd.modest.recorded()});
    CHECK_FALSE(crowd.greedy.run());
    CHECK_FALSE(crowd.stored());
    crowd.finish();
    CHECK(crowd.stored());
}

TEST_CASE("while Shunya is away for everybody, most calls do not even ask, and all go on once it is back", "[integration]") {
    Rig rig;
    constexpr int kCalls = 12;
    for (int i = 0; i < kCalls; ++i) {
        rig.peer.broken_for.insert(rig.call + i);
        rig.record({rig.recorded(3, "completed", "https://rec.example/1.wav", rig.call + i)});
    }
    auto run_all = [&] {
        while (rig.run()) {
        }
    };
    run_all();
    CHECK(rig.peer.posts("transcription") == 6);  // five, and one that tried
    CHECK(rig.driver->breaker().standing(system_clock().now()) == 1);
    CHECK(value("SELECT count(*)::text AS v FROM recorded_calls WHERE company_id = '" + rig.company +
                "' AND paused_why = 'Shunya cannot be reached'") == "6");
    auto asked = rig.peer.seen.size();
    rig.due();
    run_all();
    CHECK(rig.peer.seen.size() == asked);
    rig.peer.broken_for.clear();
    rig.driver = rig.make(rig.peer.address());
    rig.due();
    run_all();
    CHECK(value("SELECT count(*)::text AS v FROM shunya_jobs WHERE company_id = '" + rig.company +
                "' AND job_status = 'running'") == std::to_string(kCalls));
    CHECK(value("SELECT count(*)::text AS v FROM recorded_calls WHERE company_id = '" + rig.company +
                "' AND paused_since IS NOT NULL") == "0");
}

TEST_CASE("calls for which Shunya answers 500 hold up nobody else's", "[integration]") {
    Rig bad, too, good;
    for (int i = 0; i < 4; ++i) bad.peer.broken_for.insert({bad.call + i, too.call + i});
    auto run_all = [&] {
        while (bad.run()) {
        }
    };
    for (int i = 0; i < 4; ++i) {
        bad.record({bad.recorded(3, "completed", "https://rec.example/1.wav", bad.call + i)});
        too.record({too.recorded(3, "completed", "https://rec.example/1.wav", too.call + i)});
    }
    run_all();
    CHECK(bad.driver->breaker().standing(system_clock().now()) > 0);  // as far as anybody knows, Shunya is away
    auto steps = [&](const Rig& rig) {
        return value(
            "SELECT string_agg(job_status || coalesce(' ' || error_message, ''), ', ') AS v FROM shunya_jobs WHERE company_id = "
            "'" +
            rig.company + "'");
    };
    good.record({good.recorded()});
    run_all();
    CHECK(steps(good) == "running");
    for (int round = 0; round < 3; ++round) {
        bad.due();
        too.due();
        run_all();
        CHECK(bad.driver->breaker().standing(system_clock().now()) == 0);
    }
    bad.record({bad.recorded(3, "completed", "https://rec.example/1.wav", bad.call + 9)});
    run_all();
    CHECK(value("SELECT job_status || coalesce(error_message, '') AS v FROM shunya_jobs WHERE company_id = '" + bad.company +
                "' AND call_id = " + std::to_string(bad.call + 9)) == "running");
    CHECK(steps(too).find("paused") == std::string::npos);
}

TEST_CASE("a lease is kept while its holder is here, and runs out when it is gone", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    pg::Connection db(World::shared().role, "renew");
    rig.peer.in_post = [&](bool before) {
        if (!before) return;
        execute("UPDATE work SET leased_until = now() + interval '1 second'" + rig.at_work());
        rig.driver->renew(db);
        CHECK(value("SELECT (leased_until > now() + interval '2 seconds')::text AS v FROM work" + rig.at_work()) == "true");
        CHECK_FALSE(rig.make(rig.peer.address())->run_one(*World::shared().pool));  // nobody else's
    };
    rig.run();
    CHECK(rig.peer.accepted == 1);
    rig.driver->renew(db);  // holds nothing any more
}
