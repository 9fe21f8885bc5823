#pragma once
#include "kafka/record.hpp"

namespace otto::kafka {

/// A topic as it shall be. `settings` are Kafka's own names.
struct TopicSpec {
    std::string name;
    int partitions = 12;
    std::vector<std::pair<std::string, std::string>> settings;
};

/// What `apply` would do or did: "create otto.inbound (12 partitions)", "set retention.ms of … to …", or a refusal ("partitions
/// 12 → 24: never in place").
struct TopicChange {
    std::string topic, what;
    bool refused = false;
};

/// Otto's six topics (architecture.md §2, runtime.md §6).
const std::vector<TopicSpec>& otto_topics();

/// What a record of this topic may hold: key, value and headers together, not packed. It is the topic's max.message.bytes less
/// what frames it on its way; of a topic that is none of Otto's, what a broker takes that nobody has told anything. Who makes
/// events asks rt::largest_event(), which leaves room for key and headers.
std::size_t largest_record(std::string_view topic);

/// Compares with the cluster; `apply` also does it, and returns once the brokers show it. Nothing is deleted, partition counts
/// are never changed in place.
Result<std::vector<TopicChange>> plan_topics(const std::string& brokers, const std::vector<TopicSpec>&, int replication,
                                             Millis deadline);
Result<std::vector<TopicChange>> apply_topics(const std::string& brokers, const std::vector<TopicSpec>&, int replication,
                                              Millis deadline);

}  // namespace otto::kafka
