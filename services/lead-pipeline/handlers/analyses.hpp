#pragma once
#include "otto/analysis/v1/analysis.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "runtime/consumer.hpp"

namespace otto::lead_pipeline {

/// What analyses of calls mean for their leads, contacts and tasks.
class Analyses {
public:
    void record(std::span<const rt::In<analysis::v1::AnalysisCompleted>>, pg::Tx&, rt::Out<changes::v1::RowChanged>&) const;
};

}  // namespace otto::lead_pipeline
