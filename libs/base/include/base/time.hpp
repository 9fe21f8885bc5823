#pragma once
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace otto {

/// A moment, UTC, to the microsecond (what Postgres keeps).
using Instant = std::chrono::sys_time<std::chrono::microseconds>;
using Millis = std::chrono::milliseconds;

/// "2026-11-21T01:02:03Z", with micros only if there are any.
std::string to_rfc3339(Instant);
/// What providers send as a time: RFC 3339 with `Z` or an offset; without a zone it is UTC (CallRail's `datetime`);
/// 'T' or a space between date and time; a bare date; Unix seconds or milliseconds as digits. Anything else, or a year outside
/// 1970–2200, is nullopt.
std::optional<Instant> parse_time(std::string_view text);
std::int64_t to_micros(Instant);
Instant from_micros(std::int64_t);

/// The only source of "now". Handlers are given times; nothing below them asks the system.
class Clock {
public:
    virtual ~Clock() = default;
    virtual Instant now() const = 0;
};

/// The machine's clock.
const Clock& system_clock();

}  // namespace otto
