#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "app/settings.hpp"
#include "providers/recordings.hpp"

/// A call's recording here: how large it may be, where it is kept, when it is asked for again. Getting it is the provider's
/// business (providers/recordings.hpp).
namespace otto::shunya_orchestrator {

using providers::Again, providers::Fetched, providers::FetchOutcome, providers::Never, providers::NotLetIn, providers::NotYet,
    providers::RecordingSource;

inline const app::Setting<std::int64_t> kRecordingMegabytes =
    app::number("recording-megabytes", 500, 1, 100'000, "size above which a recording is not taken, MiB");

/// "<company>/calls/<call_id>.mp3".
std::string recording_key(std::string_view company_id, std::int64_t call_id, providers::SoundKind);

/// How long to wait before asking again for a recording that was not there: 1, 2, 4, 8 s, then doubling up to 15 minutes.
/// `attempts`: how often it was asked for in vain, at least 1; `age`: since the call ended, or since it was first asked for. The
/// last question comes at `give_up`; nullopt = it was asked.
std::optional<Millis> recording_pause(int attempts, Millis age, Millis give_up);

}  // namespace otto::shunya_orchestrator
