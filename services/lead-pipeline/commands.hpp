#pragma once
#include "identity/api.hpp"
#include "otto/changes/v1/changes.pb.h"
#include "runtime/runtime.hpp"

namespace otto::lead_pipeline {

/// What people command about tasks and leads. Each answers the row as it is now, tells that it changed, and is on record with who did it – in one transaction.
class Commands {
public:
    http::Response create_task(identity::Context&) const;
    http::Response change_task(identity::Context&) const;
    http::Response complete_task(identity::Context&) const;
    http::Response cancel_task(identity::Context&) const;
    http::Response change_lead(identity::Context&) const;
    http::Response claim_lead(identity::Context&) const;

private:
    void tell(identity::Context&, const char* kind, const std::string& id, std::int64_t version) const;
    http::Response task_answer(identity::Context&, const Uuid& id, bool changed, int status = 200) const;
    http::Response lead_answer(identity::Context&, const Uuid& id, bool changed) const;
    rt::Emitter<changes::v1::RowChanged> emitter_{"lead-pipeline"};
};

}  // namespace otto::lead_pipeline
