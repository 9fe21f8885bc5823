#include "base/spoken_time.hpp"

namespace otto {

std::optional<SpokenTime> parse_spoken_time(std::string_view text) {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
    while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
    auto t = parse_time(text);
    if (!t) return std::nullopt;
    constexpr std::size_t day = 10;  // "2026-03-01"; what follows may name a zone by a sign, which the day's own hyphens are not
    if (text.size() < day || text[4] != '-') return SpokenTime{t, {}, {}};
    auto rest = text.substr(day);
    if (rest.find_first_of("+-Zz") != std::string_view::npos || rest.ends_with("UTC")) return SpokenTime{t, {}, {}};
    auto shown = to_rfc3339(*t);
    return SpokenTime{{}, shown.substr(0, day), rest.empty() ? std::string{} : shown.substr(day + 1, 8)};
}

}  // namespace otto
