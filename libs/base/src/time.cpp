#include "base/time.hpp"

#include <cstdlib>

#include "base/spoken_time.hpp"

namespace otto {
namespace {

using namespace std::chrono;

class SystemClock final : public Clock {
public:
    Instant now() const override { return time_point_cast<microseconds>(system_clock::now()); }
};

}  // namespace

std::string to_rfc3339(Instant t) {
    auto day = floor<days>(t);
    year_month_day date{day};
    hh_mm_ss<microseconds> clock{t - day};
    std::string out;
    out.reserve(28);
    auto digits = [&out](std::int64_t value, int count) {
        auto at = out.size();
        out.append(static_cast<std::size_t>(count), '0');
        for (auto i = at + static_cast<std::size_t>(count); i-- > at; value /= 10) out[i] = static_cast<char>('0' + value % 10);
    };
    int year = int(date.year());
    if (year < 0) out += '-';
    digits(std::abs(year), std::abs(year) > 9999 ? 5 : 4);
    out += '-';
    digits(unsigned(date.month()), 2);
    out += '-';
    digits(unsigned(date.day()), 2);
    out += 'T';
    digits(clock.hours().count(), 2);
    out += ':';
    digits(clock.minutes().count(), 2);
    out += ':';
    digits(clock.seconds().count(), 2);
    if (auto micros = clock.subseconds().count(); micros != 0) {
        out += '.';
        digits(micros, 6);
    }
    out += 'Z';
    return out;
}

std::optional<Instant> parse_time(std::string_view text) {
    auto said = parse_spoken_time(text);
    if (!said || !said->place.empty()) return std::nullopt;
    if (said->moment) return said->moment;
    auto utc = parse_spoken_time(said->day + "T" + (said->clock.empty() ? "00:00:00" : said->clock) + "Z");
    return utc->moment;
}

std::int64_t to_micros(Instant t) { return t.time_since_epoch().count(); }
Instant from_micros(std::int64_t micros) { return Instant{microseconds{micros}}; }

const Clock& system_clock() {
    static const SystemClock clock;
    return clock;
}

}  // namespace otto
