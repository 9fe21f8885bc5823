#include "base/breaker.hpp"

#include <algorithm>

namespace otto {
namespace {

constexpr std::size_t kMostAskers = 10'000;
constexpr std::size_t kMostKeys = 4;
constexpr Millis kOthersTry{1'000};  ///< while one finds out whether the outside is back

}  // namespace

std::optional<Millis> Breaker::ask(const Asker& who, Instant now) {
    std::lock_guard guard(lock_);
    if (!try_at_) return std::nullopt;
    auto closes_at = *try_at_ + rest_;
    if (!trying_ && now >= closes_at) close();
    if (!try_at_) return std::nullopt;
    bool resting = now < *try_at_;
    auto until = [&](Instant at) { return std::max(kOthersTry, std::chrono::ceil<Millis>(at - now)); };
    if (failing_.contains(who) || own_.contains(who))
        return until(resting ? *try_at_ : std::min<Instant>(closes_at, now + rest_ / 6));
    if (trying_) return kOthersTry;
    if (resting && failing(who.company)) return until(*try_at_);
    trying_ = who;
    return std::nullopt;
}

void Breaker::worked(const Asker& who) {
    std::lock_guard guard(lock_);
    own_.merge(failing_);
    own_.erase(who);
    if (own_.size() > kMostAskers) own_.clear();
    close();
}

bool Breaker::failed(const Asker& who, bool others, Instant now) {
    std::lock_guard guard(lock_);
    bool tried = trying_ == who;
    if (tried) trying_.reset();
    if (own_.contains(who)) return false;
    if (failing_.size() < kMostAskers) failing_.insert(who);
    if (try_at_) {
        if (tried) try_at_ = now + rest_;
    } else if (failing_.size() >= askers_ && (!others || failing_.begin()->company != failing_.rbegin()->company)) {
        try_at_ = now;
    }
    return true;
}

void Breaker::spared(const Asker& who) {
    std::lock_guard guard(lock_);
    if (trying_ == who) trying_.reset();
}

double Breaker::standing(Instant now) const {
    std::lock_guard guard(lock_);
    if (!try_at_ || (!trying_ && now >= *try_at_ + rest_)) return 0;
    return now < *try_at_ ? 1 : 0.5;
}

bool Breaker::remembers_nothing() const {
    std::lock_guard guard(lock_);
    return failing_.empty() && own_.empty() && !trying_;
}

bool Breaker::failing(const CompanyId& company) const {
    auto found = failing_.lower_bound({company, ""});
    return found != failing_.end() && found->company == company;
}

void Breaker::close() {
    failing_.clear();
    trying_.reset();
    try_at_.reset();
}

Breaker* RefusedKeys::known(const std::string& key, const CompanyId& company) {
    auto found = known_.find(company);
    if (found == known_.end()) return nullptr;
    for (auto& one : found->second)
        if (one.key == key) return &one.breaker;
    return nullptr;
}

std::optional<Millis> RefusedKeys::ask(const std::string& key, const Asker& who, Instant now) {
    std::lock_guard guard(lock_);
    auto* breaker = known(key, who.company);
    return breaker ? breaker->ask(who, now) : std::nullopt;
}

bool RefusedKeys::refused(const std::string& key, const Asker& who, Instant now) {
    std::lock_guard guard(lock_);
    auto* breaker = known(key, who.company);
    if (!breaker) {
        auto& keys = known_[who.company];
        if (keys.size() == kMostKeys) keys.pop_front();
        breaker = &keys.emplace_back(key, pause_).breaker;
    }
    return breaker->failed(who, false, now);
}

void RefusedKeys::let_in(const std::string& key, const Asker& who) {
    std::lock_guard guard(lock_);
    auto* breaker = known(key, who.company);
    if (!breaker) return;
    breaker->worked(who);
    if (!breaker->remembers_nothing()) return;
    auto& keys = known_[who.company];
    keys.remove_if([&](const Known& one) { return one.key == key; });
    if (keys.empty()) known_.erase(who.company);
}

void RefusedKeys::spared(const std::string& key, const Asker& who) {
    std::lock_guard guard(lock_);
    if (auto* breaker = known(key, who.company)) breaker->spared(who);
}

}  // namespace otto
