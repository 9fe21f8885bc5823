// Two rows that prove to be one call, wherever each of them is on its way: nothing is paid for again, and nothing is lost.
#include "rig.hpp"

using namespace otto;
using namespace otto::shunya_orchestrator;
using namespace otto::shunya_orchestrator::tests;

namespace {

enum Stage { unknown, recorded, transcribing, transcribed, analysing, analysed };

std::string result(const std::string& booking) {
    return R"({"data": {"qualification": {"booking_status": ")" + booking + R"(", "qualification_status": "hot"}}})";
}

/// Brings one call of the rig so far, and no other one.
void bring(Rig& rig, std::int64_t id, Stage stage) {
    auto call = std::exchange(rig.call, id);
    auto hold = [&] { execute("UPDATE work SET due_at = now() + interval '1 hour'" + rig.at_work()); };
    if (stage >= recorded) rig.record({rig.recorded(3, "completed", "https://rec.example/1.wav", id)});
    if (stage >= transcribing) rig.run();
    if (stage >= transcribed) rig.report(R"({"data": {"transcript_text": "hello"}})", "completed", "call.transcription.complete");
    if (stage >= analysing) rig.run();
    if (stage >= analysed) rig.report(result("booked"));
    hold();
    rig.call = call;
}

int begun(Stage stage, const std::string& step) { return stage >= (step == "analysis" ? analysing : transcribing); }

/// Until nothing is left to be done for it.
void finish(Rig& rig) {
    rig.peer.now("transcription", "completed");
    rig.peer.now("analysis", "completed");
    for (int i = 0; i < 10 && rig.work() != "0"; ++i) {
        rig.due();
        rig.run();
    }
}

std::string of(const Rig& rig, std::int64_t id, const std::string& what) {
    return value("SELECT " + what + "::text AS v FROM recorded_calls WHERE company_id = '" + rig.company +
                 "' AND call_id = " + std::to_string(id));
}

}  // namespace

TEST_CASE("wherever two rows of one call are on their way, what was begun is not begun again", "[integration]") {
    for (int younger = unknown; younger <= analysed; ++younger)
        for (int older = unknown; older <= analysed; ++older) {
            Rig rig;
            const auto into = rig.call, from = rig.call + 1;
            bring(rig, from, static_cast<Stage>(younger));
            bring(rig, into, static_cast<Stage>(older));
            INFO("the younger at " << younger << ", the older at " << older);
            auto told = rig.fold(from, into);
            CHECK((std::count(told.begin(), told.end(), "AnalysisCompleted") == 1) == (younger == analysed));
            CHECK(rig.fold(from, into).empty());
            // What was on its way under the old id comes now.
            rig.record({rig.recorded(4, "completed", "https://rec.example/2.wav", from), rig.recorded(9)});
            CHECK(of(rig, from, "folded_into") == std::to_string(into));
            CHECK(value("SELECT count(*)::text AS v FROM work WHERE company_id = '" + rig.company + "' AND key = '" +
                        std::to_string(from) + "'") == "0");
            finish(rig);
            CHECK(rig.work() == "0");
            CHECK(rig.found("booking_status") == "booked");
            CHECK(value("SELECT count(*)::text AS v FROM call_transcripts" + rig.where()) == "1");
            CHECK(rig.recording("status") == "stored");
            for (const std::string step : {"transcription", "analysis"}) {
                INFO(step);
                CHECK(rig.peer.posts(step) ==
                      std::max(1, begun(static_cast<Stage>(younger), step) + begun(static_cast<Stage>(older), step)));
            }
            CHECK(value("SELECT count(*)::text AS v FROM shunya_jobs WHERE company_id = '" + rig.company +
                        "' AND job_status IN ('pending', 'running')") == "0");
        }
}

