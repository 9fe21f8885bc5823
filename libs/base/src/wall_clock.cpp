#include "base/wall_clock.hpp"

#include <unicode/timezone.h>

#include <memory>

namespace otto {

std::optional<WallClock> wall_clock(std::string_view place, Instant at) {
    using namespace std::chrono;
    const auto id = icu::UnicodeString::fromUTF8({place.data(), static_cast<std::int32_t>(place.size())});
    const std::unique_ptr<icu::TimeZone> zone(icu::TimeZone::createTimeZone(id));
    if (!zone || *zone == icu::TimeZone::getUnknown()) return std::nullopt;
    std::int32_t standard = 0, summer = 0;
    UErrorCode status = U_ZERO_ERROR;
    const auto since_1970 = duration_cast<milliseconds>(at.time_since_epoch()).count();
    zone->getOffset(static_cast<UDate>(since_1970), false, standard, summer, status);
    if (U_FAILURE(status)) return std::nullopt;
    const auto shown = at + milliseconds{standard + summer};
    const auto day = floor<days>(shown);
    return WallClock{weekday{day}, static_cast<int>(floor<minutes>(shown - day).count())};
}

std::optional<int> minute_of_day(std::string_view clock) {
    auto digit = [&](std::size_t i) { return clock[i] >= '0' && clock[i] <= '9' ? clock[i] - '0' : -1; };
    if (clock.size() != 5 || clock[2] != ':') return std::nullopt;
    for (std::size_t i : {0, 1, 3, 4})
        if (digit(i) < 0) return std::nullopt;
    const int hour = 10 * digit(0) + digit(1), minute = 10 * digit(3) + digit(4);
    if (minute > 59 || 60 * hour + minute > 24 * 60) return std::nullopt;
    return 60 * hour + minute;
}

bool Opening::holds(const WallClock& now) const {
    if (from <= to) return now.day == day && from <= now.minute && now.minute < to;
    return (now.day == day && from <= now.minute) || (now.day == day + std::chrono::days{1} && now.minute < to);
}

}  // namespace otto
