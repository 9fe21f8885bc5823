#include "kafka/offsets.hpp"

#include "kafka/producer.hpp"
#include "kafka/source.hpp"
#include "testing/catch.hpp"
#include "testkit/kafka.hpp"
#include "testkit/postgres.hpp"

using namespace otto;
using testkit::TestKafka;

namespace {

void send(const std::string& topic, int count) {
    kafka::ProducerOptions o;
    o.brokers = TestKafka::shared().brokers();
    o.client_id = "offsets_test";
    kafka::Producer producer(o);
    int ok = 0;
    for (int i = 0; i < count; ++i) {
        kafka::Record r;
        r.topic = topic;
        r.key = "k";
        r.value = std::to_string(i);
        REQUIRE(producer.produce(r, [&](const kafka::Delivery& d) { ok += d.ok; }));
    }
    REQUIRE(producer.flush(Millis{30'000}));
    REQUIRE(ok == count);
}

}  // namespace

TEST_CASE("ends, positions of a group and offsets of a time are had without joining", "[integration]") {
    const auto& brokers = TestKafka::shared().brokers();
    auto topic = TestKafka::shared().fresh_topic(2);
    auto before = system_clock().now() - std::chrono::hours(1);
    send(topic, 5);
    auto all = kafka::extents(brokers, {topic}, Millis{20'000});
    REQUIRE(all.ok());
    REQUIRE(all->size() == 2);
    CHECK((*all)[0].end + (*all)[1].end == 5);
    auto& full = (*all)[0].end == 5 ? (*all)[0] : (*all)[1];  // one key, one partition
    CHECK(full.end == 5);

    std::vector<kafka::TopicPartition> both{{topic, 0}, {topic, 1}};
    auto nothing = kafka::committed(brokers, topic + ".group", both, Millis{20'000});
    REQUIRE(nothing.ok());
    CHECK((!(*nothing)[0] && !(*nothing)[1]));
    {
        kafka::SourceOptions o;
        o.brokers = brokers;
        o.group = o.client_id = topic + ".group";
        o.topics = {topic};
        kafka::Source source(o);
        std::size_t read = 0;
        for (int i = 0; i < 300 && read < 5; ++i) read += source.poll(100, 1u << 20, Millis{100}).size();
        REQUIRE(read == 5);
        REQUIRE(source.commit(full.at, 3).ok());
    }
    auto stands = kafka::committed(brokers, topic + ".group", both, Millis{20'000});
    REQUIRE(stands.ok());
    CHECK((*stands)[static_cast<std::size_t>(full.at.partition)] == 3);
    CHECK_FALSE((*stands)[static_cast<std::size_t>(1 - full.at.partition)]);

    auto since = kafka::offsets_from(brokers, both, before, Millis{20'000});
    REQUIRE(since.ok());
    CHECK((*since)[static_cast<std::size_t>(full.at.partition)] == 0);
    CHECK_FALSE((*since)[static_cast<std::size_t>(1 - full.at.partition)]);
    auto later = kafka::offsets_from(brokers, both, system_clock().now() + std::chrono::hours(1), Millis{20'000});
    REQUIRE(later.ok());
    CHECK((!(*later)[0] && !(*later)[1]));

    CHECK(kafka::extents(brokers, {topic + ".not-there"}, Millis{20'000}).error().message.find(topic + ".not-there") !=
          std::string::npos);
}

TEST_CASE("a cluster that is not there is an error with its cure") {
    auto nowhere = "127.0.0.1:" + std::to_string(testkit::free_port());
    CHECK(kafka::extents(nowhere, {"t"}, Millis{300}).error().hint.find("OTTO_KAFKA_BROKERS") != std::string::npos);
    CHECK(kafka::committed(nowhere, "g", {{"t", 0}}, Millis{300}).error().hint.find("OTTO_KAFKA_BROKERS") != std::string::npos);
    CHECK(kafka::offsets_from(nowhere, {{"t", 0}}, system_clock().now(), Millis{300}).error().hint.find("OTTO_KAFKA_BROKERS") !=
          std::string::npos);
}
