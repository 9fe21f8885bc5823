#pragma once
#include <librdkafka/rdkafka.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kafka/record.hpp"

namespace otto::kafka {

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* p) const {
        Free(p);
    }
};
using ConfPtr = std::unique_ptr<rd_kafka_conf_t, Freed<rd_kafka_conf_destroy>>;
using ListPtr = std::unique_ptr<rd_kafka_topic_partition_list_t, Freed<rd_kafka_topic_partition_list_destroy>>;
using MessagePtr = std::unique_ptr<rd_kafka_message_t, Freed<rd_kafka_message_destroy>>;

/// Settings every client shares; an unknown name is a bug and throws.
ConfPtr make_conf(const std::string& brokers, const std::string& client_id, std::size_t max_message_bytes);
void set(rd_kafka_conf_t*, const char* name, const std::string& value);
/// How it reaches Kafka and logs in, see kafka/access.hpp; and a client made so, which is told when that changes.
void apply_access(rd_kafka_conf_t*);
void note_client(rd_kafka_t*);
/// Hands the configuration over; throws Failure with librdkafka's reason.
rd_kafka_t* make_client(rd_kafka_type_t, ConfPtr);
/// Ends a client beside whoever is done with it. Its threads end by timed waits of the wall clock: after that has stepped back,
/// rd_kafka_destroy() may take as long as the step.
void end_client(rd_kafka_t*);
/// Whether the cluster answers within that time, by a question that costs it nothing.
Result<void> answers(rd_kafka_t*, Millis within);
Record to_record(rd_kafka_message_t&);
/// What largest_record() says of a topic of Otto's.
std::optional<std::size_t> declared_limit(std::string_view topic);
/// librdkafka's own log lines, as ours. What it says below warning is of no use to an operator.
void log_line(const rd_kafka_t*, int level, const char* facility, const char* text);

/// Waits for what comes on a client's queue, by the steady clock. librdkafka's own waits go by the wall clock: when that steps
/// back, one that is under way lasts as long as the step.
class Doorbell {
public:
    Doorbell();                 ///< an eventfd of its own
    explicit Doorbell(int fd);  ///< the caller's, which others may ring, or hear
    ~Doorbell();
    Doorbell(const Doorbell&) = delete;
    Doorbell& operator=(const Doorbell&) = delete;
    /// Rings for this queue, which is the bell's from now on; detach() before the client ends.
    void attach(rd_kafka_queue_t*);
    void detach();
    void ring() const;
    int fd() const { return fd_; }
    /// Tries `take` until it says true, or for so long.
    template <class Take>
    void until(Millis most, Take take) const {
        using Steady = std::chrono::steady_clock;
        for (const auto end = Steady::now() + most;;) {
            hush();  // before looking: what comes later rings again
            if (take() || most == Millis{0}) return;
            auto left = std::chrono::ceil<Millis>(end - Steady::now());
            if (left <= Millis{0}) return;
            listen(own_ ? left : std::min(left, Millis{2}));  // another may hear the ring
        }
    }

private:
    void hush() const;
    void listen(Millis) const;
    int fd_;
    bool own_;
    rd_kafka_queue_t* queue_ = nullptr;
};

}  // namespace otto::kafka
