#include "base/spoken_time.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/text.hpp"

namespace otto {
namespace {

using namespace std::chrono;

bool digit(char c) { return c >= '0' && c <= '9'; }
bool letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

/// What is still to be read.
class Rest {
public:
    explicit Rest(std::string_view text) : text_(text) {}
    bool empty() const { return text_.empty(); }
    bool take(char c) {
        if (text_.empty() || text_.front() != c) return false;
        text_.remove_prefix(1);
        return true;
    }
    bool take_one_of(std::string_view chars) {
        return std::any_of(chars.begin(), chars.end(), [this](char c) { return take(c); });
    }
    /// Exactly `count` digits.
    std::optional<int> number(std::size_t count) {
        if (text_.size() < count || !std::all_of(text_.begin(), text_.begin() + static_cast<long>(count), digit))
            return std::nullopt;
        int value = 0;
        for (char c : text_.substr(0, count)) value = value * 10 + (c - '0');
        text_.remove_prefix(count);
        return value;
    }
    template <class Of>
    std::string_view while_(Of of) {
        auto end = std::find_if_not(text_.begin(), text_.end(), of);
        auto taken = text_.substr(0, static_cast<std::size_t>(end - text_.begin()));
        text_.remove_prefix(taken.size());
        return taken;
    }

private:
    std::string_view text_;
};

std::optional<Instant> in_bounds(Instant t) {
    static constexpr Instant first = sys_days{year{1970} / 1 / 1}, last = sys_days{year{2201} / 1 / 1};
    if (t < first || t >= last) return std::nullopt;
    return t;
}

std::optional<Instant> day_of(std::optional<int> y, std::optional<int> m, std::optional<int> d) {
    if (!y || !m || !d) return std::nullopt;
    year_month_day date{year{*y} / *m / *d};
    return date.ok() ? std::optional<Instant>(sys_days{date}) : std::nullopt;
}

/// "10:00", "10:00:00", "10:00:00.25".
std::optional<microseconds> clock_of(Rest& in) {
    auto hour = in.number(2);
    if (!hour || *hour > 23 || !in.take(':')) return std::nullopt;
    auto minute = in.number(2);
    if (!minute || *minute > 59) return std::nullopt;
    microseconds at = hours{*hour} + minutes{*minute};
    if (!in.take(':')) return at;
    auto second = in.number(2);
    if (!second || *second > 60) return std::nullopt;
    at += seconds{*second};
    if (!in.take('.')) return at;
    auto fraction = in.while_(digit);
    if (fraction.empty()) return std::nullopt;
    std::int64_t micros = 0;
    for (std::size_t i = 0; i < 6; ++i) micros = micros * 10 + (i < fraction.size() ? fraction[i] - '0' : 0);
    return at + microseconds{micros};
}

/// What follows the sign: "07:00", "0700", "07"; behind "UTC" also "7".
std::optional<minutes> offset_of(Rest& in, bool short_hour) {
    auto hour = in.number(2);
    if (!hour && short_hour) hour = in.number(1);
    if (!hour || *hour > 23) return std::nullopt;
    std::optional<int> minute = 0;
    if (in.take(':'))
        minute = in.number(2);
    else if (auto more = in.number(2))
        minute = more;
    if (!minute || *minute > 59) return std::nullopt;
    return hours{*hour} + minutes{*minute};
}

struct Named {
    std::string_view name;
    int hours;               ///< east of Greenwich
    std::string_view place;  ///< or whose clocks it means
};
constexpr std::array<Named, 21> kNames{{{"Z", 0, ""},
                                        {"UTC", 0, ""},
                                        {"GMT", 0, ""},
                                        {"UT", 0, ""},
                                        {"EST", -5, ""},
                                        {"EDT", -4, ""},
                                        {"CST", -6, ""},
                                        {"CDT", -5, ""},
                                        {"MST", -7, ""},
                                        {"MDT", -6, ""},
                                        {"PST", -8, ""},
                                        {"PDT", -7, ""},
                                        {"AKST", -9, ""},
                                        {"AKDT", -8, ""},
                                        {"HST", -10, ""},
                                        {"ET", 0, "America/New_York"},
                                        {"CT", 0, "America/Chicago"},
                                        {"MT", 0, "America/Denver"},
                                        {"PT", 0, "America/Los_Angeles"},
                                        {"AKT", 0, "America/Anchorage"},
                                        {"HT", 0, "Pacific/Honolulu"}}};
constexpr std::array<std::string_view, 16> kAreas{"Africa",    "America", "Antarctica", "Arctic", "Asia", "Atlantic",
                                                  "Australia", "Brazil",  "Canada",     "Chile",  "Etc",  "Europe",
                                                  "Indian",    "Mexico",  "Pacific",    "US"};

/// One of IANA's areas and what is in it. A digit is in none of their names, but in what Postgres takes for a rule instead of a
/// name.
bool shaped_as_place(std::string_view name) {
    auto area = name.substr(0, name.find('/'));
    bool known = std::any_of(kAreas.begin(), kAreas.end(), [&](auto a) { return iequals(a, area); });
    bool plain = std::all_of(name.begin(), name.end(), [](char c) { return letter(c) || c == '/' || c == '_' || c == '-'; });
    return known && plain && area.size() + 1 < name.size() && letter(name.back());
}

struct Zone {
    std::optional<minutes> offset;
    std::string place;
    bool by_name = false;
};

/// The zone, to the end of the text; nullopt: it is none. Neither offset nor place: there is none.
std::optional<Zone> zone_of(Rest in) {
    Zone zone;
    in.take(' ');  // "2025-01-15 10:30:00 -0500", "… UTC"
    auto name = in.while_([](char c) { return letter(c) || c == '/' || c == '_'; });
    std::string place(name);
    if (name.find('/') != std::string_view::npos) {
        place += in.while_([](char c) { return letter(c) || c == '/' || c == '_' || c == '-'; });  // "America/Port-au-Prince"
        if (!shaped_as_place(place)) return std::nullopt;
        zone = {{}, place, true};
    } else if (!name.empty()) {
        auto known = std::find_if(kNames.begin(), kNames.end(), [&](const auto& n) { return iequals(n.name, name); });
        if (known == kNames.end()) return std::nullopt;
        zone = {known->place.empty() ? std::optional<minutes>(hours{known->hours}) : std::nullopt, std::string(known->place),
                known->name != "Z" && known->name != "UTC"};
    }
    bool may_have_offset = name.empty() || iequals(name, "UTC") || iequals(name, "GMT");
    for (int sign : {1, -1}) {
        if (!may_have_offset || !in.take(sign < 0 ? '-' : '+')) continue;
        auto offset = offset_of(in, !name.empty());
        if (!offset) return std::nullopt;
        zone.offset = sign * *offset;
        zone.by_name = !name.empty();
        break;
    }
    if (in.take('[')) {  // RFC 9557: "…-07:00[America/Phoenix]"
        in.take('!');
        auto comment = in.while_([](char c) { return letter(c) || c == '/' || c == '_' || c == '-'; });
        if (!shaped_as_place(comment) || !in.take(']') || !zone.place.empty()) return std::nullopt;
        if (!zone.offset) zone.place = comment;
        zone.by_name = true;
    }
    if (!in.empty()) return std::nullopt;
    return zone;
}

std::optional<SpokenTime> digits_of(std::string_view text) {
    constexpr std::int64_t least = 1'000'000'000, most = 4'000'000'000;
    Rest in(text);
    if (text.size() == 8) {
        auto y = in.number(4), m = in.number(2), d = in.number(2);
        auto day = day_of(y, m, d);
        if (!day || !in_bounds(*day)) return std::nullopt;
        return SpokenTime{{}, to_rfc3339(*day).substr(0, 10), {}, {}, false};
    }
    std::int64_t n = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{}) return std::nullopt;
    if (n >= least && n <= most) return SpokenTime{Instant{seconds{n}}, {}, {}, {}, false};
    if (n >= least * 1'000 && n <= most * 1'000) return SpokenTime{Instant{milliseconds{n}}, {}, {}, {}, false};
    return std::nullopt;
}

}  // namespace

