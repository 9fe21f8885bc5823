#pragma once
#include <functional>
#include <mutex>
#include <optional>

#include "base/time.hpp"
#include "http/message.hpp"
#include "telemetry/log.hpp"

namespace otto::app {

/// `POST /log-level`: another level for a quarter of an hour, and then the configured one again, so that nobody forgets it. Any
/// thread.
class LogLevel {
public:
    static constexpr Millis kLasts{900'000};
    /// `set` makes it so.
    LogLevel(tel::Level configured, std::function<void(tel::Level)> set, const Clock& clock = system_clock())
        : configured_(configured), set_(std::move(set)), clock_(clock) {}
    /// Takes `level` as JSON, as a form field or in the query; 422 that names it otherwise.
    http::Response change(const http::Request&);
    /// Every second or so: whether the time is over.
    void look();

private:
    const tel::Level configured_;
    const std::function<void(tel::Level)> set_;
    const Clock& clock_;
    std::mutex lock_;
    std::optional<Instant> until_;
};

}  // namespace otto::app
