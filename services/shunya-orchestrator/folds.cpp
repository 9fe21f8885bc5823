#include "handlers.hpp"
#include "runtime/work_queue.hpp"
#include "shunya-orchestrator/sql.hpp"
#include "telemetry/log.hpp"

namespace otto::shunya_orchestrator {
namespace {

/// How far Shunya is with a call: what was begun was paid for. What it failed at is as if it were not begun.
int progress_of(const State& s) {
    auto begun = [&](Step step) {
        const auto& job = s.job(step);
        return job && (job->posted_at || job->status == JobStatus::running || job->status == JobStatus::succeeded) &&
               job->status != JobStatus::failed && job->status != JobStatus::timeout;
    };
    if (s.has_analysis) return 4;
    if (begun(Step::analysis)) return 3;
    if (s.has_transcript) return 2;
    return begun(Step::transcription) ? 1 : 0;
}

int worth_of(const Recording& r) {
    return r.status == Recording::Status::stored ? 2 : r.status == Recording::Status::pending ? 1 : 0;
}

struct Mark {
    bool known;
    static Mark from(const pg::Fields& f) { return {f.boolean("known")}; }
};

struct Into {
    std::optional<std::int64_t> id;
    static Into from(const pg::Fields& f) { return {f.maybe_integer("folded_into")}; }
};

struct Row {
    CallId call;
    std::int64_t version;
    static Row from(const pg::Fields& f) { return {CallId{f.integer("call_id")}, f.integer("version")}; }
};

}  // namespace

rt::Outcome Folds::take(rt::In<calls::v1::CallFolded> in, pg::Tx& tx,
                        rt::Out<analysis::v1::JobSubmitted, analysis::v1::TranscriptReady, analysis::v1::AnalysisCompleted,
                                analysis::v1::AnalysisFailed, changes::v1::RowChanged>& out) const {
    const CompanyId company{in.event.company_id()};
    const CallId from{in.event.from()};
    CallId into{in.event.into()};
    if (into.value() <= 0 || into >= from) return rt::Outcome::reject("a call goes into an older one only");
    auto marked = tx.maybe<Mark>(sql::mark_folded, {company, from, into, in.event.phone()});
    if (!marked) return rt::Outcome::ignored("it was folded before");
    if (!marked->known) return rt::Outcome::done();  // what comes of it later is the other one's
    rt::unwant(tx, kQueue, company, std::to_string(from.value()));
    auto gone = tx.one<Call>(sql::call_state, {company, from});
    for (auto next = tx.maybe<Into>(sql::folded_into, {company, into}); next && next->id;
         next = tx.maybe<Into>(sql::folded_into, {company, into}))
        into = CallId{*next->id};
    auto known = tx.write_counted(sql::stand_in, {company, from, into, in.event.version() - 1}) == 0;
    auto kept = known ? Call::lock(tx, company, into) : std::nullopt;
    if (kept) into = kept->id;

    auto swap = [&](const char* table) { tx.write(sql::change_places, {table, company, into, from}); };
    bool further = !kept || progress_of(gone.state) > progress_of(kept->state);
    auto here = worth_of(gone.state.recording), there = kept ? worth_of(kept->state.recording) : -1;
    if (here > there || (further && here == there)) swap("recordings");
    auto rows = tx.many<Row>(sql::analysis_versions, {company, into, from});
    std::int64_t told = 0;
    bool said = false;  // of the one that goes
    for (const auto& row : rows) {
        told = std::max(told, row.version);
        said = said || row.call == from;
    }
    if (further) {
        swap("shunya_jobs");
        swap("call_transcripts");
        if (progress_of(gone.state) > 0) tx.write(sql::known_to_shunya_as, {company, into, gone.at_shunya});
    }
    if (said && (further || rows.size() == 1)) {
        tx.write(sql::drop_analysis, {company, into});  // a person's word at most, and that stands in the corrections
        tx.write(sql::move_analysis, {company, from, into});
    }
    tx.write(sql::move_corrections, {company, from, into});
    auto why = "the call proved to be call " + std::to_string(into.value()) + ", which goes on with its own";
    tx.write(sql::end_jobs, {company, from, why});
    tx.write(sql::end_recording, {company, from, why});

    auto call = Call::lock(tx, company, into);
    if (!call) return rt::Outcome::retry("the call that it was folded into is not on record");
    std::vector<Outgoing> events;
    if (said) retell_analysis(tx, *call, from, told, events);
    auto next = next_step(call->state, call->now, rules_);
    if (next.action == Action::none)
        rt::unwant(tx, kQueue, company, std::to_string(into.value()));
    else
        want_call(tx, company, into, next.at);
    for (auto& event : events) std::visit([&](auto& m) { out.emit(m); }, event);
    tel::info("two rows proved to be one call", {{"company_id", company.value()},
                                                 {"call_id", from.value()},
                                                 {"into", into.value()},
                                                 {"goes_on_with", further ? "the younger one's" : "the older one's"},
                                                 {"trace_id", in.meta.trace.trace_id_hex()}});
    return rt::Outcome::done();
}

}  // namespace otto::shunya_orchestrator
