#include "base/wall_clock.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

#include "base/text.hpp"

namespace otto {
namespace {

using namespace std::chrono;

/// The files that Postgres and everything else on the machine reckons with; ICU's own data are as old as ICU.
constexpr const char* kFolder = "/usr/share/zoneinfo/";
constexpr std::size_t kMostPlaces = 1'000;

/// Numbers with the highest byte first, and texts; what lies beyond the end is 0.
class Bytes {
public:
    explicit Bytes(std::string_view bytes) : rest_(bytes) {}
    std::string_view take(std::size_t n) {
        auto out = rest_.substr(0, n);
        rest_.remove_prefix(out.size());
        return out;
    }
    std::int64_t number(std::size_t width) {
        std::uint64_t n = 0;
        for (unsigned char c : take(width)) n = n << 8 | c;
        return width == 4 ? static_cast<std::int32_t>(n) : static_cast<std::int64_t>(n);
    }
    std::string_view rest() const { return rest_; }

private:
    std::string_view rest_;
};

/// POSIX' rule for the years behind the table: "EST5EDT,M3.2.0,M11.1.0".
class Rule {
public:
    static std::optional<Rule> of(std::string_view text) {
        Rule rule;
        rule.rest_ = text;
        if (!rule.name() || !rule.offset(rule.standard_)) return std::nullopt;
        rule.summer_ = rule.standard_;
        if (rule.rest_.empty()) return rule;
        if (!rule.name()) return std::nullopt;
        rule.summer_ = rule.standard_ + hours{1};
        if (!rule.rest_.starts_with(',') && !rule.offset(rule.summer_)) return std::nullopt;
        if (!rule.turn(rule.begins_) || !rule.turn(rule.ends_) || !rule.rest_.empty()) return std::nullopt;
        return rule;
    }
    seconds at(sys_seconds now) const {
        if (summer_ == standard_) return standard_;
        const auto y = year_month_day{floor<days>(now + standard_)}.year();
        const auto begin = begins_.in(y)-standard_, end = ends_.in(y)-summer_;
        const bool summer = begin < end ? begin <= now && now < end : !(end <= now && now < begin);
        return summer ? summer_ : standard_;
    }

private:
    /// A day of the year and the time on its clocks.
    struct Turn {
        char kind = 'n';  ///< M: month, week, day of the week; J: day of the year without 29 February, from 1; n: with it, from 0
        unsigned month = 0, week = 0, day = 0;
        seconds time = hours{2};

        sys_seconds in(year y) const {
            if (kind == 'n') return sys_days{y / 1 / 1} + days{day} + time;
            if (kind == 'J') return sys_days{y / 1 / 1} + days{day - 1 + (y.is_leap() && day >= 60 ? 1 : 0)} + time;
            const std::chrono::month m{month};
            const weekday d{day};
            return (week == 5 ? sys_days{y / m / d[last]} : sys_days{y / m / d[week]}) + time;
        }
    };
    bool take(char c) {
        if (!rest_.starts_with(c)) return false;
        rest_.remove_prefix(1);
        return true;
    }
    bool name() {
        const auto end = rest_.starts_with('<') ? rest_.find('>') + 1 : rest_.find_first_of("+-,0123456789");
        const auto n = std::min(end, rest_.size());
        rest_.remove_prefix(n);
        return n >= 3;
    }
    template <class Number>
    bool number(Number& into, int most) {
        auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), into);
        if (error != std::errc{} || static_cast<int>(into) > most) return false;
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
        return true;
    }
    bool clock(seconds& into) {
        const int sign = take('-') ? -1 : (take('+'), 1);
        int h = 0, m = 0, s = 0;
        if (!number(h, 167) || h < 0) return false;
        if (take(':') && !number(m, 59)) return false;
        if (take(':') && !number(s, 59)) return false;
        into = sign * (hours{h} + minutes{m} + seconds{s});
        return true;
    }
    /// East of Greenwich, which POSIX counts to the west.
    bool offset(seconds& into) {
        seconds west{0};
        if (!clock(west)) return false;
        into = -west;
        return true;
    }
    bool turn(Turn& t) {
        if (!take(',')) return false;
        if (take('M')) {
            t.kind = 'M';
            if (!number(t.month, 12) || !take('.') || !number(t.week, 5) || !take('.') || !number(t.day, 6)) return false;
            if (t.month == 0 || t.week == 0) return false;
        } else {
            if (take('J')) t.kind = 'J';
            if (!number(t.day, 366)) return false;
        }
        return !take('/') || clock(t.time);
    }

