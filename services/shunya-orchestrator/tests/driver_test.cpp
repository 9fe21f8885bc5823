// What becomes of a call: results both ways, in any order, and every fault of Shunya's and of the recording's.
#include "rig.hpp"
#include "shunya-orchestrator/sql.hpp"
#include "testkit/database.hpp"
#include "testkit/metrics.hpp"

using namespace otto;
using namespace otto::shunya_orchestrator;
using namespace otto::shunya_orchestrator::tests;
using testkit::metric;

TEST_CASE("a silent Shunya: recording, transcript and analysis are had by asking", "[integration]") {
    auto ended = [](const std::string& step) { return metric("otto_jobs_total", {{"step", step}, {"outcome", "succeeded"}}); };
    auto arrived = [](const std::string& stage) { return metric("otto_call_journey_seconds_count", {{"stage", stage}}); };
    auto stored = [] { return metric("otto_recordings_total", {{"outcome", "stored"}}); };
    const std::vector<double> before{stored(), ended("transcription"), ended("analysis"), arrived("transcribed"),
                                     arrived("analysed")};
    Rig rig;
    rig.record({rig.recorded()});
    CHECK(rig.recording("status") == "pending");
    REQUIRE(rig.run());
    CHECK(rig.recording("status || ' ' || format || ' ' || bytes || ' ' || duration || ' ' || object_key") ==
          "stored wav 16 12 " + rig.company + "/calls/" + std::to_string(rig.call) + ".wav");
    CHECK(rig.job("transcription", "job_type || ' ' || job_status || ' ' || shunya_job_id") ==
          "csr_call running task_transcription");
    CHECK_FALSE(rig.run());  // it waits
    CHECK(rig.peer.seen.at(0).body.find("https://otto.example/media/") != std::string::npos);
    CHECK(rig.told("JobSubmitted") == 2);  // before it was posted, and with its id

    rig.due();
    REQUIRE(rig.run());  // still at it
    CHECK(rig.job("transcription", "job_status || asks") == "running1");
    rig.peer.now("transcription", "completed");
    rig.due();
    REQUIRE(rig.run());
    CHECK(rig.job("transcription", "job_status") == "succeeded");
    CHECK(value("SELECT transcript_text AS v FROM call_transcripts" + rig.where()) == "hello");
    CHECK(rig.job("analysis", "job_status") == "running");
    CHECK(rig.told("TranscriptReady") == 1);
    rig.peer.now("analysis", "completed");
    rig.due();
    REQUIRE(rig.run());
    CHECK(rig.job("analysis", "job_status || (processed_output_hash IS NOT NULL)") == "succeededtrue");
    CHECK(rig.found("booking_status || ' ' || lead_quality || ' ' || (updated_at = created_at) || ' ' || (raw -> 'entities' ->> "
                    "'address')") == "booked hot true 1 A St");
    CHECK(rig.told("AnalysisCompleted") == 1);
    CHECK(rig.work() == "0");
    CHECK(rig.peer.accepted == 2);
    // Each once: a result that is told again ends nothing anew.
    rig.report(R"({"data": {"qualification": {"booking_status": "not_booked"}}})", "completed", "call.analysis.complete");
    const std::vector<double> after{stored(), ended("transcription"), ended("analysis"), arrived("transcribed"),
                                    arrived("analysed")};
    for (std::size_t i = 0; i < after.size(); ++i) CHECK(after[i] == before[i] + 1);
}

TEST_CASE("what the outside said and the database refuses is not asked for again each time a lease runs out", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    REQUIRE(rig.run());
    execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.company_id = '" + rig.company +
            "' THEN RAISE EXCEPTION 'not this'; END IF; RETURN NEW; END $$;"
            "CREATE TRIGGER refuse BEFORE INSERT ON call_transcripts FOR EACH ROW EXECUTE FUNCTION refuse()");
    rig.peer.now("transcription", "completed");
    rig.due();
    CHECK(rig.run());
    CHECK_FALSE(rig.run());
    CHECK(value("SELECT (lease IS NULL AND due_at > now() + interval '5 minutes')::text AS v FROM work" + rig.at_work()) ==
          "true");
    CHECK(value("SELECT paused_why AS v FROM recorded_calls" + rig.where()) ==
          "A step failed for a reason of Otto's own");  // what the database said is for the log
    execute("DROP TRIGGER refuse ON call_transcripts; DROP FUNCTION refuse()");
    rig.due();
    CHECK(rig.run());
    CHECK(value("SELECT transcript_text AS v FROM call_transcripts" + rig.where()) == "hello");
    CHECK(value("SELECT (paused_why IS NULL)::text AS v FROM recorded_calls" + rig.where()) == "true");
}

