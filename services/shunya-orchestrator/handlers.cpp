#include "handlers.hpp"

#include <map>

#include "base/text.hpp"
#include "shunya-orchestrator/sql.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::shunya_orchestrator {
namespace {

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

Progress progress_of(const inbound::v1::JobReport& job) {
    auto said = providers::shunya::progress_of(job.status());
    if (said != Progress::unknown) return said;
    auto event = lower(job.event_type());
    if (event.ends_with(".complete") || event.ends_with(".completed")) return Progress::done;
    if (event.ends_with(".failed")) return Progress::failed;
    return Progress::unknown;
}

void count(pg::Tx& tx, Step step, std::string_view outcome) {
    tx.on_commit([step = std::string(to_text(step)), outcome = std::string(outcome)] {
        tel::Metrics::counter("analysis_reports_total", "Shunya's reports by what became of them.", {{"step", step}, {"outcome", outcome}}).inc();
    });
}

}  // namespace

bool has_recording(std::string_view status, std::string_view recording_url) { return !recording_url.empty() && (status == "completed" || status == "voicemail"); }

void Calls::record(std::span<const rt::In<calls::v1::CallRecorded>> ins, pg::Tx& tx, rt::Out<>&) const {
    // Of several versions of a call the newest counts.
    std::map<std::pair<std::string, std::int64_t>, const rt::In<calls::v1::CallRecorded>*> newest;
    for (const auto& in : ins) {
        auto& slot = newest[{in.event.company_id(), in.event.call_id()}];
        if (!slot || slot->event.version() < in.event.version()) slot = &in;
    }
    if (newest.empty()) return;
    pg::Columns columns(16);
    for (const auto& [key, in] : newest) {
        const auto& e = in->event;
        columns.row({e.company_id(), e.call_id(), e.version(), e.provider(), e.provider_call_id(), e.phone(), e.status(), uuid_or_null(e.contact_card_id()), uuid_or_null(e.lead_id()),
                     e.owner_id().empty() ? pg::Param(nullptr) : pg::Param(e.owner_id()), e.recording_url(), e.started_at_us() ? pg::Param(from_micros(e.started_at_us())) : pg::Param(nullptr),
                     from_micros(e.received_at_us()), in->meta.trace.traceparent(), recording_id(CompanyId{e.company_id()}, CallId{e.call_id()}), has_recording(e.status(), e.recording_url())});
    }
    bool any = false;
    tx.each(sql::save_calls, columns.params(), [&](const pg::Fields&) { any = true; });
    if (any) tx.write(sql::wake_workers);
}

