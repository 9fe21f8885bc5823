#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "base/uuid.hpp"
#include "providers/shunya.hpp"

/// What is to be done next for a call, and what an answer means for its jobs. Pure: rows and a clock in, a decision out.
namespace otto::shunya_orchestrator {

enum class Step { transcription, analysis };
std::string_view to_text(Step);
std::optional<Step> step_from(std::string_view);

enum class JobStatus { pending, running, succeeded, failed, timeout };
std::string_view to_text(JobStatus);
JobStatus job_status_from(std::string_view);

/// One step that Shunya does for a call.
///
/// pending, not posted: to be posted. pending and posted: nobody knows whether it arrived; it is asked for before it is posted
/// again. running: Shunya has it; its result comes by webhook, or is asked for. succeeded, failed, timeout: over; but a result
/// that comes late is still taken.
struct Job {
    Uuid id;  ///< the intent
    JobStatus status = JobStatus::pending;
    std::string shunya_job_id;
    int round = 0, retries = 0, asks = 0;
    int refusals = 0;  ///< how often Shunya itself said no, or that it failed: only that gives a job up, not an outage nor a link
                       ///< that ran out meanwhile
    std::optional<Instant> posted_at, asked_at, reported_at, next_retry_at, link_until, started_at, finished_at;
    std::optional<std::string> error;

    bool over() const { return status == JobStatus::succeeded || status == JobStatus::failed || status == JobStatus::timeout; }
    /// It may or may not have arrived.
    bool open() const { return status == JobStatus::pending && posted_at.has_value(); }
    /// The Idempotency-Key: the same as long as the same thing is wanted.
    std::string key() const { return round == 0 ? id.to_string() : id.to_string() + "-" + std::to_string(round); }
};

struct Recording {
    enum class Status { pending, stored, unavailable, manual_review };
    Status status = Status::pending;
    int attempts = 0;
    Instant since{};  ///< first asked for
    std::optional<Instant> next_at;
    bool too_short = false;  ///< it is kept, and no step begins with it
};
/// A voicemail of under two seconds says nothing. How long it is: as its provider states (whole seconds; 0 = it does not), else
/// as measured.
bool is_too_short(std::string_view call_status, std::int64_t stated_seconds, std::optional<double> measured_seconds);
std::string_view to_text(Recording::Status);
Recording::Status recording_status_from(std::string_view);

/// Everything that decides.
struct State {
    Recording recording;
    std::optional<Job> transcription, analysis;
    bool has_transcript = false, has_analysis = false;
    std::optional<Job>& job(Step s) { return s == Step::transcription ? transcription : analysis; }
    const std::optional<Job>& job(Step s) const { return s == Step::transcription ? transcription : analysis; }
    bool has_result(Step s) const { return s == Step::transcription ? has_transcript : has_analysis; }
};

struct Rules {
    std::vector<Millis> poll_after{Millis{120'000}, Millis{300'000}, Millis{900'000}};  ///< the last one repeats
    Millis give_up{86'400'000};    ///< of a job since it was first posted, of a recording since it was first asked for
    Millis link_valid{3'600'000};  ///< how long Shunya may fetch the recording
};
/// "120s,300s,900s"; the error names the setting.
Result<std::vector<Millis>> parse_polls(std::string_view text);

enum class Action { none, fetch_recording, post, ask };
struct Next {
    Action action = Action::none;     ///< none: nothing is left to do
    Step step = Step::transcription;  ///< of post and ask
    Instant at{};                     ///< not before; in the past or now: do it
    bool operator==(const Next&) const = default;
};
Next next_step(const State&, Instant now, const Rules&);

/// What became of a call's turn.
struct Turn {
    std::string outcome;   ///< for logs and metrics: "accepted", "not there yet", …
    std::string paused;    ///< why the outside cannot be had at all; "" = it can
    bool gave_up = false;  ///< the job failed for good: a person must look
};

/// 5, 10, 30, 60, 300, 300 … s after the n-th failure, from 0.
Millis pause_after(int failures);

/// The job is about to be posted: noted and committed before it is.
void posting(Job&, Step, Instant now, const Rules&);
/// What posting it brought.
Turn posted(Job&, Step, const providers::shunya::Reply<providers::shunya::Accepted>&, Instant now, const Rules&);
/// What Shunya says of a job whose fate is not known, or that should be done. Done is not settled here: the result is to be
/// fetched.
Turn told(Job&, const providers::shunya::Reply<providers::shunya::JobState>&, Instant now, const Rules&);
/// The result was asked for and is not there, or what came is none.
Turn missed(Job&, Instant now, const Rules&, std::string why);
/// Asking failed, or the job did.
Turn failed(Job&, const providers::shunya::ApiError&, Instant now, const Rules&);
/// Its result was taken.
void succeeded(Job&, Instant now);
/// Not now, and nobody is to blame: nothing is used up.
void held_up(Job&, Instant until, std::string why);

}  // namespace otto::shunya_orchestrator
