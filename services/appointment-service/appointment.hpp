#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"
#include "otto/analysis/v1/analysis.pb.h"

namespace otto::appointment_service {

/// What an analysis makes of its call's appointment. Only Shunya's words count; nothing is inferred (data-model.md, "After an
/// analysis").
enum class Effect {
    make,    ///< booked: the appointment stands, as the analysis says
    cancel,  ///< no longer booked: one that an earlier analysis made is called off
    none     ///< does not say whether it was booked
};
Effect effect_of(const analysis::v1::AnalysisCompleted&);

/// When an appointment is, as far as somebody said so.
struct When {
    std::optional<Instant> at;
    std::string remark;  ///< what was said but is no time: a bare day, words, what cannot be meant
};
/// What a clock shows in a zone, as a moment; none: there is no such zone.
using Clocks = std::function<std::optional<Instant>(const std::string& wall, const std::string& zone)>;
/// `said` as parse_spoken_time() reads it, without a zone on the company's clocks, and heard at `received`.
When when_of(const std::optional<std::string>& said, const std::string& zone, Instant received, const Clocks&);

/// How long an appointment lasts if nobody says: `appointment_minutes` of the company's workflow_config, 60 by default, 5 to
/// 1440.
std::int64_t minutes_of(std::string_view workflow_config);

}  // namespace otto::appointment_service
