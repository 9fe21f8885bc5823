#include "base/spoken_time.hpp"
#include "testing/catch.hpp"

using namespace otto;

namespace {

std::string said(std::string_view text) {
    auto t = parse_spoken_time(text);
    if (!t) return "-";
    return t->moment ? to_rfc3339(*t->moment)
                     : (t->clock.empty() ? t->day : t->day + " " + t->clock) + (t->place.empty() ? "" : " in " + t->place);
}

}  // namespace

TEST_CASE("a time that somebody said keeps its zone, or says that it has none") {
    struct Row {
        std::string text, is;
    };
    for (const auto& [text, is] :
         {Row{"2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z"},
          {"2026-03-01t10:00:00z", "2026-03-01T10:00:00Z"},
          {"2026-03-01T10:00:00-07:00", "2026-03-01T17:00:00Z"},
          {"2026-03-01 10:00:00 -0700", "2026-03-01T17:00:00Z"},
          {"2026-03-01T10:00+0530", "2026-03-01T04:30:00Z"},
          {"2026-03-01T10:00:00-07", "2026-03-01T17:00:00Z"},
          {"2026-03-01T10:00:00.25Z", "2026-03-01T10:00:00.250000Z"},
          {"2026-03-01 10:00 UTC", "2026-03-01T10:00:00Z"},
          {"2026-03-01 10:00 utc", "2026-03-01T10:00:00Z"},
          {"2026-03-01 10:00:00UTC", "2026-03-01T10:00:00Z"},
          {"2026-03-01 10:00 GMT", "2026-03-01T10:00:00Z"},
          {"2026-03-01 10:00 GMT-0700", "2026-03-01T17:00:00Z"},
          {"2026-03-01 10:00 UTC-7", "2026-03-01T17:00:00Z"},
          {"2026-03-01 10:00 UTC+05:30", "2026-03-01T04:30:00Z"},
          {"2026-03-01 10:00 MST", "2026-03-01T17:00:00Z"},
          {"2026-07-01 10:00 PDT", "2026-07-01T17:00:00Z"},
          {"2026-07-01 10:00 est", "2026-07-01T15:00:00Z"},
          {"2026-07-01 10:00 HST", "2026-07-01T20:00:00Z"},
          {"2026-03-01T10:00:00-07:00[America/Phoenix]", "2026-03-01T17:00:00Z"},
          {"2026-12-31T23:30:00-01:00", "2027-01-01T00:30:00Z"},
          {"2026-12-31T23:59:60Z", "2027-01-01T00:00:00Z"},
          {"1000000000", "2001-09-09T01:46:40Z"},
          {"1772359200", "2026-03-01T10:00:00Z"},
          {"4000000000", "2096-10-02T07:06:40Z"},
          {"1772359200123", "2026-03-01T10:00:00.123000Z"},
          {"4000000000000", "2096-10-02T07:06:40Z"},
          {"2026-03-01T10:00:00", "2026-03-01 10:00:00"},
          {" 2026-03-01 10:00\t", "2026-03-01 10:00:00"},
          {"2026-03-01T10:00:00.25", "2026-03-01 10:00:00.250000"},
          {"2026-03-01", "2026-03-01"},
          {"20260301", "2026-03-01"},
          {"2026-03-01 10:00 America/Denver", "2026-03-01 10:00:00 in America/Denver"},
          {"2026-03-01 10:00 US/Arizona", "2026-03-01 10:00:00 in US/Arizona"},
          {"2026-03-01 10:00 America/Port-au-Prince", "2026-03-01 10:00:00 in America/Port-au-Prince"},
          {"2026-03-01 10:00 America/Argentina/Buenos_Aires", "2026-03-01 10:00:00 in America/Argentina/Buenos_Aires"},
          {"2026-03-01T10:00:00[America/Denver]", "2026-03-01 10:00:00 in America/Denver"},
          {"2026-03-01 10:00 ET", "2026-03-01 10:00:00 in America/New_York"},
          {"2026-03-01 10:00 PT", "2026-03-01 10:00:00 in America/Los_Angeles"}}) {
        INFO(text);
        CHECK(said(text) == is);
    }
}

TEST_CASE("what is no time, or could be several") {
    for (auto words : {"",
                       " ",
                       "tomorrow at ten",
                       "10:00",
                       "2026-13-01",
                       "2026-02-30",
                       "20260230",
                       "20261301",
                       "5",
                       "2026",
                       "202612",
                       "2026122",
                       "202612201",
                       "999999999",
                       "4000000001",
                       "999999999999",
                       "4000000000001",
                       "20261220100000",
                       "12345678901234567890123",
                       "-1772359200",
                       "1772359200.5",
                       "2026-03-01T",
                       "2026-03-01 10",
                       "2026-03-01 10:0",
                       "2026-03-01T24:00:00Z",
                       "2026-03-01T10:60:00Z",
                       "2026-03-01 10:00 AM",
                       "2026-03-01 10:00 Pacific Time",
                       "2026-03-01 10:00 IST",
                       "2026-03-01 10:00 AST",
                       "2026-03-01 10:00 Foo",
                       "2026-03-01 10:00 Foo/Bar",
                       "2026-03-01 10:00 posix/America/Denver",
                       "2026-03-01 10:00 America/",
                       "2026-03-01 10:00 America",
                       "2026-03-01 10:00 America/Foo5",
                       "2026-03-01 10:00 Etc/GMT+7",
                       "2026-03-01 10:00 America/Denver-07:00",
                       "2026-03-01 10:00 MST-07:00",
                       "2026-03-01T10:00:00Z[America/Phoenix",
                       "2026-03-01T10:00:00Z[]",
                       "2026-03-01 10:00 UTC+",
                       "2026-03-01T10:00:00-7",
                       "03/01/2026 10:00",
                       "2026/03/01 10:00",
                       "1969-12-31T23:59:59Z",
                       "2201-01-01T00:00:00Z"}) {
        INFO(words);
        CHECK(said(words) == "-");
    }
}

TEST_CASE("who must name an offset can be told whether it was one") {
    for (auto good : {"2026-03-01T10:00:00Z", "2026-03-01 10:00 UTC", "2026-03-01T10:00:00-07:00", "1772359200"})
        CHECK_FALSE(parse_spoken_time(good)->by_name);
    for (auto name : {"2026-03-01T10:00:00 MST", "2026-03-01T10:00:00 ET", "2026-03-01 10:00 UTC-7", "2026-03-01 10:00 GMT",
                      "2026-03-01T10:00:00-07:00[America/Phoenix]"})
        CHECK(parse_spoken_time(name)->by_name);
}

TEST_CASE("nothing before 2000 or more than ten years ahead can be meant") {
    auto received = *parse_time("2026-11-29T12:00:00Z");
    for (auto good : {"2000-01-01T00:00:00Z", "2026-11-29T12:00:00Z", "2036-11-29T12:00:00Z"})
        CHECK(credible(parse_time(good), received) == parse_time(good));
    for (auto bad : {"1999-12-31T23:59:59Z", "1970-08-23T12:07:00Z", "2036-11-29T12:00:01Z", "2099-01-01T00:00:00Z"})
        CHECK_FALSE(credible(parse_time(bad), received));
    CHECK_FALSE(credible(std::nullopt, received));
    CHECK(credible(parse_time("2034-02-28T00:00:00Z"), *parse_time("2024-02-29T00:00:00Z")));
    CHECK_FALSE(credible(parse_time("2034-03-01T00:00:00Z"), *parse_time("2024-02-29T00:00:00Z")));
}
