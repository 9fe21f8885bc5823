#include "base/spoken_time.hpp"
#include "testing/catch.hpp"

using namespace otto;

TEST_CASE("a time that somebody said keeps its zone, or says that it has none") {
    auto said = [](std::string_view text) -> std::string {
        auto t = parse_spoken_time(text);
        if (!t) return "-";
        return t->moment ? to_rfc3339(*t->moment) : t->clock.empty() ? t->day : t->day + " " + t->clock;
    };
    CHECK(said("2026-03-01T10:00:00Z") == "2026-03-01T10:00:00Z");
    CHECK(said("2026-03-01T10:00:00-07:00") == "2026-03-01T17:00:00Z");
    CHECK(said("2026-03-01 10:00 UTC") == "2026-03-01T10:00:00Z");
    CHECK(said("1772359200") == "2026-03-01T10:00:00Z");
    CHECK(said("2026-03-01T10:00:00") == "2026-03-01 10:00:00");
    CHECK(said(" 2026-03-01 10:00 ") == "2026-03-01 10:00:00");
    CHECK(said("2026-03-01T10:00:00.25") == "2026-03-01 10:00:00");
    CHECK(said("2026-03-01") == "2026-03-01");
    for (auto words : {"", "tomorrow at ten", "2026-13-01", "10:00"}) CHECK(said(words) == "-");
}
