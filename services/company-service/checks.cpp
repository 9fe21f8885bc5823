#include "checks.hpp"

#include <limits>

namespace otto::company_service {

std::optional<Instant> Checks::next(rt::Lease& lease) const {
    const rt::Retry for_ever{std::numeric_limits<int>::max(), Backoff{Millis{30'000}, every_, 2, 0}};
    auto result = check_(lease.company);
    if (!result.again.empty()) return lease.again(for_ever, result.again);
    return lease.settle([&](pg::Tx&) { return lease.now + every_; });
}

}  // namespace otto::company_service
