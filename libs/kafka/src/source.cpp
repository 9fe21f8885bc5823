#include "kafka/source.hpp"

#include <map>

#include "client.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::kafka {
namespace {

ListPtr list_of(const std::vector<TopicPartition>& partitions) {
    ListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(partitions.size())));
    for (const auto& p : partitions) rd_kafka_topic_partition_list_add(list.get(), p.topic.c_str(), p.partition);
    return list;
}

ListPtr at_offset(const TopicPartition& p, std::int64_t offset) {
    auto list = list_of({p});
    list->elems[0].offset = offset;
    return list;
}

std::vector<TopicPartition> partitions_of(const rd_kafka_topic_partition_list_t* list) {
    std::vector<TopicPartition> out;
    for (int i = 0; i < list->cnt; ++i) out.push_back({list->elems[i].topic, list->elems[i].partition});
    return out;
}

Error kafka_error(const std::string& what, rd_kafka_resp_err_t error) {
    return Error(what + ": " + rd_kafka_err2str(error), "is Kafka running, and does OTTO_KAFKA_BROKERS name it?");
}

MessagePtr next_message(rd_kafka_t* client, const Doorbell& bell, Millis wait) {
    MessagePtr out(rd_kafka_consumer_poll(client, 0));
    if (!out && wait > Millis{0})
        bell.until(wait, [&] {
            out.reset(rd_kafka_consumer_poll(client, 0));
            return out != nullptr;
        });
    return out;
}

}  // namespace

struct Source::Impl {
    SourceOptions options;
    rd_kafka_t* client = nullptr;
    Doorbell bell;
    Rebalance rebalance;
    std::vector<TopicPartition> assignment;

    void open();
    static void on_rebalance(rd_kafka_t* client, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void* opaque) {
        auto& self = *static_cast<Impl*>(opaque);
        auto partitions = partitions_of(list);
        if (error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
            self.assignment = partitions;
            if (self.rebalance.assigned) {
                auto starts = self.rebalance.assigned(partitions);
                for (std::size_t i = 0; i < starts.size() && i < partitions.size(); ++i)
                    if (starts[i]) list->elems[i].offset = *starts[i];
            }
            rd_kafka_assign(client, list);
        } else {
            if (self.rebalance.revoked) self.rebalance.revoked(partitions, rd_kafka_assignment_lost(client) != 0);
            self.assignment.clear();
            rd_kafka_assign(client, nullptr);
        }
    }
};

void Source::Impl::open() {
    auto conf = make_conf(options.brokers, options.client_id, options.max_message_bytes);
    set(conf.get(), "group.id", options.group);
    set(conf.get(), "enable.auto.commit", "false");
    set(conf.get(), "enable.auto.offset.store", "false");
    set(conf.get(), "auto.offset.reset", "earliest");
    set(conf.get(), "session.timeout.ms", std::to_string(options.session_timeout.count()));
    set(conf.get(), "heartbeat.interval.ms", std::to_string(options.heartbeat.count()));
    // Pausing for a database that is away must not cost the membership.
    set(conf.get(), "max.poll.interval.ms", "86400000");
    set(conf.get(), "partition.assignment.strategy", "range");
    set(conf.get(), "queued.max.messages.kbytes", std::to_string(options.queued_max_kbytes));
    // Of each partition at most so much in one answer, before it is unpacked (five times as much, and more): a consumer far behind has one answer on hand beyond its queue.
    set(conf.get(), "fetch.message.max.bytes", std::to_string(options.fetch_bytes));
    set(conf.get(), "fetch.wait.max.ms", std::to_string(options.gather > Millis{0} ? options.gather.count() : 100));
    set(conf.get(), "fetch.min.bytes", options.gather > Millis{0} ? "65536" : "1");
    set(conf.get(), "receive.message.max.bytes", "104857600");
    rd_kafka_conf_set_rebalance_cb(conf.get(), &Impl::on_rebalance);
    rd_kafka_conf_set_opaque(conf.get(), this);
    client = make_client(RD_KAFKA_CONSUMER, std::move(conf));
    rd_kafka_poll_set_consumer(client);
    bell.attach(rd_kafka_queue_get_consumer(client));
    std::vector<TopicPartition> topics;
    for (const auto& t : options.topics) topics.push_back({t, RD_KAFKA_PARTITION_UA});
    if (auto error = rd_kafka_subscribe(client, list_of(topics).get())) throw Failure(kafka_error("cannot subscribe", error));
}

