#include "failing.hpp"

#include "testing/catch.hpp"

using namespace otto;
using namespace otto::shunya_orchestrator;

TEST_CASE("recordings that fail one after another are asked for later and later, an answer ends it, and so does time") {
    FailingRecordings failing;
    const CompanyId away{"org_away"}, other{"org_other"};
    const auto now = from_micros(1'790'000'000'000'000);
    for (int n = 0; n < 19; ++n) failing.failed(away, now);
    CHECK(failing.pause(away, now) == Millis{0});
    failing.failed(away, now);
    CHECK(failing.pause(away, now) == Millis{1'000});
    CHECK(failing.pause(other, now) == Millis{0});
    for (int n = 0; n < 100'000; ++n) failing.failed(away, now);
    CHECK(failing.pause(away, now) == Millis{900'000});
    CHECK(failing.pause(away, now + Millis{900'000}) == Millis{900'000});
    CHECK(failing.pause(away, now + Millis{900'001}) == Millis{0});
    failing.answered(away);
    CHECK(failing.pause(away, now) == Millis{0});
    failing.failed(away, now);
    CHECK(failing.pause(away, now) == Millis{0});
}