    std::string_view rest_;
    seconds standard_{0}, summer_{0};
    Turn begins_, ends_;
};

/// What the clocks of one place show: a file in the form of RFC 8536.
class Place {
public:
    static std::shared_ptr<const Place> of(std::string_view file) {
        Bytes in(file);
        auto counts = header(in);
        if (!counts) return nullptr;
        in.take(counts->bytes(4));  // for readers who know 32 bits only
        counts = header(in);
        if (!counts || counts->types == 0 || counts->bytes(8) > in.rest().size()) return nullptr;
        auto place = std::make_shared<Place>();
        for (std::int64_t i = 0; i < counts->times; ++i) place->since_.emplace_back(seconds{in.number(8)});
        std::vector<std::int64_t> kinds;
        for (std::int64_t i = 0; i < counts->times; ++i) kinds.push_back(in.number(1));
        std::vector<seconds> offsets;
        for (std::int64_t i = 0; i < counts->types; ++i) {
            offsets.emplace_back(in.number(4));
            in.take(2);
        }
        for (auto kind : kinds) {
            if (kind >= counts->types) return nullptr;
            place->offset_.push_back(offsets[static_cast<std::size_t>(kind)]);
        }
        place->first_ = offsets.front();
        in.take(static_cast<std::size_t>(counts->letters + counts->leaps * 12 + counts->standards + counts->universals));
        place->rule_ = Rule::of(trim(in.rest()));
        return place;
    }
    seconds at(sys_seconds now) const {
        const auto next = std::upper_bound(since_.begin(), since_.end(), now) - since_.begin();
        if (next == static_cast<std::ptrdiff_t>(since_.size()) && rule_) return rule_->at(now);
        return next == 0 ? first_ : offset_[static_cast<std::size_t>(next - 1)];
    }

private:
    struct Counts {
        std::int64_t universals, standards, leaps, times, types, letters;
        std::size_t bytes(std::int64_t width) const {
            return static_cast<std::size_t>(times * (width + 1) + types * 6 + letters + leaps * (width + 4) + standards +
                                            universals);
        }
    };
    static std::optional<Counts> header(Bytes& in) {
        if (in.take(4) != "TZif" || in.take(1) < "2") return std::nullopt;
        in.take(15);
        Counts c{};
        for (auto* n : {&c.universals, &c.standards, &c.leaps, &c.times, &c.types, &c.letters})
            if (*n = in.number(4); *n < 0 || *n > 100'000) return std::nullopt;
        return c;
    }
    std::vector<sys_seconds> since_;
    std::vector<seconds> offset_;  ///< from then on
    seconds first_{0};
    std::optional<Rule> rule_;
};

/// Read once: what the files say changes with the machine's packages, and those with a new start.
std::shared_ptr<const Place> place_of(std::string_view name) {
    static std::mutex lock;
    static std::map<std::string, std::shared_ptr<const Place>, std::less<>> known;
    auto plain = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' || c == '_' || c == '-' ||
               c == '+';
    };
    if (name.empty() || name.size() > 100 || name.front() == '/' || !std::all_of(name.begin(), name.end(), plain)) return nullptr;
    {
        std::lock_guard guard(lock);
        if (auto found = known.find(name); found != known.end()) return found->second;
    }
    std::ifstream file(kFolder + std::string(name), std::ios::binary);
    if (!file) return nullptr;
    std::ostringstream bytes;
    bytes << file.rdbuf();
    auto place = Place::of(bytes.str());
    std::lock_guard guard(lock);
    if (place && known.size() < kMostPlaces) known.emplace(name, place);
    return place;
}

}  // namespace

std::optional<WallClock> wall_clock(std::string_view place, Instant at) {
    const auto its = place_of(place);
    if (!its) return std::nullopt;
    const auto shown = at + its->at(floor<seconds>(at));
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
    return (now.day == day && from <= now.minute) || (now.day == day + days{1} && now.minute < to);
}

}  // namespace otto
