#pragma once
#include "directory/companies.hpp"
#include "otto/analysis/v1/analysis.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "runtime/runtime.hpp"

namespace otto::appointment_service {

/// From what the calls of a lead meant to its appointments, as plan_visits() plans them: made when booked, moved by a later word,
/// never twice, never against a person.
class Bookings {
public:
    explicit Bookings(const directory::Companies& companies) : companies_(companies) {}
    using Event = analysis::v1::AnalysisCompleted;
    using Out = rt::Out<changes::v1::RowChanged, analysis::v1::AppointmentDoubted>;
    rt::Outcome analysed(rt::In<Event>, pg::Tx&, Out&) const;
    /// Plans a lead's visits anew: its calls are others than before.
    void settle(const std::string& company, const Uuid& lead, pg::Tx&, Out&) const;

private:
    struct Settling;
    const directory::Companies& companies_;
};

}  // namespace otto::appointment_service
