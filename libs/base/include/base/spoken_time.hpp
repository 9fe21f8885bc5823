#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace otto {

/// A time as somebody said it: a moment if a zone was given, else what a clock on the wall of whoever said it shows.
struct SpokenTime {
    std::optional<Instant> moment;
    std::string day, clock;   ///< "2026-03-01", "10:00:00"; no clock: only the day was said. Empty if there is a moment.
};
/// Like parse_time(), but a zone that was not given is not guessed.
std::optional<SpokenTime> parse_spoken_time(std::string_view text);

}  // namespace otto