Source::Source(SourceOptions options) : impl_(std::make_unique<Impl>()) {
    impl_->options = std::move(options);
    impl_->open();
}

Source::~Source() {
    if (impl_) close();
}

void Source::close() {
    if (!impl_->client) return;
    rd_kafka_consumer_close(impl_->client);
    impl_->bell.detach();
    bury(impl_->client);
    impl_->client = nullptr;
}

void Source::on_rebalance(Rebalance r) { impl_->rebalance = std::move(r); }

std::vector<Record> Source::poll(std::size_t max, std::size_t max_bytes, Millis wait) {
    std::vector<Record> out;
    std::size_t bytes = 0;
    while (out.size() < max && bytes < max_bytes) {
        auto m = next_message(impl_->client, impl_->bell, wait);
        if (!m) break;
        wait = Millis{0};
        if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            out.push_back(to_record(*m));
            bytes += m->len;
        } else if (m->err == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET) {
            static auto resets = tel::Metrics::counter("kafka_offset_resets_total", "Positions that Kafka no longer had.");
            resets.inc();
            tel::error("Kafka no longer has the position of a consumer: records were lost to retention, or the topic was made anew",
                       {{"group", impl_->options.group}, {"detail", rd_kafka_message_errstr(m.get())}});
        } else if (m->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
            tel::warn("Kafka lacks a topic: run ottoctl topics apply", {{"group", impl_->options.group}, {"detail", rd_kafka_message_errstr(m.get())}});
        }
    }
    return out;
}

Result<void> Source::commit(const TopicPartition& p, std::int64_t next) {
    auto list = at_offset(p, next);
    if (auto error = rd_kafka_commit(impl_->client, list.get(), 0)) return kafka_error("the group refuses the commit", error);
    return {};
}

void Source::commit_async(const std::vector<std::pair<TopicPartition, std::int64_t>>& positions) {
    ListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(positions.size())));
    for (const auto& [p, next] : positions) rd_kafka_topic_partition_list_add(list.get(), p.topic.c_str(), p.partition)->offset = next;
    rd_kafka_commit(impl_->client, list.get(), 1);
}

