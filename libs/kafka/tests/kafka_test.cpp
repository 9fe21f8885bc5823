#include <poll.h>

#include <algorithm>
#include <map>
#include <thread>

#include "kafka/producer.hpp"
#include "kafka/source.hpp"
#include "kafka/topics.hpp"
#include "testing/catch.hpp"
#include "testkit/kafka.hpp"

using namespace otto;
using testkit::TestKafka;
using Steady = std::chrono::steady_clock;

namespace {

kafka::ProducerOptions to(const std::string& brokers) {
    kafka::ProducerOptions o;
    o.brokers = brokers;
    o.client_id = "kafka_test";
    return o;
}

kafka::Record record(const std::string& topic, const std::string& key, const std::string& value) {
    kafka::Record r;
    r.topic = topic;
    r.key = key;
    r.value = value;
    r.headers = {{"ce_id", "id-of-" + value.substr(0, 16)}, {"empty", ""}};
    return r;
}

/// Produces and waits for every report; the number that were acknowledged.
int send_all(kafka::Producer& producer, const std::vector<kafka::Record>& records) {
    int ok = 0;
    for (const auto& r : records) REQUIRE(producer.produce(r, [&](const kafka::Delivery& d) { ok += d.ok; }));
    REQUIRE(producer.flush(Millis{30'000}));
    producer.serve();
    return ok;
}

/// Polls until there are `count` records, or for a minute.
std::vector<kafka::Record> read(kafka::Source& source, std::size_t count) {
    std::vector<kafka::Record> out;
    auto deadline = Steady::now() + std::chrono::seconds(60);
    while (out.size() < count && Steady::now() < deadline)
        for (auto& r : source.poll(1000, 8u << 20, Millis{200})) out.push_back(std::move(r));
    return out;
}

kafka::SourceOptions from(const std::string& topic, const std::string& group) {
    kafka::SourceOptions o;
    o.brokers = TestKafka::shared().brokers();
    o.group = group;
    o.client_id = group;
    o.topics = {topic};
    return o;
}

}  // namespace

TEST_CASE("Otto's topics are the seven of the plan") {
    std::vector<std::string> names;
    for (const auto& t : kafka::otto_topics()) {
        names.push_back(t.name);
        CHECK(t.partitions == 12);
        CHECK(std::count(t.settings.begin(), t.settings.end(),
                         std::pair<std::string, std::string>("message.timestamp.type", "LogAppendTime")) == 1);
        CHECK(std::count_if(t.settings.begin(), t.settings.end(), [](const auto& s) { return s.first == "max.message.bytes"; }) ==
              1);
    }
    CHECK(names == std::vector<std::string>{"otto.inbound", "otto.routed", "otto.calls", "otto.analysis", "otto.changes",
                                            "otto.directory", "otto.members"});
}

TEST_CASE("a cluster that is not there is an error with its cure, not a wait for ever") {
    auto plan = kafka::plan_topics("127.0.0.1:1", kafka::otto_topics(), 1, Millis{300});
    REQUIRE_FALSE(plan);
    CHECK(plan.error().hint.find("OTTO_KAFKA_BROKERS") != std::string::npos);
    kafka::Producer producer(to("127.0.0.1:1"));
    CHECK_FALSE(producer.warm_up({"otto.inbound"}, Millis{300}));
}

TEST_CASE("records arrive in order, whole, with their headers; reports come through the event descriptor", "[integration]") {
    auto topic = TestKafka::shared().fresh_topic();
    kafka::Producer producer(to(TestKafka::shared().brokers()));
    REQUIRE(producer.warm_up({topic}, Millis{20'000}));
    CHECK_FALSE(producer.warm_up({"no.such.topic"}, Millis{20'000}));
    int reported = 0;
    for (int i = 0; i < 500; ++i)
        REQUIRE(producer.produce(record(topic, "k" + std::to_string(i % 7), std::to_string(i)),
                                 [&](const kafka::Delivery& d) { reported += d.ok; }));
    while (reported < 500) {
        pollfd p{producer.event_fd(), POLLIN, 0};
        REQUIRE(::poll(&p, 1, 20'000) == 1);
        producer.serve();
    }
    CHECK(producer.in_flight() == 0);
    kafka::Source source(from(topic, "order"));
    auto records = read(source, 500);
    REQUIRE(records.size() == 500);
    for (int i = 0; i < 500; ++i) {
        CHECK(records[static_cast<std::size_t>(i)].value == std::to_string(i));
        CHECK(records[static_cast<std::size_t>(i)].offset == i);
    }
    CHECK(records[3].header("ce_id") == "id-of-3");
    CHECK(records[3].header("empty").empty());
    CHECK(records[3].header("absent").empty());
}

namespace {

/// Bytes that cannot be packed.
std::string noise(std::size_t size) {
    std::string out;
    out.reserve(size);
    for (std::uint32_t n = 1; out.size() < size; n = n * 1664525 + 1013904223) out += static_cast<char>(n >> 24);
    return out;
}

kafka::Delivery fate(kafka::Producer& producer, const kafka::Record& r) {
    kafka::Delivery out;
    REQUIRE(producer.produce(r, [&](const kafka::Delivery& d) { out = d; }));
    REQUIRE(producer.flush(Millis{30'000}));
    return out;
}

}  // namespace

TEST_CASE("the largest record of each topic is taken by a broker that nobody has told anything; a larger one never leaves",
          "[integration]") {
    auto& kafka = TestKafka::shared();
    REQUIRE(kafka::apply_topics(kafka.brokers(), kafka::otto_topics(), 1, Millis{20'000}));
    kafka::Producer producer(to(kafka.brokers()));
    for (const auto& t : kafka::otto_topics()) {
        INFO(t.name);
        auto whole = record(t.name, "k", noise(kafka::largest_record(t.name)));
        auto beside = whole.key.size();
        for (const auto& [name, value] : whole.headers) beside += name.size() + value.size();
        whole.value.resize(whole.value.size() - beside);
        auto taken = fate(producer, whole);
        CHECK(taken.error == "");
        CHECK(taken.ok);
        whole.value += 'x';
        auto refused = fate(producer, whole);
        CHECK_FALSE(refused.ok);
        CHECK(refused.refused);
        CHECK_FALSE(refused.fatal);
        CHECK(refused.error.find("MSG_SIZE_TOO_LARGE") != std::string::npos);
    }
    CHECK(kafka::largest_record("somebody.elses") < 1'048'588);
}

TEST_CASE("what Kafka refuses for what it is is told apart from what passes", "[integration]") {
    auto& kafka = TestKafka::shared();
    kafka::TopicSpec small{kafka.fresh_topic(), 1, {{"max.message.bytes", "2000"}}};
    REQUIRE(kafka::apply_topics(kafka.brokers(), {small}, 1, Millis{20'000}));
    kafka::Producer producer(to(kafka.brokers()));
    CHECK(fate(producer, record(small.name, "k", noise(5'000))).refused);
    kafka::Producer another(to(kafka.brokers()));
    CHECK(fate(another, record(small.name, "k", "small")).ok);
    kafka::Delivery purged;
    REQUIRE(another.produce(record("no.such.topic", "k", "v"), [&](const kafka::Delivery& d) { purged = d; }));
    another.purge();
    CHECK_FALSE(purged.ok);
    CHECK_FALSE(purged.refused);
}

TEST_CASE("a record of 20 MiB passes, and a batch is bounded by bytes", "[integration]") {
    auto& kafka = TestKafka::shared();
    kafka::TopicSpec spec{kafka.fresh_topic(), 1, {{"max.message.bytes", std::to_string(36u << 20)}}};
    REQUIRE(kafka::apply_topics(kafka.brokers(), {spec}, 1, Millis{20'000}));
    kafka::Producer producer(to(kafka.brokers()));
    auto large = noise(20u << 20);
    CHECK(send_all(producer, {record(spec.name, "k", large), record(spec.name, "k", "small")}) == 2);
    kafka::Source source(from(spec.name, "large"));
    std::vector<kafka::Record> first;
    for (auto deadline = Steady::now() + std::chrono::seconds(60); first.empty() && Steady::now() < deadline;)
        first = source.poll(100, 8u << 20, Millis{200});
    REQUIRE(first.size() == 1);
    CHECK(first[0].value == large);
}

TEST_CASE("who lets Kafka linger gets what comes meanwhile in one answer", "[integration]") {
    auto topic = TestKafka::shared().fresh_topic();
    auto options = from(topic, "linger");
    options.linger = Millis{2'000};
    kafka::Source source(options);
    kafka::Producer producer(to(TestKafka::shared().brokers()));
    REQUIRE(send_all(producer, {record(topic, "k", "first")}) == 1);
    REQUIRE(read(source, 1).size() == 1);  // though there are no 64 KiB
    std::thread sender([&] {
        for (int n = 0; n < 20; ++n) {  // each is on record before the next is sent
            producer.produce(record(topic, "k", std::to_string(n)), [](const kafka::Delivery&) {});
            producer.flush(Millis{30'000});
        }
    });
    std::size_t answers = 0, got = 0;
    for (auto end = Steady::now() + std::chrono::seconds(60); got < 20 && Steady::now() < end;) {
        auto records = source.poll(1000, 8u << 20, Millis{5'000});
        got += records.size();
        answers += !records.empty();
    }
    sender.join();
    CHECK(got == 20);
    CHECK(answers <= 3);  // a fetch may end while they come
}

TEST_CASE("partitions start where the owner says, and a second member takes its share", "[integration]") {
    auto topic = TestKafka::shared().fresh_topic(4);
    kafka::Producer producer(to(TestKafka::shared().brokers()));
    std::vector<kafka::Record> records;
    for (int i = 0; i < 100; ++i) records.push_back(record(topic, "k" + std::to_string(i), std::to_string(i)));
    CHECK(send_all(producer, records) == 100);
    std::map<kafka::TopicPartition, std::int64_t> ends;
    {
        kafka::Source whole(from(topic, "whole"));
        for (const auto& r : read(whole, 100)) ends[{topic, r.partition}] = r.offset + 1;
        REQUIRE(ends.size() == 4);
    }
    kafka::Source source(from(topic, "owner"));
    source.on_rebalance({[&](const std::vector<kafka::TopicPartition>& assigned) {
                             std::vector<std::optional<std::int64_t>> starts;
                             for (const auto& p : assigned) starts.push_back(ends[p] - 1);  // the last record of each
                             return starts;
                         },
                         {}});
    CHECK(read(source, 4).size() == 4);
    CHECK(source.assignment().size() == 4);
    CHECK(source.commit(source.assignment()[0], ends[source.assignment()[0]]));
    CHECK_FALSE(source.seek({topic, 99}, 0));  // not ours
    CHECK(source.seek({topic, 0}, 0));
    CHECK(static_cast<std::int64_t>(read(source, static_cast<std::size_t>(ends[{topic, 0}])).size()) == ends[{topic, 0}]);

    std::atomic<bool> stop{false};
    std::atomic<std::size_t> second_share{0};
    std::thread other([&] {
        kafka::Source second(from(topic, "owner"));
        while (!stop) {
            second.poll(100, 1u << 20, Millis{50});
            second_share = second.assignment().size();
        }
    });
    for (auto deadline = Steady::now() + std::chrono::seconds(60);
         (second_share != 2 || source.assignment().size() != 2) && Steady::now() < deadline;)
        source.poll(100, 1u << 20, Millis{50});
    CHECK(source.assignment().size() == 2);
    CHECK(second_share == 2);
    stop = true;
    other.join();
    for (auto deadline = Steady::now() + std::chrono::seconds(60); source.assignment().size() != 4 && Steady::now() < deadline;)
        source.poll(100, 1u << 20, Millis{50});
    CHECK(source.assignment().size() == 4);
}

TEST_CASE("a reader has caught up when it has read what was there", "[integration]") {
    auto topic = TestKafka::shared().fresh_topic(3, true);
    kafka::Producer producer(to(TestKafka::shared().brokers()));
    auto deletion = record(topic, "a", "");
    deletion.tombstone = true;
    CHECK(send_all(producer, {record(topic, "a", "1"), record(topic, "b", "2"), record(topic, "c", "3"), deletion}) == 4);
    kafka::Reader reader(TestKafka::shared().brokers(), "reader", {topic});
    CHECK_FALSE(reader.caught_up());
    std::map<std::string, std::string> state;
    for (auto deadline = Steady::now() + std::chrono::seconds(60); !reader.caught_up() && Steady::now() < deadline;)
        for (const auto& r : reader.poll(100, Millis{100})) r.tombstone ? void(state.erase(r.key)) : void(state[r.key] = r.value);
    CHECK(reader.caught_up());
    CHECK(state == std::map<std::string, std::string>{{"b", "2"}, {"c", "3"}});

    while (!reader.poll(100, Millis{100}).empty()) {
    }

    kafka::Reader resumed(TestKafka::shared().brokers(), "resumed", {topic});
    resumed.start_at(reader.positions());
    send_all(producer, {record(topic, "d", "4")});
    std::vector<kafka::Record> fresh;
    for (auto deadline = Steady::now() + std::chrono::seconds(60); fresh.empty() && Steady::now() < deadline;)
        fresh = resumed.poll(100, Millis{100});
    REQUIRE(fresh.size() == 1);
    CHECK(fresh[0].key == "d");
}

TEST_CASE("a reader starts shortly before the ends, and a key's partition is known without asking", "[integration]") {
    auto topic = TestKafka::shared().fresh_topic(3);
    kafka::Producer producer(to(TestKafka::shared().brokers()));
    std::vector<kafka::Record> records;
    for (int i = 0; i < 60; ++i) records.push_back(record(topic, "company " + std::to_string(i % 6), std::to_string(i)));
    REQUIRE(send_all(producer, std::move(records)) == 60);
    kafka::Reader reader(TestKafka::shared().brokers(), "late", {topic});
    reader.start_near_end(2);
    CHECK(reader.positions().empty());
    std::map<std::int32_t, int> of;
    for (auto deadline = Steady::now() + std::chrono::seconds(60); !reader.caught_up() && Steady::now() < deadline;)
        for (const auto& r : reader.poll(100, Millis{100})) {
            ++of[r.partition];
            CHECK(kafka::partition_of(r.key, 3) == r.partition);
        }
    CHECK(reader.caught_up());
    for (const auto& [partition, count] : of) CHECK(count == 2);
    CHECK(reader.positions().size() == 3);
}

TEST_CASE("topics are planned, applied, applied again without effect; partitions never change in place", "[integration]") {
    auto& kafka = TestKafka::shared();
    std::vector<kafka::TopicSpec> specs{{kafka.fresh_topic(2) + ".declared", 3, {{"retention.ms", "1000000"}}}};
    CHECK(kafka::plan_topics(kafka.brokers(), specs, 1, Millis{20'000}).value().size() == 1);
    CHECK(kafka::apply_topics(kafka.brokers(), specs, 1, Millis{20'000}).value().size() == 1);
    CHECK(kafka::apply_topics(kafka.brokers(), specs, 1, Millis{20'000}).value().empty());
    specs[0].settings = {{"retention.ms", "2000000"}, {"cleanup.policy", "compact"}};
    CHECK(kafka::apply_topics(kafka.brokers(), specs, 1, Millis{20'000}).value().size() == 2);
    CHECK(kafka::plan_topics(kafka.brokers(), specs, 1, Millis{20'000}).value().empty());
    specs[0].partitions = 5;
    auto changes = kafka::apply_topics(kafka.brokers(), specs, 1, Millis{20'000}).value();
    REQUIRE(changes.size() == 1);
    CHECK(changes[0].refused);
}

TEST_CASE("what is produced while the broker is away arrives once it is back; what is purged is reported", "[integration]") {
    auto& kafka = TestKafka::shared();
    if (!kafka.can_stop()) return;
    auto topic = kafka.fresh_topic();
    kafka::Producer producer(to(kafka.brokers()));
    CHECK(send_all(producer, {record(topic, "k", "before")}) == 1);
    kafka.stop();
    int purged = 0;
    REQUIRE(producer.produce(record(topic, "k", "purged"), [&](const kafka::Delivery& d) { purged += !d.ok; }));
    CHECK_FALSE(producer.flush(Millis{300}));
    producer.purge();
    CHECK(purged == 1);
    int delivered = 0;
    REQUIRE(producer.produce(record(topic, "k", "during"), [&](const kafka::Delivery& d) { delivered += d.ok; }));
    kafka.start();
    CHECK(producer.flush(Millis{60'000}));
    producer.serve();
    CHECK(delivered == 1);
    kafka::Source source(from(topic, "outage"));
    std::vector<std::string> values;
    for (const auto& r : read(source, 2)) values.push_back(r.value);
    CHECK(values.front() == "before");
    CHECK(values.back() == "during");
}
