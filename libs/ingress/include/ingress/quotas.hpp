#pragma once
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/ids.hpp"
#include "base/time.hpp"

/// How much is taken of what nobody's key proves, and of what waits in held_events on one company's account. Thread-safe.
namespace otto::ingress {

/// Events and bytes that are forgotten evenly over a time.
class Level {
public:
    struct Limits {
        double events, bytes, days;
    };
    bool room(double bytes, const Limits&, Instant now);
    void add(double bytes) {
        events_ += 1;
        bytes_ += bytes;
    }

private:
    double events_ = 0, bytes_ = 0;
    Instant at_{};
};

/// Unverified events are limited, so that strangers cannot fill the disk. Counted by each ingress for itself, from its start.
struct UnverifiedLimits {
    double per_second = 50;  ///< a client address
    double events = 100'000, bytes = 1ull << 30;
    double days = 30;  ///< in which those two are forgotten evenly
};
class UnverifiedQuota {
public:
    explicit UnverifiedQuota(UnverifiedLimits limits) : limits_(limits) {}
    bool take(const std::string& client, std::size_t bytes, Instant now);

private:
    struct Bucket {
        double level = 0;
        Instant at{};
    };
    UnverifiedLimits limits_;
    std::mutex lock_;
    std::unordered_map<std::string, Bucket> clients_;
    Level all_;
};

/// What waits on one company's account is limited too, so that no company can fill the disk with what it signs or leaves
/// unregistered. What waits is counted in the table, for all processes, and told by the directory (`Profile::held_limited`); this
/// holds back what one process takes until that count is there.
class HeldQuota {
public:
    explicit HeldQuota(Level::Limits limits) : limits_(limits) {}
    bool room(const CompanyId&, std::size_t bytes, Instant now);
    void add(const CompanyId&, std::size_t bytes);

private:
    Level::Limits limits_;
    std::mutex lock_;
    std::unordered_map<std::string, Level> companies_;
};

}  // namespace otto::ingress
