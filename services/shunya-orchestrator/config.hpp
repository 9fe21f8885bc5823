#pragma once
#include "app/settings.hpp"

namespace otto::shunya_orchestrator {

inline const app::Setting<std::string> kPollAfter = app::text(
    "shunya-poll-after", "120s,300s,900s",
    "when Shunya is asked for a result that it has not sent, after it was posted and after each question; the last one repeats");
inline const app::Setting<std::int64_t> kShunyaBudget =
    app::number("shunya-budget", 600, 1, 1'000'000, "requests a minute to Shunya for one company, of all processes together");
inline const app::Setting<std::int64_t> kCallRailBudget =
    app::number("callrail-budget", 600, 1, 1'000'000,
                "requests an hour for recordings to CallRail's API under one account, of all processes together; CallRail itself "
                "allows 1,000 for everything, sweeps too");
inline const app::Setting<std::int64_t> kCallRailDailyBudget =
    app::number("callrail-daily-budget", 9'000, 1, 10'000'000, "the same a day; CallRail itself allows 10,000");
inline const app::Setting<Millis> kGiveUpAfter =
    app::duration("analysis-give-up-after", "24h",
                  "when a recording that never comes is left to a person, and a job of Shunya's that never ends has timed out");
inline const app::Setting<Millis> kMediaLink = app::duration(
    "media-link-valid", "1h", "how long Shunya may fetch a recording by the link that it is given; at least 20 minutes");

}  // namespace otto::shunya_orchestrator
