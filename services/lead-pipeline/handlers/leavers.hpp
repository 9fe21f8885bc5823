#pragma once
#include "otto/changes/v1/changes.pb.h"
#include "otto/members/v1/members.pb.h"
#include "runtime/consumer.hpp"

namespace otto::lead_pipeline {

/// Who was removed from a company has nothing to work on there any more: open leads return to the pool, open tasks to whoever has
/// the role that they are for. Closed leads and done tasks keep whose they were. The same again finds nothing left.
class Leavers {
public:
    rt::Outcome give_back(rt::In<members::v1::Member>, pg::Tx&, rt::Out<changes::v1::RowChanged>&) const;
};

}  // namespace otto::lead_pipeline
