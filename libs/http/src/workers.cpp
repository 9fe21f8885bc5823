#include "workers.hpp"

#include <algorithm>

namespace otto::http {

Workers::Workers(int count) : count_(static_cast<std::size_t>(count)) {
    for (int i = 0; i < count; ++i) threads_.emplace_back([this] { work(); });
}

Workers::~Workers() {
    {
        std::lock_guard guard(lock_);
        stop_ = true;
    }
    came_.notify_all();
    for (auto& t : threads_) t.join();
}

void Workers::work() {
    std::unique_lock guard(lock_);
    for (;;) {
        auto mine = next();
        if (!mine) {
            if (stop_) return;
            came_.wait(guard);
            continue;
        }
        guard.unlock();
        mine->job();
        mine->job = nullptr;  // what it owns goes before the next one comes
        guard.lock();
        if (mine->company) ended(*mine->company, mine->user);
    }
}

void Workers::post(Job job) {
    {
        std::lock_guard guard(lock_);
        jobs_.push_back(std::move(job));  // bounded by the connections: one request of each at a time
    }
    came_.notify_one();
}

bool Workers::post(const Share& share, Job job) {
    {
        std::lock_guard guard(lock_);
        if (first_.empty()) first_ = share.company;
        several_ = several_ || (!share.company.empty() && share.company != first_);
        auto company = companies_.try_emplace(share.company).first;
        if (!share.company.empty() && company->second.waiting >= kMostWaiting) return false;
        auto user = company->second.users.try_emplace(share.user).first;
        if (user->second.waiting.size() >= kMostWaiting / 2) return false;
        user->second.waiting.push_back(std::move(job));
        ++company->second.waiting;
        if (!list(company, user)) return true;  // one of their own must end first
    }
    came_.notify_one();
    return true;
}

std::size_t Workers::most_of(Companies::iterator company) const {
    auto quarter = std::max<std::size_t>(2, count_ / 4);
    if (several_ || company->first.empty()) return quarter;
    return std::max<std::size_t>(2, count_ > 2 ? count_ - 2 : 0);
}

/// Puts them where their turn comes, if a job of this user may run. False if none may now.
bool Workers::list(Companies::iterator company, Users::iterator user) {
    auto& c = company->second;
    auto& u = user->second;
    if (!u.listed && !u.waiting.empty() && u.running < most_of_a_user(company)) {
        u.listed = true;
        c.turn.push_back(user);
    }
    if (!c.listed && !c.turn.empty() && c.running < most_of(company)) {
        c.listed = true;
        turn_.push_back(company);
    }
    return u.listed && c.listed;
}

std::optional<Workers::Next> Workers::next() {
    if (shared_next_ || jobs_.empty()) {
        shared_next_ = false;
        if (auto shared = next_shared()) return shared;
    }
    if (jobs_.empty()) return std::nullopt;
    shared_next_ = true;
    Next out;
    out.job = std::move(jobs_.front());
    jobs_.pop_front();
    return out;
}

std::optional<Workers::Next> Workers::next_shared() {
    while (!turn_.empty()) {
        auto company = turn_.front();
        turn_.pop_front();
        auto& c = company->second;
        c.listed = false;
        // What may run can have become less since they were listed: a second company has come.
        while (c.running < most_of(company) && !c.turn.empty()) {
            auto user = c.turn.front();
            c.turn.pop_front();
            auto& u = user->second;
            u.listed = false;
            if (u.running >= most_of_a_user(company)) continue;
            Next out;
            out.job = std::move(u.waiting.front());
            out.company = company;
            out.user = user;
            u.waiting.pop_front();
            --c.waiting;
            ++u.running;
            ++c.running;
            list(company, user);
            return out;
        }
    }
    return std::nullopt;
}

void Workers::ended(Companies::iterator company, Users::iterator user) {
    auto& c = company->second;
    --user->second.running;
    --c.running;
    if (user->second.waiting.empty() && user->second.running == 0)
        c.users.erase(user);
    else
        list(company, user);
    if (c.users.empty())
        companies_.erase(company);
    else if (!c.turn.empty())
        list(company, c.turn.front());
}

}  // namespace otto::http
