// The limit of a pass-through: librdkafka, consume → produce of the same bytes (key, value, headers), acknowledged, the offset
// moved. As many consumers and producers as tenant-router has lanes, each pair on a thread of its own, with the client settings
// of libs/kafka (source.cpp, producer.cpp).
#include <librdkafka/rdkafka.h>

#include <atomic>
#include <csignal>
#include <cstring>
#include <thread>

#include "args.hpp"

namespace {

std::atomic<bool> stopping{false};

void set(rd_kafka_conf_t* conf, const char* name, const std::string& value) {
    char why[256];
    if (rd_kafka_conf_set(conf, name, value.c_str(), why, sizeof why) != RD_KAFKA_CONF_OK) {
        std::fprintf(stderr, "%s=%s: %s\n", name, value.c_str(), why);
        std::exit(1);
    }
}

rd_kafka_conf_t* common(const std::string& brokers) {
    auto* conf = rd_kafka_conf_new();
    set(conf, "bootstrap.servers", brokers);
    set(conf, "message.max.bytes", std::to_string(36u << 20));
    set(conf, "socket.nagle.disable", "true");
    return conf;
}

rd_kafka_t* make(rd_kafka_type_t type, rd_kafka_conf_t* conf) {
    char why[512];
    auto* client = rd_kafka_new(type, conf, why, sizeof why);
    if (!client) {
        std::fprintf(stderr, "%s\n", why);
        std::exit(1);
    }
    return client;
}

void relay(const std::string& brokers, const std::string& from, const std::string& to, const std::string& group) {
    auto* c = common(brokers);
    set(c, "group.id", group);
    set(c, "enable.auto.commit", "false");
    set(c, "enable.auto.offset.store", "false");
    set(c, "auto.offset.reset", "earliest");
    set(c, "session.timeout.ms", "10000");
    set(c, "heartbeat.interval.ms", "3000");
    set(c, "partition.assignment.strategy", "range");
    set(c, "queued.max.messages.kbytes", "4096");
    set(c, "fetch.message.max.bytes", "1048576");
    set(c, "fetch.wait.max.ms", "100");
    set(c, "receive.message.max.bytes", "104857600");
    auto* consumer = make(RD_KAFKA_CONSUMER, c);
    rd_kafka_poll_set_consumer(consumer);
    auto* p = common(brokers);
    set(p, "enable.idempotence", "true");
    set(p, "partitioner", "murmur2_random");
    set(p, "compression.type", "lz4");
    set(p, "linger.ms", "0.5");
    set(p, "message.timeout.ms", "0");
    set(p, "queue.buffering.max.kbytes", "262144");
    set(p, "queue.buffering.max.messages", "1000000");
    rd_kafka_conf_set_dr_msg_cb(p, [](rd_kafka_t*, const rd_kafka_message_t* m, void*) {
        if (m->err) {
            std::fprintf(stderr, "a record was not taken: %s\n", rd_kafka_err2str(m->err));
            std::exit(1);
        }
    });
    auto* producer = make(RD_KAFKA_PRODUCER, p);
    auto* list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, from.c_str(), RD_KAFKA_PARTITION_UA);
    rd_kafka_subscribe(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    auto* queue = rd_kafka_queue_get_consumer(consumer);
    rd_kafka_message_t* batch[1000];
    while (!stopping) {
        auto n = rd_kafka_consume_batch_queue(queue, 100, batch, 1000);
        for (ssize_t i = 0; i < n; ++i) {
            auto* m = batch[i];
            if (m->err == RD_KAFKA_RESP_ERR_NO_ERROR) {
                rd_kafka_headers_t* headers = nullptr;
                rd_kafka_message_detach_headers(m, &headers);
                while (rd_kafka_producev(producer, RD_KAFKA_V_TOPIC(to.c_str()), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                                         RD_KAFKA_V_KEY(m->key, m->key_len), RD_KAFKA_V_VALUE(m->payload, m->len),
                                         RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
                    rd_kafka_poll(producer, 10);
                rd_kafka_offset_store(m->rkt, m->partition, m->offset);
            }
            rd_kafka_message_destroy(m);
        }
        if (n > 0) rd_kafka_commit(consumer, nullptr, 1);
        rd_kafka_poll(producer, 0);
        while (rd_kafka_outq_len(producer) > 20'000) rd_kafka_poll(producer, 10);
    }
    rd_kafka_flush(producer, 10'000);
    rd_kafka_commit(consumer, nullptr, 0);
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(producer);
}

}  // namespace

int main(int argc, char** argv) {
    otto::bench::Args args(argc, argv, "brokers from to group threads");
    std::signal(SIGTERM, [](int) { stopping = true; });
    std::vector<std::thread> threads;
    for (std::int64_t i = 0; i < args.number("threads"); ++i)
        threads.emplace_back(relay, args.text("brokers"), args.text("from"), args.text("to"), args.text("group"));
    for (auto& t : threads) t.join();
}
