#pragma once
#include <deque>
#include <mutex>
#include <string>
#include <unordered_map>

namespace otto::ingress {

/// What the stream of each call said last, as far as this process heard it: where the call goes on, its provider does not say
/// what became of the stream. Of more than `most` calls the ones heard of first are forgotten. Thread-safe.
class HeardStreams {
public:
    explicit HeardStreams(std::size_t most = 10'000) : most_(most) {}
    void heard(const std::string& call, const std::string& event) {
        std::lock_guard guard(lock_);
        auto [at, fresh] = events_.insert_or_assign(call, event);
        if (!fresh) return;
        order_.push_back(at->first);
        if (order_.size() <= most_) return;
        events_.erase(order_.front());
        order_.pop_front();
    }
    /// "" if nothing was heard.
    std::string of(const std::string& call) const {
        std::lock_guard guard(lock_);
        auto known = events_.find(call);
        return known == events_.end() ? "" : known->second;
    }

private:
    const std::size_t most_;
    mutable std::mutex lock_;
    std::unordered_map<std::string, std::string> events_;
    std::deque<std::string> order_;
};

}  // namespace otto::ingress
