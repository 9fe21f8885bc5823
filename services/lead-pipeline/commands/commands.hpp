#pragma once
#include "api/api.hpp"

namespace otto::lead_pipeline {

/// What people command about tasks and leads. Each answers the row as it is now, tells that it changed, and is on record with who
/// did it – in one transaction.
class Commands {
public:
    http::Response create_task(api::Context&) const;
    http::Response change_task(api::Context&) const;
    http::Response complete_task(api::Context&) const;
    http::Response cancel_task(api::Context&) const;
    http::Response change_lead(api::Context&) const;
    http::Response claim_lead(api::Context&) const;
};

}  // namespace otto::lead_pipeline