TEST_CASE("an analysis that is written over a restored database is above what was told of it before", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.run();
    rig.report(R"({"task_id": "task_transcription", "data": {"transcript_text": "hi"}})", "completed",
               "call.transcription.complete", "task_transcription");
    auto version_of = [&](const std::string& status) {
        rig.report(R"({"result": {"qualification": {"booking_status": ")" + status + R"("}}})", "completed",
                   "call.analysis.complete");
        CHECK(rig.found("booking_status") == status);
        return std::stoll(rig.found("version"));
    };
    auto kept = version_of("booked");
    auto lost = version_of("not_booked");
    lost = std::max(lost, version_of("booked"));
    CHECK(lost > kept);
    testkit::until_past(lost);
    execute("UPDATE call_analyses SET version = " + std::to_string(kept) + rig.where());  // what a restore brings back
    CHECK(version_of("not_booked") > lost);
}

TEST_CASE("what a later analysis says in another type empties nothing that was known", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.run();
    rig.report(R"({"data": {"transcript_text": "hi"}})", "completed", "call.transcription.complete");
    rig.report(
        R"({"data": {"qualification": {"booking_status": "booked", "qualification_status": "hot"}, "summary": {"summary": "A roof leaks."}, "objections": {"objections": [{"category_id": 1}]}}})");
    CHECK(
        rig.report(
            R"({"data": {"qualification": {"booking_status": ["booked"], "qualification_status": "warm"}, "summary": {"summary": {"text": "x"}}, "objections": true}})") ==
        std::vector<std::string>{"AnalysisCompleted", "RowChanged"});
    CHECK(rig.found("booking_status || ' ' || lead_quality || ' ' || summary") == "booked warm A roof leaks.");
    CHECK(rig.found("objections -> 0 ->> 'key'") == "price_budget");
    CHECK(rig.found("'booking_status=[\"booked\"]' = ANY (unknown_values)") == "true");
    // Emptied is what was said to be nothing; and of a text that was cut in the middle of a letter all the rest is there.
    rig.report(
        R"({"data": {"qualification": {"booking_status": null, "qualification_status": "warm"}, "summary": {"summary": "leaks \ud83d"}}})");
    CHECK(rig.found("(booking_status IS NULL)") == "true");
    CHECK(rig.found("summary") == "leaks \xEF\xBF\xBD");
}

