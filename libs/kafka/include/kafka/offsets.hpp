#pragma once
#include <optional>

#include "kafka/record.hpp"

/// Where topics begin and end and where groups stand, for operators. Each call makes a client of its own, joins no group and
/// changes nothing.
namespace otto::kafka {

/// A partition as the broker has it: records `begin` to `end` - 1.
struct Extent {
    TopicPartition at;
    std::int64_t begin = 0, end = 0;
};
/// All partitions of these topics, in order; a topic that does not exist is an error that names it.
Result<std::vector<Extent>> extents(const std::string& brokers, const std::vector<std::string>& topics, Millis deadline);

/// What the group has committed for these partitions, in their order; nullopt = nothing.
Result<std::vector<std::optional<std::int64_t>>> committed(const std::string& brokers, const std::string& group,
                                                           const std::vector<TopicPartition>&, Millis deadline);

/// The first record of each partition that was appended at `from` or later, in their order; nullopt = none was.
Result<std::vector<std::optional<std::int64_t>>> offsets_from(const std::string& brokers, const std::vector<TopicPartition>&,
                                                              Instant from, Millis deadline);

}  // namespace otto::kafka