rt::Outcome Reports::take(rt::In<routed::v1::JobReported> in, pg::Tx& tx,
                          rt::Out<analysis::v1::JobSubmitted, analysis::v1::TranscriptReady, analysis::v1::AnalysisCompleted, analysis::v1::AnalysisFailed, changes::v1::RowChanged>& out) const {
    const auto& report = in.event.job();
    CompanyId company{in.event.company_id()};
    std::optional<OfJob> of_job;
    if (!report.shunya_job_id().empty()) of_job = tx.maybe<OfJob>(sql::call_of_job, {company, report.shunya_job_id()});
    if (!of_job && report.call_id() == 0) return rt::Outcome::ignored("it names no job or call that is known here");
    auto call = Call::lock(tx, company, of_job ? of_job->call : CallId{report.call_id()});
    if (of_job && report.call_id() != 0 && of_job->call.value() != report.call_id()) {
        auto named = Call::lock(tx, company, CallId{report.call_id()});
        if (!call || !named || call->id != named->id)
            return rt::Outcome::reject("the report names the job of call " + std::to_string(of_job->call.value()) + " and call " + std::to_string(report.call_id()));
    }
    if (!call) return rt::Outcome::ignored("its call is not known here");
    // Two rows that proved to be one call may both have been begun at Shunya; of the one that is not gone on with only a result counts that is not there yet.
    bool of_the_other = of_job ? of_job->call != call->id : report.call_id() != call->at_shunya.value();

    auto parsed = JsonDocument::parse(in.event.receipt().raw_body());
    auto body = parsed ? parsed->root() : JsonView{};
    auto content = body["result"].is_object() ? body["result"] : body["data"];
    auto transcript = read_transcript(content);
    auto found = analysis_in(content);

    // The event's name says which step it is; then the job; then what it holds; then what is under way.
    auto step = named_step(report.event_type());
    if (!step && of_job) step = of_job->step;
    if (!step && found.exists()) step = Step::analysis;
    if (!step && transcript) step = Step::transcription;
    if (!step) step = call->state.has_transcript ? Step::analysis : Step::transcription;

    auto received = from_micros(in.event.receipt().received_at_us());
    std::vector<Outgoing> events;
    std::string outcome;
    bool work = true;
    auto said = progress_of(report);
    bool result = *step == Step::transcription ? transcript.has_value() : found.exists();
    if (of_the_other && (said == Progress::failed || (said == Progress::done && (!result || call->state.has_result(*step)))))
        return rt::Outcome::ignored("its call goes on with what another row of it began");
    switch (said) {
        case Progress::done: {
            if (*step == Step::transcription && transcript) {
                outcome = call->take_transcript(tx, *transcript, output_hash(content), received, events) ? "taken" : "known already";
            } else if (*step == Step::analysis && found.exists()) {
                outcome = call->take_analysis(tx, found, output_hash(found), received, events) ? "taken" : "known already";
            } else if (call->state.has_result(*step)) {
                outcome = "known already";
                work = false;
            } else {
                // It is done, and to be fetched. Also a job that was given up, or that nobody here began.
                auto& job = call->job(*step);
                if (!job.started_at || job.over()) job.started_at = call->now;
                job.status = JobStatus::running;
                job.reported_at = call->now;
                job.finished_at.reset();
                job.next_retry_at.reset();
                job.asks = 0;
                if (job.shunya_job_id.empty()) job.shunya_job_id = report.shunya_job_id();
                call->save_job(tx, *step);
                outcome = "to be fetched";
            }
            tx.write(sql::resume_call, {company, call->id});
            break;
        }
        case Progress::failed: {
            if (call->state.has_result(*step)) {
                outcome = "too late";
                work = false;
                break;
            }
            auto& job = call->job(*step);
            bool other = !report.shunya_job_id().empty() && !job.shunya_job_id.empty() && report.shunya_job_id() != job.shunya_job_id;
            if (job.over() || !job.posted_at || other) {  // told before, or of a round that is over
                outcome = "known already";
                work = false;
                break;
            }
            auto error = body["error"].exists() && !body["error"].is_null() ? body["error"] : content["error"].exists() ? content["error"] : content;
            auto turn = failed(job, providers::shunya::trouble_of(error), call->now, rules_);
            if (job.shunya_job_id.empty()) job.shunya_job_id = report.shunya_job_id();
            call->save_job(tx, *step);
            if (turn.gave_up) call->tell_failure(to_text(*step), job.error.value_or(""), events);
            outcome = turn.outcome;
            break;
        }
        default: return rt::Outcome::ignored("a report of progress");
    }
    if (work) {
        // The state as it is now decides; workers see it once this is committed.
        auto next = next_step(call->state, call->now, rules_);
        if (next.action != Action::none) {
            tx.write(sql::want_work, {company, call->id, next.at});
            tx.write(sql::wake_workers);
        }
    }
    for (auto& event : events) std::visit([&](auto& m) { out.emit(m); }, event);
    count(tx, *step, outcome);
    tel::info("shunya reported", {{"company_id", company.value()}, {"call_id", call->id.value()}, {"step", to_text(*step)}, {"status", report.status()}, {"outcome", outcome},
                                  {"trace_id", in.meta.trace.trace_id_hex()}});
    return rt::Outcome::done();
}

}  // namespace otto::shunya_orchestrator
