#include "http/message.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace std::chrono_literals;

TEST_CASE("Retry-After is seconds or a date; what is neither, or signed, is as if it were not there") {
    auto now = parse_time("2026-11-21T12:00:00Z").value();
    CHECK(http::retry_after("120", now) == 120s);
    CHECK(http::retry_after(" 0 ", now) == 0s);
    CHECK(http::retry_after("99999999999999999999", now) == 999'999'999s);
    CHECK(http::retry_after("Sat, 21 Nov 2026 12:10:00 GMT", now) == 10min);
    CHECK(http::retry_after("Sat, 21 Nov 2020 12:10:00 GMT", now) == 0s);
    for (const char* text : {"", " ", "soon", "-3", "+3", "1.5", "Sat, 21 Xxx 2026 12:10:00 GMT", "2026-11-21T12:10:00Z"}) {
        INFO(text);
        CHECK(!http::retry_after(text, now));
    }
}
