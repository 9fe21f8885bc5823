#include "recording.hpp"

#include <algorithm>

namespace otto::shunya_orchestrator {

std::string recording_key(std::string_view company_id, std::int64_t call_id, providers::SoundKind kind) {
    return std::string(company_id).append("/calls/").append(std::to_string(call_id)).append(".").append(kind);
}

std::optional<Millis> recording_pause(int attempts, Millis age, Millis give_up) {
    if (age >= give_up) return std::nullopt;
    Millis pause{1'000ll << std::clamp(attempts - 1, 0, 20)};
    return std::min({pause, Millis{900'000}, Millis{give_up - age}});
}

}  // namespace otto::shunya_orchestrator
