#pragma once
#include <string_view>

#include "base/time.hpp"

namespace otto::events {

/// How long calls take, from the receipt of the last report of a call to each stage of what is made of it, as
/// otto_call_journey_seconds. A stage is told when its transaction has committed, once a call; by whichever service does it, so
/// the metric stands here. What became of a call by a person's word is no journey.
enum class Stage { recorded, transcribed, analysed, booked };
void arrived(Stage, Instant received, Instant now);

}  // namespace otto::events
