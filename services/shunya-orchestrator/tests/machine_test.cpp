// What is done next, over all states; and that no order of faults and crashes begins a job twice.
#include <set>

#include "machine.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::shunya_orchestrator;
using namespace otto::providers::shunya;
using std::chrono::hours;
using std::chrono::seconds;

namespace {

const Instant kNow = *parse_time("2026-11-21T12:00:00Z");

ApiError api_error(ApiError::Kind kind, std::string code = "", std::optional<bool> retryable = {},
                   std::optional<Millis> after = {}) {
    return {kind, "why", std::move(code), retryable, after, 0};
}

/// Every job that there can be, as far as decisions tell them apart.
std::vector<std::optional<Job>> all_jobs() {
    std::vector<std::optional<Job>> out{std::nullopt};
    for (auto status : {JobStatus::pending, JobStatus::running, JobStatus::succeeded, JobStatus::failed, JobStatus::timeout})
        for (bool posted : {false, true})
            for (bool reported : {false, true})
                for (auto retry : {std::optional<Instant>{}, std::optional(kNow - seconds(1)), std::optional(kNow + seconds(7))})
                    for (auto asked :
                         {std::optional<Instant>{}, std::optional(kNow - seconds(10)), std::optional(kNow - hours(30))})
                        for (int asks : {0, 1, 9}) {
                            Job j;
                            j.status = status;
                            if (posted) j.posted_at = j.started_at = asked ? *asked - seconds(120) : kNow - seconds(10);
                            if (reported) j.reported_at = kNow - seconds(3);
                            j.next_retry_at = retry;
                            j.asked_at = asked;
                            j.asks = asks;
                            out.push_back(j);
                        }
    return out;
}

}  // namespace

TEST_CASE("the next step, in every state") {
    const Rules rules;
    const auto jobs = all_jobs();
    std::size_t states = 0;
    std::set<Action> seen;
    for (auto recording : {Recording::Status::pending, Recording::Status::stored, Recording::Status::unavailable,
                           Recording::Status::manual_review})
        for (const auto& t : jobs)
            for (const auto& a : jobs)
                for (bool transcript : {false, true})
                    for (bool analysis : {false, true}) {
                        ++states;
                        State s;
                        s.recording.status = recording;
                        s.transcription = t;
                        s.analysis = a;
                        s.has_transcript = transcript;
                        s.has_analysis = analysis;
                        auto next = next_step(s, kNow, rules);
                        seen.insert(next.action);
                        bool good = true;
                        const auto& job = s.job(next.step);
                        if (recording == Recording::Status::pending) good = next.action == Action::fetch_recording;
                        if (recording == Recording::Status::unavailable || recording == Recording::Status::manual_review)
                            good = next.action == Action::none;
                        if (recording == Recording::Status::stored) {
                            good = next.action != Action::fetch_recording;
                            if (transcript && analysis) good = good && next.action == Action::none;
                            if (next.action == Action::post) {
                                good = good && !s.has_result(next.step) &&
                                       (!job || (job->status == JobStatus::pending && !job->posted_at));
                                if (next.step == Step::analysis) good = good && transcript;
                            }
                            if (next.action == Action::ask) {
                                good = good && !s.has_result(next.step) && job && !job->over() &&
                                       (job->posted_at || job->status == JobStatus::running);
                                // The last question comes when the time is over, if not before.
                                if (job && job->started_at && !job->next_retry_at && !job->reported_at &&
                                    job->status == JobStatus::running &&
                                    job->asked_at.value_or(*job->posted_at) < *job->started_at + rules.give_up)
                                    good = good && next.at <= *job->started_at + rules.give_up;
                            }
                            // Nothing is left undone: a step without result, whose job is not over, is next.
                            bool left = (!transcript && (!t || !t->over())) || (!analysis && transcript && (!a || !a->over())) ||
                                        (!analysis && a && a->status == JobStatus::running);
                            good = good && left == (next.action != Action::none);
                        }
                        if (!good) {
                            INFO("recording " << to_text(recording) << " transcript " << transcript << " analysis " << analysis
                                              << " action " << static_cast<int>(next.action) << " step " << to_text(next.step));
                            INFO((t ? to_text(t->status) : "no job") << " / " << (a ? to_text(a->status) : "no job"));
                            REQUIRE(good);
                        }
                    }
    CHECK(states == 4 * jobs.size() * jobs.size() * 4);
    CHECK(seen.size() == 4);
}

