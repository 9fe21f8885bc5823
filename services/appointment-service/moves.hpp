#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "base/uuid.hpp"
#include "bookings.hpp"
#include "otto/calls/v1/calls.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "runtime/consumer.hpp"

namespace otto::appointment_service {

/// Whose an appointment is: a lead, and its contact.
struct Customer {
    Uuid lead, contact;
    auto operator<=>(const Customer&) const = default;
};

/// Where a call's appointment belongs now; `said` is what its event named when it was made, and counts where the call is not on
/// record. Holds the lead: whoever moves its appointments waits, or was here before, and then this says what came of it.
Customer customer_of(pg::Tx&, const std::string& company, std::int64_t call, Customer said);

/// For who makes an appointment of a lead by hand; before that lead is read.
void hold_lead(pg::Tx&, const std::string& company, const Uuid& lead);

/// Appointments go along with the leads and calls that lead-pipeline moves. What is on record there decides, not the order of
/// these events.
class Moves {
public:
    explicit Moves(const Bookings& bookings) : bookings_(bookings) {}
    rt::Outcome moved(rt::In<calls::v1::LeadMoved>, pg::Tx&, Bookings::Out&) const;

private:
    const Bookings& bookings_;
};

}  // namespace otto::appointment_service
