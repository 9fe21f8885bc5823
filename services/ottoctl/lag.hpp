#pragma once
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "kafka/offsets.hpp"
#include "pg/connection.hpp"
#include "report.hpp"

namespace otto::ottoctl {

/// A partition of a consumer: where its own table says it stands.
struct LaneAt {
    std::string consumer;
    kafka::TopicPartition at;
    std::optional<std::int64_t> next;  ///< none: a pass-through, or nothing read yet
};

/// Events still to be done in each partition: the end at Kafka minus where the lane stands, or its group, or the beginning. Pure.
struct PartitionLag {
    LaneAt lane;
    std::int64_t end = 0, next = 0, lag = 0;
    const char* by = "";  ///< whose word `next` is: "lane", "group" or "beginning"
};
std::vector<PartitionLag> lag_of(const std::vector<LaneAt>&, const std::vector<kafka::Extent>&,
                                 const std::map<std::pair<std::string, kafka::TopicPartition>, std::int64_t>& group_offsets);

/// The lanes part of `ottoctl lag`, from Postgres and Kafka; an error if Kafka does not answer.
Result<std::vector<PartitionLag>> measure_lag(pg::Tx&, const std::string& brokers, Millis deadline);
std::vector<Record> by_topic(const std::vector<PartitionLag>&);
std::vector<Record> by_partition(const std::vector<PartitionLag>&);

}  // namespace otto::ottoctl
