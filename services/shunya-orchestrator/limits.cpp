#include "limits.hpp"

#include <algorithm>
#include <cmath>

namespace otto::shunya_orchestrator {
namespace {

constexpr std::size_t kMostNames = 10'000;
constexpr Millis kOthersTry{1'000};  ///< while one finds out whether the outside is back

double millis(Instant::duration d) { return static_cast<double>(d.count()) / 1'000.0; }

}  // namespace

std::optional<Millis> Budgets::take(const std::string& name, Instant now, double n) {
    std::lock_guard guard(lock_);
    if (buckets_.size() > kMostNames) {  // a full bucket is as good as none
        std::erase_if(buckets_, [&](const auto& entry) {
            for (std::size_t i = 0; i < limits_.size(); ++i)
                if (now - entry.second[i].at < limits_[i].per) return false;
            return true;
        });
    }
    auto& mine = buckets_[name];
    if (mine.empty())
        for (const auto& l : limits_) mine.push_back({l.count, now});
    double wait = 0;
    for (std::size_t i = 0; i < limits_.size(); ++i) {
        auto& b = mine[i];
        double per_ms = limits_[i].count / static_cast<double>(limits_[i].per.count());
        if (now > b.at) {
            b.left = std::min(limits_[i].count, b.left + millis(now - b.at) * per_ms);
            b.at = now;
        }
        double wanted = std::min(n, limits_[i].count);  // more than there ever is would wait for ever
        if (b.left < wanted) wait = std::max(wait, (wanted - b.left) / per_ms);
    }
    if (wait > 0) return Millis{static_cast<std::int64_t>(std::ceil(wait))};
    for (std::size_t i = 0; i < limits_.size(); ++i) mine[i].left -= std::min(n, limits_[i].count);
    return std::nullopt;
}

std::size_t Budgets::size() const {
    std::lock_guard guard(lock_);
    return buckets_.size();
}

std::optional<Millis> Breaker::ask(Instant now) {
    std::lock_guard guard(lock_);
    if (!open_until_) return std::nullopt;
    if (now < *open_until_) return std::chrono::ceil<Millis>(*open_until_ - now);
    if (trying_) return kOthersTry;
    trying_ = true;
    return std::nullopt;
}

void Breaker::worked() {
    std::lock_guard guard(lock_);
    failures_ = 0;
    trying_ = false;
    open_until_.reset();
}

void Breaker::failed(Instant now) {
    std::lock_guard guard(lock_);
    ++failures_;
    if (trying_ || failures_ >= most_) open_until_ = now + open_for_;
    trying_ = false;
}

void Breaker::spared() {
    std::lock_guard guard(lock_);
    trying_ = false;
}

double Breaker::standing(Instant now) const {
    std::lock_guard guard(lock_);
    if (!open_until_) return 0;
    return now < *open_until_ ? 1 : 0.5;
}

std::optional<Millis> RefusedKeys::ask(const std::string& company, const std::string& key, Instant now) {
    std::lock_guard guard(lock_);
    auto found = refused_.find(company);
    if (found == refused_.end()) return std::nullopt;
    if (found->second.key != key) {
        refused_.erase(found);
        return std::nullopt;
    }
    if (now < found->second.ask_at) return std::chrono::ceil<Millis>(found->second.ask_at - now);
    found->second.ask_at = now + pause_;  // one tries
    return std::nullopt;
}

void RefusedKeys::refused(const std::string& company, const std::string& key, Instant now) {
    std::lock_guard guard(lock_);
    refused_[company] = {key, now + pause_};
}

void RefusedKeys::let_in(const std::string& company) {
    std::lock_guard guard(lock_);
    refused_.erase(company);
}

}  // namespace otto::shunya_orchestrator
