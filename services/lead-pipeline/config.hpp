#pragma once
#include "app/settings.hpp"

namespace otto::lead_pipeline {

inline const app::Setting<Millis> kMissedCallGrace =
    app::duration("missed-call-grace", "120s",
                  "how long what follows from a missed call (the call-back task) waits for a report that says otherwise");
inline const app::Setting<std::int64_t> kTextSenders = app::number(
    "text-senders", 8, 1, 64, "texts that are on their way to Twilio at once; one company has a quarter of them at most");

}  // namespace otto::lead_pipeline
