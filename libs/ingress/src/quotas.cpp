#include "ingress/quotas.hpp"

#include <algorithm>

namespace otto::ingress {
namespace {

/// A clock that steps back must not fill a level: it would stand full until that time comes again.
double seconds_since(Instant& at, Instant now) {
    auto passed = at == Instant{} ? 0.0 : std::max(0.0, std::chrono::duration<double>(now - at).count());
    at = now;
    return passed;
}

}  // namespace

bool Level::room(double bytes, const Limits& limits, Instant now) {
    auto forgotten = seconds_since(at_, now) / (limits.days * 86'400);
    events_ = std::max(0.0, events_ - limits.events * forgotten);
    bytes_ = std::max(0.0, bytes_ - limits.bytes * forgotten);
    return events_ + 1 <= limits.events && bytes_ + bytes <= limits.bytes;
}

bool UnverifiedQuota::take(const std::string& client, std::size_t bytes, Instant now) {
    std::lock_guard guard(lock_);
    if (clients_.size() > 100'000) clients_.clear();  // bounded; whoever comes by so many addresses is stopped by the totals
    auto& mine = clients_[client];
    mine.level = std::max(0.0, mine.level - seconds_since(mine.at, now) * limits_.per_second);
    auto size = static_cast<double>(bytes);
    bool room = all_.room(size, {limits_.events, limits_.bytes, limits_.days}, now);
    if (!room || mine.level + 1 > limits_.per_second) return false;
    mine.level += 1;
    all_.add(size);
    return true;
}

bool HeldQuota::room(const CompanyId& company, std::size_t bytes, Instant now) {
    std::lock_guard guard(lock_);
    return companies_[company.value()].room(static_cast<double>(bytes), limits_, now);
}

void HeldQuota::add(const CompanyId& company, std::size_t bytes) {
    std::lock_guard guard(lock_);
    companies_[company.value()].add(static_cast<double>(bytes));
}

}  // namespace otto::ingress
