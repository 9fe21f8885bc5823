#include "handlers.hpp"

#include <map>

#include "base/text.hpp"
#include "shunya-orchestrator/sql.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::shunya_orchestrator {
namespace {

const tel::Counters kReports{"otto_analysis_reports_total", "Shunya's reports by what became of them.", {"step", "outcome"}};

using providers::shunya::Progress;

pg::Param uuid_or_null(const std::string& text) { return Uuid::parse(text) ? pg::Param(text) : pg::Param(nullptr); }

struct OfJob {
    CallId call;
    Step step;
    static OfJob from(const pg::Fields& f) { return {CallId{f.integer("call_id")}, *step_from(f.text("step"))}; }
};

/// What a report is about, by its event's name: "call.analysis.complete". nullopt where it has none, or the seeds' job.completed.
std::optional<Step> named_step(std::string_view event) {
    if (event.find("transcription") != std::string_view::npos) return Step::transcription;
    if (event.find("analysis") != std::string_view::npos) return Step::analysis;
    return std::nullopt;
}

void count(pg::Tx& tx, Step step, std::string_view outcome) {
    tx.on_commit([step = std::string(to_text(step)), outcome = std::string(outcome)] { kReports({step, outcome}).inc(); });
}

/// What a report says, and of which step.
struct Said {
    Said(const routed::v1::JobReported& event, const std::optional<OfJob>& of_job, const Call& call)
        : parsed(JsonDocument::parse(event.receipt().raw_body())), body(parsed ? parsed->root() : JsonView{}) {
        content = body["result"].is_object() ? body["result"] : body["data"];
        transcript = read_transcript(content);
        analysis = analysis_in(content);
        progress = providers::shunya::progress_of(event.job().status(), event.job().event_type()).value_or(Progress::running);
        // The event's name says which step it is; then the job; then what it holds; then what is under way.
        auto named = named_step(event.job().event_type());
        if (named)
            step = *named;
        else if (of_job)
            step = of_job->step;
        else if (analysis.exists())
            step = Step::analysis;
        else if (transcript)
            step = Step::transcription;
        else
            step = call.state.has_transcript ? Step::analysis : Step::transcription;
    }
    Result<JsonDocument> parsed;
    JsonView body, content, analysis;
    std::optional<Transcript> transcript;
    Progress progress = Progress::unknown;
    Step step = Step::transcription;
};

/// What became of a report, and whether the call's next step is to be looked for.
struct Taken {
    std::string outcome;
    bool work = true;
};

Taken take_done(pg::Tx& tx, Call& call, const Said& said, const routed::v1::JobReported& event, std::vector<Outgoing>& events) {
    auto received = from_micros(event.receipt().received_at_us());
    Taken taken;
    if (said.step == Step::transcription && said.transcript) {
        taken.outcome =
            call.take_transcript(tx, *said.transcript, output_hash(said.content), received, events) ? "taken" : "known already";
    } else if (said.step == Step::analysis && said.analysis.exists()) {
        taken.outcome =
            call.take_analysis(tx, said.analysis, output_hash(said.analysis), received, events) ? "taken" : "known already";
    } else if (call.state.has_result(said.step)) {
        taken = {"known already", false};
    } else {
        // It is done, and to be fetched. Also a job that was given up, or that nobody here began.
        auto& job = call.job(said.step);
        if (!job.started_at || job.over()) job.started_at = call.now;
        job.status = JobStatus::running;
        job.reported_at = call.now;
        job.finished_at.reset();
        job.next_retry_at.reset();
        job.asks = 0;
        if (job.shunya_job_id.empty()) job.shunya_job_id = event.job().shunya_job_id();
        call.save_job(tx, said.step);
        taken.outcome = "to be fetched";
    }
    tx.write(sql::resume_call, {call.company, call.id});
    return taken;
}

Taken take_failed(pg::Tx& tx, Call& call, const Said& said, const routed::v1::JobReported& event, const Rules& rules,
                  std::vector<Outgoing>& events) {
    if (call.state.has_result(said.step)) return {"too late", false};
    const auto& id = event.job().shunya_job_id();
    auto& job = call.job(said.step);
    bool other = !id.empty() && !job.shunya_job_id.empty() && id != job.shunya_job_id;
    if (job.over() || !job.posted_at || other) return {"known already", false};  // told before, or of a round that is over
    auto error = said.body["error"].exists() && !said.body["error"].is_null() ? said.body["error"]
                 : said.content["error"].exists()                             ? said.content["error"]
                                                                              : said.content;
    auto turn = failed(job, providers::shunya::error_of(error), call.now, rules);
    if (job.shunya_job_id.empty()) job.shunya_job_id = id;
    call.save_job(tx, said.step);
    if (turn.gave_up) call.tell_failure(to_text(said.step), job.error.value_or(""), events);
    return {turn.outcome, true};
}

}  // namespace

bool has_recording(std::string_view status, std::string_view recording_url) {
    return !recording_url.empty() && (status == "completed" || status == "voicemail");
}