TEST_CASE("nothing begins with a recording that is too short, and what was begun goes on") {
    const Rules rules;
    const auto jobs = all_jobs();
    for (const auto& t : jobs)
        for (const auto& a : jobs)
            for (bool transcript : {false, true})
                for (bool analysis : {false, true}) {
                    State s;
                    s.recording.status = Recording::Status::stored;
                    s.transcription = t;
                    s.analysis = a;
                    s.has_transcript = transcript;
                    s.has_analysis = analysis;
                    auto usual = next_step(s, kNow, rules);
                    s.recording.too_short = true;
                    auto next = next_step(s, kNow, rules);
                    bool good = next.action == Action::none || s.job(next.step).has_value();
                    if (usual.action != Action::none && s.job(usual.step)) good = good && next == usual;
                    if (!t && !a) good = good && next.action == Action::none;
                    if (!good) REQUIRE(good);
                }
    State pending;
    pending.recording.too_short = true;  // another one is to be fetched
    CHECK(next_step(pending, kNow, rules).action == Action::fetch_recording);
}

TEST_CASE("a voicemail is too short under two seconds, as it is stated, else as measured; a call never is") {
    CHECK(is_too_short("voicemail", 1, 60.0));
    CHECK_FALSE(is_too_short("voicemail", 2, 0.5));
    CHECK(is_too_short("voicemail", 0, 1.99));
    CHECK_FALSE(is_too_short("voicemail", 0, 2.0));
    CHECK_FALSE(is_too_short("voicemail", 0, std::nullopt));
    CHECK_FALSE(is_too_short("voicemail", -5, std::nullopt));
    for (auto status : {"completed", "missed", "failed", "ringing", ""}) CHECK_FALSE(is_too_short(status, 1, 0.1));
}

TEST_CASE("the silent are asked after 120, 300, 900, 900 … s, and for the last time when their time is over") {
    Rules rules;
    State s;
    s.recording.status = Recording::Status::stored;
    Job& job = s.transcription.emplace();
    job.status = JobStatus::running;
    job.posted_at = job.started_at = kNow;
    std::vector<long> pauses;
    auto at = kNow;
    JobState processing{true, Progress::running, "", {}};
    while (!job.over()) {
        auto next = next_step(s, at, rules);
        REQUIRE(next.action == Action::ask);
        REQUIRE(next.at > at);
        pauses.push_back(std::chrono::duration_cast<seconds>(next.at - at).count());
        at = next.at;
        told(job, Reply<JobState>{processing}, at, rules);
        REQUIRE(pauses.size() < 200);
    }
    CHECK(std::vector<long>(pauses.begin(), pauses.begin() + 5) == std::vector<long>{120, 300, 900, 900, 900});
    CHECK(at == kNow + hours(24));
    CHECK(job.status == JobStatus::timeout);
    CHECK(next_step(s, at, rules).action == Action::none);
}

