#include "machine.hpp"

#include <algorithm>

#include "app/settings.hpp"
#include "base/text.hpp"

namespace otto::shunya_orchestrator {
namespace {

using providers::shunya::ApiError;
using providers::shunya::Progress;

constexpr Millis kUnreachable{10'000};    ///< until it is tried again whether Shunya is back
constexpr Millis kNotLetIn{60'000};       ///< until it is tried again whether the token was put right
constexpr Millis kLinkLeft{600'000};      ///< a link must be good for so long when it is posted
constexpr double kShortestVoicemail = 2;  ///< seconds
constexpr int kMostTries = 5;             ///< of what Shunya refuses but may take later, and of jobs that it says failed

/// When a job is asked for next, or posted.
Next due(Step step, const Job& job, Instant now, const Rules& rules) {
    if (job.status == JobStatus::pending)
        return {job.posted_at ? Action::ask : Action::post, step, job.next_retry_at.value_or(now)};
    if (job.next_retry_at) return {Action::ask, step, *job.next_retry_at};
    if (job.reported_at) return {Action::ask, step, now};
    auto pause =
        rules.poll_after.at(std::min<std::size_t>(static_cast<std::size_t>(std::max(job.asks, 0)), rules.poll_after.size() - 1));
    auto since = job.asked_at ? *job.asked_at : job.posted_at.value_or(now);
    auto at = since + pause;
    // The last question comes when the time is over.
    if (auto end = job.started_at.value_or(since) + rules.give_up; end < at && since < end) at = end;
    return {Action::ask, step, at};
}

Turn give_up(Job& job, JobStatus how, std::string why, Instant now) {
    job.status = how;
    job.error = std::move(why);
    job.finished_at = now;
    job.next_retry_at.reset();
    return {how == JobStatus::timeout ? "timed out" : "failed", "", true};
}

/// Once more from the start, under a new key: under the old one Shunya would only repeat that it failed.
Turn anew(Job& job, std::string why, Instant now) {
    job.next_retry_at = now + pause_after(job.refusals);
    ++job.refusals;
    ++job.round;
    ++job.retries;
    job.status = JobStatus::pending;
    job.asks = 0;
    job.posted_at.reset();
    job.asked_at.reset();
    job.reported_at.reset();
    job.link_until.reset();
    job.error = std::move(why);
    return {"failed, again", "", false};
}

Turn once_more(Job& job, const ApiError& t, Instant now) {
    job.error = t.why;
    job.next_retry_at = now + std::max(t.after.value_or(Millis{0}), pause_after(job.retries));
    ++job.retries;
    return {"failed, again", "", false};
}

}  // namespace

std::string_view to_text(Step s) { return s == Step::transcription ? "transcription" : "analysis"; }

std::optional<Step> step_from(std::string_view text) {
    if (text == "transcription") return Step::transcription;
    if (text == "analysis") return Step::analysis;
    return std::nullopt;
}

std::string_view to_text(JobStatus s) {
    switch (s) {
        case JobStatus::pending:
            return "pending";
        case JobStatus::running:
            return "running";
        case JobStatus::succeeded:
            return "succeeded";
        case JobStatus::failed:
            return "failed";
        case JobStatus::timeout:
            return "timeout";
    }
    return "";
}

JobStatus job_status_from(std::string_view text) {
    for (auto s : {JobStatus::running, JobStatus::succeeded, JobStatus::failed, JobStatus::timeout})
        if (to_text(s) == text) return s;
    return JobStatus::pending;
}

std::string_view to_text(Recording::Status s) {
    switch (s) {
        case Recording::Status::pending:
            return "pending";
        case Recording::Status::stored:
            return "stored";
        case Recording::Status::unavailable:
            return "unavailable";
        case Recording::Status::manual_review:
            return "manual_review";
    }
    return "";
}

Recording::Status recording_status_from(std::string_view text) {
    for (auto s : {Recording::Status::stored, Recording::Status::unavailable, Recording::Status::manual_review})
        if (to_text(s) == text) return s;
    return Recording::Status::pending;
}

bool is_too_short(std::string_view call_status, std::int64_t stated_seconds, std::optional<double> measured_seconds) {
    if (call_status != "voicemail") return false;
    if (stated_seconds > 0) return static_cast<double>(stated_seconds) < kShortestVoicemail;
    return measured_seconds && *measured_seconds < kShortestVoicemail;
}

Result<std::vector<Millis>> parse_polls(std::string_view text) {
    std::vector<Millis> out;
    for (const auto& part : split_list(text)) {
        auto one = app::parse_duration(part);
        if (!one || *one <= Millis{0})
            return Error("OTTO_SHUNYA_POLL_AFTER holds '" + clip_utf8(part, 40) + "'",
                         "it takes durations, as in 120s,300s,900s");
        out.push_back(*one);
    }
    if (out.empty()) return Error("OTTO_SHUNYA_POLL_AFTER is empty", "it takes durations, as in 120s,300s,900s");
    return out;
}

Next next_step(const State& s, Instant now, const Rules& rules) {
    if (s.recording.status == Recording::Status::pending)
        return {Action::fetch_recording, Step::transcription, s.recording.next_at.value_or(now)};
    if (s.recording.status != Recording::Status::stored) return {};
    Next next;
    auto consider = [&](Next candidate) {
        if (next.action == Action::none || candidate.at < next.at) next = candidate;
    };
    for (auto step : {Step::transcription, Step::analysis}) {
        if (s.has_result(step)) continue;
        const auto& job = s.job(step);
        // Without a transcript nothing is analysed; but Shunya may have begun by itself, and said so.
        bool ready = step == Step::transcription || s.has_transcript || (job && job->status == JobStatus::running);
        if (!ready || (!job && s.recording.too_short)) continue;
        if (!job)
            consider({Action::post, step, now});
        else if (!job->over())
            consider(due(step, *job, now, rules));
    }
    return next;
}

Millis pause_after(int failures) {
    static constexpr int seconds[] = {5, 10, 30, 60, 300};
    return Millis{seconds[std::clamp(failures, 0, 4)] * 1'000};
}

void posting(Job& job, Step step, Instant now, const Rules& rules) {
    if (step == Step::transcription && (!job.link_until || *job.link_until < now + kLinkLeft)) {
        // Another link makes another request, and one key stands for one request only.
        if (job.link_until) ++job.round;
        job.link_until = std::chrono::floor<std::chrono::seconds>(now + std::max(rules.link_valid, 2 * kLinkLeft));
    }
    job.posted_at = now;
    if (!job.started_at) job.started_at = now;
    job.next_retry_at.reset();
}

Turn posted(Job& job, Step step, const providers::shunya::Reply<providers::shunya::Accepted>& reply, Instant now,
            const Rules& rules) {
    if (auto* accepted = std::get_if<providers::shunya::Accepted>(&reply)) {
        job.status = JobStatus::running;
        if (!accepted->job_id.empty()) job.shunya_job_id = accepted->job_id;
        job.error.reset();
        job.next_retry_at.reset();
        return {"accepted", "", false};
    }
    const auto& t = std::get<ApiError>(reply);
    if (t.status == 409) {  // it has it already
        job.status = JobStatus::running;
        job.next_retry_at = now + pause_after(0);
        return {"accepted", "", false};
    }
    if (t.not_taken()) job.posted_at.reset();
    switch (t.kind) {
        case ApiError::Kind::refused:
        case ApiError::Kind::not_found: {
            // An analysis may be asked for before Shunya itself knows of its transcript.
            bool may_pass = t.retryable.value_or(t.kind == ApiError::Kind::not_found && step == Step::analysis);
            if (!may_pass || job.refusals >= kMostTries) return give_up(job, JobStatus::failed, t.why, now);
            ++job.refusals;
            return once_more(job, t, now);
        }
        default:
            return failed(job, t, now, rules);
    }
}

Turn told(Job& job, const providers::shunya::Reply<providers::shunya::JobState>& reply, Instant now, const Rules& rules) {
    if (auto* t = std::get_if<ApiError>(&reply)) {
        if (t->kind != ApiError::Kind::not_found) return failed(job, *t, now, rules);
        if (!job.open()) return missed(job, now, rules, t->why);
        // It never arrived: it may be posted.
        job.posted_at.reset();
        job.next_retry_at.reset();
        return {"never arrived", "", false};
    }
    const auto& state = std::get<providers::shunya::JobState>(reply);
    if (!state.known) {
        if (!job.open()) return missed(job, now, rules, "Shunya says nothing of it");
        job.posted_at.reset();
        job.next_retry_at.reset();
        return {"never arrived", "", false};
    }
    if (state.progress == Progress::failed)
        return failed(job, state.error.value_or(ApiError{ApiError::Kind::job_failed, "Shunya gave no reason", "", {}, {}, 200}),
                      now, rules);
    if (job.open()) {
        job.status = JobStatus::running;
        if (job.shunya_job_id.empty()) job.shunya_job_id = state.job_id;
    }
    job.error.reset();
    if (state.progress == Progress::done) {
        if (!job.reported_at) job.reported_at = now;
        job.next_retry_at.reset();
        return {"done", "", false};
    }
    return missed(job, now, rules, "");
}

Turn missed(Job& job, Instant now, const Rules& rules, std::string why) {
    ++job.asks;
    job.asked_at = now;
    job.next_retry_at.reset();
    if (why.empty())
        job.error.reset();
    else
        job.error = why;
    if (now >= job.started_at.value_or(now) + rules.give_up)
        return give_up(job, JobStatus::timeout,
                       "Shunya had no result within " + std::to_string(rules.give_up.count() / 3'600'000) + " hours", now);
    // What was said to be done should be there at once.
    if (job.reported_at) {
        job.next_retry_at = now + pause_after(job.asks - 1);
        if (job.asks >= kMostTries) job.reported_at.reset();
    }
    return {"not there yet", "", false};
}

Turn failed(Job& job, const ApiError& t, Instant now, const Rules& rules) {
    switch (t.kind) {
        case ApiError::Kind::no_answer:
            held_up(job, now + std::max(t.after.value_or(Millis{0}), kUnreachable), "paused: " + t.why);
            return {"no answer", t.why, false};
        case ApiError::Kind::not_let_in:
            held_up(job, now + std::max(t.after.value_or(Millis{0}), kNotLetIn), "paused: " + t.why);
            return {"not let in", t.why + "; check OTTO_SHUNYA_TOKEN_SECRET", false};
        case ApiError::Kind::busy: {
            auto turn = once_more(job, t, now);
            if (t.after) job.next_retry_at = now + std::max(*t.after, Millis{1'000});
            turn.outcome = "too many requests";
            return turn;
        }
        case ApiError::Kind::broken:
            if (t.retryable == false) return give_up(job, JobStatus::failed, t.why, now);
            // Not given up before its time is over: Shunya may be away for hours.
            if (job.started_at && now >= *job.started_at + rules.give_up) return give_up(job, JobStatus::timeout, t.why, now);
            return once_more(job, t, now);
        case ApiError::Kind::job_failed:
            if (!t.retryable.value_or(t.code == "TRANSCRIPTION_FAILED" || t.code == "ANALYSIS_FAILED") ||
                job.refusals + 1 >= kMostTries)
                return give_up(job, JobStatus::failed, t.why, now);
            return anew(job, t.why, now);
        case ApiError::Kind::not_found:
            return missed(job, now, rules, t.why);
        case ApiError::Kind::refused:
            return give_up(job, JobStatus::failed, t.why, now);
    }
    return {};
}

void succeeded(Job& job, Instant now) {
    job.status = JobStatus::succeeded;
    job.finished_at = now;
    job.next_retry_at.reset();
    job.reported_at.reset();
    job.error.reset();
}

void held_up(Job& job, Instant until, std::string why) {
    job.next_retry_at = until;
    job.error = std::move(why);
}

}  // namespace otto::shunya_orchestrator
