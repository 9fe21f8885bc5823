#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

#include "base/time.hpp"

namespace otto::lead_pipeline {

/// How fast a sending number's texts may leave: virtual scheduling. Each puts the moment at which the next may leave as many
/// seconds further as it has parts, by the number's rate. A look that comes late catches up on a second at most, so that the rate
/// holds on the average although work begins up to half a second late, and nothing is saved up while a number rests.
class Pace {
public:
    static constexpr Millis kCatchUp{1'000};

    /// `free_at`: as the former look left it; none: this is the first.
    Pace(std::optional<Instant> free_at, double segments_per_second, Instant now)
        : now_(now), free_at_(std::max(free_at.value_or(now), Instant{now - kCatchUp})), rate_(segments_per_second) {}
    bool may() const { return free_at_ <= now_; }
    void take(std::int64_t segments) {
        auto seconds = std::chrono::duration<double>(static_cast<double>(segments) / rate_);
        free_at_ += std::chrono::round<Instant::duration>(seconds);
    }
    Instant free_at() const { return free_at_; }
    /// How many may leave in one look, of one part each.
    std::int64_t most() const { return static_cast<std::int64_t>(std::chrono::duration<double>(kCatchUp).count() * rate_) + 1; }
    /// How many parts of a number may be released without having been asked: what two seconds send. While the provider is slow
    /// texts wait in their line, where they are sorted, paused and taken back, and do not leave all at once when it recovers.
    double on_the_way() const { return std::max(2.0, 2 * rate_); }

private:
    Instant now_, free_at_;
    double rate_;
};

}  // namespace otto::lead_pipeline