Result<void> Source::seek(const TopicPartition& p, std::int64_t offset) {
    auto list = at_offset(p, offset);
    if (auto* error = rd_kafka_seek_partitions(impl_->client, list.get(), 2'000)) {
        Error why(std::string("cannot seek: ") + rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        return why;
    }
    if (auto error = list->elems[0].err) return kafka_error("cannot seek", error);
    return {};
}

void Source::pause(const TopicPartition& p) { rd_kafka_pause_partitions(impl_->client, list_of({p}).get()); }
void Source::resume(const TopicPartition& p) { rd_kafka_resume_partitions(impl_->client, list_of({p}).get()); }

/// A new client, not another subscription: librdkafka 2.0 aborts when a client is closed between unsubscribe and subscribe.
void Source::rejoin() {
    close();
    impl_->assignment.clear();
    impl_->open();
}

const std::vector<TopicPartition>& Source::assignment() const { return impl_->assignment; }

std::int64_t Source::end_of(const TopicPartition& tp) const {
    std::int64_t low = -1, high = -1;
    if (!impl_->client || rd_kafka_get_watermark_offsets(impl_->client, tp.topic.c_str(), tp.partition, &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR) return -1;
    return high;
}

struct Reader::Impl {
    rd_kafka_t* client = nullptr;
    Doorbell bell;
    std::vector<std::string> topics;
    std::map<TopicPartition, std::int64_t> next, wanted;  // wanted: the end as it was when reading began
    std::map<TopicPartition, std::int64_t> from;
    bool assigned = false;

    /// Takes all partitions of the topics; false while the cluster does not answer.
    bool assign() {
        ListPtr list(rd_kafka_topic_partition_list_new(12));
        for (const auto& topic : topics) {
            std::unique_ptr<rd_kafka_topic_t, Freed<rd_kafka_topic_destroy>> handle(rd_kafka_topic_new(client, topic.c_str(), nullptr));
            const rd_kafka_metadata_t* metadata = nullptr;
            if (rd_kafka_metadata(client, 0, handle.get(), &metadata, 1'000) != RD_KAFKA_RESP_ERR_NO_ERROR) return false;
            int partitions = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
            rd_kafka_metadata_destroy(metadata);
            if (partitions == 0) return false;
            for (int i = 0; i < partitions; ++i) {
                TopicPartition p{topic, i};
                std::int64_t low = 0, high = 0;
                if (rd_kafka_query_watermark_offsets(client, topic.c_str(), i, &low, &high, 1'000) != RD_KAFKA_RESP_ERR_NO_ERROR) return false;
                auto start = from.contains(p) && from[p] >= low && from[p] <= high ? from[p] : low;
                rd_kafka_topic_partition_list_add(list.get(), topic.c_str(), i)->offset = start;
                next[p] = start;
                wanted[p] = high;
            }
        }
        assigned = rd_kafka_assign(client, list.get()) == RD_KAFKA_RESP_ERR_NO_ERROR;
        return assigned;
    }
};

Reader::Reader(std::string brokers, std::string client_id, std::vector<std::string> topics) : impl_(std::make_unique<Impl>()) {
    auto conf = make_conf(brokers, client_id, 36u << 20);
    set(conf.get(), "group.id", client_id);  // asked for by the client, never joined
    set(conf.get(), "enable.auto.commit", "false");
    set(conf.get(), "auto.offset.reset", "earliest");
    set(conf.get(), "fetch.wait.max.ms", "100");
    set(conf.get(), "enable.partition.eof", "true");
    set(conf.get(), "queued.max.messages.kbytes", "8192");
    set(conf.get(), "receive.message.max.bytes", "104857600");
    impl_->client = make_client(RD_KAFKA_CONSUMER, std::move(conf));
    rd_kafka_poll_set_consumer(impl_->client);
    impl_->bell.attach(rd_kafka_queue_get_consumer(impl_->client));
    impl_->topics = std::move(topics);
}

Reader::~Reader() {
    rd_kafka_consumer_close(impl_->client);
    impl_->bell.detach();
    bury(impl_->client);
}

std::vector<Record> Reader::poll(std::size_t max, Millis wait) {
    std::vector<Record> out;
    if (!impl_->assigned && !impl_->assign()) return out;
    while (out.size() < max) {
        auto m = next_message(impl_->client, impl_->bell, wait);
        if (!m) break;
        wait = Millis{0};
        TopicPartition p{m->rkt ? rd_kafka_topic_name(m->rkt) : "", m->partition};
        if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            impl_->next[p] = m->offset + 1;
            out.push_back(to_record(*m));
        } else if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
            impl_->next[p] = m->offset;  // also past what compaction took away
        }
    }
    return out;
}

bool Reader::caught_up() const {
    if (!impl_->assigned) return false;
    for (const auto& [p, end] : impl_->wanted)
        if (impl_->next[p] < end) return false;
    return true;
}

void Reader::start_at(const std::vector<std::pair<TopicPartition, std::int64_t>>& positions) {
    for (const auto& [p, offset] : positions) impl_->from[p] = offset;
}

std::vector<std::pair<TopicPartition, std::int64_t>> Reader::positions() const { return {impl_->next.begin(), impl_->next.end()}; }

}  // namespace otto::kafka
