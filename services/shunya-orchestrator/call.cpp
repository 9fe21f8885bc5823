#include "call.hpp"

#include "base/spoken_time.hpp"
#include "events/changes.hpp"
#include "runtime/work_queue.hpp"
#include "shunya-orchestrator/sql.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::shunya_orchestrator {
namespace {

const tel::Counters kUnknownValues{
    "otto_analysis_unknown_values_total", "Values of Shunya's that are in no list: kept as they are.", {"field"}};

const tel::Counters kJobs{
    "otto_jobs_total",
    "What became of steps that Shunya does for calls: succeeded, failed, timeout. A result that comes after it was "
    "given up counts too.",
    {"step", "outcome"}};

Uuid named(const CompanyId& company, CallId call, std::string_view what) {
    static const Uuid space = *Uuid::parse("6f74746f-7368-5975-a900-000000000001");
    return Uuid::v5(space, company.value() + "\n" + std::to_string(call.value()) + "\n" + std::string(what));
}

std::optional<Job> job_from(const pg::Fields& f, const std::string& p) {
    auto id = f.maybe_uuid(p + "id");
    if (!id) return std::nullopt;
    Job j;
    j.id = *id;
    j.status = job_status_from(f.text(p + "job_status"));
    j.shunya_job_id = f.text(p + "shunya_job_id");
    j.round = static_cast<int>(f.integer(p + "round"));
    j.retries = static_cast<int>(f.integer(p + "retry_count"));
    j.refusals = static_cast<int>(f.integer(p + "refusals"));
    j.asks = static_cast<int>(f.integer(p + "asks"));
    j.posted_at = f.time(p + "posted_at");
    j.asked_at = f.time(p + "asked_at");
    j.reported_at = f.time(p + "reported_at");
    j.next_retry_at = f.time(p + "next_retry_at");
    j.link_until = f.time(p + "link_until");
    j.started_at = f.time(p + "started_at");
    j.finished_at = f.time(p + "finished_at");
    j.error = f.maybe_text(p + "error_message");
    return j;
}

struct Stored {
    std::string raw, provider;
    static Stored from(const pg::Fields& f) { return {f.text("raw"), f.text("provider")}; }
};

struct Version {
    std::int64_t version;
    static Version from(const pg::Fields& f) { return {f.integer("version")}; }
};

/// jsonb keeps members in an order of its own.
Analysis comparable(Analysis a) {
    for (auto* json : {&a.entities, &a.objections})
        if (auto parsed = JsonDocument::parse(*json)) *json = canonical(parsed->root());
    return a;
}

Corrections corrections_of(pg::Tx& tx, const CompanyId& company, CallId call) {
    Corrections out;
    tx.each(sql::corrections_of, {company, call}, [&](const pg::Fields& f) { out[f.text("field")] = f.maybe_text("value"); });
    return out;
}

/// What the machine said where a person says otherwise.
std::string machine_values(const Analysis& machine, const Corrections& corrections) {
    JsonWriter w;
    w.begin_object();
    for (const auto& [field, value] : corrections) w.member(field, value_of(machine, field));
    return w.end_object().take();
}

}  // namespace

void want_call(pg::Tx& tx, const CompanyId& company, CallId call, Instant due) {
    rt::want(tx, kQueue, company, std::to_string(call.value()), due);
}

void show_jobs() {
    for (auto step : {Step::transcription, Step::analysis})
        for (auto how : {JobStatus::succeeded, JobStatus::failed, JobStatus::timeout})
            kJobs({std::string(to_text(step)), std::string(to_text(how))});
}

Uuid recording_id(const CompanyId& company, CallId call) { return named(company, call, "recording"); }

Call Call::from(const pg::Fields& f) {
    Call c;
    c.now = *f.time("now");
    c.company = CompanyId{f.text("company_id")};
    c.id = CallId{f.integer("call_id")};
    c.provider = f.text("provider");
    c.provider_call_id = f.text("provider_call_id");
    c.phone = f.text("phone");
    c.status = f.text("call_status");
    c.contact_card_id = f.text("contact_card_id");
    c.lead_id = f.text("lead_id");
    c.owner_id = f.text("owner_id");
    c.recording_url = f.text("recording_url");
    c.no_recording = f.text("recording_unavailable");
    c.recording_of_deployment = f.boolean("recording_of_deployment");
    c.recording_seconds = f.integer("recording_seconds");
    c.at_shunya = CallId{f.integer("shunya_call_id")};
    c.folded_into_ = f.maybe_integer("folded_into");
    c.started_at = f.time("call_started_at");
    c.received_at = *f.time("received_at");
    c.reported_at = f.time("reported_at");
    c.paused_since = f.time("paused_since");
    c.trace = tel::TraceContext::parse(f.text("traceparent")).value_or(tel::TraceContext::fresh());
    c.state.recording = {recording_status_from(f.text("r_status")), static_cast<int>(f.integer("r_attempts")), *f.time("r_since"),
                         f.time("r_next_at"), f.boolean("r_too_short")};
    c.object_key = f.text("object_key");
    c.state.transcription = job_from(f, "t_");
    c.state.analysis = job_from(f, "a_");
    for (auto step : {Step::transcription, Step::analysis})
        c.over_[static_cast<int>(step)] = c.state.job(step) && c.state.job(step)->over();
    c.hashes_[0] = f.maybe_text("t_hash");
    c.hashes_[1] = f.maybe_text("a_hash");
    c.state.has_transcript = f.boolean("has_transcript");
    c.state.has_analysis = f.boolean("has_analysis");
    c.transcript_at = f.time("x_received_at");
    c.analysis_at = f.time("n_received_at");
    return c;
}

