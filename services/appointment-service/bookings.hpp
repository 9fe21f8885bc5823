#pragma once
#include "directory/companies.hpp"
#include "otto/analysis/v1/analysis.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "runtime/runtime.hpp"

namespace otto::appointment_service {

/// From a call's analysis to its appointment: made when booked, moved when the analysis changes, never twice, never against a person.
class Bookings {
public:
    explicit Bookings(const directory::Companies& companies) : companies_(companies) {}
    rt::Outcome analysed(rt::In<analysis::v1::AnalysisCompleted>, pg::Tx&, rt::Out<changes::v1::RowChanged>&) const;

private:
    void fold(const std::string& company, std::int64_t from, std::int64_t into, pg::Tx&, rt::Out<changes::v1::RowChanged>&) const;
    const directory::Companies& companies_;
};

}  // namespace otto::appointment_service
