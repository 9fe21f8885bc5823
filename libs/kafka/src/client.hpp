#pragma once
#include <librdkafka/rdkafka.h>

#include <memory>
#include <string>
#include <vector>

#include "kafka/record.hpp"

namespace otto::kafka {

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* p) const { Free(p); }
};
using ConfPtr = std::unique_ptr<rd_kafka_conf_t, Freed<rd_kafka_conf_destroy>>;
using ListPtr = std::unique_ptr<rd_kafka_topic_partition_list_t, Freed<rd_kafka_topic_partition_list_destroy>>;
using MessagePtr = std::unique_ptr<rd_kafka_message_t, Freed<rd_kafka_message_destroy>>;

/// Settings every client shares; an unknown name is a bug and throws.
ConfPtr make_conf(const std::string& brokers, const std::string& client_id, std::size_t max_message_bytes);
void set(rd_kafka_conf_t*, const char* name, const std::string& value);
/// Hands the configuration over; throws Failure with librdkafka's reason.
rd_kafka_t* make_client(rd_kafka_type_t, ConfPtr);
Record to_record(rd_kafka_message_t&);

}  // namespace otto::kafka