std::optional<Call> Call::lock(pg::Tx& tx, const CompanyId& company, CallId id) {
    struct Into {
        std::optional<std::int64_t> id;
        static Into from(const pg::Fields& f) { return {f.maybe_integer("folded_into")}; }
    };
    for (;;) {
        tx.write(sql::lock_call, {company, id});
        auto call = tx.maybe<Call>(sql::call_state, {company, id});
        if (call && !call->folded_into_) return call;
        auto mark = call ? std::optional(Into{call->folded_into_}) : tx.maybe<Into>(sql::folded_into, {company, id});
        if (!mark || !mark->id) return std::nullopt;
        id = CallId{*mark->id};
    }
}

Job& Call::job(Step step) {
    auto& slot = state.job(step);
    if (!slot) {
        slot.emplace();
        slot->id = named(company, id, to_text(step));
    }
    return *slot;
}

void Call::save_job(pg::Tx& tx, Step step) {
    const auto& j = *state.job(step);
    auto& was_over = over_[static_cast<int>(step)];
    if (j.over() && !was_over)
        tx.on_commit([step, how = j.status] { kJobs({std::string(to_text(step)), std::string(to_text(how))}).inc(); });
    was_over = j.over();
    tx.write(sql::save_job, {company,
                             j.id,
                             to_text(step),
                             job_type(),
                             to_text(j.status),
                             j.shunya_job_id,
                             id,
                             j.retries,
                             j.error,
                             j.next_retry_at,
                             j.posted_at,
                             j.started_at,
                             j.finished_at,
                             j.round,
                             j.asks,
                             j.asked_at,
                             j.reported_at,
                             j.link_until,
                             hashes_[static_cast<int>(step)],
                             j.refusals});
}

void Call::arrived(pg::Tx& tx, events::Stage stage) const {
    if (reported_at) tx.on_commit([stage, at = *reported_at] { events::arrived(stage, at, system_clock().now()); });
}

template <class M>
M Call::about() const {
    M m;
    m.set_company_id(company.value());
    m.set_phone(phone);
    m.set_call_id(id.value());
    return m;
}

Outgoing Call::submitted(Step step) const {
    auto m = about<analysis::v1::JobSubmitted>();
    m.set_call_id(at_shunya.value());
    m.set_shunya_job_id(state.job(step) ? state.job(step)->shunya_job_id : "");
    return m;
}

void Call::tell_change(std::int64_t version, std::vector<Outgoing>& out) const {
    out.emplace_back(events::row_changed(company, "analysis", std::to_string(id.value()), version));
}

void Call::tell_failure(std::string_view step, const std::string& why, std::vector<Outgoing>& out) const {
    auto m = about<analysis::v1::AnalysisFailed>();
    m.set_step(std::string(step));
    m.set_why(why);
    out.emplace_back(std::move(m));
    tell_change(0, out);
}

bool Call::take_transcript(pg::Tx& tx, const Transcript& t, const std::string& hash, Instant received,
                           std::vector<Outgoing>& out) {
    auto& j = job(Step::transcription);
    auto& known = hashes_[static_cast<int>(Step::transcription)];
    bool news = !(state.has_transcript && (known == hash || (transcript_at && received < *transcript_at)));
    if (news) {
        news = tx.write_counted(sql::save_transcript,
                                {company, id, t.text, t.speaker_labels, t.confidence, t.language, t.words, received}) == 1;
        known = hash;
    }
    if (j.status != JobStatus::succeeded) succeeded(j, now);
    if (!j.started_at) j.started_at = now;
    save_job(tx, Step::transcription);
    if (!news) return false;
    if (!state.has_transcript) arrived(tx, events::Stage::transcribed);
    state.has_transcript = true;
    transcript_at = received;
    if (!state.has_analysis && !state.analysis) {  // what comes next stands there from now on
        job(Step::analysis);
        save_job(tx, Step::analysis);
    }
    auto m = about<analysis::v1::TranscriptReady>();
    m.set_contact_card_id(contact_card_id);
    m.set_lead_id(lead_id);
    out.emplace_back(std::move(m));
    tell_change(0, out);
    return true;
}

