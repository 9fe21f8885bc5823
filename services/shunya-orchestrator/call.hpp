#pragma once
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "analysis.hpp"
#include "base/ids.hpp"
#include "events/journey.hpp"
#include "machine.hpp"
#include "otto/analysis/v1/analysis.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "pg/tx.hpp"
#include "telemetry/trace.hpp"

/// A call in its rows: what is known of it, where it stands, and how results become rows and events. Whoever changes anything
/// holds the call's row.
namespace otto::shunya_orchestrator {

/// Calls on their way to an analysis, by their ids (runtime/work_queue.hpp).
inline constexpr std::string_view kQueue = "shunya-orchestrator";
/// Looks at the call when it is due.
void want_call(pg::Tx&, const CompanyId&, CallId, Instant due);

/// Shows what becomes of jobs from the start: of a counter that begins with its first failure no rate is seen.
void show_jobs();

/// What may follow from a step.
using Outgoing = std::variant<analysis::v1::JobSubmitted, analysis::v1::TranscriptReady, analysis::v1::AnalysisCompleted,
                              analysis::v1::AnalysisFailed, changes::v1::RowChanged>;

class Call {
public:
    /// As it stands, with its row locked until the transaction ends; nullopt if it is not known here. One that proved to be
    /// another call is that call: see `id`.
    static std::optional<Call> lock(pg::Tx&, const CompanyId&, CallId);
    static Call from(const pg::Fields&);

    CompanyId company;
    CallId id{};
    CallId at_shunya{};  ///< what Shunya calls it: its id, or that of a row that proved to be this call
    std::string provider, provider_call_id, phone, status, contact_card_id, lead_id, owner_id, recording_url, object_key;
    std::string no_recording;              ///< why there is none and will be none, in the provider's word; "": nobody said that
    bool recording_of_deployment = false;  ///< the deployment's own account at the provider has it
    std::int64_t recording_seconds = 0;    ///< as the provider states; 0: it does not
    std::optional<Instant> started_at, transcript_at, analysis_at;
    std::optional<Instant> reported_at;  ///< when its last report was received, if that is known
    Instant received_at{}, now{};        ///< `now` is the database's, so that all processes agree
    std::optional<Instant> paused_since;
    tel::TraceContext trace;
    State state;

    /// The job of that step, made if there is none. Its id is a name: whoever makes it makes the same.
    Job& job(Step);
    void save_job(pg::Tx&, Step);

    /// The result of a step. False if it is what was there already, or is older: then nothing was written but the job's end.
    /// `received_at`: when it was told.
    bool take_transcript(pg::Tx&, const Transcript&, const std::string& hash, Instant received, std::vector<Outgoing>&);
    bool take_analysis(pg::Tx&, JsonView, const std::string& hash, Instant received, std::vector<Outgoing>&);
    /// What counts is written and told anew, after a machine's or a person's word. `raw` is the machine's, "{}" if there is none.
    void publish_analysis(pg::Tx&, const Analysis& machine, const std::string& raw, const std::string& provider, Instant received,
                          const Corrections&, std::vector<Outgoing>&);

    Outgoing submitted(Step) const;
    /// A step was given up.
    void tell_failure(std::string_view step, const std::string& why, std::vector<Outgoing>&) const;

private:
    std::string job_type() const { return status == "voicemail" ? "voicemail" : "csr_call"; }
    template <class M>
    M about() const;
    void tell_change(std::int64_t version, std::vector<Outgoing>&) const;
    void arrived(pg::Tx&, events::Stage) const;
    std::optional<std::string> hashes_[2];
    bool over_[2] = {false, false};  ///< its jobs, as their rows have it
    std::optional<std::int64_t> folded_into_;
};

/// What the machine and people said of the call, if anything, is written and told anew, with a version above `told`; `folded` is
/// what proved to be this call.
void retell_analysis(pg::Tx&, Call&, CallId folded, std::int64_t told, std::vector<Outgoing>&);

/// Ids of rows are names, so that a transaction that runs again makes the same ones.
Uuid recording_id(const CompanyId&, CallId);

}  // namespace otto::shunya_orchestrator
