#include "appointment.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/says_nothing.hpp"
#include "base/spoken_time.hpp"
#include "base/text.hpp"

namespace otto::appointment_service {

Effect effect_of(const analysis::v1::AnalysisCompleted& a) {
    if (!a.has_booking_status()) return Effect::none;
    if (a.booking_status() == "booked") return Effect::make;
    // A word that nobody knows yet says nothing about the appointment that an earlier analysis made.
    return a.booking_status() == "not_booked" || a.booking_status() == "service_not_offered" ? Effect::cancel : Effect::none;
}

When when_of(const std::optional<std::string>& said, const std::string& zone, Instant received, const Clocks& clocks) {
    if (!said || says_nothing(*said, Of::time)) return {};
    auto spoken = parse_spoken_time(*said);
    if (spoken && !spoken->moment && spoken->clock.empty()) return {{}, "The day was said, the time was not: " + spoken->day};
    std::optional<Instant> at;
    if (spoken) at = spoken->moment ? spoken->moment : clocks(spoken->wall(""), spoken->place.empty() ? zone : spoken->place);
    if (at = credible(at, received); at) return {at, {}};
    return {{}, "Shunya's words for the time: " + clip_utf8(*said, 200)};
}

std::int64_t minutes_of(std::string_view workflow_config) {
    constexpr std::int64_t by_default = 60, least = 5, most = 24 * 60;
    if (workflow_config.empty()) return by_default;
    auto parsed = JsonDocument::parse(workflow_config);
    if (!parsed) return by_default;
    auto minutes = parsed->root()["appointment_minutes"].loose_integer();
    return minutes ? std::clamp(*minutes, least, most) : by_default;
}

}  // namespace otto::appointment_service
