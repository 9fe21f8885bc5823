#pragma once
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "lane.hpp"
#include "pg/connection.hpp"
#include "runtime/work_queue.hpp"

namespace otto::rt {

/// The threads' bodies of a service's queues, and one that listens for new work, looks at the clock and keeps leases alive. A
/// database that is away is waited for; a stop lets each finish the turn it is at.
class Workers {
public:
    Workers(std::string service, pg::Login, StopSignal&);
    WorkQueue& add(detail::Work, int threads);
    bool empty() const { return queues_.empty(); }
    /// Calls `run` with a name and a body for each thread: bodies return once the process stops.
    void start(const std::function<void(const std::string& what, const std::function<void()>& body)>& run);
    /// All of them look whether the process stops.
    void wake_all();

private:
    struct One {
        One(detail::Work work, int threads) : queue(std::move(work), threads) {}
        WorkQueue queue;
        std::mutex lock;
        std::condition_variable wake;
        std::uint64_t calls = 0;  ///< to work
        void poke();
    };
    void work(One&);
    void watch();
    void count(pg::Connection&);

    std::string service_;
    pg::Login login_;
    StopSignal& stop_;
    std::deque<One> queues_;
    std::unique_ptr<pg::Pool> pool_;  ///< of all queues
};

}  // namespace otto::rt
