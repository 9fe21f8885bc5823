#pragma once
#include <chrono>
#include <mutex>
#include <string>
#include <unordered_map>

#include "api/viewer.hpp"
#include "pg/query.hpp"

namespace otto::api {

/// For whom, and with which filters, a list was found to hold more than is counted. Counting ten thousand rows again for each
/// page would cost far more than the page; rows seldom go, so for a minute it is taken to be still so. Thread-safe.
class LongLists {
public:
    bool knows(const Viewer& viewer, const pg::Params& filters) const {
        auto k = key(viewer, filters);
        std::lock_guard guard(lock_);
        auto found = until_.find(k);
        return found != until_.end() && std::chrono::steady_clock::now() < found->second;
    }
    void remember(const Viewer& viewer, const pg::Params& filters) {
        auto k = key(viewer, filters);
        std::lock_guard guard(lock_);
        if (until_.size() >= 10'000) until_.clear();  // bounded; what is still long is soon known again
        until_[std::move(k)] = std::chrono::steady_clock::now() + std::chrono::minutes(1);
    }

private:
    static std::string key(const Viewer& viewer, const pg::Params& filters) {
        std::string out = viewer.company.value() + '\n' + viewer.only().value_or("");
        for (const auto& f : filters) {
            out += '\n';
            if (f.text())
                out.append(std::to_string(f.text()->size())).append(":").append(*f.text());  // so that no text reads as two
        }
        return out;
    }
    mutable std::mutex lock_;
    std::unordered_map<std::string, std::chrono::steady_clock::time_point> until_;
};

}  // namespace otto::api
