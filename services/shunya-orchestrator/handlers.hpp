#pragma once
#include "call.hpp"
#include "failing.hpp"
#include "otto/calls/v1/calls.pb.h"
#include "otto/routed/v1/routed.pb.h"
#include "runtime/consumer.hpp"

namespace otto::shunya_orchestrator {

/// Whether a call, as it stands, has something to analyse: it is over, somebody or a machine spoke, and the provider has a
/// recording.
bool has_recording(std::string_view status, std::string_view recording_url);
/// Whether a call, as it stands, is to be told of that its recording will not come: it is over, and the provider said so.
bool lacks_recording(std::string_view status, std::string_view recording_url, std::string_view unavailable);

/// Calls as lead-pipeline records them: one with a recording is to be worked on, once; so is one whose provider says that there
/// is none, if only to tell people.
class Calls {
public:
    explicit Calls(const FailingRecordings& failing) : failing_(failing) {}
    void record(std::span<const rt::In<calls::v1::CallRecorded>>, pg::Tx&, rt::Out<>&) const;

private:
    const FailingRecordings& failing_;
};

/// Shunya's own reports: results, failures, and that something is done and may be fetched.
class Reports {
public:
    explicit Reports(Rules rules) : rules_(std::move(rules)) {}
    rt::Outcome take(rt::In<routed::v1::JobReported>, pg::Tx&,
                     rt::Out<analysis::v1::JobSubmitted, analysis::v1::TranscriptReady, analysis::v1::AnalysisCompleted,
                             analysis::v1::AnalysisFailed, changes::v1::RowChanged>&) const;

private:
    Rules rules_;
};

/// Rows that proved to be one call: what was had or begun for the one that goes is the other's from now on. Nothing is paid for
/// again: of two that were begun the one goes on that is further on its way, of two as far the one that stays; the other's rows
/// are kept under the id that went, and end. People's corrections of both count.
class Folds {
public:
    explicit Folds(Rules rules) : rules_(std::move(rules)) {}
    rt::Outcome take(rt::In<calls::v1::CallFolded>, pg::Tx&,
                     rt::Out<analysis::v1::JobSubmitted, analysis::v1::TranscriptReady, analysis::v1::AnalysisCompleted,
                             analysis::v1::AnalysisFailed, changes::v1::RowChanged>&) const;

private:
    Rules rules_;
};

}  // namespace otto::shunya_orchestrator
