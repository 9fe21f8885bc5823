#include "base/time.hpp"

#include <charconv>
#include <cstdlib>

namespace otto {
namespace {

using namespace std::chrono;

/// Reads exactly `digits` digits and moves on.
std::optional<int> number(std::string_view& in, std::size_t digits) {
    if (in.size() < digits) return std::nullopt;
    int value = 0;
    for (std::size_t i = 0; i < digits; ++i) {
        if (in[i] < '0' || in[i] > '9') return std::nullopt;
        value = value * 10 + (in[i] - '0');
    }
    in.remove_prefix(digits);
    return value;
}

bool take(std::string_view& in, char c) {
    if (in.empty() || in.front() != c) return false;
    in.remove_prefix(1);
    return true;
}

std::optional<Instant> in_bounds(Instant t) {
    static constexpr Instant first = sys_days{year{1970} / 1 / 1}, last = sys_days{year{2201} / 1 / 1};
    if (t < first || t >= last) return std::nullopt;
    return t;
}

/// Unix seconds (up to 11 digits) or milliseconds (12–14).
std::optional<Instant> unix_time(std::string_view text) {
    std::int64_t n = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{} || end != text.data() + text.size() || n < 0 || text.size() > 14) return std::nullopt;
    return in_bounds(text.size() <= 11 ? Instant{seconds{n}} : Instant{milliseconds{n}});
}

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
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    if (text.size() > 64) return std::nullopt;
    if (!text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos) return unix_time(text);

    auto y = number(text, 4);
    if (!y || !take(text, '-')) return std::nullopt;
    auto m = number(text, 2);
    if (!m || !take(text, '-')) return std::nullopt;
    auto d = number(text, 2);
    if (!d) return std::nullopt;
    year_month_day date{year{*y} / *m / *d};
    if (!date.ok()) return std::nullopt;
    Instant t = sys_days{date};
    if (text.empty()) return in_bounds(t);

    if (!take(text, 'T') && !take(text, 't') && !take(text, ' ')) return std::nullopt;
    auto hour = number(text, 2);
    if (!hour || *hour > 23 || !take(text, ':')) return std::nullopt;
    auto minute = number(text, 2);
    if (!minute || *minute > 59) return std::nullopt;
    t += hours{*hour} + minutes{*minute};
    if (take(text, ':')) {
        auto second = number(text, 2);
        if (!second || *second > 60) return std::nullopt;
        t += seconds{*second};
        if (take(text, '.')) {
            int digits = 0;
            std::int64_t micros = 0;
            for (; !text.empty() && text.front() >= '0' && text.front() <= '9'; text.remove_prefix(1), ++digits)
                if (digits < 6) micros = micros * 10 + (text.front() - '0');
            if (digits == 0) return std::nullopt;
            for (; digits < 6; ++digits) micros *= 10;
            t += microseconds{micros};
        }
    }
    take(text, ' ');  // "2025-01-15 10:30:00 -0500", "… UTC"
    if (text.empty() || text == "Z" || text == "z" || text == "UTC") return in_bounds(t);
    int sign = text.front() == '-' ? -1 : 1;
    if (!take(text, '+') && !take(text, '-')) return std::nullopt;
    auto offset_hours = number(text, 2);
    if (!offset_hours || *offset_hours > 23) return std::nullopt;
    bool colon = take(text, ':');
    int offset_minutes = 0;
    if (colon || !text.empty()) {
        auto read = number(text, 2);
        if (!read || *read > 59 || !text.empty()) return std::nullopt;
        offset_minutes = *read;
    }
    return in_bounds(t - sign * (hours{*offset_hours} + minutes{offset_minutes}));
}

std::int64_t to_micros(Instant t) { return t.time_since_epoch().count(); }
Instant from_micros(std::int64_t micros) { return Instant{microseconds{micros}}; }

const Clock& system_clock() {
    static const SystemClock clock;
    return clock;
}

}  // namespace otto
