#include "kafka/producer.hpp"

#include <atomic>
#include <optional>
#include <thread>

#include "client.hpp"
#include "telemetry/log.hpp"

namespace otto::kafka {
namespace {

/// What Kafka says of a record, not of itself: to try again changes nothing. Everything else passes.
bool refuses(rd_kafka_resp_err_t error) {
    switch (error) {
        case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
        case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
        case RD_KAFKA_RESP_ERR_INVALID_RECORD:
            return true;
        default:
            return false;
    }
}

std::size_t weight(const Outgoing& r) {
    std::size_t bytes = r.key.size() + r.value.size();
    for (const auto& [name, value] : r.headers) bytes += name.size() + value.size();
    return bytes;
}

}  // namespace

struct Producer::Impl {
    rd_kafka_t* client = nullptr;
    std::optional<Doorbell> bell;
    std::size_t most = 0;  // of a topic that is none of Otto's
    std::atomic<std::size_t> in_flight{0};
    std::atomic<bool> stop{false}, dead{false};
    std::thread own;
    std::mutex lock;
    std::vector<std::pair<Report, std::string>> refused;  // before they were sent, and why; reported by serve() as all others are
    std::atomic<bool> any_refused{false};

    void refuse(Report report, std::string why) {
        {
            std::lock_guard guard(lock);
            refused.emplace_back(std::move(report), std::move(why));
            any_refused = true;
        }
        bell->ring();
    }
    bool report_refused() {
        if (!any_refused) return false;
        std::vector<std::pair<Report, std::string>> due;
        {
            std::lock_guard guard(lock);
            due.swap(refused);
            any_refused = false;
        }
        for (auto& [report, why] : due) {
            Delivery d;
            d.refused = true;
            d.error = std::move(why);
            in_flight.fetch_sub(1);
            if (report) report(d);
        }
        return !due.empty();
    }

    static void on_report(rd_kafka_t* client, const rd_kafka_message_t* m, void* opaque) {
        auto* self = static_cast<Impl*>(opaque);
        std::unique_ptr<Report> report(static_cast<Report*>(m->_private));
        Delivery d;
        d.ok = m->err == RD_KAFKA_RESP_ERR_NO_ERROR;
        if (!d.ok) {
            d.error = rd_kafka_err2str(m->err);
            d.refused = refuses(m->err);
            d.fatal = rd_kafka_fatal_error(client, nullptr, 0) != RD_KAFKA_RESP_ERR_NO_ERROR;
            if (d.fatal) self->dead = true;
        }
        d.partition = m->partition;
        d.offset = m->offset;
        self->in_flight.fetch_sub(1);
        if (report && *report) (*report)(d);
    }
};

Producer::Producer(ProducerOptions options, bool own_thread) : impl_(std::make_unique<Impl>()) {
    auto conf = make_conf(options.brokers, options.client_id, options.max_message_bytes);
    impl_->most = options.max_message_bytes;
    set(conf.get(), "enable.idempotence", "true");  // acks=all follows
    set(conf.get(), "partitioner", "murmur2_random");
    set(conf.get(), "compression.type", "lz4");
    set(conf.get(), "linger.ms", std::to_string(options.linger_ms));
    set(conf.get(), "message.timeout.ms", std::to_string(options.message_timeout.count()));
    set(conf.get(), "queue.buffering.max.kbytes", std::to_string(options.max_queued_kbytes));
    set(conf.get(), "queue.buffering.max.messages", "1000000");
    rd_kafka_conf_set_dr_msg_cb(conf.get(), &Impl::on_report);
    rd_kafka_conf_set_opaque(conf.get(), impl_.get());
    impl_->client = make_client(RD_KAFKA_PRODUCER, std::move(conf));
    if (options.report_fd < 0)
        impl_->bell.emplace();
    else
        impl_->bell.emplace(options.report_fd);
    impl_->bell->attach(rd_kafka_queue_get_main(impl_->client));
    if (own_thread)
        impl_->own = std::thread([this] {
            while (!impl_->stop) serve(Millis{50});
        });
}

Producer::~Producer() {
    impl_->stop = true;
    if (impl_->own.joinable()) impl_->own.join();
    purge();
    impl_->bell->detach();
    end_client(impl_->client);
}

bool Producer::produce(const Outgoing& record, Report report) {
    if (impl_->dead) return false;
    if (auto bytes = weight(record), most = declared_limit(record.topic).value_or(impl_->most); bytes > most) {
        impl_->in_flight.fetch_add(1);
        impl_->refuse(std::move(report), record.topic + " takes records of " + std::to_string(most) +
                                             " bytes, and this one has " + std::to_string(bytes) + " (MSG_SIZE_TOO_LARGE)");
        return true;
    }
    auto opaque = std::make_unique<Report>(std::move(report));
    rd_kafka_headers_t* headers = rd_kafka_headers_new(record.headers.size());
    for (const auto& [name, value] : record.headers)
        rd_kafka_header_add(headers, name.data(), static_cast<ssize_t>(name.size()), value.data(),
                            static_cast<ssize_t>(value.size()));
    impl_->in_flight.fetch_add(1);
    void* value = record.tombstone ? nullptr : const_cast<char*>(record.value.data());  // it is only read
    auto error = rd_kafka_producev(impl_->client, RD_KAFKA_V_TOPIC(record.topic.c_str()),
                                   RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_KEY(record.key.data(), record.key.size()),
                                   RD_KAFKA_V_VALUE(value, record.tombstone ? 0 : record.value.size()),
                                   RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_OPAQUE(opaque.get()), RD_KAFKA_V_END);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        rd_kafka_headers_destroy(headers);
        if (refuses(error)) {
            impl_->refuse(std::move(*opaque), rd_kafka_err2str(error));
            return true;
        }
        impl_->in_flight.fetch_sub(1);
        tel::warn("Kafka producer takes no record",
                  {{"topic", record.topic}, {"bytes", record.value.size()}, {"why", rd_kafka_err2str(error)}});
        return false;
    }
    opaque.release();  // on_report takes it
    return true;
}

