// Times as providers write them: any text.
#include "base/spoken_time.hpp"

#include <cctype>
#include <ctime>

#include "base/text.hpp"

#include "harness.hpp"

using namespace otto;

namespace {

bool digits_at(std::string_view text, std::size_t from, std::size_t count) {
    return text.size() >= from + count && text.substr(from, count).find_first_not_of("0123456789") == std::string_view::npos;
}

/// What the C library makes of "YYYY-MM-DDThh:mm:ssZ"; a second opinion on the calendar.
std::optional<std::int64_t> by_the_c_library(std::string_view t) {
    bool shape = t.size() == 20 && digits_at(t, 0, 4) && t[4] == '-' && digits_at(t, 5, 2) && t[7] == '-' && digits_at(t, 8, 2) &&
                 t[10] == 'T' && digits_at(t, 11, 2) && t[13] == ':' && digits_at(t, 14, 2) && t[16] == ':' &&
                 digits_at(t, 17, 2) && t[19] == 'Z';
    if (!shape) return std::nullopt;
    auto number = [&](std::size_t from, std::size_t count) { return std::stoi(std::string(t.substr(from, count))); };
    std::tm parts{};
    parts.tm_year = number(0, 4) - 1900;
    parts.tm_mon = number(5, 2) - 1;
    parts.tm_mday = number(8, 2);
    parts.tm_hour = number(11, 2);
    parts.tm_min = number(14, 2);
    parts.tm_sec = number(17, 2);
    auto month = parts.tm_mon, day = parts.tm_mday;
    bool in_range = month < 12 && day >= 1 && parts.tm_hour < 24 && parts.tm_min < 60 &&
                    parts.tm_sec < 60;  // a leap second is the parser's own matter
    auto midnight = parts;
    midnight.tm_hour = midnight.tm_min = midnight.tm_sec = 0;
    auto seconds = ::timegm(&parts);
    (void)::timegm(&midnight);
    if (!in_range || midnight.tm_mon != month || midnight.tm_mday != day) return -1;  // a day that no calendar has
    return seconds;
}

}  // namespace

void fuzz(std::string_view text) {
    auto at = parse_time(text);
    OTTO_EXPECT(parse_time(text) == at, "");
    auto said = parse_spoken_time(text);
    OTTO_EXPECT(at.has_value() == (said && said->place.empty()), std::string(text));
    if (said) {
        OTTO_EXPECT(said->moment.has_value() == said->day.empty(), std::string(text));
        OTTO_EXPECT(!said->moment || at == said->moment, std::string(text));
        OTTO_EXPECT(said->day.empty() || said->day.size() == 10, said->day);
        OTTO_EXPECT(said->place.empty() || (!said->clock.empty() && said->by_name && said->place.find('/') != std::string::npos &&
                                            said->place.find_first_of("0123456789") == std::string::npos),
                    said->place);
        // A wall is read again as itself.
        if (!said->moment)
            OTTO_EXPECT(parse_spoken_time(said->wall("00:00:00"))->wall("") == said->wall("00:00:00"), said->wall(""));
    }
    if (text.size() < 40) OTTO_EXPECT(parse_time(" " + std::string(text) + "  ") == at, std::string(text));
    if (auto expected = by_the_c_library(text)) {
        bool valid = *expected >= 0 && *expected < 7'289'654'400;  // 1970 to the end of 2200
        if (text.substr(17, 2) != "60") OTTO_EXPECT(at.has_value() == valid, std::string(text));
        if (at && valid) OTTO_EXPECT(to_micros(*at) == *expected * 1'000'000, std::string(text));
    }
    if (!at) return;
    OTTO_EXPECT(to_micros(*at) >= 0 && to_micros(*at) < 7'289'654'400'000'000, std::string(text));
    OTTO_EXPECT(from_micros(to_micros(*at)) == *at, std::string(text));
    auto written = to_rfc3339(*at);
    OTTO_EXPECT(written.size() == 20 || written.size() == 27, written);
    OTTO_EXPECT(parse_time(written) == at, written);
    OTTO_EXPECT(to_rfc3339(*parse_time(written)) == written, written);
    // The same moment said otherwise.
    auto bare = written.substr(0, written.size() - 1);
    OTTO_EXPECT(parse_time(bare) == at, bare);
    for (const char* zone : {"z", "+00:00", "-0000", " UTC", "+00"}) OTTO_EXPECT(parse_time(bare + zone) == at, bare + zone);
    auto spaced = bare;
    spaced[10] = ' ';
    OTTO_EXPECT(parse_time(spaced) == at, spaced);
    if (auto there = parse_time(bare + "-05:30")) OTTO_EXPECT(*there - *at == std::chrono::minutes(330), bare);
    // An accepted text ends where the grammar says: neither half a zone nor half a clock is passed over.
    auto shown = trim(text);
    auto last = shown.empty() ? '-' : shown.back();
    OTTO_EXPECT((last >= '0' && last <= '9') || last == ']' || std::isalpha(static_cast<unsigned char>(last)), std::string(text));
}
