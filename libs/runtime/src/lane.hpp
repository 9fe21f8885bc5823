#pragma once
#include <atomic>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "base/spare_memory.hpp"
#include "consumer_metrics.hpp"
#include "kafka/source.hpp"
#include "outbox.hpp"
#include "pg/connection.hpp"
#include "records.hpp"
#include "runtime/consumer.hpp"

namespace otto::rt {

/// What a lane works with; the same for all lanes of a consumer.
struct LaneOptions {
    std::string service, brokers;
    pg::Login pg_url;
    std::function<void()> poke_activities;  ///< intents were written
};

/// How a lane takes part in its consumer's group.
kafka::SourceOptions source_options(const Consumer&, const LaneOptions&, const std::string& client_id);

/// Ends a wait early when the process stops.
class StopSignal {
public:
    void stop();
    bool stopping() const { return stopping_; }
    /// Waits; true if stopped meanwhile.
    bool wait(Millis);

private:
    std::mutex lock_;
    std::condition_variable wake_;
    std::atomic<bool> stopping_{false};
};

/// What a round took from one partition.
struct Polled {
    std::vector<kafka::Record> records;  ///< those that concern the consumer
    std::int64_t next = -1;              ///< after the last one, concern it or not
};
/// What was polled reaches to where its partitions end, or nearly: there is nothing to be fetched that a rest would keep waiting.
bool caught_up(const kafka::Source&, const std::map<kafka::TopicPartition, Polled>& polled);
/// Waits, and serves Kafka's reports meanwhile.
void rest_until(std::chrono::steady_clock::time_point end, Publisher&, StopSignal&);

/// Times that an event may be begun after its owner died over it.
inline constexpr int kLastTry = 3;
/// How long an event waits over which the database failed, and which may be the reason.
inline constexpr Millis kStalled{15'000};
/// Another lane owns the partition now.
struct Fenced {};

/// One thread of a consumer: a member of its group, a session of its own, the partitions that the group gave it, one batch at a
/// time. A batch holds what there is of all its partitions, each fenced for itself; if it fails, each partition's part runs
/// alone, and if that fails each event. The protocol is runtime.md §1–§3; the names of the steps are its names.
class Lane {
public:
    Lane(const Consumer&, const LaneOptions&, int index, StopSignal&);
    /// A lane that failed gives nothing back: its partitions are taken over as from an owner that died.
    ~Lane() { source_.on_rebalance({}); }
    Lane(const Lane&) = delete;
    /// Until the signal; then the batch under way is finished and the partitions are given back cleanly.
    void run();

private:
    /// A begin that is on record: of the event at an offset, for the how many-th time.
    struct Begun {
        std::int64_t offset = -1, times = 0;
    };
    /// What this lane knows of a partition that it owns.
    struct Part {
        std::int64_t epoch = 0;
        std::int64_t next = -1;              ///< next offset; -1: where the group stands
        std::set<std::string> blocked;       ///< keys that have parked events
        std::size_t parked = 0;              ///< events
        std::map<std::int64_t, int> stalls;  ///< by parked event: database failures that may be its own, in a row
        std::size_t careful = 0;             ///< new events whose begins are still put on record, after an owner died
        std::size_t candidates = 0;          ///< of them, those among which is one over which an owner died
        Begun begun;                         ///< the last begin that was put on record
        std::optional<std::int64_t> begun_parked;
        OwnedMetrics metrics;
        bool stale = false;      ///< what is in the table is not known: read it before going on
        bool undrained = true;   ///< the table may hold what Kafka does not have and what nothing of is under way: it goes first
        bool elsewhere = false;  ///< what was polled was not done: it is polled again from `next` on
        bool claimed_now = false;         ///< the group has not confirmed the claim yet
        std::vector<std::int64_t> acked;  ///< outbox rows that Kafka has, to be deleted
        std::size_t unconfirmed = 0;      ///< outbox rows under way to Kafka
        std::chrono::steady_clock::time_point look_at_parked{};
        std::int64_t told = -1;     ///< the position that the group was told last
        std::int64_t written = -1;  ///< the position that the table was told last
        /// Passed over what does not concern the consumer, and the table does not know.
        bool ahead() const { return next > written && !claimed_now && !stale; }
    };
    using Tp = kafka::TopicPartition;
    /// What a batch takes from one partition: up to where, and what of that concerns this consumer.
    struct Leg {
        const Tp* tp;
        Part* part;
        std::span<const kafka::Record> records;
        std::int64_t next;
        Leg some(std::size_t from, std::size_t count) const {
            return {tp, part, records.subspan(from, count), from + count < records.size() ? records[from + count].offset : next};
        }
    };
    /// What is to be done with one event without asking its handler (again).
    struct Disposition {
        Outcome outcome;
        int attempts = 1;  ///< that it has used up
    };
    /// What follows from a transaction once it is committed.
    struct After {
        Tally tally;
        std::set<std::pair<Part*, std::string>> blocked;
        std::map<Part*, std::size_t> parked;
        std::map<const kafka::Record*, const char*> troubled;  ///< where steps are told: what became of those that failed
    };

    std::vector<std::optional<std::int64_t>> claim_all(const std::vector<Tp>&);
    Part claim(const Tp&);
    void give_back(const std::vector<Tp>&, bool lost);
    bool recover(const Tp&, Part&);
    /// What was begun and ended here, however it ended, was not the end of a process: its begin is taken off the record.
    void take_back(pg::Tx&, const Tp&, const Part&);
    bool drain(const Tp&, Part&);
    bool settle_alone(const Tp&, const StoredRecord&);
    bool send(const Tp&, Part&, std::int64_t row, kafka::Record);
    void let_go();
    bool in_place(const Tp&, Part&);
    void read_parked(pg::Tx&, const Tp&, Part&);

    bool guarded(const std::vector<Tp>& concerned, const std::function<void()>& body);
    bool prepare(const Tp&, Part&);
    bool concerns(const kafka::Record&) const;
    /// What comes next: as many as a batch holds of what concerns this consumer, passing over the rest.
    std::map<Tp, Polled> poll(bool& full);
    bool round(std::map<Tp, Polled>& buckets);
    void write_positions();
    void work(const Leg&);
    bool whole(const Leg&);
    void alone(const Leg&);
    void carefully(const Leg&);
    bool together(std::span<const Leg>);
    struct Attempt;
    void attempt(std::span<const Leg>, bool single, const Disposition*);
    std::optional<Disposition> transact(std::span<const Leg>, bool single, const Disposition*);
    void open(pg::Tx&, Attempt&);
    void finish_run(pg::Tx&, Attempt&);
    std::optional<Disposition> handle(pg::Tx&, Attempt&, const Leg&, const kafka::Record&, const Decoded&, bool single);
    void committed(Attempt&, const std::vector<std::int64_t>& outbox, std::chrono::steady_clock::time_point started);
    void tell_steps(const Attempt&, Instant began) const;
    void run_parked(const Tp&, Part&);
    void one_parked(const Tp&, Part&, const StoredRecord&);
    /// Nothing: it is applied, and no longer parked.
    std::optional<Outcome> apply_parked(const Tp&, const Part&, const StoredRecord&, const Decoded&);
    void put_off_parked(const Tp&, const Part&, const StoredRecord&, const Decoded&, const Outcome& failure);
    void settle(pg::Tx&, const Leg&, const kafka::Record&, const Decoded&, const Outcome&, int attempts, After&);
    void park(pg::Tx&, const Tp&, const kafka::Record&, const Decoded&, bool blocks, int attempt, const std::string& error,
              Millis after);
    using LegOf = std::function<const Tp&(const Sink::Item&)>;
    std::vector<std::int64_t> write_outbox(pg::Tx&, Sink&, const LegOf&);
    void publish(Sink&, const std::vector<std::int64_t>& ids, const LegOf&);
    void tidy();
    /// Tells the group where all partitions stand: for lag tools only, so now and then is enough.
    void tell_group(bool now);
    void rest(std::chrono::steady_clock::time_point began);
    /// Says what failed, throws the session away, waits (growing, at most 2 s).
    void back_off(const std::string& why, bool schema);
    pg::Params at(const Tp& tp) const { return {consumer_.name(), tp.topic, tp.partition}; }
    pg::Params at(const Tp& tp, std::initializer_list<pg::Param> more) const;

    const Consumer& consumer_;
    const LaneOptions& options_;
    StopSignal& stop_;
    std::string id_;
    std::chrono::steady_clock::time_point told_at_{}, wrote_at_{};
    pg::Connection db_;
    kafka::Source source_;
    Publisher publisher_;
    ConsumerMetrics metrics_;
    std::map<Tp, Part> parts_;
    std::map<Tp, int> contention_;     ///< failures of kind contention in a row; also over a partition's being claimed again
    std::set<std::int64_t> suspects_;  ///< outbox rows that Kafka refused, perhaps for another's sake
    std::uint64_t handovers_ = 0;      ///< rebalances so far: what was polled before one is nobody's
    std::size_t batch_;
    int failures_ = 0;
    bool rejoin_ = false;
    SpareMemory spare_;
};

}  // namespace otto::rt
