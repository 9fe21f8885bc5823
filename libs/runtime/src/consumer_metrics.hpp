#pragma once
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "kafka/record.hpp"
#include "kafka/source.hpp"
#include "telemetry/metrics.hpp"

namespace otto::rt {

/// What a transaction does with its events. Counted and said once it is committed, and only then: a transaction that fails has
/// done nothing, and runs again.
class Tally {
public:
    void handled(const std::string& type, const char* outcome, std::size_t n = 1) { handled_[{type, outcome}] += n; }
    void dead() { ++dead_; }
    /// A line for the log.
    void say(std::function<void()> line) { lines_.push_back(std::move(line)); }

private:
    friend struct ConsumerMetrics;
    std::map<std::pair<std::string, std::string>, std::size_t> handled_;
    std::size_t dead_ = 0;
    std::vector<std::function<void()>> lines_;
};

/// What is told of a partition as long as it is owned here.
class OwnedMetrics {
public:
    OwnedMetrics() = default;
    OwnedMetrics(const std::string& consumer, const kafka::TopicPartition&);
    /// Events that are still to be done.
    void lag(std::int64_t events);
    /// Events that wait for another try.
    void parked(std::size_t events) { parked_.set(static_cast<double>(events)); }

private:
    std::string consumer_;
    kafka::TopicPartition tp_;
    tel::Share owned_, parked_, lag_;
    bool lag_known_ = false;
};

/// Counted by lanes, and by the publisher for events that Kafka refuses.
extern const tel::Counters kDeadLetters;

/// What a consumer tells of itself; each of its lanes has one, and what they tell adds up.
struct ConsumerMetrics {
    explicit ConsumerMetrics(const std::string& consumer);
    void handled(const std::string& type, const char* outcome, std::size_t n = 1);
    void count(const Tally&);
    tel::Histogram batch_size, batch_seconds, age;
    tel::Counter dead, parked, rebalances_lost, failures;

private:
    std::string consumer_;
    tel::Share none_owned_, none_parked_;  ///< a consumer without a partition here says 0
    std::map<std::pair<std::string, std::string>, tel::Counter> handled_;
};

}  // namespace otto::rt
