// What goes to Kafka, and what Kafka does not take: for now, for good, or because it is not there.
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "outbox.hpp"
#include "rig.hpp"
#include "testkit/metrics.hpp"

using namespace otto;
using namespace otto::rt;
using namespace otto::rt::tests;
using testkit::metric;

namespace {

/// A cluster within this process, whose brokers fail on request. What is consumed lies on the first, what is produced on the
/// second.
class MockKafka {
public:
    explicit MockKafka(int partitions) {
        char why[512];
        client_ = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), why, sizeof why);
        REQUIRE(client_);
        cluster_ = rd_kafka_mock_cluster_new(client_, 2);
        REQUIRE(cluster_);
        rd_kafka_mock_topic_create(cluster_, "otto.routed", partitions, 1);
        rd_kafka_mock_topic_create(cluster_, "otto.calls", 1, 1);
        for (int i = 0; i < partitions; ++i) rd_kafka_mock_partition_set_leader(cluster_, "otto.routed", i, 1);
        rd_kafka_mock_partition_set_leader(cluster_, "otto.calls", 0, 2);
        rd_kafka_mock_coordinator_set(cluster_, "group", "lead-pipeline", 1);
    }
    ~MockKafka() {
        rd_kafka_mock_cluster_destroy(cluster_);
        rd_kafka_destroy(client_);
    }
    std::string brokers() const { return rd_kafka_mock_cluster_bootstraps(cluster_); }
    /// So many of the next requests to produce to otto.calls fail.
    void refuse(int times, rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, int after_ms = 0) {
        for (int i = 0; i < times; ++i)
            REQUIRE(rd_kafka_mock_broker_push_request_error_rtts(cluster_, 2, 0, 1, error, after_ms) ==
                    RD_KAFKA_RESP_ERR_NO_ERROR);
    }
    std::size_t refusals_left() const {
        std::size_t n = 0;
        REQUIRE(rd_kafka_mock_broker_error_stack_cnt(cluster_, 2, 0, &n) == RD_KAFKA_RESP_ERR_NO_ERROR);
        return n;
    }

private:
    rd_kafka_t* client_;
    rd_kafka_mock_cluster_t* cluster_;
};

