#pragma once
#include "lane.hpp"

namespace otto::rt {

/// Runs the intents of one consumer: takes one under a lease, calls the outside with no transaction open, and records the result
/// together with what follows from it. A process that dies leaves a lease that runs out; the next one begins the same intent
/// again, under the same key.
class Activities {
public:
    Activities(const Consumer&, const LaneOptions&, StopSignal&);
    /// One of its threads, until the process stops.
    void work();
    /// There may be work.
    void poke();
    /// All of its threads look whether the process stops.
    void wake_all();

private:
    /// What the outside was asked, and how it ended.
    struct Done {
        const StoredRecord& taken;
        const Decoded& decoded;
        Outcome outcome;
        Sink sink;
        std::vector<std::function<void(pg::Tx&)>> closing;
        Retry retry;
    };
    bool one(pg::Connection&);
    std::optional<StoredRecord> lease(pg::Connection&);
    void record(pg::Connection&, Done&);

    const Consumer& consumer_;
    const LaneOptions& options_;
    StopSignal& stop_;
    Millis lease_{0};
    std::mutex lock_;
    std::condition_variable wake_;
    std::uint64_t pokes_ = 0;
};

}  // namespace otto::rt
