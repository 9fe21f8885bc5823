#pragma once
#include <string_view>

namespace otto::lead_pipeline {

/// The hours in which nobody is texted by Otto itself, by the customer's clocks: from nine in the evening to eight in the morning
/// unless the company says otherwise (`workflow_config.quiet_hours`).
struct QuietHours {
    int from = 21 * 60, to = 8 * 60;  ///< minutes of the day; over midnight where `to` is the smaller one
    bool none() const { return from == to; }
    bool operator==(const QuietHours&) const = default;
};
/// "21:00", "08:00"; what is no time leaves the default, since a setting that nobody can read must not let texts go at night.
QuietHours quiet_hours(std::string_view from, std::string_view to);

/// The zone of a state of the US, by its letters or its name; "": it is none, or has more than one.
std::string_view zone_of_state(std::string_view state);

}  // namespace otto::lead_pipeline
