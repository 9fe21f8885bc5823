// Records that retention took away before their consumer had read them: told, with their number. Gaps that it did not make are
// none.
#include <librdkafka/rdkafka.h>

#include "kafka/producer.hpp"
#include "kafka/source.hpp"
#include "telemetry/log.hpp"
#include "testing/catch.hpp"
#include "testkit/kafka.hpp"
#include "testkit/metrics.hpp"

using namespace otto;
using testkit::metric;
using testkit::TestKafka;
using Steady = std::chrono::steady_clock;

namespace {

void produce(const std::string& topic, int records) {
    kafka::ProducerOptions o;
    o.brokers = TestKafka::shared().brokers();
    o.client_id = "retention_test";
    kafka::Producer producer(o);
    int ok = 0;
    for (int i = 0; i < records; ++i) {
        kafka::Record r;
        r.topic = topic;
        r.key = "k";
        r.value = "v";
        REQUIRE(producer.produce(r, [&](const kafka::Delivery& d) { ok += d.ok; }));
    }
    REQUIRE(producer.flush(Millis{30'000}));
    REQUIRE(ok == records);
}

rd_kafka_t* plain_client(const std::vector<std::pair<std::string, std::string>>& settings) {
    auto* conf = rd_kafka_conf_new();
    char why[256];
    REQUIRE(rd_kafka_conf_set(conf, "bootstrap.servers", TestKafka::shared().brokers().c_str(), why, sizeof why) ==
            RD_KAFKA_CONF_OK);
    for (const auto& [name, value] : settings)
        REQUIRE(rd_kafka_conf_set(conf, name.c_str(), value.c_str(), why, sizeof why) == RD_KAFKA_CONF_OK);
    auto* client = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
    REQUIRE(client);
    return client;
}

/// As retention does, at once.
void delete_before(const std::string& topic, std::int64_t offset) {
    auto* client = plain_client({});
    auto* list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, topic.c_str(), 0)->offset = offset;
    auto* what = rd_kafka_DeleteRecords_new(list);
    auto* queue = rd_kafka_queue_new(client);
    rd_kafka_DeleteRecords(client, &what, 1, nullptr, queue);
    auto* event = rd_kafka_queue_poll(queue, 30'000);
    REQUIRE(event);
    CHECK_FALSE(rd_kafka_event_error(event));
    rd_kafka_event_destroy(event);
    rd_kafka_DeleteRecords_destroy(what);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_queue_destroy(queue);
    rd_kafka_destroy(client);
}

/// Each leaves a mark behind its record, which takes an offset and is no record.
void produce_in_transactions(const std::string& topic, int transactions) {
    auto* client = plain_client({{"transactional.id", topic}});
    REQUIRE_FALSE(rd_kafka_init_transactions(client, 30'000));
    for (int i = 0; i < transactions; ++i) {
        REQUIRE_FALSE(rd_kafka_begin_transaction(client));
        REQUIRE(rd_kafka_producev(client, RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_VALUE(const_cast<char*>("v"), 1),
                                  RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR_NO_ERROR);
        REQUIRE_FALSE(rd_kafka_commit_transaction(client, 30'000));
    }
    rd_kafka_destroy(client);
}

struct Reading {
    explicit Reading(const std::string& topic, std::optional<std::int64_t> start)
        : group("group of " + topic), source([&] {
              kafka::SourceOptions o;
              o.brokers = TestKafka::shared().brokers();
              o.group = group;
              o.client_id = "retention_test";
              o.topics = {topic};
              return o;
          }()) {
        tel::set_log_sink([this](std::string_view line) {
            std::lock_guard guard(lock);
            if (line.find("\"error\"") != std::string_view::npos || line.find("lost") != std::string_view::npos)
                lines.emplace_back(line);
        });
        source.on_rebalance({[start](const std::vector<kafka::TopicPartition>& tps) {
                                 return std::vector<std::optional<std::int64_t>>(tps.size(), start);
                             },
                             {}});
    }
    ~Reading() { tel::set_log_sink({}); }
    bool until(const std::function<bool()>& holds) {
        for (auto end = Steady::now() + std::chrono::seconds(60); !holds() && Steady::now() < end;)
            for (auto& r : source.poll(1'000, 8u << 20, Millis{100})) offsets.push_back(r.offset);
        return holds();
    }
    double lost() const { return metric("otto_kafka_records_lost_total", {{"group", group}}); }
    double resets() const { return metric("otto_kafka_offset_resets_total", {{"group", group}}); }
    bool said(const std::string& text) {
        std::lock_guard guard(lock);
        return std::any_of(lines.begin(), lines.end(), [&](const auto& l) { return l.find(text) != std::string::npos; });
    }
    std::string group;
    std::mutex lock;
    std::vector<std::string> lines;
    std::vector<std::int64_t> offsets;
    kafka::Source source;
};

}  // namespace

TEST_CASE("what retention took away before it was read is told with its number", "[integration]") {
    auto topic = TestKafka::shared().fresh_topic();
    produce(topic, 20);
    delete_before(topic, 12);
    Reading reading(topic, 3);
    CHECK(reading.until([&] { return reading.offsets.size() == 8 && reading.lost() > 0; }));
    CHECK(reading.offsets.front() == 12);
    CHECK(reading.lost() == 9);
    CHECK(reading.resets() == 1);
    CHECK(reading.said("records were lost to retention before they were read"));
    CHECK(reading.said(topic));
}

TEST_CASE("it is told also when nothing is left, and nothing comes", "[integration]") {
    auto topic = TestKafka::shared().fresh_topic();
    produce(topic, 20);
    delete_before(topic, 20);
    Reading reading(topic, 3);
    CHECK(reading.until([&] { return reading.lost() > 0; }));
    CHECK(reading.lost() == 17);
    produce(topic, 1);
    CHECK(reading.until([&] { return reading.offsets.size() == 1; }));
    CHECK(reading.lost() == 17);
}

TEST_CASE("a position of the group that is gone is told as one of the owner's is", "[integration]") {
    auto topic = TestKafka::shared().fresh_topic();
    produce(topic, 20);
    {
        Reading first(topic, {});
        REQUIRE(first.until([&] { return first.offsets.size() == 20; }));
        CHECK(first.lost() == 0);
        REQUIRE(first.source.commit({topic, 0}, 5));
    }
    delete_before(topic, 6);
    Reading second(topic, {});
    CHECK(second.until([&] { return second.offsets.size() == 14 && second.lost() > 0; }));
    CHECK(second.lost() == 1);
}

TEST_CASE("a first reader, a position sought, and the marks of transactions are no loss", "[integration]") {
    auto topic = TestKafka::shared().fresh_topic();
    produce(topic, 10);
    delete_before(topic, 4);
    Reading reading(topic, {});  // it has no position yet: what is gone was never its own
    REQUIRE(reading.until([&] { return reading.offsets.size() == 6; }));
    produce_in_transactions(topic, 3);
    REQUIRE(reading.until([&] { return reading.offsets.size() == 9; }));
    CHECK(reading.offsets.back() == 14);  // 10, 12 and 14: 11 and 13 are marks
    REQUIRE(reading.until([&] {
        return reading.source.seek({topic, 0}, 8).ok();
    }));  // on a busy machine not within its two seconds
    REQUIRE(reading.until([&] { return reading.offsets.size() == 14; }));
    CHECK(reading.lost() == 0);
    CHECK(reading.resets() == 0);
}

TEST_CASE("a topic that was made anew below its consumer's position is told", "[integration]") {
    auto topic = TestKafka::shared().fresh_topic();
    produce(topic, 2);
    Reading reading(topic, 100);
    CHECK(reading.until([&] { return reading.resets() > 0 && reading.offsets.size() == 2; }));
    CHECK(reading.lost() == 0);
    CHECK(reading.said("a partition ends before the position of its consumer"));
}
