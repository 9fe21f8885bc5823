#pragma once
#include "kafka/record.hpp"

namespace otto::kafka {

struct ProducerOptions {
    std::string brokers, client_id;
    double linger_ms = 0.5;
    Millis message_timeout{0};                  ///< 0 = never give up
    std::size_t max_message_bytes = 36u << 20;  ///< of topics that are none of Otto's; for those see largest_record()
    std::size_t max_queued_kbytes = 262'144;
    int report_fd = -1;  ///< an eventfd of the caller's to be written when reports are due; it outlives producers
};

/// What is to be produced, by reference: it may go as soon as produce() returns.
struct Outgoing {
    const std::string& topic;
    std::string_view key, value;
    const Headers& headers;
    bool tombstone = false;
};

/// What became of one record.
struct Delivery {
    bool ok = false;
    bool fatal = false;    ///< this producer can deliver nothing any more: make a new one
    bool refused = false;  ///< for what it is (too large, no valid record): it will never be taken. Or it shared a batch with
                           ///< such a one: alone it may be
    std::string error;
    std::int32_t partition = -1;
    std::int64_t offset = -1;
};

/// Idempotent (acks=all), partitioner murmur2_random, lz4. Thread-safe. Delivery callbacks run in serve(), on the thread that
/// calls it; or, with own_thread, on a thread of the producer's.
class Producer {
public:
    explicit Producer(ProducerOptions, bool own_thread = false);
    ~Producer();  ///< purges what is in flight; its callbacks run with an error

    using Report = std::function<void(const Delivery&)>;
    /// Queues; false if the queue is full or the producer is dead (no callback then). What is larger than its topic takes is
    /// queued too, and its callback says refused.
    bool produce(const Outgoing&, Report);
    bool produce(Record, Report);
    /// Readable when callbacks are due; for an event loop.
    int event_fd() const;
    /// Runs due callbacks, waiting up to `wait` for the first.
    void serve(Millis wait = Millis{0});
    /// Serves until nothing is in flight; false at the deadline.
    bool flush(Millis deadline);
    /// Drops everything queued and in flight; callbacks run with an error.
    void purge();
    /// Fetches metadata of these topics so that the first produce does not stall; the reason if the cluster does not answer in
    /// time.
    Result<void> warm_up(const std::vector<std::string>& topics, Millis deadline);
    /// Whether the cluster answers within that time.
    Result<void> answers(Millis within) const;
    std::size_t in_flight() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace otto::kafka
