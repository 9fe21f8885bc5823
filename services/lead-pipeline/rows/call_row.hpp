#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "base/uuid.hpp"
#include "rules/call.hpp"
#include "pg/tx.hpp"

namespace otto::lead_pipeline {

/// A call as it stands in its row.
struct CallRow {
    std::string company, provider, provider_call_id, traceparent;
    std::int64_t call_id = 0, version = 0;
    Uuid contact, lead;
    std::optional<std::string> owner_id;    ///< who took the call
    bool was_missed = false;                ///< as it stood: missed, by somebody who can be called back
    Call call;
    static CallRow from(const pg::Fields&);
};

/// What is derived or not shown, and which report each field comes from.
std::string merge_state(const Call&);
std::string tags_json(const Call&);

}  // namespace otto::lead_pipeline