/// Makes otto.calls take less than it should, for as long as it lives.
struct TakesLess {
    TakesLess() { set("5000"); }
    ~TakesLess() { kafka::apply_topics(World::shared().brokers, kafka::otto_topics(), 1, Millis{20'000}).value(); }
    static void set(const std::string& bytes) {
        for (auto t : kafka::otto_topics()) {
            if (t.name != "otto.calls") continue;
            for (auto& [name, value] : t.settings)
                if (name == "max.message.bytes") value = bytes;
            kafka::apply_topics(World::shared().brokers, {t}, 1, Millis{20'000}).value();
        }
    }
};

std::string noise(std::size_t size) {
    std::string out;
    for (std::uint32_t n = 7; out.size() < size; n = n * 1664525 + 1013904223) out += static_cast<char>('0' + (n >> 24) % 75);
    return out;
}

/// Emits one event for each of the company's, of the size that its note says; waits where its note says so.
struct Passing {
    std::string company;
    mutable std::atomic<bool> waits{false}, go_on{false};
    Outcome pass(In<CallReported> in, Out<CallRecorded>& out) const {
        if (in.event.company_id() != company) return Outcome::ignored("another test's");
        say(in.event, out);
        return Outcome::done();
    }
    Outcome one(In<CallReported> in, pg::Tx& tx, Out<CallRecorded>& out) const {
        if (in.event.company_id() != company) return Outcome::ignored("another test's");
        tx.write(kNote, {company, in.meta.id.value().to_string(), "n"});
        say(in.event, out);
        return Outcome::done();
    }
    void say(const CallReported& e, Out<CallRecorded>& out) const {
        if (e.call().note() == "wait") {
            waits = true;
            while (!go_on) std::this_thread::sleep_for(Millis{1});
        }
        CallRecorded done;
        done.set_company_id(company);
        done.set_phone(e.phone());
        if (e.call().note() == "large") done.set_recording_url(noise(20'000));
        out.emit(done);
    }
};

std::int64_t rows(const std::string& table, const std::string& consumer, const std::string& more = "") {
    return count("SELECT count(*) AS n FROM " + table + " WHERE consumer = '" + consumer + "'" + more);
}

/// Times that Kafka was asked in vain.
double tries(const std::string& consumer) {
    return metric("otto_publish_failures_total") + metric("otto_publish_refused_total", {{"consumer", consumer}});
}

}  // namespace

TEST_CASE("a pass-through loses nothing that was polled when a delivery before it failed", "[integration]") {
    World::shared();
    MockKafka kafka(3);
    Passing handler{fresh_company()};
    std::map<int, std::string> phone_of;  // by partition
    for (int i = 0; phone_of.size() < 3; ++i) {
        auto phone = "+1202555" + std::to_string(1000 + i);
        phone_of.emplace(send({report(handler.company, phone, "n")}, kafka.brokers()), phone);
    }
    auto passed_on = [&](const std::string& phone, std::size_t wanted) {
        return on_topic("otto.calls", handler.company + ":" + phone, wanted, kafka.brokers());
    };
    Running lane(Consumer{consumer_of(handler.company)}.on<&Passing::pass>(handler), 1, World::shared().role, kafka.brokers());
    for (const auto& [partition, phone] : phone_of) REQUIRE(passed_on(phone, 1) >= 1);
    auto said = [&](int partition, const std::string& name) {
        auto wire = report(handler.company, name, "n");
        wire.key = handler.company + ":" + phone_of[partition];
        return wire;
    };
    // What follows from A is refused; while the lane is busy that becomes known, and B of another partition comes, which has
    // nothing under way.
    kafka.refuse(1, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, 300);
    send({said(0, "A")}, kafka.brokers());
    REQUIRE(eventually([&] { return kafka.refusals_left() == 0; }));
    send({report(handler.company, phone_of[2], "wait")}, kafka.brokers());
    REQUIRE(eventually([&] { return handler.waits.load(); }));
    REQUIRE(send({said(1, "B")}, kafka.brokers()) == 1);
    kafka.refuse(1, RD_KAFKA_RESP_ERR_NO_ERROR, 600);
    kafka::ProducerOptions o;
    o.brokers = kafka.brokers();
    o.client_id = "beside";
    kafka::Producer beside(o);
    bool answered = false;  // by the broker that A's refusal comes from, later than that
    kafka::Record after;
    after.topic = "otto.calls";
    after.key = "after";
    after.value = "v";
    beside.produce(after, [&](const kafka::Delivery&) { answered = true; });
    REQUIRE(beside.flush(Millis{30'000}));
    CHECK(answered);
    handler.go_on = true;
    send({said(1, "C")}, kafka.brokers());
    CHECK(passed_on("C", 1) >= 1);
    CHECK(passed_on("A", 1) >= 1);
    CHECK(passed_on("B", 1) >= 1);
}

TEST_CASE("a publisher that ends calls nobody any more", "[integration]") {
    World::shared();
    auto company = fresh_company();
    bool called = false;
    {
        Publisher publisher(World::shared().brokers, "ending");
        kafka::Record r;
        r.topic = "otto.calls";
        r.key = company;
        r.value = "v";
        REQUIRE(publisher.publish(
            r, [&] { called = true; }, [&] { called = true; }));
        REQUIRE(on_topic("otto.calls", company, 1) == 1);  // Kafka has it, and its report is due
    }
    CHECK_FALSE(called);
}

TEST_CASE("a lane sets aside what Kafka refuses for what it is, tries no more than twice a second, and the others go on",
          "[integration]") {
    World::shared();
    TakesLess less;
    Passing handler{fresh_company()};
    auto name = consumer_of(handler.company);
    Running lane(Consumer{name}.on<&Passing::one>(handler));
    auto before = tries(name);
    auto began = std::chrono::steady_clock::now();
    std::vector<events::Wire> wires;
    for (int i = 0; i < 40; ++i) wires.push_back(report(handler.company, "+" + std::to_string(i), i == 20 ? "large" : "n"));
    send(wires);
    CHECK(eventually(
        [&] { return dead_letters_of(handler.company) == 1 && rows("outbox", name) == 0 && notes_of(handler.company) == 40; }));
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    CHECK(tries(name) - before <= 1 + 2 * took.count());
    for (int i = 0; i < 40; ++i)
        if (i != 20) CHECK(on_topic("otto.calls", handler.company + ":+" + std::to_string(i), 1) >= 1);
    CHECK(dead_letters_of(handler.company,
                          " AND unpublished AND topic = 'otto.calls' AND type = 'otto.calls.v1.CallRecorded' AND company_id = '" +
                              handler.company + "' AND error LIKE '%too large%'") == 1);
    CHECK(metric("otto_publish_refused_total", {{"consumer", name}}) == 1);
    CHECK(metric("otto_dead_letters_total", {{"consumer", name}}) >= 1);
    // And what comes later goes its way.
    send({report(handler.company, "+20", "n")});
    CHECK(on_topic("otto.calls", handler.company + ":+20", 1) == 1);
}

TEST_CASE("a pass-through sets aside the event whose successor Kafka refuses for what it is", "[integration]") {
    World::shared();
    TakesLess less;
    Passing handler{fresh_company()};
    auto name = consumer_of(handler.company);
    Running lane(Consumer{name}.on<&Passing::pass>(handler));
    auto before = tries(name);
    auto began = std::chrono::steady_clock::now();
    std::vector<events::Wire> wires;
    for (int i = 0; i < 40; ++i) wires.push_back(report(handler.company, "+" + std::to_string(i), i == 20 ? "large" : "n"));
    send(wires);
    CHECK(eventually([&] { return dead_letters_of(handler.company) == 1; }));
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    CHECK(tries(name) - before <= 1 + 2 * took.count());
    for (int i = 0; i < 40; ++i)
        if (i != 20) CHECK(on_topic("otto.calls", handler.company + ":+" + std::to_string(i), 1) >= 1);
    // The event itself, by where it came from: it is tried again by coming once more.
    CHECK(dead_letters_of(handler.company,
                          " AND NOT unpublished AND topic = 'otto.routed' AND type = 'otto.routed.v1.CallReported' AND error "
                          "LIKE '%otto.calls%too large%'") == 1);
}

TEST_CASE("the relay sets aside what Kafka refuses for what it is, in order, and publishes it once it is put back",
          "[integration]") {
    World::shared();
    pg::Connection db(World::shared().role, "commands");
    auto company = fresh_company();
    auto name = consumer_of(company);
    UntypedEmitter emitter(name);
    {
        auto tx = db.begin(pg::Scope::none());
        for (int i = 0; i < 6; ++i) {
            CallRecorded m;
            m.set_company_id(company);
            m.set_phone("one");
            m.set_call_id(i);
            if (i == 2 || i == 3) m.set_recording_url(noise(20'000));
            emitter.emit(tx, m, tel::TraceContext::fresh());
        }
        tx.commit();
    }
    Relay relay(World::shared().brokers, "relay-test");
    {
        TakesLess less;
        auto before = tries(name);
        auto began = std::chrono::steady_clock::now();
        CHECK(eventually([&] {
            relay.round(db);
            return rows("outbox", name) == 0;
        }));
        std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
        CHECK(tries(name) - before <= 1 + 2 * took.count());
        CHECK(dead_letters_of(company, " AND unpublished") == 2);
        CHECK(on_topic("otto.calls", company + ":one", 4) == 4);
    }
    pg::Connection owner(World::shared().owner, "owner");
    owner.execute("WITH dead AS (DELETE FROM dead_letters WHERE consumer = '" + name +
                  "' RETURNING *) INSERT INTO outbox (consumer, lane_topic, lane_partition, topic, key, value, headers)"
                  " SELECT consumer, 'outbox', 0, topic, key, value, headers FROM dead");
    CHECK(eventually([&] {
        relay.round(db);
        return rows("outbox", name) == 0;
    }));
    CHECK(on_topic("otto.calls", company + ":one", 6) == 6);
}

TEST_CASE("what Kafka refuses for now is never set aside, is tried twice a second, and leaves in order once it is taken",
          "[integration]") {
    World::shared();
    MockKafka kafka(3);
    Passing handler{fresh_company()};
    auto name = consumer_of(handler.company);
    Running lane(Consumer{name}.on<&Passing::one>(handler), 1, World::shared().role, kafka.brokers());
    send({report(handler.company, "+1", "n")}, kafka.brokers());
    REQUIRE(on_topic("otto.calls", handler.company + ":+1", 1, kafka.brokers()) == 1);
    auto before = metric("otto_publish_failures_total");
    auto began = std::chrono::steady_clock::now();
    kafka.refuse(6);
    std::vector<events::Wire> wires;
    for (int i = 0; i < 60; ++i) wires.push_back(report(handler.company, "+" + std::to_string(i % 20), "n"));
    send(wires, kafka.brokers());
    // Of all partitions: nobody waits for a rebalance that reads the table again.
    CHECK(eventually([&] { return kafka.refusals_left() == 0 && rows("outbox", name) == 0 && notes_of(handler.company) == 61; }));
    std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    auto failures = metric("otto_publish_failures_total") - before;
    CHECK(failures >= 2);
    CHECK(failures <= 1 + 2 * took.count());
    CHECK(dead_letters_of(handler.company) == 0);
    CHECK(metric("otto_partitions_lost_total", {{"consumer", name}}) == 0);
    auto there = read_topic("otto.calls", kafka.brokers(), [](const auto& seen) {
        return seen.size() == 20 && std::all_of(seen.begin(), seen.end(), [](const auto& s) { return s.second >= 3; });
    });
    CHECK(there.size() == 20);
    for (const auto& [key, records] : there) CHECK(records >= 3);
}

TEST_CASE("a partition whose rows Kafka does not take holds up neither the other ones nor a rebalance", "[integration]") {
    World::shared();
    Passing handler{fresh_company()};
    auto name = consumer_of(handler.company);
    auto stuck = report(handler.company, "+stuck", "n");
    auto partition = send({stuck});
    {
        Running lane(Consumer{name}.on<&Passing::one>(handler));
        REQUIRE(eventually([&] { return notes_of(handler.company) == 1; }));
    }
    pg::Connection db(World::shared().owner, "left");
    db.execute("INSERT INTO outbox (consumer, lane_topic, lane_partition, topic, key, value, headers) VALUES ('" + name +
               "', 'otto.routed', " + std::to_string(partition) + ", 'no.such.topic', 'k', 'x', '[]')");
    Running first(Consumer{name}.on<&Passing::one>(handler));
    std::vector<events::Wire> wires;
    for (int i = 0; i < 48; ++i) wires.push_back(report(handler.company, "+" + std::to_string(i), "n"));
    std::map<int, int> in;
    for (const auto& w : wires) ++in[send({w})];
    auto elsewhere = 48 - in[partition];
    REQUIRE(elsewhere > 0);
    CHECK(eventually([&] { return notes_of(handler.company) == 1 + elsewhere; }));
    Running second(Consumer{name}.on<&Passing::one>(handler));
    CHECK(eventually([&] {
        return metric("otto_partitions_owned", {{"consumer", name}}) == 12 &&
               count("SELECT count(DISTINCT backend_pid) AS n FROM lanes WHERE consumer = '" + name +
                     "' AND topic = 'otto.routed'") == 2;
    }));
    // Once the topic is there all goes on.
    CHECK(notes_of(handler.company) == 1 + elsewhere);
    db.execute("UPDATE outbox SET topic = 'otto.calls' WHERE consumer = '" + name + "'");
    CHECK(eventually([&] { return notes_of(handler.company) == 49 && rows("outbox", name) == 0; }, Millis{90'000}));
}

TEST_CASE("Kafka away for ten minutes: each row of the outbox is in the relay's queue once", "[integration]") {
    World::shared();
    auto& kafka = testkit::TestKafka::shared();
    if (!kafka.can_stop()) return;
    pg::Connection db(World::shared().role, "commands");
    auto company = fresh_company();
    UntypedEmitter emitter(consumer_of(company));
    auto emit = [&](int n) {
        auto tx = db.begin(pg::Scope::none());
        for (int i = 0; i < n; ++i) {
            CallRecorded m;
            m.set_company_id(company);
            m.set_phone("away");
            emitter.emit(tx, m, tel::TraceContext::fresh());
        }
        tx.commit();
    };
    Relay relay(World::shared().brokers, "relay-test",
                Millis{1});  // a round waits a thousandth of its second: 600 rounds are ten minutes' worth
    kafka.stop();
    emit(10);
    std::size_t most = 0;
    for (int round = 0; round < 600; ++round) {
        if (round == 300) emit(10);
        relay.round(db);
        most = std::max(most, relay.in_flight());
    }
    CHECK(most == 10);  // those of the first round; the others are not read while they are under way
    kafka.start();
    CHECK(eventually([&] {
        relay.round(db);
        return rows("outbox", consumer_of(company)) == 0;
    }));
    CHECK(on_topic("otto.calls", company + ":away", 20) == 20);
}

TEST_CASE("Kafka away while the database comes and goes: each row of a lane's outbox is in its queue once", "[integration]") {
    World::shared();
    auto& kafka = testkit::TestKafka::shared();
    if (!kafka.can_stop()) return;
    Passing handler{fresh_company()};
    auto name = consumer_of(handler.company);
    std::vector<events::Wire> wires;
    for (int i = 0; i < 20; ++i) wires.push_back(report(handler.company, "away", i == 0 ? "wait" : "n"));
    send(wires);
    Running lane(Consumer{name}.on<&Passing::one>(handler));
    REQUIRE(eventually([&] { return handler.waits.load(); }));
    kafka.stop();
    handler.go_on = true;
    REQUIRE(eventually([&] { return notes_of(handler.company) == 20; }));
    pg::Connection db(World::shared().owner, "operator");
    // Each time the lane reads what the table holds, until the group gives it up.
    auto failures = [&, before = metric("otto_lane_failures_total", {{"consumer", name}})] {
        return metric("otto_lane_failures_total", {{"consumer", name}}) - before;
    };
    CHECK(eventually([&] {
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'otto_lead_pipeline'");
        return failures() >= 5 || metric("otto_partitions_owned", {{"consumer", name}}) == 0;
    }));
    CHECK(failures() >= 1);
    kafka.start();
    CHECK(eventually([&] { return rows("outbox", name) == 0; }, Millis{60'000}));
    CHECK(on_topic("otto.calls", handler.company + ":away", 20) == 20);
}
