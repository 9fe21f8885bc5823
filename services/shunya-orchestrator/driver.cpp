#include "driver.hpp"

#include <cmath>

#include "base/text.hpp"
#include "shunya-orchestrator/sql.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::shunya_orchestrator {
namespace {

using namespace providers::shunya;

constexpr Millis kUnknownHere{60'000};  ///< until it is looked again whether our secret was set
constexpr Millis kStoreTroubled{30'000};
constexpr Millis kPutOff{600'000};
constexpr const char* kRefused = "CallRail refuses the company's API key";
constexpr const char* kRefusedThis = "CallRail refuses this recording to the company's API key, by which it gives others";
constexpr const char* kRefusedThisCure = "Look at the call at CallRail with the account that the API key belongs to.";
constexpr Millis kDirectory{1'000};     ///< until it is looked again whether the directory was read

Instant clock_now() { return system_clock().now(); }

/// Spreads those that wait for the same moment.
Millis spread(CallId call, Millis by) { return Millis{static_cast<std::int64_t>(std::hash<CallId>{}(call) * 0x9E3779B97F4A7C15ull >> 33) % std::max<std::int64_t>(by.count(), 1)}; }

std::string_view name_of(const Next& next) { return next.action == Action::fetch_recording ? "recording" : to_text(next.step); }

/// Where a transcript's content stands in an answer.
JsonView transcript_in(JsonView root) { return root["data"].is_object() ? root["data"] : root["result"].is_object() ? root["result"] : root; }

}  // namespace

/// A lease that the process keeps alive while it is here.
class Driver::Held {
public:
    Held(Driver& d, const Lease& lease) : driver_(d), lease_(lease) {
        std::lock_guard guard(driver_.lock_);
        driver_.held_.emplace(lease_.id, lease_.company);
        beyond_share_ = ++driver_.at_work_[lease_.company] > driver_.most_of_one();
    }
    ~Held() {
        std::lock_guard guard(driver_.lock_);
        driver_.held_.erase(lease_.id);
        if (auto found = driver_.at_work_.find(lease_.company); --found->second == 0) driver_.at_work_.erase(found);
    }
    bool beyond_share() const { return beyond_share_; }

private:
    Driver& driver_;
    const Lease& lease_;
    bool beyond_share_ = false;
};

/// What the process was let through to ask for a call. However the turn ends, nobody waits for it any more.
class Driver::Leave {
public:
    Leave(Driver& d, const Lease& lease) : driver_(d), who_{lease.company, lease.call} {}
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
    : outside_(std::move(outside)), options_(std::move(options)), shunya_budget_({options_.shunya_budget}), callrail_budget_(options_.callrail_budget) {}

std::optional<Driver::Lease> Driver::take(pg::Pool& pool) {
    std::optional<Lease> lease;
    auto id = Uuid::v7(clock_now());
    auto full = with_their_share();
    if (!full.empty() && !time_to_look_for_others()) return std::nullopt;
    pg::Params params{id, static_cast<std::int64_t>(options_.lease.count())};
    if (!full.empty()) params.push_back(pg::Param::array(full));
    auto tx = pool.begin(pg::Scope::none());
    tx.each(full.empty() ? sql::take_work : sql::take_work_of_others, params, [&](const pg::Fields& f) { lease = Lease{CompanyId{f.text("company_id")}, CallId{f.integer("call_id")}, id}; });
    tx.commit();
    if (lease && !full.empty()) {  // there may be more of them
        std::lock_guard guard(lock_);
        look_for_others_ = {};
    }
    return lease;
}

bool Driver::time_to_look_for_others() {
    std::lock_guard guard(lock_);
    auto now = std::chrono::steady_clock::now();
    if (now < look_for_others_) return false;
    look_for_others_ = now + options_.others_every;
    return true;
}

std::vector<std::string> Driver::with_their_share() {
    std::vector<std::string> out;
    std::lock_guard guard(lock_);
    for (const auto& [company, steps] : at_work_)
        if (steps >= most_of_one()) out.push_back(company.value());
    return out;
}

void Driver::put_back(pg::Pool& pool, const Lease& lease) {
    auto tx = pool.begin(pg::Scope::none());
    tx.write(sql::put_back, {lease.company, lease.call, lease.id, clock_now()});
    tx.commit();
}

bool Driver::run_one(pg::Pool& pool, const std::function<bool()>& stopping) {
    auto lease = take(pool);
    if (!lease) return false;
    Held held(*this, *lease);
    if (held.beyond_share()) {  // several took at once
        put_back(pool, *lease);
        return true;
    }
    try {
        while (step(pool, *lease, stopping)) {
            if (!stopping()) continue;
            put_back(pool, *lease);
            break;
        }
    } catch (const pg::SqlFailure& e) {
        if (e.kind() != pg::FailureClass::data && !e.perhaps_its_own()) throw;
        put_off(pool, *lease, e.what());
    } catch (const std::exception& e) {
        put_off(pool, *lease, e.what());
    }
    return true;
}

/// A step that fails of itself: the outside was asked, and what it said could not be written. It is shown as paused, and the outside is not asked again each time a lease runs out.
void Driver::put_off(pg::Pool& pool, const Lease& lease, const std::string& why) {
    tel::error("a call's step failed and is put off", {{"company_id", lease.company.value()}, {"call_id", lease.call.value()}, {"why", why}});
    auto tx = pool.begin(pg::Scope::company(lease.company));
    tx.write(sql::pause_call, {lease.company, lease.call, "A step failed for a reason of Otto's own", "It is tried again by itself. If it lasts: the operators' log says why (deploy/logs)."});
    tx.write(sql::put_back, {lease.company, lease.call, lease.id, clock_now() + kPutOff});
    tx.commit();
}

void Driver::renew(pg::Connection& db) {
    std::vector<std::string> ids;
    {
        std::lock_guard guard(lock_);
        for (const auto& [id, company] : held_) ids.push_back(id.to_string());
    }
    if (ids.empty()) return;
    auto tx = db.begin(pg::Scope::none());
    tx.write(sql::renew_leases, {pg::Param::array(ids), static_cast<std::int64_t>(options_.lease.count())});
    tx.commit();
}

void Driver::emit(pg::Tx& tx, const Call& call, const std::vector<Outgoing>& events) const {
    for (const auto& event : events) std::visit([&](const auto& m) { emitter_.emit(tx, m, call.trace); }, event);
}

/// Says when the call's next step is due, and gives it back until then. True: it is due now and still ours.
bool Driver::conclude(pg::Tx& tx, const Lease& lease, Call& call) {
    auto next = next_step(call.state, call.now, options_.rules);
    if (next.action == Action::none) {
        tx.write(sql::work_done, {lease.company, lease.call, lease.id});
        return false;
    }
    if (next.at <= call.now) return true;
    tx.write(sql::put_back, {lease.company, lease.call, lease.id, next.at});
    return false;
}

/// Whether the outside must be left alone for now; then the call was given back.
bool Driver::not_now(pg::Tx& tx, const Lease& lease, Call& call, const Next& next, Leave& leave) {
    auto now = clock_now();
    if (next.action == Action::fetch_recording) {
        auto later = [&](Millis wait, const char* why) {
            auto until = call.now + wait + spread(call.id, wait / 4);
            tx.write(sql::recording_again, {call.company, call.id, call.state.recording.attempts, why, until, nullptr});
            tx.write(sql::put_back, {lease.company, lease.call, lease.id, until});
            return true;
        };
        auto who = outside_.credentials(call.company);
        if (!who) return later(kDirectory, "waits for the companies' profiles");
        auto key = key_mark(*who);
        if (key.empty()) return false;
        if (auto wait = leave.of_key(key, now)) {
            keep_waiting(tx, call, kRefused, key, *wait);
            tx.write(sql::put_back, {lease.company, lease.call, lease.id, *call.state.recording.next_at});
            return true;
        }
        if (auto wait = callrail_budget_.take(who->account_id, now)) return later(*wait, "waits its turn: the CallRail account has been asked as often as it allows (OTTO_CALLRAIL_BUDGET)");
        return false;
    }
    std::string why;
    Millis wait{};
    bool paused = true;
    if (!options_.shunya_known) {
        why = "paused: OTTO_SHUNYA_TOKEN_SECRET is not set";
        wait = kUnknownHere;
    } else if (auto shut = leave.of_shunya(now)) {
        show_breaker();
        why = "paused: Shunya cannot be reached";
        wait = *shut + spread(call.id, Millis{5'000});
    } else {
        auto full = shunya_budget_.take(call.company.value(), now, next.action == Action::ask ? 2 : 1);
        if (!full) return false;
        why = "waits its turn: the company's requests to Shunya are used up (OTTO_SHUNYA_BUDGET)";
        wait = *full + spread(call.id, *full / 4);
        paused = false;
    }
    auto& job = call.job(next.step);
    held_up(job, call.now + wait, why);
    call.save_job(tx, next.step);
    if (paused) tx.write(sql::pause_call, {call.company, call.id, why.substr(why.find(": ") + 2), nullptr});
    tx.write(sql::put_back, {lease.company, lease.call, lease.id, call.now + wait});
    return true;
}

std::string Driver::key_of(const CompanyId& company) const { return key_mark(outside_.credentials(company).value_or(RecordingSource{})); }

/// For another API key: whoever gives the company one wakes it. No attempt is used up.
void Driver::keep_waiting(pg::Tx& tx, Call& call, const std::string& why, const std::string& key, Millis wait) {
    auto cure = "Set a key that may see this account's calls (POST /api/v1/company/set-callrail-api-key/" + call.company.value() + "): what waits goes on by itself.";
    call.state.recording.next_at = call.now + wait + spread(call.id, wait / 4);
    tx.write(sql::recording_refused, {call.company, call.id, why, cure, key, *call.state.recording.next_at});
    tx.write(sql::pause_call, {call.company, call.id, why, cure});
}

/// The call as it stands, if its next step is to be taken now; what is about to be posted is noted and told. nullopt: it was given back.
std::optional<Call> Driver::begin(pg::Pool& pool, const Lease& lease, Next& next, Leave& leave) {
    auto tx = pool.begin(pg::Scope::company(lease.company));
    auto call = Call::lock(tx, lease.company, lease.call);
    if (tx.write_counted(sql::hold_lease, {lease.company, lease.call, lease.id, static_cast<std::int64_t>(options_.lease.count())}) == 0) return std::nullopt;
    if (!call || call->id != lease.call) {  // not known, or another one by now, with a turn of its own
        tx.write(sql::work_done, {lease.company, lease.call, lease.id});
        tx.commit();
        return std::nullopt;
    }
    bool go = conclude(tx, lease, *call);
    if (go) {
        next = next_step(call->state, call->now, options_.rules);
        go = !not_now(tx, lease, *call, next, leave);
    }
    if (go && next.action == Action::post) {
        posting(call->job(next.step), next.step, call->now, options_.rules);
        call->save_job(tx, next.step);
        emit(tx, *call, {call->submitted(next.step)});
    }
    tx.commit();
    if (!go) return std::nullopt;
    return call;
}

void Driver::show_breaker() const {
    static auto standing = tel::Metrics::gauge("shunya_circuit_open", "1: Shunya is left alone because it failed; 0.5: a call that did not fail may try it; 0: all is well.");
    standing.set(breaker_.standing(clock_now()));
}

/// What a turn says of Shunya: a failure ends it, so the last answer is what counts.
void Driver::judge_shunya(pg::Tx& tx, const Lease& lease, const Found& found) {
    auto broken = [](const auto& reply) {
        auto* trouble = reply ? std::get_if<Trouble>(&*reply) : nullptr;
        return trouble && (trouble->kind == Trouble::Kind::no_answer || trouble->kind == Trouble::Kind::broken);
    };
    const Asker who{lease.company, lease.call};
    if (broken(found.accepted) || broken(found.told) || broken(found.content)) {
        bool others = false;
        tx.each(sql::others_under_way, {lease.company}, [&](const pg::Fields& f) { others = f.boolean("others"); });
        breaker_.failed(who, others, clock_now());
    } else {
        breaker_.worked(who);
    }
    show_breaker();
}

/// What a recording's fate says of the company's key. One that is refused while others are given is no matter of the key.
void Driver::judge_key(const Lease& lease, Found& found) {
    if (found.key.empty()) return;
    const Asker who{lease.company, lease.call};
    if (std::holds_alternative<NotLetIn>(*found.recording)) {
        if (!refused_keys_.refused(found.key, who, clock_now())) found.recording = Again{kRefusedThis, refused_keys_.pause(), kRefusedThisCure, ""};
    } else if (!std::holds_alternative<Again>(*found.recording)) {
        refused_keys_.let_in(found.key, who);
    }
}

void Driver::ask(const Call& call, const Next& next, Found& found) {
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
    // A transcription has a state that can be asked for; an analysis is there or is not, except while nobody knows whether it was begun.
    if (!job.reported_at && (transcription || job.open())) {
        found.told = transcription ? shunya.transcription_status(caller, call.at_shunya) : shunya.analysis_status(caller, call.at_shunya);
        told(job, *found.told, call.now, options_.rules);
        if (!job.reported_at || job.over()) return;
    }
    found.content = transcription ? shunya.transcript(caller, call.at_shunya) : shunya.analysis(caller, call.at_shunya);
}

void Driver::fetch(const Call& call, Found& found, const std::function<bool()>& stopping) {
    auto source = outside_.credentials(call.company).value_or(RecordingSource{});
    found.key = key_mark(source);
    source.provider_call_id = call.provider_call_id;
    source.url = call.recording_url;
    found.recording = outside_.fetch(source, call.trace, stopping);
    auto* fetched = std::get_if<Fetched>(&*found.recording);
    if (!fetched) return;
    auto key = recording_key(call.company.value(), call.id.value(), fetched->format);
    if (auto put = outside_.store.put(key, std::move(fetched->file)); !put) {
        tel::error("a recording could not be stored", {{"company_id", call.company.value()}, {"call_id", call.id.value()}, {"why", put.error().describe()}});
        found.recording = Again{"it could not be stored: " + put.error().message, kStoreTroubled};
        return;
    }
    found.stored_key = std::move(key);
}

std::string Driver::settle_recording(pg::Tx& tx, Call& call, const Call& before, const Found& found, std::vector<Outgoing>& events) {
    auto& r = call.state.recording;
    if (r.status != Recording::Status::pending) return "known already";
    auto* refused = std::get_if<NotLetIn>(&*found.recording);
    auto* never = std::get_if<Never>(&*found.recording);
    if ((refused || (never && never->another_key)) && key_of(call.company) != found.key) {  // it has another one by now
        r.next_at = call.now;
        tx.write(sql::recording_again, {call.company, call.id, r.attempts, nullptr, call.now, nullptr});
        return "again";
    }
    if (refused) {
        keep_waiting(tx, call, kRefused, found.key, refused_keys_.pause());
        tel::warn("CallRail refuses a company's API key: its recordings wait for another one", {{"company_id", call.company.value()}, {"call_id", call.id.value()}, {"why", refused->why}});
        return "not let in";
    }
    if (call.paused_since) {
        r.since += call.now - *call.paused_since;
        tx.write(sql::recording_resumed, {call.company, call.id, r.since});
        tx.write(sql::resume_call, {call.company, call.id});
    }
    const auto& give_up = options_.rules.give_up;
    auto age = std::chrono::duration_cast<Millis>(call.now - r.since);
    auto given_up = [&](Recording::Status status, const std::string& why, const std::string& cure = "", bool another_key = false) {
        r.status = status;
        tx.write(sql::recording_given_up, {call.company, call.id, to_text(status), why, before.recording_url, cure.empty() ? pg::Param(nullptr) : pg::Param(cure), another_key ? pg::Param(found.key) : pg::Param(nullptr)});
        call.tell_failure("recording", why, events);
        tel::warn("a recording cannot be had", {{"company_id", call.company.value()}, {"call_id", call.id.value()}, {"status", to_text(status)}, {"why", why}, {"trace_id", call.trace.trace_id_hex()}});
    };
    auto again = [&](const std::string& why, Millis pause, const std::string& cure = "") {
        ++r.attempts;
        r.next_at = call.now + pause;
        tx.write(sql::recording_again, {call.company, call.id, r.attempts, why, *r.next_at, cure.empty() ? pg::Param(nullptr) : pg::Param(cure)});
    };
    if (auto* fetched = std::get_if<Fetched>(&*found.recording)) {
        r.status = Recording::Status::stored;
        std::optional<std::int64_t> seconds;
        if (fetched->seconds) seconds = std::llround(*fetched->seconds);
        tx.write(sql::recording_stored, {call.company, call.id, found.stored_key, std::string(fetched->format), static_cast<std::int64_t>(fetched->bytes), fetched->sha256, seconds, before.recording_url});
        call.object_key = found.stored_key;
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
        tel::warn("a recording's address cannot be reached", {{"company_id", call.company.value()}, {"call_id", call.id.value()}, {"why", failure.detail}, {"trace_id", call.trace.trace_id_hex()}});
    if (age >= give_up) {
        given_up(Recording::Status::manual_review, failure.why, failure.cure);
        return "manual review";
    }
    again(failure.why, std::max(failure.after.value_or(Millis{0}), pause_after(r.attempts)), failure.cure);
    return "again";
}

std::string Driver::settle(pg::Tx& tx, Call& call, const Next& next, const Call& before, const Found& found, std::vector<Outgoing>& events) {
    if (next.action == Action::fetch_recording) return settle_recording(tx, call, before, found, events);
    auto step = next.step;
    bool transcription = step == Step::transcription;
    if (call.state.has_result(step)) return "known already";  // a webhook was faster
    auto& job = call.job(step);

    // A result counts whatever has become of the job meanwhile.
    if (found.content && std::holds_alternative<Content>(*found.content)) {
        auto parsed = JsonDocument::parse(std::get<Content>(*found.content).json);
        auto root = parsed ? parsed->root() : JsonView{};
        bool taken = false;
        if (transcription) {
            if (auto t = read_transcript(root)) taken = call.take_transcript(tx, *t, output_hash(transcript_in(root)), call.now, events);
        } else if (auto analysis = analysis_in(root); analysis.exists()) {
            taken = call.take_analysis(tx, analysis, output_hash(analysis), call.now, events);
        }
        if (taken) {
            if (call.paused_since) tx.write(sql::resume_call, {call.company, call.id});
            return "taken";
        }
    }
    const auto& asked = *before.state.job(step);
    if (job.over() || job.id != asked.id || job.round != asked.round) return "over already";
    auto known_as = job.shunya_job_id;
    Turn turn;
    if (found.accepted) turn = posted(job, step, *found.accepted, call.now, options_.rules);
    if (found.told) turn = told(job, *found.told, call.now, options_.rules);
    if (found.content && !job.over()) {
        if (auto* trouble = std::get_if<Trouble>(&*found.content)) turn = failed(job, *trouble, call.now, options_.rules);
        else turn = missed(job, call.now, options_.rules, std::string("what Shunya sent holds no ") + (transcription ? "transcript" : "analysis"));
    }
    call.save_job(tx, step);
    if (!job.shunya_job_id.empty() && job.shunya_job_id != known_as) events.push_back(call.submitted(step));
    if (turn.gave_up) {
        call.tell_failure(to_text(step), job.error.value_or(""), events);
        tel::warn("a step is given up", {{"company_id", call.company.value()}, {"call_id", call.id.value()}, {"step", to_text(step)}, {"why", job.error.value_or("")}, {"trace_id", call.trace.trace_id_hex()}});
    }
    if (!turn.paused.empty()) tx.write(sql::pause_call, {call.company, call.id, turn.paused, nullptr});
    else if (call.paused_since) tx.write(sql::resume_call, {call.company, call.id});
    return turn.outcome;
}

/// One step. True: the next one is due at once.
bool Driver::step(pg::Pool& pool, const Lease& lease, const std::function<bool()>& stopping) {
    Next next;
    Leave leave(*this, lease);
    auto before = begin(pool, lease, next, leave);
    if (!before) return false;
    auto started = std::chrono::steady_clock::now();
    Found found;
    if (next.action == Action::fetch_recording) {
        fetch(*before, found, stopping);
        judge_key(lease, found);
    } else {
        ask(*before, next, found);
    }

    auto tx = pool.begin(pg::Scope::company(lease.company));
    if (next.action != Action::fetch_recording) judge_shunya(tx, lease, found);
    auto call = Call::lock(tx, lease.company, lease.call);
    // Whoever holds the lease now goes on from the rows; what was found here is dropped, and found again.
    bool ours = tx.write_counted(sql::hold_lease, {lease.company, lease.call, lease.id, static_cast<std::int64_t>(options_.lease.count())}) == 1;
    std::string outcome = "lease lost";
    bool more = false;
    if (ours && call && call->id == lease.call) {
        std::vector<Outgoing> events;
        outcome = settle(tx, *call, next, *before, found, events);
        emit(tx, *call, events);
        more = conclude(tx, lease, *call);
        tx.commit();
    }
    tel::Metrics::counter("analysis_steps_total", "Steps of calls on their way to an analysis, by what came of them.", {{"step", std::string(name_of(next))}, {"outcome", outcome}}).inc();
    tel::info("analysis step", {{"company_id", lease.company.value()}, {"call_id", lease.call.value()}, {"step", name_of(next)}, {"action", next.action == Action::post ? "post" : next.action == Action::ask ? "ask" : "fetch"},
                                {"outcome", outcome}, {"ms", std::chrono::duration_cast<Millis>(std::chrono::steady_clock::now() - started).count()}, {"trace_id", before->trace.trace_id_hex()}});
    return more;
}

}  // namespace otto::shunya_orchestrator
