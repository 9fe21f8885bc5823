// What a company's API key at CallRail decides: a refused one holds its recordings up, another one lets them go on; and what a
// manager may have tried again.
#include "keys.hpp"
#include "commands.hpp"
#include "rig.hpp"

using namespace otto;
using namespace otto::shunya_orchestrator;
using namespace otto::shunya_orchestrator::tests;

namespace {

/// The directory says what key the company has now; `watch` is of one process.
struct Directory {
    explicit Directory(const Rig& r)
        : rig(r),
          watch(
              [this] {
                  return std::optional(KeyWatch::Marks{{{CompanyId{rig.company}, "callrail"}, mark()}});
              },
              [this] { return generation; }) {}
    std::string mark() const { return key_mark({Secret(rig.api_key), rig.api_key.empty() ? "" : "ACC1", "", ""}); }
    void look() {
        pg::Connection db(World::shared().role, "watch");
        ++generation;
        watch.look(db);
    }
    const Rig& rig;
    std::uint64_t generation = 0;
    KeyWatch watch;
};

NotLetIn refusal() { return {"https://api.callrail.com answers with status 401: CallRail refuses the company's API key"}; }

/// As many turns as there are due.
void run_all(Rig& rig) {
    while (rig.run()) {
    }
}

http::Response retry(const Rig& rig, std::int64_t call, const std::string& company = "") {
    http::Request request;
    request.path_params = {{"call_id", std::to_string(call)}};
    request.trace = tel::TraceContext::fresh();
    identity::Principal who;
    who.user = UserId{"user_m"};
    who.company = CompanyId{company.empty() ? rig.company : company};
    who.role = identity::Role::manager;
    api::Context context(request, who, *World::shared().pool);
    try {
        auto answer = Commands{}.retry(context);
        context.tx().commit();
        return answer;
    } catch (const api::Refusal& refusal) {
        return api::refused(refusal, request);
    }
}

}  // namespace

TEST_CASE("a wrong API key holds all of the company's recordings up; the right one lets them go on by itself", "[integration]") {
    Rig rig;
    rig.api_key = "mistyped";
    rig.place();
    Directory directory(rig);
    directory.look();
    std::vector<calls::v1::CallRecorded> calls;
    for (int i = 0; i < 5; ++i) calls.push_back(rig.recorded(3, "completed", "https://rec.example/1.wav", rig.call + i));
    for (int i = 0; i < 3; ++i) rig.recordings.push_back(refusal());
    rig.record(calls);
    run_all(rig);
    CHECK(rig.fetched.size() == 3);  // two make it the key's matter, a third looks; the others do not ask
    auto waiting = "SELECT count(*)::text AS v FROM recordings WHERE company_id = '" + rig.company +
                   "' AND status = 'pending' AND attempts = 0 AND next_at > now() + interval '10 minutes'";
    CHECK(value(waiting) == "5");
    CHECK(rig.state("state") == "paused");
    CHECK(rig.state("why") == "CallRail refuses the company's API key.");
    CHECK(rig.state("cure").find("POST /api/v1/company/set-callrail-api-key/" + rig.company) != std::string::npos);
    CHECK(rig.told("AnalysisFailed") == 0);
    directory.look();  // something else of the company changed
    run_all(rig);
    CHECK(rig.fetched.size() == 3);

    // For so long that it would be given up, if that counted.
    execute("UPDATE recordings SET created_at = now() - interval '3 days' WHERE company_id = '" + rig.company + "'");
    execute("UPDATE recorded_calls SET paused_since = now() - interval '3 days' WHERE company_id = '" + rig.company + "'");
    rig.api_key = "right";
    SECTION("in the same process") { directory.look(); }
    SECTION("in one that began since") {
        rig.driver = rig.make(rig.peer.address());
        Directory fresh(rig);
        fresh.look();
    }
    run_all(rig);
    CHECK(value("SELECT count(*)::text AS v FROM recordings WHERE company_id = '" + rig.company + "' AND status = 'stored'") ==
          "5");
    CHECK(rig.state("state") == "transcribing");
}

TEST_CASE("now and then one looks whether a refused key is let in after all, without using up an attempt or its time",
          "[integration]") {
    Rig rig;
    rig.api_key = "not yet good";
    rig.recordings.push_back(refusal());
    rig.recordings.push_back(refusal());
    rig.recordings.push_back(NotYet{"CallRail does not have it yet"});
    rig.record({rig.recorded()});
    run_all(rig);
    execute("UPDATE recordings SET created_at = now() - interval '3 days'" + rig.where());
    execute("UPDATE recorded_calls SET paused_since = now() - interval '3 days'" + rig.where());
    for (int i = 0; i < 3; ++i) {  // a process asks once in a while; these are three
        rig.driver = rig.make(rig.peer.address());
        rig.due();
        run_all(rig);
    }
    CHECK(rig.fetched.size() == 4);
    CHECK(rig.recording("status") == "stored");
}

