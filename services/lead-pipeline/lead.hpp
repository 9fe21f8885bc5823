#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace otto::lead_pipeline {

/// What a lead knows from its calls. Pure: any order of calls ends in the same.
struct Lead {
    std::optional<std::string> source;
    std::optional<Instant> source_at;       ///< of the call that the source comes from
    std::optional<std::string> source_call;
    std::optional<Instant> last_contacted_at;
};

/// Source = that of the call with the least (started_at, provider_call_id) that has one; last contact = the latest start. True if anything changed.
bool touch(Lead&, const std::optional<std::string>& source, Instant started_at, const std::string& provider_call_id);

/// A lead is open unless closed_won, closed_lost or abandoned.
bool is_open(std::string_view status);

}  // namespace otto::lead_pipeline
