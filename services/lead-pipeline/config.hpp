#pragma once
#include "app/settings.hpp"

namespace otto::lead_pipeline {

inline const app::Setting<Millis> kMissedCallGrace =
    app::duration("missed-call-grace", "120s",
                  "how long what follows from a missed call (the call-back task) waits for a report that says otherwise");

}  // namespace otto::lead_pipeline
