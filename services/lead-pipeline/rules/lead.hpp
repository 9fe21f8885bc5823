#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"

namespace otto::lead_pipeline {

/// What a lead knows from its calls. Pure: any order of calls ends in the same.
struct Lead {
    std::optional<std::string> source;
    std::optional<Instant> source_at;  ///< of the call that the source comes from
    std::optional<std::string> source_call;
    std::optional<Instant> last_contacted_at;
};

/// Source = that of the call with the least (started_at, provider_call_id) that has one; last contact = the latest start. True if
/// anything changed.
bool touch(Lead&, const std::optional<std::string>& source, Instant started_at, const std::string& provider_call_id);

/// A lead is open unless closed_won, closed_lost or abandoned.
bool is_open(std::string_view status);

/// Where a lead stands in the shared pool: it follows from its status and whose it is.
std::string pool_status(std::string_view status, bool assigned);

/// What the newest analysis of one call says, in Shunya's words. Nothing is inferred.
struct Verdict {
    std::int64_t call = 0;
    std::optional<std::string> booking_status, lead_quality, call_outcome_category;
    Instant call_started_at{}, received_at{};
    std::int64_t version = 0;  ///< of the analysis: an older one never wins
};

/// A person's word on a lead's status. It stands against analyses of calls that started before it.
struct Edit {
    std::string status;
    Instant at{};
};

/// What a lead becomes by this call alone (data-model.md, "After an analysis"); nullopt: the analysis does not say.
std::optional<std::string> qualify(const Verdict&);

/// A lead's status from all its calls' newest analyses and the person's last edit; nullopt: nobody has said anything. Booked wins
/// over any other verdict, else the call with the latest start decides. Pure: the order of `verdicts` does not matter.
std::optional<std::string> decide(const std::optional<Edit>&, const std::vector<Verdict>& verdicts);

/// When an analysis last found the lead to be one: the latest `received_at` of those that qualify it.
std::optional<Instant> last_qualified(const std::vector<Verdict>& verdicts);

/// Takes a call's analysis up among those of its lead; false if a newer one, or this one, is there already.
bool take(std::vector<Verdict>& verdicts, const Verdict&);

}  // namespace otto::lead_pipeline
