#include "failing.hpp"

#include "testing/catch.hpp"

using namespace otto;
using namespace otto::shunya_orchestrator;

TEST_CASE("recordings that fail one after another are asked for later and later, an answer ends it, and so does time") {
    FailingRecordings failing;
    const CompanyId away{"org_away"}, other{"org_other"};
    const std::string kCallRail = "callrail";
    const auto now = from_micros(1'790'000'000'000'000);
    for (int n = 0; n < 19; ++n) failing.failed(away, kCallRail, now);
    CHECK(failing.pause(away, kCallRail, now) == Millis{0});
    failing.failed(away, kCallRail, now);
    CHECK(failing.pause(away, kCallRail, now) == Millis{1'000});
    CHECK(failing.pause(other, kCallRail, now) == Millis{0});
    for (int n = 0; n < 100'000; ++n) failing.failed(away, kCallRail, now);
    CHECK(failing.pause(away, kCallRail, now) == Millis{900'000});
    CHECK(failing.pause(away, kCallRail, now + Millis{900'000}) == Millis{900'000});
    CHECK(failing.pause(away, kCallRail, now + Millis{900'001}) == Millis{0});
    failing.answered(away, kCallRail);
    CHECK(failing.pause(away, kCallRail, now) == Millis{0});
    failing.failed(away, kCallRail, now);
    CHECK(failing.pause(away, kCallRail, now) == Millis{0});
}

TEST_CASE("a company's recordings that fail at one provider delay none of its other one's") {
    FailingRecordings failing;
    const CompanyId company{"org_both"};
    const auto now = from_micros(1'790'000'000'000'000);
    for (int n = 0; n < 1'000; ++n) failing.failed(company, "callrail", now);
    CHECK(failing.pause(company, "callrail", now) == Millis{50'000});
    CHECK(failing.pause(company, "twilio", now) == Millis{0});
    failing.failed(company, "twilio", now);
    failing.answered(company, "twilio");
    CHECK(failing.pause(company, "callrail", now) == Millis{50'000});
}
