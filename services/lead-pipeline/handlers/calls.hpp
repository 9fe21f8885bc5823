#pragma once
#include "otto/calls/v1/calls.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "otto/routed/v1/routed.pb.h"
#include "runtime/consumer.hpp"

namespace otto::lead_pipeline {

using CallsOut = rt::Out<calls::v1::CallRecorded, calls::v1::CallFolded, calls::v1::LeadMoved, changes::v1::RowChanged>;

/// Reports of calls become contact cards, leads and calls.
class Calls {
public:
    /// `grace`: how long what follows from a missed call waits for a report that says otherwise.
    explicit Calls(Millis grace = Millis{120'000}) : grace_(grace) {}
    void record(std::span<const rt::In<routed::v1::CallReported>>, pg::Tx&, CallsOut&) const;

private:
    Millis grace_;
};

}  // namespace otto::lead_pipeline
