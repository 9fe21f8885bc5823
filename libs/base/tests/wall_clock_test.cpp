#include "base/wall_clock.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace std::chrono;

namespace {

std::string shown(std::string_view place, const std::string& at) {
    auto wall = wall_clock(place, *parse_time(at));
    if (!wall) return "-";
    static constexpr const char* names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
    auto two = [](int n) { return (n < 10 ? "0" : "") + std::to_string(n); };
    return std::string(names[wall->day.c_encoding()]) + " " + two(wall->minute / 60) + ":" + two(wall->minute % 60);
}

}  // namespace

TEST_CASE("wall clock: what it shows in a place") {
    CHECK(shown("America/Phoenix", "2026-11-30T15:44:59Z") == "mon 08:44");
    CHECK(shown("America/Phoenix", "2026-07-01T06:59:59.999Z") == "tue 23:59");
    CHECK(shown("America/Phoenix", "2026-07-01T07:00:00Z") == "wed 00:00");
    CHECK(shown("Asia/Kolkata", "2026-11-30T18:30:00Z") == "tue 00:00");
    CHECK(shown("Etc/UTC", "1970-01-01T00:00:00Z") == "thu 00:00");
    // Clocks are set forward at 02:00 on 8 March, and back at 02:00 on 1 November.
    CHECK(shown("America/New_York", "2026-03-08T06:59:59Z") == "sun 01:59");
    CHECK(shown("America/New_York", "2026-03-08T07:00:00Z") == "sun 03:00");
    CHECK(shown("America/New_York", "2026-11-01T05:59:59Z") == "sun 01:59");
    CHECK(shown("America/New_York", "2026-11-01T06:00:00Z") == "sun 01:00");
    CHECK(shown("America/New_York", "2026-11-01T07:00:00Z") == "sun 02:00");
    CHECK(shown("Australia/Lord_Howe", "2026-04-04T15:00:00Z") == "sun 01:30");  // half an hour
    CHECK(shown("America/Mexico_City", "2026-07-01T18:00:00Z") == "wed 12:00");  // no summer time since 2022
    // Behind the table a rule goes on.
    CHECK(shown("America/New_York", "2045-07-03T16:00:00Z") == "mon 12:00");
    CHECK(shown("America/New_York", "2045-12-25T17:00:00Z") == "mon 12:00");
    CHECK(shown("Australia/Sydney", "2045-12-25T01:00:00Z") == "mon 12:00");
    for (const char* none : {"", "Mars/Olympus", "America/phoenix ", "America/\xff\xfe", "America", "/etc/passwd",
                             "../zoneinfo/America/Phoenix", "tzdata.zi"})
        CHECK(shown(none, "2026-11-30T15:44:59Z") == "-");
}

TEST_CASE("wall clock: a time of day") {
    CHECK(minute_of_day("00:00") == 0);
    CHECK(minute_of_day("08:30") == 510);
    CHECK(minute_of_day("23:59") == 1439);
    CHECK(minute_of_day("24:00") == 1440);
    for (const char* wrong : {"", "24:01", "25:00", "9:00", "09:60", "0900", "ab:cd", "09:00 ", "-1:00", "09.00"})
        CHECK(!minute_of_day(wrong));
}

TEST_CASE("wall clock: an opening") {
    const WallClock monday_noon{Monday, 720};
    CHECK(Opening{Monday, 480, 1080}.holds(monday_noon));
    CHECK(Opening{Monday, 720, 721}.holds(monday_noon));
    CHECK(!Opening{Monday, 480, 720}.holds(monday_noon));
    CHECK(!Opening{Monday, 720, 720}.holds(monday_noon));
    CHECK(!Opening{Tuesday, 480, 1080}.holds(monday_noon));
    const Opening day{Monday, 0, 1440}, night{Saturday, 1320, 360}, to_midnight{Monday, 1080, 0}, late{Monday, 1440, 60};
    CHECK(day.holds({Monday, 0}));
    CHECK(day.holds({Monday, 1439}));
    CHECK(!day.holds({Tuesday, 0}));
    CHECK(!night.holds({Saturday, 359}));
    CHECK(night.holds({Saturday, 1439}));
    CHECK(night.holds({Sunday, 359}));
    CHECK(!night.holds({Sunday, 360}));
    CHECK(to_midnight.holds({Monday, 1439}));
    CHECK(!to_midnight.holds({Tuesday, 0}));
    CHECK(late.holds({Tuesday, 59}));
    CHECK(!late.holds({Monday, 59}));
}
