#include "kafka/source.hpp"

#include <atomic>
#include <cstring>
#include <map>
#include <set>

#include "client.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::kafka {
namespace {

const tel::Counters kResets{"otto_kafka_offset_resets_total", "Times that Kafka no longer had a consumer's position.", {"group"}};
const tel::Counters kLost{
    "otto_kafka_records_lost_total", "Records that retention took away before their consumer had read them.", {"group"}};

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

/// Where each partition is read next, and what lies between that and what comes. auto.offset.reset=earliest goes on at the oldest
/// record there is and says nothing but a line in the client's log; so what comes is compared with what was to come, and a gap
/// with where the partition begins. Gaps above that are none of retention's doing (a transaction's mark, a key's older record).
class Positions {
public:
    explicit Positions(const std::string& group) : group_(group) {}

    void set(const TopicPartition& p, std::int64_t next) {
        next_[p] = next;
        gaps_.erase(p);
        last_ = nullptr;
    }
    void forget(const TopicPartition& p) {
        next_.erase(p);
        gaps_.erase(p);
        last_ = nullptr;
    }
    void clear() {
        next_.clear();
        gaps_.clear();
        last_ = nullptr;
    }
    const std::map<TopicPartition, std::int64_t>& next() const { return next_; }
    void came(const rd_kafka_message_t& m) {
        const char* topic = rd_kafka_topic_name(m.rkt);
        if (!last_ || last_->first.partition != m.partition || last_->first.topic != topic)
            last_ = &*next_.try_emplace({topic, m.partition}, m.offset).first;
        auto& next = last_->second;
        if (m.offset > next) gaps_.try_emplace(last_->first, next, m.offset);
        if (m.offset < next) begins_anew(last_->first, next, m.offset);
        next = m.offset + 1;
    }
    /// Kafka did not have a position, of whichever partition: all are compared with where they begin and end.
    void doubt() {
        for (const auto& [p, next] : next_) gaps_.try_emplace(p, next, next);
    }
    /// Asks Kafka about the gaps; what it does not answer is asked again a second later.
    void look(rd_kafka_t* client) {
        if (gaps_.empty()) return;
        auto now = std::chrono::steady_clock::now();
        if (now < not_before_) return;
        for (auto gap = gaps_.begin(); gap != gaps_.end();) {
            const auto& [p, range] = *gap;
            const auto [from, to] = range;
            std::int64_t low = 0, high = 0;
            if (rd_kafka_query_watermark_offsets(client, p.topic.c_str(), p.partition, &low, &high, 1'000) !=
                RD_KAFKA_RESP_ERR_NO_ERROR) {
                not_before_ = now + std::chrono::seconds(1);
                return;
            }
            auto& next = next_[p];
            bool open = from == to;  // nothing has come yet
            if (auto end = open ? low : std::min(low, to); end > from) {
                lost(p, from, end - from);
                if (open && next == from) next = low;
            } else if (open && next == from && high < from) {
                begins_anew(p, from, low);
                next = low;
            }
            gap = gaps_.erase(gap);
        }
    }

private:
    void lost(const TopicPartition& p, std::int64_t from, std::int64_t records) {
        resets_.inc();
        lost_.inc(static_cast<double>(records));
        tel::error(
            "records were lost to retention before they were read",
            {{"group", group_},
             {"topic", p.topic},
             {"partition", p.partition},
             {"from", from},
             {"lost", records},
             {"cure",
              "raise the topic's retention.ms above the longest standstill; find out why the consumer stood (ottoctl lag)"}});
    }
    void begins_anew(const TopicPartition& p, std::int64_t position, std::int64_t at) {
        resets_.inc();
        tel::error(
            "a partition ends before the position of its consumer: its topic was made anew, or its newest records are lost",
            {{"group", group_}, {"topic", p.topic}, {"partition", p.partition}, {"position", position}, {"goes_on_at", at}});
    }

    std::string group_;
    std::map<TopicPartition, std::int64_t> next_;
    std::pair<const TopicPartition, std::int64_t>* last_ = nullptr;         // records come in runs of a partition
    std::map<TopicPartition, std::pair<std::int64_t, std::int64_t>> gaps_;  // from, to: not explained yet
    std::chrono::steady_clock::time_point not_before_{};
    tel::Counter resets_ = kResets({group_});
    tel::Counter lost_ = kLost({group_});
};

struct Source::Impl {
    explicit Impl(SourceOptions o) : options(std::move(o)), positions(options.group) {}

    SourceOptions options;
    rd_kafka_t* client = nullptr;
    Doorbell bell;
    Rebalance rebalance;
    std::vector<TopicPartition> assignment;
    std::set<TopicPartition> paused;
    bool held = false;
    Positions positions;
    std::atomic<bool> position_gone{false};
    std::vector<Record>* polled = nullptr;  // what poll() has on hand

