#pragma once
#include "api/api.hpp"
#include "call.hpp"
#include "runtime/runtime.hpp"

namespace otto::shunya_orchestrator {

/// What people command: corrections of what a call meant, and another try.
class Commands {
public:
    /// PATCH /api/v1/calls/{call_id}/analysis. A person's word wins over the machine's, now and after later machine results.
    http::Response correct(api::Context&) const;
    /// POST /api/v1/calls/{call_id}/analysis/retry. What was given up begins anew, where it stopped; 409 if nothing was.
    http::Response retry(api::Context&) const;

private:
    rt::Emitter<analysis::v1::JobSubmitted, analysis::v1::TranscriptReady, analysis::v1::AnalysisCompleted,
                analysis::v1::AnalysisFailed, changes::v1::RowChanged>
        emitter_{"shunya-orchestrator"};
};

}  // namespace otto::shunya_orchestrator
