#include "failing.hpp"

#include <algorithm>

namespace otto::shunya_orchestrator {
namespace {

constexpr int kFew = 20, kMost = 1'000'000;
constexpr std::int64_t kEachMs = 50;  ///< so that twenty a second of them are asked for
constexpr Millis kLongest{900'000};   ///< no one waits longer after the place is back

}  // namespace

void FailingRecordings::failed(const CompanyId& company, std::string_view provider, Instant now) {
    std::lock_guard guard(lock_);
    auto& row = rows_[Place(company, provider)];
    row = {std::min(row.failures + 1, kMost), now};
}

void FailingRecordings::answered(const CompanyId& company, std::string_view provider) {
    std::lock_guard guard(lock_);
    rows_.erase(Place(company, provider));
}

Millis FailingRecordings::pause(const CompanyId& company, std::string_view provider, Instant now) const {
    std::lock_guard guard(lock_);
    auto found = rows_.find(Place(company, provider));
    if (found == rows_.end() || found->second.failures < kFew) return Millis{0};
    if (now - found->second.last > kLongest) return Millis{0};
    return std::min(Millis{found->second.failures * kEachMs}, kLongest);
}

}  // namespace otto::shunya_orchestrator
