#pragma once
#include <optional>
#include <utility>

#include "kafka/record.hpp"

namespace otto::kafka {

struct SourceOptions {
    std::string brokers, group, client_id;
    std::vector<std::string> topics;
    Millis session_timeout{10'000}, heartbeat{3'000};
    int queued_max_kbytes = 4096;
    std::size_t fetch_bytes = 128u << 10;  ///< asked for at a time, of a partition, as it lies in Kafka (packed)
    std::size_t max_message_bytes = 36u << 20;
    /// How long Kafka waits for records, until there are 64 KiB of them as they lie there, before it answers a fetch. 0: it
    /// answers with the first.
    Millis linger{0};
};

/// One member of a consumer group, used by one thread. Offsets are the caller's business: enable.auto.commit and
/// auto.offset.store are off. auto.offset.reset is earliest; what retention took away before it was read is told by an error line
/// with its number, and counted (otto_kafka_offset_resets_total, otto_kafka_records_lost_total). For topics that keep all their
/// records until they are old, not for compacted ones. Rebalances are eager; they happen inside poll(), which then returns
/// nothing of before.
class Source {
public:
    explicit Source(SourceOptions);
    ~Source();  ///< leaves the group

    /// Called inside poll(). `assigned` returns for each partition where to start (its next offset), nullopt = the group's
    /// committed offset; `revoked` comes before the partitions are given up, `lost` = somebody else may have them already.
    struct Rebalance {
        std::function<std::vector<std::optional<std::int64_t>>(const std::vector<TopicPartition>&)> assigned;
        std::function<void(const std::vector<TopicPartition>&, bool lost)> revoked;
    };
    void on_rebalance(Rebalance);

    /// Up to `max` records or `max_bytes` (at least one record), in order per partition, waiting up to `wait` for the first.
    std::vector<Record> poll(std::size_t max, std::size_t max_bytes, Millis wait);
    /// Synchronous; an error if the group refuses (this member is not the owner any more).
    Result<void> commit(const TopicPartition&, std::int64_t next_offset);
    /// Next offsets of several partitions, in one request that nobody waits for.
    void commit_async(const std::vector<std::pair<TopicPartition, std::int64_t>>& positions);
    /// Synchronous; after an error nobody knows where the partition will be read from, until rejoin().
    Result<void> seek(const TopicPartition&, std::int64_t offset);
    /// Nothing more of the partition is polled, nor fetched for it. Ends with resume(), and when the partition is given up. What
    /// was polled of it and not done wants a seek() after resume().
    void pause(const TopicPartition&);
    void resume(const TopicPartition&);
    /// While held nothing more is polled of any partition, and rebalances take place nevertheless; released, polling goes on
    /// where it ended. A rebalance releases.
    void hold(bool);
    /// Leaves the group and takes part again; used after a lane lost its fence.
    void rejoin();
    const std::vector<TopicPartition>& assignment() const;
    /// Where the partition ended when it was last fetched from; -1 = not known yet. Asks nobody.
    std::int64_t end_of(const TopicPartition&) const;
    void close();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// The partition of a key, as the producer chooses it.
std::int32_t partition_of(std::string_view key, std::int32_t partitions);

/// Reads whole topics without a group, from the beginning and on: for compacted topics held in memory; or from shortly before
/// their ends, for who wants to know what happens.
class Reader {
public:
    Reader(std::string brokers, std::string client_id, std::vector<std::string> topics);
    ~Reader();
    std::vector<Record> poll(std::size_t max, Millis wait);
    /// True once everything that was in the topics at the start (or at the last check) has been read.
    bool caught_up() const;
    /// Whether the cluster answers within that time.
    Result<void> answers(Millis within) const;
    /// Starts here instead of at the beginning (a snapshot's positions).
    void start_at(const std::vector<std::pair<TopicPartition, std::int64_t>>&);
    /// Starts so many offsets before the end of each partition. Before the first poll().
    void start_near_end(std::int64_t records);
    /// The next offset of each partition; none before the cluster has answered.
    std::vector<std::pair<TopicPartition, std::int64_t>> positions() const;

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace otto::kafka
