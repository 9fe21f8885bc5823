#pragma once
#include "otto/changes/v1/changes.pb.h"
#include "otto/members/v1/members.pb.h"
#include "runtime/consumer.hpp"

namespace otto::appointment_service {

/// Appointments that are still ahead of somebody who was removed from the company are nobody's: GET
/// /api/v1/appointments?rep_id=none lists them to who plans. What is over keeps whose it was. The same again finds nothing left.
class Leavers {
public:
    rt::Outcome give_back(rt::In<members::v1::Member>, pg::Tx&, rt::Out<changes::v1::RowChanged>&) const;
};

}  // namespace otto::appointment_service
