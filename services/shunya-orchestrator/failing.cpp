#include "failing.hpp"

#include <algorithm>

namespace otto::shunya_orchestrator {
namespace {

constexpr int kFew = 20, kMost = 1'000'000;
constexpr std::int64_t kEachMs = 50;  ///< so that twenty a second of them are asked for
constexpr Millis kLongest{900'000};   ///< no one waits longer after the place is back

}  // namespace

void FailingRecordings::failed(const CompanyId& company) {
    std::lock_guard guard(lock_);
    auto& n = in_a_row_[company];
    n = std::min(n + 1, kMost);
}

void FailingRecordings::had(const CompanyId& company) {
    std::lock_guard guard(lock_);
    in_a_row_.erase(company);
}

Millis FailingRecordings::pause(const CompanyId& company) const {
    std::lock_guard guard(lock_);
    auto found = in_a_row_.find(company);
    if (found == in_a_row_.end() || found->second < kFew) return Millis{0};
    return std::min(Millis{found->second * kEachMs}, kLongest);
}

}  // namespace otto::shunya_orchestrator
