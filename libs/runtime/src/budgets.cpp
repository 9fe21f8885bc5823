#include "runtime/budgets.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "tables.hpp"

namespace otto::rt {
namespace {

constexpr std::size_t kMostNames = 10'000;

/// All of the process, for whoever tells what is left of them.
struct All {
    std::mutex lock;
    std::set<const Budgets*> budgets;
};
All& all() {
    static auto* those = new All;  // budgets may go last of all
    return *those;
}

}  // namespace

Budgets::Budgets(std::string service, std::string what, std::vector<Limit> limits)
    : service_(std::move(service)), what_(std::move(what)), limits_(std::move(limits)) {
    double least = limits_.empty() ? 1 : limits_.front().count;
    for (const auto& l : limits_) {
        longest_ = std::max(longest_, l.per);
        least = std::min(least, l.count);
    }
    slice_ = std::max(1.0, std::floor(least / 60));
    std::lock_guard guard(all().lock);
    all().budgets.insert(this);
}

Budgets::~Budgets() {
    std::lock_guard guard(all().lock);
    all().budgets.erase(this);
}

std::map<std::string, double> Budgets::left(pg::Tx& tx, const std::string& service) {
    pg::Columns limits(3);
    {
        std::lock_guard guard(all().lock);
        for (const auto* b : all().budgets)
            for (const auto& l : b->limits_)
                if (b->service_ == service) limits.row({b->what_, l.count, static_cast<std::int64_t>(l.per.count())});
    }
    std::map<std::string, double> out;
    if (limits.rows() == 0) return out;
    auto params = limits.params();
    params.push_back(service);
    tx.each(sql::budgets_left, params, [&](const pg::Fields& f) { out[f.text("what")] = f.number("share"); });
    return out;
}

std::optional<Millis> Budgets::take(pg::Tx& tx, const std::string& name, Instant now, double n) {
    {
        std::lock_guard guard(lock_);
        if (slices_.size() > kMostNames)
            std::erase_if(slices_,
                          [&](const auto& s) { return now - s.second.taken >= longest_ && s.second.empty_until <= now; });
        auto& mine = slices_[name];
        if (mine.left >= n && now - mine.taken < longest_) {
            mine.left -= n;
            return std::nullopt;
        }
        if (now < mine.empty_until && n >= mine.wanted) return std::chrono::ceil<Millis>(mine.empty_until - now);
    }
    std::vector<std::string> counts, pers;
    for (const auto& l : limits_) {
        counts.push_back(std::to_string(l.count));
        pers.push_back(std::to_string(l.per.count()));
    }
    double granted = 0, wait = 0;
    tx.each(sql::take_budget,
            {service_, what_ + "/" + name, pg::Param::array(counts), pg::Param::array(pers), n, std::max(n, slice_), now},
            [&](const pg::Fields& f) {
                granted = f.number("granted");
                wait = f.number("wait_ms");
            });
    if (wait > 0) {
        Millis pause{static_cast<std::int64_t>(wait)};
        std::lock_guard guard(lock_);
        auto& mine = slices_[name];
        mine.empty_until = now + pause;
        mine.wanted = n;
        return pause;
    }
    tx.on_commit([this, name, now, over = granted - n] {
        std::lock_guard guard(lock_);
        auto& mine = slices_[name];
        if (now - mine.taken >= longest_) mine.left = 0;
        mine.left += std::max(0.0, over);
        mine.taken = now;
    });
    return std::nullopt;
}

}  // namespace otto::rt
