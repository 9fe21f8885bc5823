#pragma once
#include "otto/calls/v1/calls.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "otto/routed/v1/routed.pb.h"
#include "runtime/consumer.hpp"

namespace otto::lead_pipeline {

/// Reports of calls become contact cards, leads and calls.
class Calls {
public:
    void record(std::span<const rt::In<routed::v1::CallReported>>, pg::Tx&, rt::Out<calls::v1::CallRecorded, changes::v1::RowChanged>&) const;
};

}  // namespace otto::lead_pipeline
