#pragma once
#include <chrono>
#include <optional>
#include <string_view>

#include "base/time.hpp"

namespace otto {

/// What a clock on a wall shows: the day of the week and the minute of the day, 0 to 1439. In the night in which clocks are set
/// back an hour is shown twice, in the one in which they are set forward an hour is never shown.
struct WallClock {
    std::chrono::weekday day;
    int minute = 0;
    bool operator==(const WallClock&) const = default;
};
/// By the clocks of one of IANA's places ("America/Phoenix"); nothing: there is no such place. Reads the machine's files of them
/// (RFC 8536, package tzdata), as Postgres does, so that both agree; asks no database, so that what must answer at once can.
std::optional<WallClock> wall_clock(std::string_view place, Instant);

/// Minutes since midnight of "HH:MM", which are two digits each; 1440 for "24:00", the end of a day. Nothing: it is no such time.
std::optional<int> minute_of_day(std::string_view clock);

/// From when to when on each day something is open, in minutes of that day, `to` not included; over midnight where `to` is the
/// smaller one: such an opening belongs to the day on which it begins. From and to alike: no opening.
struct Opening {
    std::chrono::weekday day;
    int from = 0, to = 0;
    bool holds(const WallClock&) const;
};

}  // namespace otto
