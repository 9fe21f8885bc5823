#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/time.hpp"

namespace otto {

/// A time as somebody said it: a moment, or what a clock on a wall shows. Of the zone of a wall only a database of zones makes a
/// moment (`otto_moment()` in SQL).
struct SpokenTime {
    std::optional<Instant>
        moment;              ///< it counts from 1970, or names an offset, or a zone that has one offset for ever ("UTC", "EST")
    std::string day, clock;  ///< "2026-03-01", "10:00:00": the wall, if there is no moment; no clock: only the day was said
    std::string place;     ///< the wall's zone, if it was said: "America/Denver". Whether there is such a place is not looked up
    bool by_name = false;  ///< a zone was said, otherwise than by "Z", "UTC" or an offset
    std::string wall(std::string_view clock_of_a_day) const {
        return day + " " + (clock.empty() ? std::string(clock_of_a_day) : clock);
    }
};
/// The only reader of times. A day, or a day and a time of it ("2026-03-01T10:00", with 'T' or a space, with seconds and
/// fractions or without), behind it perhaps a zone: "Z", an offset, "UTC", "GMT", either with an offset, a zone of RFC 5322 and
/// those of Alaska and Hawaii ("EST", "AKDT"; "ET" and its like are places, whose clocks change), or one of IANA's places, which
/// after an offset only comments on it ("[America/Phoenix]"). Digits alone: eight are a day; from 10^9 to 4*10^9 they are seconds
/// since 1970, a thousandfold milliseconds. Nothing else is a time, nor what lies outside 1970 to 2200.
std::optional<SpokenTime> parse_spoken_time(std::string_view text);

/// What can be meant of what was heard at `received`: nothing before 2000 or more than ten years ahead is.
std::optional<Instant> credible(std::optional<Instant> at, Instant received);

}  // namespace otto