TEST_CASE("one recording that is refused holds up no other of its company, and is given up after a day like one that never came",
          "[integration]") {
    Rig rig;
    rig.api_key = "good";
    rig.place();
    rig.recordings.push_back(refusal());
    rig.record({rig.recorded()});
    run_all(rig);
    CHECK(rig.state("state") == "paused");  // as far as is known, all of the company's
    for (int i = 1; i < 4; ++i) rig.record({rig.recorded(3, "completed", "https://rec.example/1.wav", rig.call + i)});
    run_all(rig);
    CHECK(value("SELECT count(*)::text AS v FROM recordings WHERE company_id = '" + rig.company + "' AND status = 'stored'") ==
          "3");

    rig.recordings.push_back(refusal());
    execute("UPDATE work SET due_at = now()" + rig.at_work());
    execute("UPDATE recordings SET next_at = NULL" + rig.where());
    run_all(rig);
    CHECK(rig.recording("status || attempts || (next_at > now() + interval '10 minutes')") == "pending1true");
    CHECK(rig.state("state") == "waiting_for_recording");
    CHECK(rig.state("why").find("refuses this recording") != std::string::npos);
    execute("UPDATE recordings SET created_at = now() - interval '25 hours', next_at = NULL" + rig.where());
    execute("UPDATE work SET due_at = now()" + rig.at_work());
    rig.recordings.push_back(refusal());
    run_all(rig);
    CHECK(rig.recording("status") == "manual_review");
    CHECK(rig.state("cure").find("Look at the call at CallRail") != std::string::npos);
}

TEST_CASE("what was given up for want of a key begins anew with one, also what was before this was minded", "[integration]") {
    Rig rig;
    rig.place();
    rig.recordings.push_back(Never{"the recording's address is refused", "Give the company's API key.", true});
    rig.record({rig.recorded()});
    run_all(rig);
    CHECK(rig.recording("status") == "unavailable");
    CHECK(rig.state("cure") == "Give the company's API key. It is then fetched by itself.");
    Directory directory(rig);
    directory.look();
    run_all(rig);
    CHECK(rig.recording("status") == "unavailable");  // it has none yet
    rig.api_key = "right";
    directory.look();
    run_all(rig);
    CHECK(rig.recording("status") == "stored");
    // What no key helps stays.
    Rig other;
    other.recordings.push_back(Never{"it is a web page", "Listen to it."});
    other.record({other.recorded()});
    run_all(other);
    other.api_key = "right";
    Directory(other).look();
    CHECK(other.recording("status") == "unavailable");
}

TEST_CASE("a key that is set while the former one is being refused is not overlooked", "[integration]") {
    Rig rig;
    rig.api_key = "mistyped";
    Directory directory(rig);
    rig.recordings.push_back(refusal());
    rig.before_fetch = [&](const std::string&) {
        if (rig.api_key == "right") return;
        rig.api_key = "right";
        directory.look();
    };
    rig.record({rig.recorded()});
    run_all(rig);
    CHECK(rig.recording("status") == "stored");
}

TEST_CASE("a manager has tried again what failed, once", "[integration]") {
    Rig rig;
    rig.place();
    CHECK(retry(rig, rig.call).status == 409);  // nothing was begun
    rig.recordings.push_back(Never{"it is a web page", "Listen to it."});
    rig.record({rig.recorded()});
    run_all(rig);
    CHECK(rig.state("cure") ==
          "Listen to it. POST /api/v1/calls/" + std::to_string(rig.call) + "/analysis/retry (a manager) tries again.");
    CHECK(retry(rig, rig.call, "org_another").status == 404);
    CHECK(retry(rig, 1).status == 404);
    auto answer = retry(rig, rig.call);
    CHECK(answer.status == 202);
    CHECK(answer.body.find(R"("began":"the recording is fetched again","analysis_state":{"state":"waiting_for_recording")") !=
          std::string::npos);
    CHECK(retry(rig, rig.call).status == 409);  // it is under way
    CHECK(value("SELECT string_agg(action || target, ',') AS v FROM audit_log WHERE company_id = '" + rig.company + "'") ==
          "analysis.retry" + std::to_string(rig.call));
    rig.peer.refuse_posts = {400};
    run_all(rig);
    CHECK(rig.state("state") == "failed");
    CHECK(rig.state("cure").find("/analysis/retry") != std::string::npos);
    CHECK(retry(rig, rig.call).body.find("the failed step is posted again") != std::string::npos);
    run_all(rig);
    CHECK(rig.job("transcription", "job_status") == "running");
    CHECK(retry(rig, rig.call).status == 409);
}

TEST_CASE("no cure of a call's state holds SQL", "[integration]") {
    CHECK(
        value("SELECT (pg_get_viewdef('analysis_states'::regclass) ~ 'psql|retry_analysis|FROM shunya_jobs WHERE')::text AS v") ==
        "false");
}
