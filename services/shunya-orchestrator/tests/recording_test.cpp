// When a recording that was not there is asked for again.
#include "recording.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::shunya_orchestrator;

TEST_CASE("recording: pauses double from one second and end at the age at which it is given up") {
    const Millis day{86'400'000};
    std::vector<Millis> pauses;
    for (int n = 1; n <= 12; ++n) pauses.push_back(*recording_pause(n, Millis{0}, day));
    CHECK(pauses == std::vector<Millis>{Millis{1'000}, Millis{2'000}, Millis{4'000}, Millis{8'000}, Millis{16'000},
                                        Millis{32'000}, Millis{64'000}, Millis{128'000}, Millis{256'000}, Millis{512'000},
                                        Millis{900'000}, Millis{900'000}});
    CHECK(*recording_pause(1'000'000, Millis{0}, day) == Millis{900'000});
    CHECK(*recording_pause(9, day - Millis{1}, day) == Millis{1});  // the last question
    CHECK_FALSE(recording_pause(9, day, day).has_value());
    CHECK_FALSE(recording_pause(1, Millis{0}, Millis{0}).has_value());
    CHECK(recording_key("org_a", 17, "m4a") == "org_a/calls/17.m4a");
}
