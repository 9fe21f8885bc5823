#pragma once
#include "otto/analysis/v1/analysis.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "runtime/consumer.hpp"

namespace otto::lead_pipeline {

/// What a call says against an appointment that no analysis may move becomes a task: somebody has to look. One a call and
/// appointment; a later analysis of the call changes its words, until a person had a hand in it.
class Doubts {
public:
    rt::Outcome look_into(rt::In<analysis::v1::AppointmentDoubted>, pg::Tx&, rt::Out<changes::v1::RowChanged>&) const;
};

}  // namespace otto::lead_pipeline
