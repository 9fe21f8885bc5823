#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "app/process.hpp"
#include "driver.hpp"

namespace otto::shunya_orchestrator {

/// The threads that drive calls, and one that listens for new work, looks at the clock and keeps leases alive. Starts and stops with the process; a database that is
/// away is waited for. A stop lets each finish the step it is at.
class Workers {
public:
    /// `watch`: is done besides, now and again, on the watch's connection.
    Workers(app::Service&, Driver&, pg::Pool&, int threads, std::function<void(pg::Connection&)> watch = {});
    ~Workers();

private:
    void start();
    void stop(Millis within);
    void work();
    void watch();

    std::string service_;
    Secret pg_url_;
    Driver& driver_;
    pg::Pool& pool_;
    int count_;
    std::function<void(pg::Connection&)> besides_;
    std::mutex lock_;
    std::condition_variable wake_;
    std::uint64_t calls_ = 0;              ///< to work
    int running_ = 0;                      ///< threads
    std::atomic<bool> stopping_{false};
    std::vector<std::thread> threads_;
};

}  // namespace otto::shunya_orchestrator
