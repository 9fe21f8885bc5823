#include "limits.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

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

std::optional<Millis> Circuit::ask(const Asker& who, Instant now) {
    if (!try_at_) return std::nullopt;
    auto closes_at = *try_at_ + rest_;
    if (!trying_ && now >= closes_at) close();
    if (!try_at_) return std::nullopt;
    bool resting = now < *try_at_;
    auto until = [&](Instant at) { return std::max(kOthersTry, std::chrono::ceil<Millis>(at - now)); };
    if (failing_.contains(who) || own_.contains(who)) return until(resting ? *try_at_ : std::min<Instant>(closes_at, now + rest_ / 6));
    if (trying_) return kOthersTry;
    if (resting && failing(who.company)) return until(*try_at_);
    trying_ = who;
    return std::nullopt;
}

void Circuit::worked(const Asker& who) {
    own_.merge(failing_);
    own_.erase(who);
    if (own_.size() > kMostNames) own_.clear();
    close();
}

bool Circuit::failed(const Asker& who, bool others, Instant now) {
    bool tried = trying_ == who;
    if (tried) trying_.reset();
    if (own_.contains(who)) return false;
    if (failing_.size() < kMostNames) failing_.insert(who);
    if (try_at_) {
        if (tried) try_at_ = now + rest_;
    } else if (failing_.size() >= calls_ && (!others || failing_.begin()->company != failing_.rbegin()->company)) {
        try_at_ = now;
    }
    return true;
}

void Circuit::spared(const Asker& who) {
    if (trying_ == who) trying_.reset();
}

double Circuit::standing(Instant now) const {
    if (!try_at_ || (!trying_ && now >= *try_at_ + rest_)) return 0;
    return now < *try_at_ ? 1 : 0.5;
}

bool Circuit::failing(const CompanyId& company) const {
    auto found = failing_.lower_bound({company, CallId{std::numeric_limits<std::int64_t>::min()}});
    return found != failing_.end() && found->company == company;
}

void Circuit::close() {
    failing_.clear();
    trying_.reset();
    try_at_.reset();
}

std::optional<Millis> Breaker::ask(const Asker& who, Instant now) {
    std::lock_guard guard(lock_);
    return circuit_.ask(who, now);
}

void Breaker::worked(const Asker& who) {
    std::lock_guard guard(lock_);
    circuit_.worked(who);
}

void Breaker::failed(const Asker& who, bool others, Instant now) {
    std::lock_guard guard(lock_);
    circuit_.failed(who, others, now);
}

void Breaker::spared(const Asker& who) {
    std::lock_guard guard(lock_);
    circuit_.spared(who);
}

double Breaker::standing(Instant now) const {
    std::lock_guard guard(lock_);
    return circuit_.standing(now);
}

RefusedKeys::Known* RefusedKeys::known(const std::string& key, const CompanyId& company) {
    auto found = known_.find(company);
    return found == known_.end() || found->second.key != key ? nullptr : &found->second;
}

std::optional<Millis> RefusedKeys::ask(const std::string& key, const Asker& who, Instant now) {
    std::lock_guard guard(lock_);
    auto* found = known(key, who.company);
    return found ? found->circuit.ask(who, now) : std::nullopt;
}

bool RefusedKeys::refused(const std::string& key, const Asker& who, Instant now) {
    std::lock_guard guard(lock_);
    auto* found = known(key, who.company);
    if (!found) found = &known_.insert_or_assign(who.company, Known{key, Circuit(2, pause_)}).first->second;
    return found->circuit.failed(who, false, now);
}

void RefusedKeys::let_in(const std::string& key, const Asker& who) {
    std::lock_guard guard(lock_);
    auto* found = known(key, who.company);
    if (!found) return;
    found->circuit.worked(who);
    if (found->circuit.remembers_nothing()) known_.erase(who.company);
}

void RefusedKeys::spared(const std::string& key, const Asker& who) {
    std::lock_guard guard(lock_);
    if (auto* found = known(key, who.company)) found->circuit.spared(who);
}

}  // namespace otto::shunya_orchestrator
