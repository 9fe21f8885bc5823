#include "driver.hpp"

#include <cmath>

#include "base/text.hpp"
#include "shunya-orchestrator/sql.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::shunya_orchestrator {
namespace {

const tel::Gauges kStanding{
    "otto_shunya_circuit_open",
    "1: Shunya is left alone because it failed; 0.5: a call that did not fail may try it; 0: all is well."};
const tel::Counters kSteps{
    "otto_analysis_steps_total", "Steps of calls on their way to an analysis, by what came of them.", {"step", "outcome"}};

const tel::Counters kRecordings{
    "otto_recordings_total",
    "Recordings by their end: stored; none (the provider says that there is none, as of who hung up before "
    "they spoke); unavailable (its provider has it no more, or gives it to nobody); given_up (it never came).",
    {"outcome"}};

using namespace providers::shunya;

constexpr Millis kUnknownHere{60'000};  ///< until it is looked again whether our secret was set
constexpr Millis kStoreTroubled{30'000};
constexpr Millis kDirectory{1'000};  ///< until it is looked again whether the directory was read

Instant clock_now() { return system_clock().now(); }

/// Spreads those that wait for the same moment.
Millis spread(CallId call, Millis by) {
    return Millis{static_cast<std::int64_t>(std::hash<CallId>{}(call)*0x9E3779B97F4A7C15ull >> 33) %
                  std::max<std::int64_t>(by.count(), 1)};
}

std::string_view name_of(const Next& next) { return next.action == Action::fetch_recording ? "recording" : to_text(next.step); }

/// Nobody outside need be asked: its provider has said that there is none.
bool has_none(const Call& call) { return call.recording_url.empty() && !call.no_recording.empty(); }

void count_recording(pg::Tx& tx, const char* outcome) {
    tx.on_commit([outcome] { kRecordings({outcome}).inc(); });
}

KeyOwner key_owner(const Call& call) { return {call.company, call.provider, call.recording_of_deployment}; }

providers::RefusalWords words_for(const Call& call) {
    return providers::refusal_words(call.provider, call.recording_of_deployment, call.company.value());
}

CallId call_of(const rt::Lease& lease) { return CallId{std::stoll(lease.key)}; }

/// Where a transcript's content stands in an answer.
JsonView transcript_in(JsonView root) {
    return root["data"].is_object() ? root["data"] : root["result"].is_object() ? root["result"] : root;
}

}  // namespace

/// What the process was let through to ask for a call. However the turn ends, nobody waits for it any more.
class Driver::Leave {
public:
    Leave(Driver& d, const rt::Lease& lease) : driver_(d), who_{lease.company, lease.key} {}
    ~Leave() {
        if (shunya_) driver_.breaker_.spared(who_);
        if (!key_.empty()) driver_.refused_keys_.spared(key_, who_);
    }
    /// nullopt: it was given. Else how long to wait.
    std::optional<Millis> of_shunya(Instant now) {
        auto wait = driver_.breaker_.ask(who_, now);
        shunya_ = !wait;
        return wait;
    }
    std::optional<Millis> of_key(const std::string& key, Instant now) {
        auto wait = driver_.refused_keys_.ask(key, who_, now);
        if (!wait) key_ = key;
        return wait;
    }

private:
    Driver& driver_;
    Asker who_;
    bool shunya_ = false;
    std::string key_;
};

Driver::Driver(Outside outside, Options options)
    : outside_(std::move(outside)),
      options_(std::move(options)),
      shunya_budget_("shunya-orchestrator", "shunya", {options_.shunya_budget}),
      callrail_budget_("shunya-orchestrator", "callrail", options_.callrail_budget) {
    show_jobs();
    for (auto outcome : {"stored", "none", "unavailable", "given_up"}) kRecordings({outcome});
}

void Driver::put_off(pg::Tx& tx, const rt::Lease& lease, std::string_view) const {
    tx.write(sql::pause_call, {lease.company, call_of(lease), "A step failed for a reason of Otto's own",
                               "It is tried again by itself. If it lasts: the operators' log says why (deploy/logs)."});
}

void Driver::emit(pg::Tx& tx, const Call& call, const std::vector<Outgoing>& events) const {
    for (const auto& event : events) std::visit([&](const auto& m) { emitter_.emit(tx, m, call.trace); }, event);
}

/// When the call's next step is due; nullopt: nothing is left.
std::optional<Instant> Driver::due(const Call& call) const {
    auto next = next_step(call.state, call.now, options_.rules);
    return next.action == Action::none ? std::nullopt : std::optional(next.at);
}

/// When the outside may be asked for a recording; nullopt: now.
std::optional<Instant> Driver::not_now_recording(pg::Tx& tx, Call& call, Leave& leave) {
    auto later = [&](Millis wait, const char* why) {
        auto until = call.now + wait + spread(call.id, wait / 4);
        tx.write(sql::recording_again, {call.company, call.id, call.state.recording.attempts, why, until, nullptr});
        return std::optional<Instant>(until);
    };
    if (has_none(call)) return std::nullopt;
    auto who = outside_.credentials(key_owner(call));
    if (!who) return later(kDirectory, "waits for the companies' profiles");
    auto key = key_mark(*who);
    if (key.empty()) return std::nullopt;
    if (auto wait = leave.of_key(key, clock_now())) {
        keep_waiting(tx, call, key, *wait);
        return call.state.recording.next_at;
    }
    auto wait = call.provider == "callrail" ? callrail_budget_.take(tx, who->account_id, call.now) : std::nullopt;
    if (wait)
        return later(*wait, "waits its turn: the CallRail account has been asked as often as it allows (OTTO_CALLRAIL_BUDGET)");
    return std::nullopt;
}

/// Until when the outside must be left alone; nullopt: the step may be taken.
std::optional<Instant> Driver::not_now(pg::Tx& tx, Call& call, const Next& next, Leave& leave) {
    if (next.action == Action::fetch_recording) return not_now_recording(tx, call, leave);
    std::string why;
    Millis wait{};
    bool paused = true;
    if (!options_.shunya_known) {
        why = "paused: OTTO_SHUNYA_TOKEN_SECRET is not set";
        wait = kUnknownHere;
    } else if (auto shut = leave.of_shunya(clock_now())) {
        show_breaker();
        why = "paused: Shunya cannot be reached";
        wait = *shut + spread(call.id, Millis{5'000});
    } else {
        auto full = shunya_budget_.take(tx, call.company.value(), call.now, next.action == Action::ask ? 2 : 1);
        if (!full) return std::nullopt;
        why = "waits its turn: the company's requests to Shunya are used up (OTTO_SHUNYA_BUDGET)";
        wait = *full + spread(call.id, *full / 4);
        paused = false;
    }
    auto& job = call.job(next.step);
    held_up(job, call.now + wait, why);
    call.save_job(tx, next.step);
    if (paused) tx.write(sql::pause_call, {call.company, call.id, why.substr(why.find(": ") + 2), nullptr});
    return call.now + wait;
}

std::string Driver::key_of(const Call& call) const {
    return key_mark(outside_.credentials(key_owner(call)).value_or(RecordingSource{}));
}

/// For another key: whoever gives one wakes it. No attempt is used up.
void Driver::keep_waiting(pg::Tx& tx, Call& call, const std::string& key, Millis wait) {
    auto words = words_for(call);
    call.state.recording.next_at = call.now + wait + spread(call.id, wait / 4);
    tx.write(sql::recording_refused, {call.company, call.id, words.refused, words.cure, key, *call.state.recording.next_at});
    tx.write(sql::pause_call, {call.company, call.id, words.refused, words.cure});
}

/// The call as it stands, if its next step is to be taken now; what is about to be posted is noted and told.
std::optional<Instant> Driver::begin(pg::Tx& tx, const CompanyId& company, CallId id, std::optional<Begun>& begun, Leave& leave) {
    auto call = Call::lock(tx, company, id);
    if (!call || call->id != id) return std::nullopt;  // not known, or another one by now, with a turn of its own
    auto at = due(*call);
    if (!at || *at > call->now) return at;
    auto step = next_step(call->state, call->now, options_.rules);
    if (auto until = not_now(tx, *call, step, leave)) return until;
    if (step.action == Action::post) {
        posting(call->job(step.step), step.step, call->now, options_.rules);
        call->save_job(tx, step.step);
        emit(tx, *call, {call->submitted(step.step)});
    }
    begun.emplace(Begun{std::move(*call), step});
    return at;
}

void Driver::show_breaker() const { kStanding().set(breaker_.standing(clock_now())); }

/// What a turn says of Shunya: a failure ends it, so the last answer is what counts.
void Driver::judge_shunya(rt::Lease& lease, const Found& found) {
    auto broken = [](const auto& reply) {
        auto* error = reply ? std::get_if<ApiError>(&*reply) : nullptr;
        return error && (error->kind == ApiError::Kind::no_answer || error->kind == ApiError::Kind::broken);
    };
    const Asker who{lease.company, lease.key};
    if (broken(found.accepted) || broken(found.told) || broken(found.content))
        breaker_.failed(who, lease.others_wait(), clock_now());
    else
        breaker_.worked(who);
    show_breaker();
}

/// What a recording's fate says of the place that has it, and of the key. One that is refused while others are given is no matter
/// of the key.
void Driver::judge_recording(const Asker& who, const Call& call, Found& found) {
    if (has_none(call)) return;
    if (std::holds_alternative<Again>(*found.recording))
        outside_.failing.failed(call.company, call.provider, clock_now());
    else
        outside_.failing.answered(call.company, call.provider);
    if (found.key.empty()) return;
    if (std::holds_alternative<NotLetIn>(*found.recording)) {
        if (refused_keys_.refused(found.key, who, clock_now())) return;
        auto words = words_for(call);
        found.recording = Again{words.refused_this, refused_keys_.pause(), words.cure_of_this, ""};
    } else if (!std::holds_alternative<Again>(*found.recording)) {
        refused_keys_.let_in(found.key, who);
    }
}

void Driver::ask_shunya(const Call& call, const Next& next, Found& found) {
    auto& shunya = outside_.shunya;
    const Caller caller{call.company, "customer_rep", call.trace};
    Job job = *call.state.job(next.step);  // a copy to think with; what counts is settled under the lock
    bool transcription = next.step == Step::transcription;
    if (next.action == Action::post) {
        if (transcription) {
            auto link = outside_.links.url_until(call.company.value(), call.object_key, *job.link_until);
            found.accepted = shunya.transcribe(caller, call.at_shunya, link, "csr_call", job.key());
        } else {
            found.accepted = shunya.start_analysis(caller, call.at_shunya, job.key());
        }
        return;
    }
    // A transcription has a state that can be asked for; an analysis is there or is not, except while nobody knows whether it was
    // begun.
    if (!job.reported_at && (transcription || job.open())) {
        found.told =
            transcription ? shunya.transcription_status(caller, call.at_shunya) : shunya.analysis_status(caller, call.at_shunya);
        told(job, *found.told, call.now, options_.rules);
        if (!job.reported_at || job.over()) return;
    }
    found.content = transcription ? shunya.transcript(caller, call.at_shunya) : shunya.analysis(caller, call.at_shunya);
}

void Driver::fetch(const Call& call, Found& found, const std::function<bool()>& stopping) {
    if (has_none(call)) {
        found.recording = providers::no_recording(call.provider, call.no_recording);
        return;
    }
    auto source = outside_.credentials(key_owner(call)).value_or(RecordingSource{});
    found.key = key_mark(source);
    source.provider = call.provider;
    source.of_deployment = call.recording_of_deployment;
    source.provider_call_id = call.provider_call_id;
    source.url = call.recording_url;
    found.recording = outside_.fetch(source, call.trace, stopping);
    auto* fetched = std::get_if<Fetched>(&*found.recording);
    if (!fetched) return;
    auto key = recording_key(call.company.value(), call.id.value(), fetched->format);
    if (auto put = outside_.store.put(key, std::move(fetched->file)); !put) {
        tel::error("a recording could not be stored",
                   {{"company_id", call.company.value()}, {"call_id", call.id.value()}, {"why", put.error().describe()}});
        found.recording = Again{"it could not be stored: " + put.error().message, kStoreTroubled};
        return;
    }
    found.stored_key = std::move(key);
}

void Driver::give_up_recording(pg::Tx& tx, Call& call, const Call& before, Recording::Status status, const std::string& why,
                               const pg::Param& cure, const pg::Param& key, std::vector<Outgoing>& events) const {
    call.state.recording.status = status;
    tx.write(sql::recording_given_up, {call.company, call.id, to_text(status), why, before.recording_url, cure, key});
    call.tell_failure("recording", why, events);
    count_recording(tx, has_none(call) ? "none" : status == Recording::Status::unavailable ? "unavailable" : "given_up");
    if (has_none(call)) return;  // most who leave no voicemail just hang up
    tel::warn("a recording cannot be had", {{"company_id", call.company.value()},
                                            {"call_id", call.id.value()},
                                            {"provider", call.provider},
                                            {"status", to_text(status)},
                                            {"why", why},
                                            {"trace_id", call.trace.trace_id_hex()}});
}

std::string Driver::settle_recording(pg::Tx& tx, Call& call, const Call& before, const Found& found,
                                     std::vector<Outgoing>& events) {
    auto& r = call.state.recording;
    if (r.status != Recording::Status::pending) return "known already";
    auto* refused = std::get_if<NotLetIn>(&*found.recording);
    auto* never = std::get_if<Never>(&*found.recording);
    if ((refused || (never && never->another_key)) && key_of(call) != found.key) {  // it has another one by now
        r.next_at = call.now;
        tx.write(sql::recording_again, {call.company, call.id, r.attempts, nullptr, call.now, nullptr});
        return "again";
    }
    if (refused) {
        keep_waiting(tx, call, found.key, refused_keys_.pause());
        tel::warn("an account is refused its recordings, which wait for another key",
                  {{"company_id", call.company.value()},
                   {"call_id", call.id.value()},
                   {"provider", call.provider},
                   {"of_deployment", call.recording_of_deployment},
                   {"why", refused->why}});
        return "not let in";
    }
    if (call.paused_since) {
        r.since += call.now - *call.paused_since;
        tx.write(sql::recording_resumed, {call.company, call.id, r.since});
        tx.write(sql::resume_call, {call.company, call.id});
    }
    const auto& give_up = options_.rules.give_up;
    auto age = std::chrono::duration_cast<Millis>(call.now - r.since);
    auto given_up = [&](Recording::Status status, const std::string& why, const std::string& cure = "",
                        bool another_key = false) {
        give_up_recording(tx, call, before, status, why, cure.empty() ? pg::Param(nullptr) : pg::Param(cure),
                          another_key ? pg::Param(found.key) : pg::Param(nullptr), events);
    };
    auto again = [&](const std::string& why, Millis pause, const std::string& cure = "") {
        ++r.attempts;
        r.next_at = call.now + pause;
        tx.write(sql::recording_again,
                 {call.company, call.id, r.attempts, why, *r.next_at, cure.empty() ? pg::Param(nullptr) : pg::Param(cure)});
    };
    if (auto* fetched = std::get_if<Fetched>(&*found.recording)) {
        r.status = Recording::Status::stored;
        r.too_short = is_too_short(call.status, call.recording_seconds, fetched->seconds);
        std::optional<std::int64_t> seconds;
        if (fetched->seconds) seconds = std::llround(*fetched->seconds);
        tx.write(sql::recording_stored,
                 {call.company, call.id, found.stored_key, std::string(fetched->format),
                  static_cast<std::int64_t>(fetched->bytes), fetched->sha256, seconds, before.recording_url, r.too_short});
        call.object_key = found.stored_key;
        count_recording(tx, "stored");
        if (r.too_short) return "stored, too short";
        if (!call.state.transcription && !call.state.has_transcript) {  // what comes next stands there from now on
            call.job(Step::transcription);
            call.save_job(tx, Step::transcription);
        }
        return "stored";
    }
    if (never) {
        if (call.recording_url != before.recording_url) {  // another address came meanwhile
            again(never->why, Millis{0});
            return "again";
        }
        given_up(Recording::Status::unavailable, never->why, never->cure, never->another_key);
        return "unavailable";
    }
    if (auto* not_yet = std::get_if<NotYet>(&*found.recording)) {
        auto pause = recording_pause(r.attempts + 1, age, give_up);
        if (!pause) {
            given_up(Recording::Status::manual_review, not_yet->why);
            return "manual review";
        }
        again(not_yet->why, *pause);
        return "not there yet";
    }
    const auto& failure = std::get<Again>(*found.recording);
    if (!failure.detail.empty())
        tel::warn("a recording's address cannot be reached", {{"company_id", call.company.value()},
                                                              {"call_id", call.id.value()},
                                                              {"why", failure.detail},
                                                              {"trace_id", call.trace.trace_id_hex()}});
    if (age >= give_up) {
        given_up(Recording::Status::manual_review, failure.why, failure.cure);
        return "manual review";
    }
    auto pause = std::max({failure.after.value_or(Millis{0}), pause_after(r.attempts),
                           outside_.failing.pause(call.company, call.provider, clock_now())});
    again(failure.why, pause, failure.cure);
    return "again";
}

/// A result counts whatever has become of the job meanwhile. nullopt: there was none.
std::optional<std::string> Driver::settle_content(pg::Tx& tx, Call& call, Step step, const Found& found,
                                                  std::vector<Outgoing>& events) {
    auto* content = found.content ? std::get_if<Content>(&*found.content) : nullptr;
    if (!content) return std::nullopt;
    auto parsed = JsonDocument::parse(content->json);
    auto root = parsed ? parsed->root() : JsonView{};
    bool taken = false;
    if (step == Step::transcription) {
        if (auto t = read_transcript(root))
            taken = call.take_transcript(tx, *t, output_hash(transcript_in(root)), call.now, events);
    } else if (auto analysis = analysis_in(root); analysis.exists()) {
        taken = call.take_analysis(tx, analysis, output_hash(analysis), call.now, events);
    }
    if (!taken) return std::nullopt;
    if (call.paused_since) tx.write(sql::resume_call, {call.company, call.id});
    return "taken";
}

std::string Driver::settle(pg::Tx& tx, Call& call, const Begun& begun, const Found& found, std::vector<Outgoing>& events) {
    const auto& before = begun.call;
    if (begun.step.action == Action::fetch_recording) return settle_recording(tx, call, before, found, events);
    auto step = begun.step.step;
    if (call.state.has_result(step)) return "known already";  // a webhook was faster
    if (auto taken = settle_content(tx, call, step, found, events)) return *taken;
    auto& job = call.job(step);
    const auto& asked = *before.state.job(step);
    if (job.over() || job.id != asked.id || job.round != asked.round) return "over already";
    auto known_as = job.shunya_job_id;
    Turn turn;
    if (found.accepted) turn = posted(job, step, *found.accepted, call.now, options_.rules);
    if (found.told) turn = told(job, *found.told, call.now, options_.rules);
    if (found.content && !job.over()) {
        if (auto* error = std::get_if<ApiError>(&*found.content))
            turn = failed(job, *error, call.now, options_.rules);
        else
            turn = missed(job, call.now, options_.rules,
                          std::string("what Shunya sent holds no ") + (step == Step::transcription ? "transcript" : "analysis"));
    }
    call.save_job(tx, step);
    if (!job.shunya_job_id.empty() && job.shunya_job_id != known_as) events.push_back(call.submitted(step));
    if (turn.gave_up) {
        call.tell_failure(to_text(step), job.error.value_or(""), events);
        tel::warn("a step is given up", {{"company_id", call.company.value()},
                                         {"call_id", call.id.value()},
                                         {"step", to_text(step)},
                                         {"why", job.error.value_or("")},
                                         {"trace_id", call.trace.trace_id_hex()}});
    }
    if (!turn.paused.empty())
        tx.write(sql::pause_call, {call.company, call.id, turn.paused, nullptr});
    else if (call.paused_since)
        tx.write(sql::resume_call, {call.company, call.id});
    return turn.outcome;
}

Driver::Found Driver::ask(const Begun& begun, const std::function<bool()>& stopping) {
    Found found;
    if (begun.step.action == Action::fetch_recording)
        fetch(begun.call, found, stopping);
    else
        ask_shunya(begun.call, begun.step, found);
    return found;
}

std::optional<Instant> Driver::next(rt::Lease& lease) {
    const auto id = call_of(lease);
    Leave leave(*this, lease);
    std::optional<Begun> begun;
    auto at = lease.note([&](pg::Tx& tx) {
        begun.reset();
        return begin(tx, lease.company, id, begun, leave);
    });
    if (!lease.held() || !begun) return at;
    auto started = std::chrono::steady_clock::now();
    auto found = ask(*begun, [&lease] { return lease.stopping(); });
    if (begun->step.action == Action::fetch_recording)
        judge_recording({lease.company, lease.key}, begun->call, found);
    else
        judge_shunya(lease, found);
    std::string outcome =
        "lease lost";  // whoever holds it goes on from the rows; what was found here is dropped, and found again
    auto tell = [&] {
        const auto& step = begun->step;
        kSteps({std::string(name_of(step)), outcome}).inc();
        tel::info("analysis step",
                  {{"company_id", lease.company.value()},
                   {"call_id", id.value()},
                   {"step", name_of(step)},
                   {"action", step.action == Action::post  ? "post"
                              : step.action == Action::ask ? "ask"
                                                           : "fetch"},
                   {"outcome", outcome},
                   {"ms", std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - started).count()},
                   {"trace_id", begun->call.trace.trace_id_hex()}});
    };
    try {
        at = lease.settle([&](pg::Tx& tx) -> std::optional<Instant> {
            auto call = Call::lock(tx, lease.company, id);
            if (!call || call->id != id) return std::nullopt;
            std::vector<Outgoing> events;
            auto what = settle(tx, *call, *begun, found, events);
            emit(tx, *call, events);
            tx.on_commit([&outcome, what] { outcome = what; });
            return due(*call);
        });
    } catch (const rt::LeaseLost&) {
        tell();
        throw;
    }
    tell();
    return at;
}

}  // namespace otto::shunya_orchestrator
