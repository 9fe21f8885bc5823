#pragma once
#include <deque>

#include "lane.hpp"

namespace otto::rt {

/// A lane of a pass-through: consume, a pure function, produce; the group's offset moves once Kafka has acknowledged what came
/// out. At least once: the next inbox removes the repeats. It touches Postgres only for what its function defers.
class PassLane {
public:
    PassLane(const Consumer&, const LaneOptions&, int index, StopSignal&);
    ~PassLane() { source_.on_rebalance({}); }  // as Lane's
    PassLane(const PassLane&) = delete;
    void run();

private:
    using Tp = kafka::TopicPartition;
    struct Step {
        std::int64_t next;
        std::size_t unconfirmed;
        const std::string* type = nullptr;  ///< of an event that was handled: counted once Kafka has what follows from it
        const char* outcome = nullptr;
    };
    struct Part {
        std::uint64_t generation = 0;
        std::deque<Step> steps;              ///< records in order; the front ones without anything unconfirmed are done
        std::int64_t next = -1, told = -1;   ///< all before it is done; what the group was told
        std::int64_t begun = -1, times = 0;  ///< the last event whose begin was put on record, and for the how many-th time
        OwnedMetrics metrics;
    };
    void handle(const Tp&, Part&, std::vector<kafka::Record>&);
    bool safe_to_touch(const Tp&, const kafka::Record&);
    void take_deferred(const Tp&, std::span<const Decoded>, std::span<const kafka::Record* const>);
    void dead_letter(const Tp&, const kafka::Record&, const Decoded&, const std::string& why);
    void tell_of_dead(const Tp&, const kafka::Record&, const Decoded&, const std::string& why);
    void advance(Part&);
    void take_back(const Tp&, Part&);
    void tell_group(bool now);
    void start_again(const std::map<Tp, Polled>& on_hand);
    void pass_on(const Tp&, Part&, std::int64_t next, Sink&);
    bool pass_on_alone(const Tp&, Part&, std::int64_t next, Sink&, const kafka::Record&);
    void retry(const char* what, const std::function<void()>&);

    const Consumer& consumer_;
    const LaneOptions& options_;
    StopSignal& stop_;
    std::string id_;
    pg::Connection db_;
    kafka::Source source_;
    Publisher publisher_;
    ConsumerMetrics metrics_;
    std::map<Tp, Part> parts_;
    std::set<std::pair<Tp, std::int64_t>> suspects_;  ///< events whose records Kafka refused, perhaps for another's sake
    std::uint64_t generation_ = 0;
    std::chrono::steady_clock::time_point told_at_{};
    std::map<const detail::Handler*, std::unique_ptr<google::protobuf::Message>> scratch_;
    SpareMemory spare_;
    std::map<Tp, std::size_t>
        careful_left_;  ///< partitions whose former owner died: each begin is on record until 2 × N events have passed
};

}  // namespace otto::rt
