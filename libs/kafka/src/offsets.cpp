#include "kafka/offsets.hpp"

#include "client.hpp"

namespace otto::kafka {
namespace {

Error unanswered(const std::string& what, rd_kafka_resp_err_t error) {
    return Error(what + ": " + rd_kafka_err2str(error), "is Kafka running, and does OTTO_KAFKA_BROKERS name it?");
}

/// A consumer that asks and never joins.
class Asking {
public:
    Asking(const std::string& brokers, const std::string& group) {
        auto conf = make_conf(brokers, "ottoctl", 1u << 20);
        set(conf.get(), "group.id", group);
        set(conf.get(), "enable.auto.commit", "false");
        client_ = make_client(RD_KAFKA_CONSUMER, std::move(conf));
    }
    ~Asking() { rd_kafka_destroy(client_); }
    Asking(const Asking&) = delete;
    rd_kafka_t* client() const { return client_; }

private:
    rd_kafka_t* client_ = nullptr;
};

ListPtr list_of(const std::vector<TopicPartition>& partitions, std::int64_t offset) {
    ListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
    for (const auto& p : partitions) rd_kafka_topic_partition_list_add(list.get(), p.topic.c_str(), p.partition)->offset = offset;
    return list;
}

/// librdkafka answers in an order of its own.
Result<std::vector<std::optional<std::int64_t>>> offsets_in(const ListPtr& list, const std::vector<TopicPartition>& partitions,
                                                            const std::string& what) {
    std::vector<std::optional<std::int64_t>> out;
    for (const auto& p : partitions) {
        auto* found = rd_kafka_topic_partition_list_find(list.get(), p.topic.c_str(), p.partition);
        if (found && found->err) return unanswered(what, found->err);
        out.push_back(found && found->offset >= 0 ? std::optional(found->offset) : std::nullopt);
    }
    return out;
}

}  // namespace

Result<std::vector<Extent>> extents(const std::string& brokers, const std::vector<std::string>& topics, Millis deadline) {
    Asking asking(brokers, "ottoctl");
    int wait = static_cast<int>(deadline.count());
    std::vector<Extent> out;
    for (const auto& topic : topics) {
        std::unique_ptr<rd_kafka_topic_t, Freed<rd_kafka_topic_destroy>> handle(
            rd_kafka_topic_new(asking.client(), topic.c_str(), nullptr));
        const rd_kafka_metadata_t* metadata = nullptr;
        if (auto error = rd_kafka_metadata(asking.client(), 0, handle.get(), &metadata, wait))
            return unanswered("the partitions of " + topic + " cannot be had", error);
        int partitions = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
        rd_kafka_metadata_destroy(metadata);
        if (partitions == 0) return Error("Kafka has no topic " + topic, "run: ottoctl topics apply");
        for (int i = 0; i < partitions; ++i) {
            Extent e{{topic, i}};
            if (auto error = rd_kafka_query_watermark_offsets(asking.client(), topic.c_str(), i, &e.begin, &e.end, wait))
                return unanswered("the end of " + topic + "/" + std::to_string(i) + " cannot be had", error);
            out.push_back(std::move(e));
        }
    }
    return out;
}

Result<std::vector<std::optional<std::int64_t>>> committed(const std::string& brokers, const std::string& group,
                                                           const std::vector<TopicPartition>& partitions, Millis deadline) {
    if (partitions.empty()) return std::vector<std::optional<std::int64_t>>{};
    Asking asking(brokers, group);
    auto list = list_of(partitions, RD_KAFKA_OFFSET_INVALID);
    const std::string what = "the offsets of the group " + group + " cannot be had";
    if (auto error = rd_kafka_committed(asking.client(), list.get(), static_cast<int>(deadline.count())))
        return unanswered(what, error);
    return offsets_in(list, partitions, what);
}

Result<std::vector<std::optional<std::int64_t>>> offsets_from(const std::string& brokers,
                                                              const std::vector<TopicPartition>& partitions, Instant from,
                                                              Millis deadline) {
    if (partitions.empty()) return std::vector<std::optional<std::int64_t>>{};
    Asking asking(brokers, "ottoctl");
    auto list = list_of(partitions, to_micros(from) / 1'000);
    const std::string what = "the offsets of " + to_rfc3339(from) + " cannot be had";
    if (auto error = rd_kafka_offsets_for_times(asking.client(), list.get(), static_cast<int>(deadline.count())))
        return unanswered(what, error);
    return offsets_in(list, partitions, what);
}

}  // namespace otto::kafka
