#pragma once
#include <chrono>
#include <cstdint>

#include "base/time.hpp"

namespace otto {

/// Growing pauses: first × factor^attempt, at most `cap`, ± jitter (a share of the pause). Deterministic per (seed, attempt), so
/// tests need no luck.
struct Backoff {
    Millis first{500};
    Millis cap{60'000};
    double factor = 4;
    double jitter = 0.2;
    /// `attempt` counts from 0; `seed` spreads many waiters (an event id's hash).
    Millis pause(int attempt, std::uint64_t seed = 0) const;
};

}  // namespace otto
