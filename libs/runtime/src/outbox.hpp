#pragma once
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "kafka/producer.hpp"
#include "pg/connection.hpp"
#include "runtime/handler.hpp"

namespace otto::rt {

/// Rows that no lane publishes (HTTP commands, jobs, timers): written to the service's own shards.
void write_to_shard(pg::Tx&, const std::string& consumer, const Sink::Item&);

/// A producer of one thread that outlives its own fatal errors. A delivery that fails poisons everything behind it: the queue is purged, and who uses
/// it starts again at the lowest row.
class Publisher {
public:
    Publisher(std::string brokers, std::string client_id) : brokers_(std::move(brokers)), client_id_(std::move(client_id)) {}
    /// `acked` runs in serve(), only for what Kafka has confirmed.
    void publish(kafka::Record, std::function<void()> acked);
    void serve(Millis wait);
    /// Everything confirmed before the deadline?
    bool flush(Millis deadline);
    std::size_t in_flight() const { return in_flight_; }
    /// True once after a failure; by then nothing is in flight.
    bool take_failure();

private:
    kafka::Producer& producer();
    std::string brokers_, client_id_;
    std::unique_ptr<kafka::Producer> producer_;
    std::size_t in_flight_ = 0;
    bool failed_ = false, fatal_ = false;
    std::string why_;
};

/// One round of a service's own shards: publishes what is due, lowest first, and deletes what Kafka has confirmed. Throws if Kafka does not take it.
void relay_round(pg::Connection&, Publisher&);

}  // namespace otto::rt