TEST_CASE("what asking and posting bring") {
    const Rules rules;
    auto fresh = [&] {
        Job j;
        posting(j, Step::transcription, kNow, rules);
        return j;
    };
    SECTION("accepted") {
        auto j = fresh();
        CHECK(j.open());
        auto turn = posted(j, Step::transcription, Reply<Accepted>{Accepted{"task_1"}}, kNow, rules);
        CHECK(turn.outcome == "accepted");
        CHECK((j.status == JobStatus::running && j.shunya_job_id == "task_1" && !j.open()));
    }
    SECTION("an answer that never came leaves it open; it uses up nothing") {
        for (auto kind : {ApiError::Kind::no_answer, ApiError::Kind::broken}) {
            auto j = fresh();
            auto turn = posted(j, Step::transcription, Reply<Accepted>{api_error(kind)}, kNow, rules);
            CHECK(j.open());
            CHECK(j.next_retry_at > kNow);
            CHECK((kind == ApiError::Kind::no_answer) == !turn.paused.empty());
            CHECK(j.retries == (kind == ApiError::Kind::no_answer ? 0 : 1));
            CHECK_FALSE(turn.gave_up);
        }
    }
    SECTION("what was certainly not taken may be posted again at once") {
        auto j = fresh();
        posted(j, Step::transcription,
               Reply<Accepted>{api_error(ApiError::Kind::busy, "RATE_LIMIT_EXCEEDED", true, Millis{90'000})}, kNow, rules);
        CHECK((!j.open() && j.status == JobStatus::pending && j.next_retry_at == kNow + seconds(90) && j.retries == 1));
        j = fresh();
        auto turn = posted(j, Step::transcription, Reply<Accepted>{api_error(ApiError::Kind::not_let_in)}, kNow, rules);
        CHECK((!j.open() && j.status == JobStatus::pending && j.retries == 0 &&
               turn.paused.find("OTTO_SHUNYA_TOKEN_SECRET") != std::string::npos));
        j = fresh();
        CHECK(posted(j, Step::transcription, Reply<Accepted>{api_error(ApiError::Kind::refused, "VALIDATION_ERROR", false)}, kNow,
                     rules)
                  .gave_up);
        CHECK((j.status == JobStatus::failed && j.error == "why"));
    }
    SECTION("an analysis that Shunya has no transcript for yet is tried a few times") {
        Job j;
        int tries = 0;
        for (; j.status == JobStatus::pending; ++tries) {
            posting(j, Step::analysis, kNow, rules);
            posted(j, Step::analysis, Reply<Accepted>{api_error(ApiError::Kind::not_found, "CALL_NOT_FOUND")}, kNow, rules);
            REQUIRE(tries < 20);
        }
        CHECK((tries == 6 && j.status == JobStatus::failed));
    }
    SECTION("asked for, it never arrived: it is posted under the same key and with the same link") {
        auto j = fresh();
        auto key = j.key();
        auto link = j.link_until;
        told(j, Reply<JobState>{api_error(ApiError::Kind::not_found, "CALL_NOT_FOUND")}, kNow + seconds(10), rules);
        CHECK((!j.open() && j.status == JobStatus::pending && !j.next_retry_at));
        posting(j, Step::transcription, kNow + seconds(10), rules);
        CHECK((j.key() == key && j.link_until == link));
        // Once the link is nearly over another is made, and with it another key.
        j.posted_at.reset();
        posting(j, Step::transcription, kNow + hours(2), rules);
        CHECK((j.key() != key && j.link_until > kNow + hours(2)));
    }
    SECTION("asked for, it is there") {
        auto j = fresh();
        told(j, Reply<JobState>{JobState{true, Progress::running, "", {}}}, kNow, rules);
        CHECK((j.status == JobStatus::running && !j.open()));
        auto done = fresh();
        told(done, Reply<JobState>{JobState{true, Progress::done, "17", {}}}, kNow, rules);
        CHECK((done.status == JobStatus::running && done.reported_at && done.shunya_job_id == "17"));
    }
    SECTION("a job that failed begins anew under another key, five rounds at most, if Shunya says that it may help") {
        auto j = fresh();
        std::set<std::string> keys{j.key()};
        std::vector<long> pauses;
        while (true) {
            j.status = JobStatus::running;
            auto turn = failed(j, api_error(ApiError::Kind::job_failed, "TRANSCRIPTION_FAILED", true), kNow, rules);
            if (turn.gave_up) break;
            CHECK((j.status == JobStatus::pending && !j.posted_at && !j.link_until));
            pauses.push_back(std::chrono::duration_cast<seconds>(*j.next_retry_at - kNow).count());
            posting(j, Step::transcription, kNow, rules);
            CHECK(keys.insert(j.key()).second);
        }
        CHECK(keys.size() == 5);
        CHECK(pauses == std::vector<long>{5, 10, 30, 60});
        CHECK((j.status == JobStatus::failed && j.retries == 4));
        auto final = fresh();
        CHECK(failed(final, api_error(ApiError::Kind::job_failed, "TRANSCRIPTION_FAILED", false), kNow, rules).gave_up);
        auto silent = fresh();
        CHECK(failed(silent, api_error(ApiError::Kind::job_failed), kNow, rules).gave_up);  // a repeat would be paid for again
    }
    SECTION("5xx back off 5, 10, 30, 60, 300, 300 s and are never final before the time is over") {
        auto j = fresh();
        j.status = JobStatus::running;
        std::vector<long> pauses;
        for (int i = 0; i < 7; ++i) {
            CHECK_FALSE(failed(j, api_error(ApiError::Kind::broken), kNow, rules).gave_up);
            pauses.push_back(std::chrono::duration_cast<seconds>(*j.next_retry_at - kNow).count());
        }
        CHECK(pauses == std::vector<long>{5, 10, 30, 60, 300, 300, 300});
        CHECK(failed(j, api_error(ApiError::Kind::broken), kNow + hours(25), rules).gave_up);
        CHECK(j.status == JobStatus::timeout);
        auto final = fresh();
        CHECK(failed(final, api_error(ApiError::Kind::broken, "INTERNAL_SERVER_ERROR", false), kNow, rules).gave_up);
    }
    SECTION("what was said to be done and is not there is asked for soon, then as the silent are") {
        auto j = fresh();
        j.status = JobStatus::running;
        j.reported_at = kNow;
        State s;
        s.recording.status = Recording::Status::stored;
        s.transcription = j;
        CHECK(next_step(s, kNow, rules).at == kNow);
        for (int i = 0; i < 5; ++i) missed(*s.transcription, kNow, rules, "not there");
        CHECK_FALSE(s.transcription->reported_at);
        s.transcription->next_retry_at.reset();
        CHECK(next_step(s, kNow, rules).at == kNow + seconds(900));
    }
}

namespace {

enum class Fault { none, lost_before, lost_after, broken_before, broken_after, busy, crash_before, crash_after, unasked };
constexpr Fault kFaults[] = {Fault::none, Fault::lost_before,  Fault::lost_after,  Fault::broken_before, Fault::broken_after,
                             Fault::busy, Fault::crash_before, Fault::crash_after, Fault::unasked};

}  // namespace

TEST_CASE("no order of faults and crashes begins a job twice, and each ends") {
    const Rules rules;
    int runs = 0;
    for (int code = 0; code < 9 * 9 * 9 * 9; ++code) {
        std::vector<Fault> faults;
        for (int rest = code, i = 0; i < 4; ++i, rest /= 9) faults.push_back(kFaults[rest % 9]);
        int begun = 0, turns = 0;
        State s;
        s.recording.status = Recording::Status::stored;
        s.transcription.emplace();
        auto now = kNow;
        std::size_t at = 0;
        while (s.transcription->status != JobStatus::running) {
            REQUIRE(++turns < 60);
            auto next = next_step(s, now, rules);
            now = std::max(now, next.at);
            auto& job = *s.transcription;
            auto fault = at < faults.size() ? faults[at++] : Fault::none;
            if (next.action == Action::post) {
                posting(job, Step::transcription, now, rules);  // committed
                switch (fault) {
                    case Fault::none:
                    case Fault::unasked:
                        ++begun;
                        posted(job, Step::transcription, Reply<Accepted>{Accepted{"t"}}, now, rules);
                        break;
                    case Fault::lost_before:
                        posted(job, Step::transcription, Reply<Accepted>{api_error(ApiError::Kind::no_answer)}, now, rules);
                        break;
                    case Fault::lost_after:
                        ++begun;
                        posted(job, Step::transcription, Reply<Accepted>{api_error(ApiError::Kind::no_answer)}, now, rules);
                        break;
                    case Fault::broken_before:
                        posted(job, Step::transcription, Reply<Accepted>{api_error(ApiError::Kind::broken)}, now, rules);
                        break;
                    case Fault::broken_after:
                        ++begun;
                        posted(job, Step::transcription, Reply<Accepted>{api_error(ApiError::Kind::broken)}, now, rules);
                        break;
                    case Fault::busy:
                        posted(job, Step::transcription, Reply<Accepted>{api_error(ApiError::Kind::busy)}, now, rules);
                        break;
                    case Fault::crash_before:
                        break;  // between the note and the request
                    case Fault::crash_after:
                        ++begun;
                        break;  // between the answer and its note
                }
            } else {
                REQUIRE(next.action == Action::ask);
                Reply<JobState> truth = begun ? Reply<JobState>{JobState{true, Progress::running, "t", {}}}
                                              : Reply<JobState>{api_error(ApiError::Kind::not_found)};
                bool answered = fault == Fault::none || fault == Fault::crash_after;
                if (fault == Fault::crash_before || fault == Fault::crash_after) continue;  // nothing was noted
                told(job,
                     answered ? truth
                              : Reply<JobState>{api_error(fault == Fault::busy ? ApiError::Kind::busy
                                                          : fault == Fault::broken_before || fault == Fault::broken_after
                                                              ? ApiError::Kind::broken
                                                              : ApiError::Kind::no_answer)},
                     now, rules);
            }
        }
        if (begun != 1) {
            INFO("faults " << code);
            REQUIRE(begun == 1);
        }
        ++runs;
    }
    CHECK(runs == 6561);
}

TEST_CASE("the setting of polls names itself") {
    CHECK(parse_polls("120s,300s,900s").value() == Rules{}.poll_after);
    CHECK(parse_polls("500ms").value() == std::vector<Millis>{Millis{500}});
    for (auto bad : {"", "soon", "120s,never", "0s", "-5s"}) {
        auto r = parse_polls(bad);
        INFO(bad);
        REQUIRE_FALSE(r.ok());
        CHECK(r.error().message.find("OTTO_SHUNYA_POLL_AFTER") != std::string::npos);
    }
}

TEST_CASE("neither an outage nor links that run out meanwhile count against a job; what Shunya itself says does") {
    const Rules rules;
    auto now = system_clock().now();
    Job job;
    for (int link = 0; link < 10; ++link) {
        posting(job, Step::transcription, now, rules);
        posted(job, Step::transcription,
               providers::shunya::ApiError{providers::shunya::ApiError::Kind::no_answer, "nobody answers", "", {}, {}, 0}, now,
               rules);
        now += std::chrono::hours(2);
    }
    CHECK(job.round > 5);
    const providers::shunya::ApiError no{
        providers::shunya::ApiError::Kind::job_failed, "hm", "TRANSCRIPTION_FAILED", true, {}, 200};
    for (int failures = 1; failures < 5; ++failures) {
        INFO(failures);
        CHECK_FALSE(failed(job, no, now, rules).gave_up);
    }
    CHECK(failed(job, no, now, rules).gave_up);
}