bool Producer::produce(Record r, Report report) {
    return produce(Outgoing{r.topic, r.key, r.value, r.headers, r.tombstone}, std::move(report));
}

int Producer::event_fd() const { return impl_->bell->fd(); }

void Producer::serve(Millis wait) {
    impl_->bell->until(wait, [this, client = impl_->client] {
        bool any = impl_->report_refused();
        while (rd_kafka_poll(client, 0) > 0) any = true;
        return any;
    });
}

bool Producer::flush(Millis deadline) {
    const auto end = std::chrono::steady_clock::now() + deadline;
    while (in_flight() > 0) {
        auto left = std::chrono::ceil<Millis>(end - std::chrono::steady_clock::now());
        if (left <= Millis{0}) return false;
        serve(std::min(left, Millis{50}));
    }
    return true;
}

void Producer::purge() {
    rd_kafka_purge(impl_->client, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    impl_->report_refused();
    while (in_flight() > 0 && rd_kafka_outq_len(impl_->client) > 0) serve(Millis{20});
}

Result<void> Producer::warm_up(const std::vector<std::string>& topics, Millis deadline) {
    for (const auto& topic : topics) {
        std::unique_ptr<rd_kafka_topic_t, Freed<rd_kafka_topic_destroy>> handle(
            rd_kafka_topic_new(impl_->client, topic.c_str(), nullptr));
        const rd_kafka_metadata_t* metadata = nullptr;
        auto error = rd_kafka_metadata(impl_->client, 0, handle.get(), &metadata, static_cast<int>(deadline.count()));
        if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
            return Error(std::string("Kafka does not answer: ") + rd_kafka_err2str(error),
                         "is it running, and does OTTO_KAFKA_BROKERS name it?");
        bool there = metadata->topic_cnt == 1 && metadata->topics[0].err == RD_KAFKA_RESP_ERR_NO_ERROR &&
                     metadata->topics[0].partition_cnt > 0;
        rd_kafka_metadata_destroy(metadata);
        if (!there) return Error("Kafka has no topic " + topic, "run: ottoctl topics apply");
    }
    return {};
}

Result<void> Producer::answers(Millis within) const { return kafka::answers(impl_->client, within); }

std::size_t Producer::in_flight() const { return impl_->in_flight; }

}  // namespace otto::kafka
