#pragma once
#include "kafka/record.hpp"

namespace otto::kafka {

/// A topic as it shall be. `settings` are Kafka's own names.
struct TopicSpec {
    std::string name;
    int partitions = 12;
    std::vector<std::pair<std::string, std::string>> settings;
};

/// What `apply` would do or did: "create otto.inbound (12 partitions)", "set retention.ms of … to …", or a refusal ("partitions 12 → 24: never in place").
struct TopicChange {
    std::string topic, what;
    bool refused = false;
};

/// Otto's six topics (architecture.md §2, runtime.md §6).
const std::vector<TopicSpec>& otto_topics();

/// Compares with the cluster; `apply` also does it, and returns once the brokers show it. Nothing is deleted, partition counts are never changed in place.
Result<std::vector<TopicChange>> plan_topics(const std::string& brokers, const std::vector<TopicSpec>&, int replication, Millis deadline);
Result<std::vector<TopicChange>> apply_topics(const std::string& brokers, const std::vector<TopicSpec>&, int replication, Millis deadline);

}  // namespace otto::kafka
