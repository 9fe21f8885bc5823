#pragma once
#include <thread>

#include "lane.hpp"

namespace otto::rt {

/// Runs the intents of one consumer: takes one under a lease, calls the outside with no transaction open, and records the result together with what
/// follows from it. A process that dies leaves a lease that runs out; the next one begins the same intent again, under the same key.
class Activities {
public:
    Activities(const Consumer&, const LaneOptions&, int threads, StopSignal&);
    ~Activities();
    void start();
    void join();
    /// There may be work.
    void poke();

private:
    void loop();
    bool one(pg::Connection&);

    const Consumer& consumer_;
    const LaneOptions& options_;
    int count_;
    StopSignal& stop_;
    std::mutex lock_;
    std::condition_variable wake_;
    std::uint64_t pokes_ = 0;
    std::vector<std::thread> threads_;
};

}  // namespace otto::rt