bool lacks_recording(std::string_view status, std::string_view recording_url, std::string_view unavailable) {
    return recording_url.empty() && !unavailable.empty() &&
           (status == "completed" || status == "voicemail" || status == "missed" || status == "failed");
}

void Calls::record(std::span<const rt::In<calls::v1::CallRecorded>> ins, pg::Tx& tx, rt::Out<>&) const {
    // Of several versions of a call the newest counts.
    std::map<std::pair<std::string, std::int64_t>, const rt::In<calls::v1::CallRecorded>*> newest;
    for (const auto& in : ins) {
        auto& slot = newest[{in.event.company_id(), in.event.call_id()}];
        if (!slot || slot->event.version() < in.event.version()) slot = &in;
    }
    if (newest.empty()) return;
    const auto now = system_clock().now();
    pg::Columns columns(22);
    for (const auto& [key, in] : newest) {
        const auto& e = in->event;
        columns.row({e.company_id(),
                     e.call_id(),
                     e.version(),
                     e.provider(),
                     e.provider_call_id(),
                     e.phone(),
                     e.status(),
                     uuid_or_null(e.contact_card_id()),
                     uuid_or_null(e.lead_id()),
                     e.owner_id().empty() ? pg::Param(nullptr) : pg::Param(e.owner_id()),
                     e.recording_url(),
                     e.started_at_us() ? pg::Param(from_micros(e.started_at_us())) : pg::Param(nullptr),
                     from_micros(e.received_at_us()),
                     in->meta.trace.traceparent(),
                     recording_id(CompanyId{e.company_id()}, CallId{e.call_id()}),
                     has_recording(e.status(), e.recording_url()) ||
                         lacks_recording(e.status(), e.recording_url(), e.recording_unavailable()),
                     failing_.pause(CompanyId{e.company_id()}, e.provider(), now).count(),
                     e.recording_sid(),
                     e.recording_of_deployment(),
                     e.recording_duration_s(),
                     e.recording_unavailable(),
                     in->meta.occurred_at});
    }
    tx.write(sql::save_calls, columns.params());
}

rt::Outcome Reports::take(rt::In<routed::v1::JobReported> in, pg::Tx& tx,
                          rt::Out<analysis::v1::JobSubmitted, analysis::v1::TranscriptReady, analysis::v1::AnalysisCompleted,
                                  analysis::v1::AnalysisFailed, changes::v1::RowChanged>& out) const {
    const auto& report = in.event.job();
    CompanyId company{in.event.company_id()};
    std::optional<OfJob> of_job;
    if (!report.shunya_job_id().empty()) of_job = tx.maybe<OfJob>(sql::call_of_job, {company, report.shunya_job_id()});
    if (!of_job && report.call_id() == 0) return rt::Outcome::ignored("it names no job or call that is known here");
    auto call = Call::lock(tx, company, of_job ? of_job->call : CallId{report.call_id()});
    if (of_job && report.call_id() != 0 && of_job->call.value() != report.call_id()) {
        auto named = Call::lock(tx, company, CallId{report.call_id()});
        if (!call || !named || call->id != named->id)
            return rt::Outcome::reject("the report names the job of call " + std::to_string(of_job->call.value()) + " and call " +
                                       std::to_string(report.call_id()));
    }
    if (!call) return rt::Outcome::ignored("its call is not known here");
    // Two rows that proved to be one call may both have been begun at Shunya; of the one that is not gone on with only a result
    // counts that is not there yet.
    bool of_the_other = of_job ? of_job->call != call->id : report.call_id() != call->at_shunya.value();

    const Said said(in.event, of_job, *call);
    bool result = said.step == Step::transcription ? said.transcript.has_value() : said.analysis.exists();
    if (of_the_other && (said.progress == Progress::failed ||
                         (said.progress == Progress::done && (!result || call->state.has_result(said.step)))))
        return rt::Outcome::ignored("its call goes on with what another row of it began");
    if (said.progress != Progress::done && said.progress != Progress::failed) return rt::Outcome::ignored("a report of progress");
    std::vector<Outgoing> events;
    auto [outcome, work] = said.progress == Progress::done ? take_done(tx, *call, said, in.event, events)
                                                           : take_failed(tx, *call, said, in.event, rules_, events);
    if (work) {
        // The state as it is now decides; workers see it once this is committed.
        auto next = next_step(call->state, call->now, rules_);
        if (next.action != Action::none) want_call(tx, company, call->id, next.at);
    }
    for (auto& event : events) std::visit([&](auto& m) { out.emit(m); }, event);
    count(tx, said.step, outcome);
    tel::info("shunya reported", {{"company_id", company.value()},
                                  {"call_id", call->id.value()},
                                  {"step", to_text(said.step)},
                                  {"status", report.status()},
                                  {"outcome", outcome},
                                  {"trace_id", in.meta.trace.trace_id_hex()}});
    return rt::Outcome::done();
}

}  // namespace otto::shunya_orchestrator