    void open();
    void take(rd_kafka_topic_partition_list_t* list) {
        assignment = partitions_of(list);
        std::vector<std::optional<std::int64_t>> starts;
        if (rebalance.assigned) starts = rebalance.assigned(assignment);
        starts.resize(assignment.size());
        ListPtr of_group(rd_kafka_topic_partition_list_new(list->cnt));
        for (int i = 0; i < list->cnt; ++i) {
            auto start = starts[static_cast<std::size_t>(i)];
            if (start)
                list->elems[i].offset = *start;
            else
                rd_kafka_topic_partition_list_add(of_group.get(), list->elems[i].topic, list->elems[i].partition);
        }
        // Asked for here, as the client would do next, because only so it is known whether Kafka still has what comes there.
        if (of_group->cnt > 0 && rd_kafka_committed(client, of_group.get(), 2'000) == RD_KAFKA_RESP_ERR_NO_ERROR)
            for (int i = 0; i < of_group->cnt; ++i)
                if (const auto& there = of_group->elems[i]; there.offset >= 0 && !there.err)
                    rd_kafka_topic_partition_list_set_offset(list, there.topic, there.partition, there.offset);
        for (int i = 0; i < list->cnt; ++i)
            if (list->elems[i].offset >= 0)
                positions.set({list->elems[i].topic, list->elems[i].partition}, list->elems[i].offset);
        rd_kafka_assign(client, list);
        if (!paused.empty()) rd_kafka_resume_partitions(client, list_of({paused.begin(), paused.end()}).get());
        paused.clear();
        held = false;
    }
    void give_up(rd_kafka_topic_partition_list_t* list) {
        if (rebalance.revoked) rebalance.revoked(partitions_of(list), rd_kafka_assignment_lost(client) != 0);
        // Their next owner begins where they were done, and so does this one if it is the same.
        if (polled) polled->clear();
        positions.clear();
        assignment.clear();
        rd_kafka_assign(client, nullptr);
    }
    static void on_rebalance(rd_kafka_t*, rd_kafka_resp_err_t error, rd_kafka_topic_partition_list_t* list, void* opaque) {
        auto& self = *static_cast<Impl*>(opaque);
        error == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS ? self.take(list) : self.give_up(list);
    }
    /// On a thread of librdkafka's.
    static void on_log(const rd_kafka_t* client, int level, const char* facility, const char* text) {
        log_line(client, level, facility, text);
        if (client && std::strcmp(facility, "OFFSET") == 0)
            if (auto* self = static_cast<Impl*>(rd_kafka_opaque(client))) self->position_gone = true;
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
    // Of each partition at most so much in one answer, before it is unpacked (five times as much, and more): a consumer far
    // behind has one answer on hand beyond its queue.
    set(conf.get(), "fetch.message.max.bytes", std::to_string(options.fetch_bytes));
    set(conf.get(), "fetch.wait.max.ms", std::to_string(options.linger > Millis{0} ? options.linger.count() : 100));
    set(conf.get(), "fetch.min.bytes", options.linger > Millis{0} ? "65536" : "1");
    set(conf.get(), "receive.message.max.bytes", "104857600");
    rd_kafka_conf_set_rebalance_cb(conf.get(), &Impl::on_rebalance);
    rd_kafka_conf_set_log_cb(conf.get(), &Impl::on_log);
    rd_kafka_conf_set_opaque(conf.get(), this);
    client = make_client(RD_KAFKA_CONSUMER, std::move(conf));
    rd_kafka_poll_set_consumer(client);
    bell.attach(rd_kafka_queue_get_consumer(client));
    std::vector<TopicPartition> topics;
    for (const auto& t : options.topics) topics.push_back({t, RD_KAFKA_PARTITION_UA});
    if (auto error = rd_kafka_subscribe(client, list_of(topics).get())) throw Failure(kafka_error("cannot subscribe", error));
}

Source::Source(SourceOptions options) : impl_(std::make_unique<Impl>(std::move(options))) { impl_->open(); }

Source::~Source() {
    if (impl_) close();
}

void Source::close() {
    if (!impl_->client) return;
    rd_kafka_consumer_close(impl_->client);
    impl_->bell.detach();
    end_client(impl_->client);
    impl_->client = nullptr;
}

void Source::on_rebalance(Rebalance r) { impl_->rebalance = std::move(r); }

std::vector<Record> Source::poll(std::size_t max, std::size_t max_bytes, Millis wait) {
    std::vector<Record> out;
    std::size_t bytes = 0;
    struct OnHand {
        Impl& impl;
        ~OnHand() { impl.polled = nullptr; }
    } on_hand{*impl_};
    impl_->polled = &out;
    while (out.size() < max && bytes < max_bytes) {
        auto m = next_message(impl_->client, impl_->bell, wait);
        if (!m) break;
        wait = Millis{0};
        if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
            impl_->positions.came(*m);
            out.push_back(to_record(*m));
            bytes += m->len;
        } else if (m->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
            tel::warn("Kafka lacks a topic: run ottoctl topics apply",
                      {{"group", impl_->options.group}, {"detail", rd_kafka_message_errstr(m.get())}});
        }
    }
    if (impl_->position_gone.exchange(false)) impl_->positions.doubt();
    impl_->positions.look(impl_->client);
    return out;
}

Result<void> Source::commit(const TopicPartition& p, std::int64_t next) {
    auto list = at_offset(p, next);
    if (auto error = rd_kafka_commit(impl_->client, list.get(), 0)) return kafka_error("the group refuses the commit", error);
    return {};
}

void Source::commit_async(const std::vector<std::pair<TopicPartition, std::int64_t>>& positions) {
    ListPtr list(rd_kafka_topic_partition_list_new(static_cast<int>(positions.size())));
    for (const auto& [p, next] : positions)
        rd_kafka_topic_partition_list_add(list.get(), p.topic.c_str(), p.partition)->offset = next;
    rd_kafka_commit(impl_->client, list.get(), 1);
}

Result<void> Source::seek(const TopicPartition& p, std::int64_t offset) {
    impl_->positions.forget(p);
    auto list = at_offset(p, offset);
    if (auto* error = rd_kafka_seek_partitions(impl_->client, list.get(), 2'000)) {
        Error why(std::string("cannot seek: ") + rd_kafka_error_string(error));
        rd_kafka_error_destroy(error);
        return why;
    }
    if (auto error = list->elems[0].err) return kafka_error("cannot seek", error);
    impl_->positions.set(p, offset);
    return {};
}

void Source::pause(const TopicPartition& p) {
    if (impl_->paused.insert(p).second) rd_kafka_pause_partitions(impl_->client, list_of({p}).get());
}

void Source::resume(const TopicPartition& p) {
    if (impl_->paused.erase(p) > 0) rd_kafka_resume_partitions(impl_->client, list_of({p}).get());
}

void Source::hold(bool stand) {
    if (stand == std::exchange(impl_->held, stand)) return;
    if (stand) {
        for (const auto& p : impl_->assignment) pause(p);
        return;
    }
    auto next = impl_->positions.next();
    for (const auto& p : impl_->assignment) {
        resume(p);
        if (auto known = next.find(p); known != next.end())
            (void)seek(p, known->second);  // what was fetched and not polled is fetched again
    }
}

/// A new client, not another subscription: librdkafka 2.0 aborts when a client is closed between unsubscribe and subscribe.
void Source::rejoin() {
    close();
    impl_->assignment.clear();
    impl_->positions.clear();
    impl_->paused.clear();
    impl_->held = false;
    impl_->position_gone = false;
    impl_->open();
}

const std::vector<TopicPartition>& Source::assignment() const { return impl_->assignment; }

std::int64_t Source::end_of(const TopicPartition& tp) const {
    std::int64_t low = -1, high = -1;
    if (!impl_->client ||
        rd_kafka_get_watermark_offsets(impl_->client, tp.topic.c_str(), tp.partition, &low, &high) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return -1;
    return high;
}

std::int32_t partition_of(std::string_view key, std::int32_t partitions) {
    return rd_kafka_msg_partitioner_murmur2(nullptr, key.data(), key.size(), partitions, nullptr, nullptr);
}

struct Reader::Impl {
    rd_kafka_t* client = nullptr;
    Doorbell bell;
    std::vector<std::string> topics;
    std::map<TopicPartition, std::int64_t> next, wanted;  // wanted: the end as it was when reading began
    std::map<TopicPartition, std::int64_t> from;
    std::optional<std::int64_t> before_end;
    bool assigned = false;

    /// Takes all partitions of the topics; false while the cluster does not answer.
    bool assign() {
        ListPtr list(rd_kafka_topic_partition_list_new(12));
        for (const auto& topic : topics) {
            std::unique_ptr<rd_kafka_topic_t, Freed<rd_kafka_topic_destroy>> handle(
                rd_kafka_topic_new(client, topic.c_str(), nullptr));
            const rd_kafka_metadata_t* metadata = nullptr;
            if (rd_kafka_metadata(client, 0, handle.get(), &metadata, 1'000) != RD_KAFKA_RESP_ERR_NO_ERROR) return false;
            int partitions = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
            rd_kafka_metadata_destroy(metadata);
            if (partitions == 0) return false;
            for (int i = 0; i < partitions; ++i) {
                TopicPartition p{topic, i};
                std::int64_t low = 0, high = 0;
                if (rd_kafka_query_watermark_offsets(client, topic.c_str(), i, &low, &high, 1'000) != RD_KAFKA_RESP_ERR_NO_ERROR)
                    return false;
                if (before_end) low = std::max(low, high - *before_end);
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
    end_client(impl_->client);
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

Result<void> Reader::answers(Millis within) const { return kafka::answers(impl_->client, within); }

bool Reader::caught_up() const {
    if (!impl_->assigned) return false;
    for (const auto& [p, end] : impl_->wanted)
        if (impl_->next[p] < end) return false;
    return true;
}

void Reader::start_at(const std::vector<std::pair<TopicPartition, std::int64_t>>& positions) {
    for (const auto& [p, offset] : positions) impl_->from[p] = offset;
}

void Reader::start_near_end(std::int64_t records) { impl_->before_end = records; }

std::vector<std::pair<TopicPartition, std::int64_t>> Reader::positions() const {
    return {impl_->next.begin(), impl_->next.end()};
}

}  // namespace otto::kafka