TEST_CASE("what Shunya sends for the call that went is the other one's", "[integration]") {
    Rig rig;
    const auto into = rig.call, from = rig.call + 1;
    bring(rig, from, transcribing);
    rig.fold(from, into);
    CHECK(rig.job("transcription", "job_status || shunya_job_id") == "runningtask_transcription");
    SECTION("by its id") {
        rig.report(R"({"data": {"transcript_text": "by id"}})", "completed", "call.transcription.complete", "", Millis{0},
                   rt::Outcome::Kind::done, from);
    }
    SECTION("by its job") {
        rig.report(R"({"data": {"transcript_text": "by job"}})", "completed", "call.transcription.complete", "task_transcription",
                   Millis{0}, rt::Outcome::Kind::done, from);
    }
    CHECK(value("SELECT count(*)::text AS v FROM call_transcripts" + rig.where()) == "1");
    REQUIRE(rig.run());
    CHECK(rig.peer.posts("analysis") == 1);
    CHECK(rig.peer.begun_for == std::set<std::string>{std::to_string(from)});  // whose transcript Shunya has
    rig.report(result("not_booked"), "completed", "call.analysis.complete", "", Millis{0}, rt::Outcome::Kind::done, from);
    CHECK(rig.found("booking_status") == "not_booked");
    finish(rig);
    CHECK(rig.work() == "0");
    CHECK(rig.peer.accepted == 2);
}

TEST_CASE("of two that were both begun, what the other one still says counts only where nothing is there", "[integration]") {
    Rig rig;
    const auto into = rig.call, from = rig.call + 1;
    bring(rig, from, transcribing);
    bring(rig, into, transcribing);
    rig.fold(from, into);
    rig.report("{}", "failed", "call.transcription.failed", "", Millis{0}, rt::Outcome::Kind::ignored, from);
    CHECK(rig.job("transcription", "job_status") == "running");
    rig.report(R"({"data": {"transcript_text": "the other one's"}})", "completed", "call.transcription.complete", "", Millis{0},
               rt::Outcome::Kind::done, from);
    CHECK(value("SELECT transcript_text AS v FROM call_transcripts" + rig.where()) == "the other one's");
    rig.report(result("booked"), "completed", "call.analysis.complete");
    rig.report(result("not_booked"), "completed", "call.analysis.complete", "", Millis{5'000}, rt::Outcome::Kind::ignored, from);
    CHECK(rig.found("booking_status || (updated_at = created_at)") == "bookedtrue");
}

TEST_CASE("people's corrections of either row stand, and what counts is told above all that was told", "[integration]") {
    Rig rig;
    const auto into = rig.call, from = rig.call + 1;
    bring(rig, into, analysed);
    bring(rig, from, analysed);
    execute("INSERT INTO analysis_corrections (company_id, call_id, field, value, user_id) VALUES ('" + rig.company + "', " +
            std::to_string(from) + ", 'booking_status', 'not_booked', 'user_m')");
    execute("UPDATE call_analyses SET version = 4102444800000 WHERE company_id = '" + rig.company +
            "' AND call_id = " + std::to_string(from));
    CHECK(rig.fold(from, into) == std::vector<std::string>{"AnalysisCompleted", "RowChanged"});
    CHECK(rig.found("booking_status || ' ' || version || ' ' || (machine_values ->> 'booking_status')") ==
          "not_booked 4102444800001 booked");
}

TEST_CASE("of three rows that are one call, in whatever order it is told", "[integration]") {
    for (bool last_first : {false, true}) {
        Rig rig;
        const auto a = rig.call, b = rig.call + 1, c = rig.call + 2;
        bring(rig, c, transcribed);
        if (last_first) {
            rig.fold(b, a);
            rig.fold(c, b);
        } else {
            rig.fold(c, b);
            rig.fold(b, a);
        }
        rig.record({rig.recorded(9)});
        finish(rig);
        CHECK(rig.found("booking_status") == "booked");
        CHECK(rig.peer.posts("transcription") == 1);
        CHECK(rig.peer.posts("analysis") == 1);
    }
}

TEST_CASE("a worker that is at the call that goes drops what it finds, and nothing is posted twice", "[integration]") {
    Rig rig;
    const auto into = rig.call, from = rig.call + 1;
    bring(rig, from, recorded);
    std::atomic<bool> once{false};
    rig.peer.in_post = [&](bool before) {
        if (before && !once.exchange(true)) rig.fold(from, into);
    };
    rig.due();
    rig.run();  // fetches and posts; while Shunya answers the rows prove to be one call
    rig.record({rig.recorded(9)});
    finish(rig);
    CHECK(rig.found("booking_status") == "booked");
    CHECK(rig.peer.posts("transcription") == 1);
    CHECK(rig.peer.posts("analysis") == 1);
}
