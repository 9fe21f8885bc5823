#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kafka/producer.hpp"
#include "pg/connection.hpp"
#include "runtime/handler.hpp"

namespace otto::rt {

struct StoredRecord;

/// Rows that no lane publishes (HTTP commands, jobs, timers): written to the service's own shards.
void write_to_shard(pg::Tx&, const std::string& consumer, const Sink::Item&);

/// A producer of one thread that outlives its own fatal errors. A delivery that fails poisons everything behind it: the queue is
/// purged, and who uses it starts again at the lowest row, which lasts a moment: ready(). What the table holds is in the queue
/// once: who reads rows has nothing of them in flight.
///
/// A record that Kafka refuses for what it is, and not for now, may have shared a batch with the one that is at fault. So whoever
/// published it publishes it once more, by alone(), and what is refused then can be set aside.
class Publisher {
public:
    Publisher(std::string brokers, std::string client_id) : brokers_(std::move(brokers)), client_id_(std::move(client_id)) {}
    ~Publisher();  ///< nobody is called any more: what they would write to may be gone
    using Acked = std::function<void()>;
    /// Both run in serve(): `acked` for what Kafka has confirmed, `refused` for what it refuses for what it is, which is a
    /// failure too. False: there is no room, nothing happens. After a failure nothing is queued until it was taken: it is to be
    /// published again anyway.
    bool publish(kafka::Record, Acked acked, std::function<void()> refused);
    enum class Fate { taken, refused, unknown };
    /// One record by itself, waited for, for a moment at most. Unknown: as after any failure, which is to be taken.
    Fate alone(kafka::Record, std::string& why);
    void serve(Millis wait);
    /// Everything confirmed before the deadline?
    bool flush(Millis deadline);
    std::size_t in_flight() const { return in_flight_; }
    /// True once after a failure; by then nothing is in flight.
    bool take_failure();
    /// False for half a second after a failure, and for up to two after several: Kafka is not asked more often.
    bool ready() const { return std::chrono::steady_clock::now() >= not_before_; }
    /// Takes back what is not confirmed: somebody else will publish it.
    void drop();

private:
    kafka::Producer& producer();
    void restart();
    void pause();
    std::string brokers_, client_id_;
    std::unique_ptr<kafka::Producer> producer_;
    std::size_t in_flight_ = 0;
    bool failed_ = false, fatal_ = false, ending_ = false;
    std::string why_;
    int failures_ = 0;  ///< in a row
    std::chrono::steady_clock::time_point not_before_{};
};

/// A row of the outbox that Kafka refuses for what it is becomes a dead letter of its consumer.
class SetAside {
public:
    SetAside(pg::Tx&, const StoredRecord&, std::string why);
    void tell() const;  ///< once it is committed

private:
    std::string consumer_, topic_, type_, company_, why_;
    EventId event_;
};

void count_refused(const std::string& consumer, const std::string& topic);

/// Publishes a service's own shards: what no lane does. One thread, with a session that holds the right to.
class Relay {
public:
    Relay(std::string brokers, std::string client_id, Millis patience = Millis{1'000})
        : publisher_(std::move(brokers), std::move(client_id)), patience_(patience) {}
    /// What is due, lowest first; deletes what Kafka has confirmed. While Kafka is away rows stay in its queue, and the round
    /// ends after a while: the next one looks again.
    void round(pg::Connection&);
    std::size_t in_flight() const { return publisher_.in_flight(); }

private:
    bool send(pg::Connection&);
    void settle(pg::Connection&);
    Publisher publisher_;
    Millis patience_;
    std::set<std::int64_t> under_way_, suspects_;
    std::vector<std::int64_t> done_;
    std::chrono::steady_clock::time_point since_{}, told_{};
};

}  // namespace otto::rt