bool Call::take_analysis(pg::Tx& tx, JsonView content, const std::string& hash, Instant received, std::vector<Outgoing>& out) {
    auto& j = job(Step::analysis);
    auto& known = hashes_[static_cast<int>(Step::analysis)];
    bool news = !(state.has_analysis && (known == hash || (analysis_at && received < *analysis_at)));
    if (j.status != JobStatus::succeeded) succeeded(j, now);
    if (!j.started_at) j.started_at = now;
    std::optional<Analysis> machine;
    std::string raw;
    if (news) {
        machine = read_analysis(content);
        known = hash;
        auto stored = state.has_analysis ? tx.maybe<Stored>(sql::analysis_of, {company, id}) : std::nullopt;
        if (auto former = JsonDocument::parse(stored ? stored->raw : "")) {
            auto said = analysis_in(former->root());
            if (auto whole = understood(content, said)) {
                auto again = JsonDocument::parse(*whole).value();
                auto unknown = std::move(machine->unknown);
                machine = read_analysis(again.root());
                machine->unknown = std::move(unknown);
                raw = storable(again.root());
            }
            news = !(comparable(read_analysis(said)) == comparable(*machine));
        }
    }
    save_job(tx, Step::analysis);
    if (!news) return false;
    for (const auto& unknown : machine->unknown) {
        tx.on_commit([field = unknown.substr(0, unknown.find('='))] { kUnknownValues({field}).inc(); });
        tel::warn("Shunya sent a value that is not known",
                  {{"company_id", company.value()}, {"call_id", id.value()}, {"field", unknown.substr(0, unknown.find('='))}});
    }
    publish_analysis(tx, *machine, raw.empty() ? storable(content) : raw, "shunya", received, corrections_of(tx, company, id),
                     out);
    if (!state.has_analysis) arrived(tx, events::Stage::analysed);
    state.has_analysis = true;
    return true;
}

void Call::publish_analysis(pg::Tx& tx, const Analysis& machine, const std::string& raw, const std::string& by, Instant received,
                            const Corrections& corrections, std::vector<Outgoing>& out) {
    auto counts = corrected(machine, corrections);
    auto version = tx.one<Version>(sql::save_analysis,
                                   {company, id, counts.booking_status, counts.lead_quality, counts.call_outcome_category,
                                    counts.objections, counts.sop_compliance_score, counts.sentiment_score, counts.entities,
                                    counts.summary, by, counts.model_version, raw, pg::Param::array(counts.unknown), received,
                                    machine_values(machine, corrections)})
                       .version;
    analysis_at = received;
    auto m = about<analysis::v1::AnalysisCompleted>();
    m.set_contact_card_id(contact_card_id);
    m.set_lead_id(lead_id);
    m.set_version(version);
    m.set_received_at_us(to_micros(received));
    m.set_call_started_at_us(to_micros(credible(started_at, received_at).value_or(received_at)));
    m.set_corrected(!corrections.empty());
    if (reported_at) m.set_call_reported_at_us(to_micros(*reported_at));
    if (!owner_id.empty()) m.set_owner_id(owner_id);
    describe(counts, m);
    out.emplace_back(std::move(m));
    tell_change(version, out);
}

void retell_analysis(pg::Tx& tx, Call& call, CallId folded, std::int64_t told, std::vector<Outgoing>& out) {
    struct Row {
        std::string raw, provider;
        Instant received_at;
        static Row from(const pg::Fields& f) { return {f.text("raw"), f.text("provider"), *f.time("received_at")}; }
    };
    auto corrections = corrections_of(tx, call.company, call.id);
    auto stored = tx.maybe<Row>(sql::analysis_of, {call.company, call.id});
    if (!stored) return;
    auto parsed = JsonDocument::parse(stored->raw);
    tx.write(sql::raise_analysis, {call.company, call.id, told});
    call.publish_analysis(tx, parsed ? read_analysis(parsed->root()) : Analysis{}, stored->raw, stored->provider,
                          stored->received_at, corrections, out);
    for (auto& event : out)
        if (auto* m = std::get_if<analysis::v1::AnalysisCompleted>(&event)) m->add_folded(folded.value());
}

}  // namespace otto::shunya_orchestrator
