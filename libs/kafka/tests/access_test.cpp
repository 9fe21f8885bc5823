// Clients that reach Kafka by TLS and log in there, on a real broker.
#include "kafka/access.hpp"

#include <librdkafka/rdkafka.h>

#include <fstream>
#include <mutex>
#include <sstream>

#include "kafka/offsets.hpp"
#include "kafka/producer.hpp"
#include "kafka/source.hpp"
#include "kafka/topics.hpp"
#include "telemetry/log.hpp"
#include "testing/catch.hpp"
#include "testkit/kafka.hpp"

using namespace otto;
using testkit::TestKafka;
using Steady = std::chrono::steady_clock;

namespace {

/// One broker for all cases.
TestKafka& secure_kafka() {
    static auto kafka = TestKafka::secure("otto=right\nother=another one\n");
    return *kafka;
}

Secret pem(const std::string& file) {
    std::ifstream in(secure_kafka().certificates() + "/" + file);
    std::stringstream text;
    text << in.rdbuf();
    return Secret(text.str());
}

kafka::Access access(const std::string& mechanism, const std::string& user = "otto", const std::string& password = "right") {
    return {pem("ca.pem"), pem("client.pem"), pem("client.key"), mechanism, Secret(user), Secret(password)};
}

/// How clients log in while it lives; may be replaced.
struct Uses {
    std::mutex lock;
    kafka::Access access;
    explicit Uses(kafka::Access a) : access(std::move(a)) {
        kafka::use_access([this] {
            std::lock_guard guard(lock);
            return access;
        });
    }
    void replace(kafka::Access a) {
        std::lock_guard guard(lock);
        access = std::move(a);
    }
    ~Uses() { kafka::use_access({}); }
};

/// What is logged while it lives.
struct Log {
    std::mutex lock;
    std::string lines;
    Log() {
        tel::set_log_sink([this](std::string_view line) {
            std::lock_guard guard(lock);
            lines.append(line).append("\n");
        });
    }
    ~Log() { tel::set_log_sink({}); }
    bool says(const std::string& words) {
        std::lock_guard guard(lock);
        return lines.find(words) != std::string::npos;
    }
};

kafka::ProducerOptions to_secure() {
    kafka::ProducerOptions o;
    o.brokers = secure_kafka().secure_brokers();
    o.client_id = "access_test";
    return o;
}

bool delivered(kafka::Producer& producer, const std::string& topic, Millis within) {
    bool ok = false;
    kafka::Record r;
    r.topic = topic;
    r.key = "k";
    r.value = "v";
    REQUIRE(producer.produce(r, [&](const kafka::Delivery& d) { ok = d.ok; }));
    (void)producer.flush(within);
    producer.purge();
    (void)producer.flush(Millis{5'000});
    return ok;
}

/// Those by which this machine's librdkafka can log in at Kafka 4: SCRAM from 2.6.1 on.
std::vector<std::string> mechanisms() {
    if (rd_kafka_version() < 0x020601ff) return {"PLAIN"};
    return {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};
}

template <class Until>
bool eventually(Until until) {
    for (auto end = Steady::now() + std::chrono::seconds(30); Steady::now() < end; std::this_thread::yield())
        if (until()) return true;
    return false;
}

}  // namespace

TEST_CASE("every kind of client goes by TLS and logs in", "[integration]") {
    auto& kafka = secure_kafka();
    for (const auto& mechanism : mechanisms()) {
        INFO(mechanism);
        Uses uses(access(mechanism));
        const auto topic = "secure-" + mechanism;
        auto made = kafka::apply_topics(kafka.secure_brokers(), {{topic, 1, {}}}, 1, Millis{30'000});
        INFO((made ? "" : made.error().describe()));
        REQUIRE(made);
        kafka::Producer producer(to_secure());
        CHECK(producer.warm_up({topic}, Millis{20'000}));
        CHECK(delivered(producer, topic, Millis{20'000}));
        kafka::Reader reader(kafka.secure_brokers(), "reader", {topic});
        CHECK(eventually([&] { return reader.poll(10, Millis{100}).size() == 1; }));
        CHECK(kafka::extents(kafka.secure_brokers(), {topic}, Millis{20'000}).value().front().end == 1);
        kafka::SourceOptions o;
        o.brokers = kafka.secure_brokers();
        o.group = o.client_id = "secure-" + mechanism;
        o.topics = {topic};
        kafka::Source source(o);
        CHECK(eventually([&] { return source.poll(10, 1u << 20, Millis{100}).size() == 1; }));
    }
}

TEST_CASE("with a wrong password clients wait and say so; they take the right one without a restart", "[integration]") {
    const auto topic = std::string("secure-waits");
    {
        Uses right(access("PLAIN"));
        REQUIRE(kafka::apply_topics(secure_kafka().secure_brokers(), {{topic, 1, {}}}, 1, Millis{30'000}));
    }
    for (const auto& mechanism : mechanisms()) {
        INFO(mechanism);
        Log log;
        Uses uses(access(mechanism, "otto", "wrong password"));
        kafka::Producer producer(to_secure());
        kafka::SourceOptions o;
        o.brokers = secure_kafka().secure_brokers();
        o.group = o.client_id = "secure-waits-" + mechanism;
        o.topics = {topic};
        kafka::Source source(o);
        CHECK(eventually([&] {
            (void)source.poll(10, 1u << 20, Millis{50});
            return log.says("uthentication failed");
        }));
        CHECK_FALSE(delivered(producer, topic, Millis{500}));
        CHECK_FALSE(log.says("wrong password"));
        uses.replace(access(mechanism, "other", "another one"));
        kafka::refresh_access();
        CHECK(delivered(producer, topic, Millis{20'000}));
        CHECK(eventually([&] { return !source.poll(10, 1u << 20, Millis{100}).empty(); }));
    }
}

TEST_CASE("a broker that another CA vouches for, or a client without a certificate, is refused with the reason",
          "[integration]") {
    (void)secure_kafka();
    auto strange = access("PLAIN"), nobody = access("PLAIN");
    strange.ca = pem("other-ca.pem");
    nobody.certificate = nobody.key = Secret();
    for (auto& one : {strange, nobody}) {
        Log log;
        Uses uses(one);
        auto planned = kafka::plan_topics(secure_kafka().secure_brokers(), {{"secure-PLAIN", 1, {}}}, 1, Millis{2'000});
        REQUIRE_FALSE(planned);
        CHECK((log.says("certificate verify failed") || log.says("SSL") || log.says("ssl")));
    }
    {
        Log log;
        Uses uses(access("SCRAM-SHA-512"));
        (void)kafka::plan_topics(secure_kafka().secure_brokers(), {{"secure-PLAIN", 1, {}}}, 1, Millis{500});
        CHECK(log.says("Kafka 4 refuses SCRAM") == (rd_kafka_version() < 0x020601ff));
    }
    Log log;
    auto broken = access("PLAIN");
    broken.certificate = Secret("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----");
    Uses uses(broken);
    CHECK_THROWS_AS(kafka::Producer(to_secure()), Failure);
}