std::optional<SpokenTime> parse_spoken_time(std::string_view text) {
    constexpr std::size_t longest = 100;
    text = trim(text);
    if (text.empty() || text.size() > longest) return std::nullopt;
    if (std::all_of(text.begin(), text.end(), digit)) return digits_of(text);

    Rest in(text);
    auto y = in.number(4);
    if (!y || !in.take('-')) return std::nullopt;
    auto m = in.number(2);
    if (!m || !in.take('-')) return std::nullopt;
    auto d = in.number(2);
    auto at = day_of(y, m, d);
    if (!at) return std::nullopt;
    SpokenTime said;
    bool only_day = in.empty();
    if (!only_day) {
        if (!in.take_one_of("Tt ")) return std::nullopt;
        auto clock = clock_of(in);
        if (!clock) return std::nullopt;
        *at += *clock;
        auto zone = zone_of(in);
        if (!zone) return std::nullopt;
        said.by_name = zone->by_name;
        said.place = std::move(zone->place);
        if (zone->offset) said.moment = *at - *zone->offset;
    }
    if (!in_bounds(said.moment.value_or(*at))) return std::nullopt;
    if (said.moment) return said;
    auto shown = to_rfc3339(*at);
    said.day = shown.substr(0, 10);
    if (!only_day) said.clock = shown.substr(11, shown.size() - 12);
    return said;
}

std::optional<Instant> credible(std::optional<Instant> at, Instant received) {
    static constexpr Instant first = sys_days{year{2000} / 1 / 1};
    auto day = floor<days>(received);
    year_month_day ahead = year_month_day{day} + years{10};
    if (!ahead.ok()) ahead = ahead.year() / ahead.month() / last;
    if (!at || *at < first || *at > sys_days{ahead} + (received - day)) return std::nullopt;
    return at;
}

}  // namespace otto
