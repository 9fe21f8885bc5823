#pragma once
#include "otto/calls/v1/calls.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "otto/routed/v1/routed.pb.h"
#include "runtime/consumer.hpp"

namespace otto::lead_pipeline {

using MessagesOut = rt::Out<calls::v1::LeadMoved, changes::v1::RowChanged>;

/// Reports of texts become the thread on the customer's card, and what they ask for.
class Messages {
public:
    void record(std::span<const rt::In<routed::v1::MessageReported>>, pg::Tx&, MessagesOut&) const;
};

}  // namespace otto::lead_pipeline
