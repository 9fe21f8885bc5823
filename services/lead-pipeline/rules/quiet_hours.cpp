#include "rules/quiet_hours.hpp"

#include <algorithm>
#include <iterator>
#include <optional>

#include "base/text.hpp"
#include "base/wall_clock.hpp"

namespace otto::lead_pipeline {
namespace {

struct State {
    std::string_view letters, name, zone;
};

constexpr std::string_view kEastern = "America/New_York", kCentral = "America/Chicago", kMountain = "America/Denver",
                           kPacific = "America/Los_Angeles";

/// Those of which all clocks show the same. Not among them: AK, FL, ID, IN, KS, KY, MI, ND, NE, NV, OR, SD, TN, TX. Arizona's
/// clocks are Phoenix's but for the Navajo Nation, which is an hour ahead in summer.
constexpr State kStates[] = {
    {"al", "alabama", kCentral},
    {"ar", "arkansas", kCentral},
    {"az", "arizona", "America/Phoenix"},
    {"ca", "california", kPacific},
    {"co", "colorado", kMountain},
    {"ct", "connecticut", kEastern},
    {"dc", "district of columbia", kEastern},
    {"de", "delaware", kEastern},
    {"ga", "georgia", kEastern},
    {"hi", "hawaii", "Pacific/Honolulu"},
    {"ia", "iowa", kCentral},
    {"il", "illinois", kCentral},
    {"la", "louisiana", kCentral},
    {"ma", "massachusetts", kEastern},
    {"md", "maryland", kEastern},
    {"me", "maine", kEastern},
    {"mn", "minnesota", kCentral},
    {"mo", "missouri", kCentral},
    {"ms", "mississippi", kCentral},
    {"mt", "montana", kMountain},
    {"nc", "north carolina", kEastern},
    {"nh", "new hampshire", kEastern},
    {"nj", "new jersey", kEastern},
    {"nm", "new mexico", kMountain},
    {"ny", "new york", kEastern},
    {"oh", "ohio", kEastern},
    {"ok", "oklahoma", kCentral},
    {"pa", "pennsylvania", kEastern},
    {"pr", "puerto rico", "America/Puerto_Rico"},
    {"ri", "rhode island", kEastern},
    {"sc", "south carolina", kEastern},
    {"ut", "utah", kMountain},
    {"va", "virginia", kEastern},
    {"vt", "vermont", kEastern},
    {"wa", "washington", kPacific},
    {"wi", "wisconsin", kCentral},
    {"wv", "west virginia", kEastern},
    {"wy", "wyoming", kMountain},
};

/// Quiet hours that last to the end of the day end at 00:00.
std::optional<int> minutes(std::string_view clock) {
    auto minute = minute_of_day(clock);
    return minute == 24 * 60 ? std::nullopt : minute;
}

}  // namespace

QuietHours quiet_hours(std::string_view from, std::string_view to) {
    auto since = minutes(from), until = minutes(to);
    return since && until ? QuietHours{*since, *until} : QuietHours{};
}

std::string_view zone_of_state(std::string_view state) {
    const auto said = lower(trim(state));
    auto found =
        std::find_if(std::begin(kStates), std::end(kStates), [&](const State& s) { return s.letters == said || s.name == said; });
    return found == std::end(kStates) ? std::string_view{} : found->zone;
}

}  // namespace otto::lead_pipeline