TEST_CASE("results by webhook are taken once; other content later is the newer analysis; older is nothing", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.run();
    CHECK(rig.report(R"({"task_id": "task_transcription", "data": {"transcript_text": "hi"}})", "completed",
                     "call.transcription.complete",
                     "task_transcription") == std::vector<std::string>{"TranscriptReady", "RowChanged"});
    REQUIRE(rig.run());  // the analysis is posted at once
    CHECK(rig.job("analysis", "job_status") == "running");
    auto result = [](const std::string& status, const std::string& more = "") {
        return R"({"task_id": "task_analysis", "timestamp": "t", "result": {)" + more +
               R"("qualification": {"booking_status": ")" + status + R"("}}})";
    };
    CHECK(rig.report(result("not_booked"), "completed", "", "task_analysis") ==
          std::vector<std::string>{"AnalysisCompleted", "RowChanged"});
    CHECK(rig.report(result("not_booked"), "completed", "", "task_analysis").empty());
    CHECK(rig.report(result("not_booked", R"("created_at": "later", )")).empty());
    CHECK(rig.report(result("not_booked", R"("key_that_nobody_reads": 1, )")).empty());  // nobody would see a difference
    auto first = std::stoll(rig.found("version"));
    CHECK(rig.found("(updated_at = created_at)") == "true");
    CHECK(rig.report(result("booked"), "completed", "call.analysis.complete", "", Millis{-60'000}).empty());
    CHECK(rig.found("booking_status") == "not_booked");
    CHECK(rig.report(result("booked"), "success") == std::vector<std::string>{"AnalysisCompleted", "RowChanged"});
    CHECK(rig.found("booking_status") == "booked");
    CHECK(std::stoll(rig.found("version")) > first);
    rig.due();
    rig.run();
    CHECK(rig.work() == "0");
    CHECK(rig.peer.accepted == 2);
    // After all that, a failure is too late.
    CHECK(rig.report(R"({"error": {"error_code": "ANALYSIS_FAILED", "retryable": true}})", "failed", "call.analysis.failed")
              .empty());
    CHECK(rig.job("analysis", "job_status") == "succeeded");
}

TEST_CASE("the analysis comes before the transcript; nothing is asked for that is there", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.run();
    CHECK(rig.report(R"({"data": {"qualification": {"booking_status": "booked"}}})").size() == 2);
    CHECK(rig.job("analysis", "job_status") == "succeeded");
    CHECK(rig.work() == "1");  // the transcript is still wanted
    CHECK(rig.report(R"({"data": {"transcript_text": "x"}})", "completed", "call.transcription.complete").size() == 2);
    rig.due();
    rig.run();
    CHECK(rig.work() == "0");
    CHECK(rig.peer.posts("analysis") == 0);
}

TEST_CASE("a webhook without the result has it fetched; one that is not understood asks too", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.run();
    rig.peer.now("transcription", "completed");
    CHECK(rig.report(R"({"shunya_job_id": "task_transcription", "status": "completed"})", "completed", "", "task_transcription")
              .empty());
    REQUIRE(rig.run());
    CHECK(rig.job("transcription", "job_status") == "succeeded");
    rig.peer.now("analysis", "completed");
    rig.report(R"({"data": "booked", "result": [1]})", "completed", "call.analysis.complete", "task_analysis");
    REQUIRE(rig.run());
    CHECK(rig.found("booking_status") == "booked");
    CHECK(rig.work() == "0");
    rig.report("{}", "processing", "", "task_analysis", Millis{0}, rt::Outcome::Kind::ignored);
}

TEST_CASE("a job that fails is tried anew if Shunya says so, and its success counts whenever it comes", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.run();
    rig.report(R"({"data": {"transcript_text": "x"}})", "completed", "call.transcription.complete");
    rig.run();
    auto key = rig.peer.seen.back().key;
    CHECK(rig.report(R"({"error": {"error_code": "ANALYSIS_FAILED", "message": "hm", "retryable": true}})", "failed",
                     "call.analysis.failed")
              .empty());
    CHECK(rig.job("analysis", "job_status || retry_count || (next_retry_at > now()) || error_message") ==
          "pending1truehm (ANALYSIS_FAILED)");
    rig.due();
    REQUIRE(rig.run());
    CHECK(rig.peer.posts("analysis") == 2);
    CHECK(rig.peer.seen.back().key != key);
    CHECK(rig.report(R"({"error": {"error_code": "ANALYSIS_FAILED", "message": "no", "retryable": false}})", "failed",
                     "call.analysis.failed") == std::vector<std::string>{"AnalysisFailed", "RowChanged"});
    CHECK(rig.job("analysis", "job_status || (finished_at IS NOT NULL)") == "failedtrue");
    CHECK(rig.report(R"({"data": {"qualification": {"booking_status": "booked"}}})").size() == 2);  // failed, then succeeded
    CHECK(rig.job("analysis", "job_status") == "succeeded");
}

TEST_CASE("Shunya away: paused, nothing used up, and on it goes when it is back", "[integration]") {
    Rig rig("127.0.0.1:" + std::to_string(testkit::free_port()));
    rig.place();
    auto state = [&](const char* column) { return rig.state(column); };
    CHECK(state("state") == "waiting_for_recording");
    rig.record({rig.recorded()});
    CHECK(state("state") == "waiting_for_recording");
    for (int i = 0; i < 8; ++i) {
        rig.run();
        CHECK(state("state") == "paused");
        CHECK(state("why").find("Shunya cannot be reached") != std::string::npos);
        rig.due();
    }
    CHECK(rig.driver->breaker().standing(system_clock().now()) == 0);  // one call says little of Shunya
    CHECK(rig.job("transcription", "job_status || retry_count || (error_message LIKE 'paused: %')") == "pending0true");
    CHECK(rig.peer.posts("transcription") == 0);
    rig.driver = rig.make(rig.peer.address());
    rig.due();
    rig.run();
    CHECK(rig.peer.accepted == 1);
    CHECK(state("state") == "transcribing");
    CHECK(state("cure") == "");
    execute("UPDATE shunya_jobs SET started_at = now() - interval '6 minutes'" + rig.where());
    CHECK(state("cure").find("/api/v1/shunya/webhook") != std::string::npos);
    rig.report(R"({"data": {"transcript_text": "x"}})", "completed", "call.transcription.complete");
    CHECK(state("state") == "analysing");
    rig.report(R"({"data": {"qualification": {"booking_status": "booked"}}})");
    CHECK(state("state") == "done");
    CHECK(value("SELECT count(*)::text AS v FROM analysis_states" + rig.where(), true, "org_other") == "0");
}

TEST_CASE("what Shunya refuses for good is failed, with its reason; 500s and 429s are not", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.peer.refuse_posts = {500, 429, 400};
    rig.run();
    CHECK(rig.job("transcription", "job_status || retry_count || (posted_at IS NOT NULL)") == "pending1true");
    rig.due();
    rig.run();  // asked for, not there, posted again: 429
    CHECK(rig.job("transcription", "job_status || retry_count || (posted_at IS NULL) || (next_retry_at > now())") ==
          "pending2truetrue");
    rig.due();
    rig.run();
    CHECK(rig.job("transcription", "job_status || (error_message LIKE 'Shunya answered 400%')") == "failedtrue");
    CHECK(rig.told("AnalysisFailed") == 1);
    CHECK(rig.work() == "0");
    CHECK(value("SELECT retry_analysis('" + rig.company + "', " + std::to_string(rig.call) + ") AS v") ==
          "the failed step is posted again");
    rig.run();
    CHECK(rig.job("transcription", "job_status") == "running");
    CHECK(value("SELECT retry_analysis('" + rig.company + "', " + std::to_string(rig.call) + ") AS v") ==
          "nothing was given up: nothing to do");
}

TEST_CASE("a recording that is late, broken, or never comes", "[integration]") {
    Rig rig;
    rig.recordings.push_back(NotYet{"CallRail does not have it yet"});
    rig.recordings.push_back(Again{"CallRail answered 500", std::nullopt});
    rig.recordings.push_back(Never{"it is a web page", "look at the address"});
    rig.record({rig.recorded()});
    rig.profiles = false;  // a company's key may not be known yet: nothing is asked without it
    rig.run();
    CHECK(rig.recording("status || attempts || (next_at > now())") == "pending0true");
    CHECK(rig.fetched.empty());
    rig.profiles = true;
    rig.due();
    rig.run();
    CHECK(rig.recording("status || attempts || (next_at > now())") == "pending1true");
    rig.due();
    rig.run();
    CHECK(rig.recording("status || attempts || error") == "pending2CallRail answered 500");
    rig.due();
    rig.run();
    CHECK(rig.recording("status || ' ' || error || ' ' || cure") == "unavailable it is a web page look at the address");
    CHECK(rig.told("AnalysisFailed") == 1);
    CHECK(rig.work() == "0");
    rig.record({rig.recorded(3), rig.recorded(4)});  // the same address again: nothing
    CHECK(rig.work() == "0");
    rig.record({rig.recorded(5, "completed", "https://rec.example/other.wav")});
    CHECK(rig.work() == "1");
    rig.run();
    CHECK(rig.recording("status || (source_url LIKE '%other.wav')") == "storedtrue");
    CHECK(rig.peer.accepted == 1);

    Rig old;
    old.record({old.recorded()});
    execute("UPDATE recordings SET created_at = now() - interval '25 hours'" + old.where());
    old.recordings.push_back(NotYet{"CallRail does not have it yet"});
    old.run();
    CHECK(old.recording("status") == "manual_review");
    CHECK(old.told("AnalysisFailed") == 1);
}

TEST_CASE("while a place fails again and again its recordings are asked for one after another", "[integration]") {
    Rig rig;
    const int few = 20;
    auto url = [](int n) { return "https://away.example/" + std::to_string(n) + ".wav"; };
    std::vector<calls::v1::CallRecorded> calls;
    for (int n = 0; n < few; ++n) {
        rig.recordings.push_back(Again{"the recording's address cannot be reached by Otto", std::nullopt});
        calls.push_back(rig.recorded(3, "completed", url(n), rig.call + n));
    }
    rig.record(calls);
    for (int n = 0; n < few; ++n) CHECK(rig.run());
    CHECK(rig.fetched.size() == few);
    execute("UPDATE work SET due_at = now() + interval '1 hour' WHERE company_id = '" + rig.company + "'");
    // One that comes now waits, and is had once its time comes; then those that come are asked for at once.
    rig.record({rig.recorded(3, "completed", url(few), rig.call + few)});
    const auto its_work = " WHERE company_id = '" + rig.company + "' AND key = '" + std::to_string(rig.call + few) + "'";
    CHECK(value("SELECT (due_at > created_at + interval '900 milliseconds')::text AS v FROM work" + its_work) == "true");
    execute("UPDATE work SET due_at = now() - interval '1 minute'" + its_work);
    CHECK(rig.run());
    CHECK(rig.fetched.back() == url(few));
    rig.record({rig.recorded(3, "completed", url(few + 1), rig.call + few + 1)});
    CHECK(rig.run());
    CHECK(rig.fetched.back() == url(few + 1));
}

TEST_CASE("calls in any order, repeated, with and without a recording", "[integration]") {
    std::vector<int> order{0, 1, 2, 3};
    do {
        Rig rig;
        std::vector<calls::v1::CallRecorded> events{rig.recorded(1, "ringing", ""), rig.recorded(2, "completed", ""),
                                                    rig.recorded(3, "completed", "https://rec.example/late.wav"),
                                                    rig.recorded(4, "completed", "https://rec.example/late.wav")};
        events[3].set_lead_id("01890000-0000-7000-8000-0000000000ff");
        for (int i : order) {
            rig.record({events[static_cast<std::size_t>(i)]});
            rig.record({events[static_cast<std::size_t>(i)]});
        }
        CHECK(rig.work() == "1");
        CHECK(value("SELECT version || lead_id::text || recording_url AS v FROM recorded_calls" + rig.where()) ==
              "401890000-0000-7000-8000-0000000000ffhttps://rec.example/late.wav");
        CHECK(value("SELECT count(*)::text AS v FROM recordings" + rig.where()) == "1");
        execute("DELETE FROM work" + rig.at_work());
    } while (std::next_permutation(order.begin(), order.end()));

    Rig rig;
    rig.record({rig.recorded(1, "missed", "https://rec.example/x"), rig.recorded(2, "completed", "")});
    CHECK(value("SELECT count(*)::text AS v FROM recorded_calls" + rig.where()) == "0");
    rig.record({rig.recorded(3, "voicemail")});
    rig.run();
    CHECK(rig.job("transcription", "job_type") == "voicemail");
}

TEST_CASE("contradictions: a report that names one call's job and another call", "[integration]") {
    Rig rig;
    rig.record({rig.recorded()});
    rig.run();
    rig.call += 1;
    rig.report("{}", "completed", "", "task_transcription", Millis{0}, rt::Outcome::Kind::reject);
    rig.report(R"({"data": {"qualification": {"booking_status": "booked"}}})", "completed", "call.analysis.complete", "",
               Millis{0}, rt::Outcome::Kind::ignored);  // not known here
}

TEST_CASE("every query of the service fits the schema and the role's grants", "[integration]") {
    CHECK(testkit::Database("otto_shunya_orchestrator").prepares_all(sql::all) == "");
}
