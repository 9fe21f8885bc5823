// Receipt under faults, on real Kafka: what was answered as safe is in Kafka in the end, once or more, in order of first
// occurrence.
#include <fcntl.h>
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "ingress/publisher.hpp"
#include "kafka/source.hpp"
#include "spool.hpp"
#include "testing/catch.hpp"
#include "testkit/kafka.hpp"
#include "testkit/metrics.hpp"

using namespace otto;
using namespace otto::ingress;

namespace {

struct Folder {
    std::string path;
    Folder() {
        char name[] = "/tmp/otto-spool-XXXXXX";
        path = ::mkdtemp(name);
    }
    ~Folder() { std::filesystem::remove_all(path); }
};

events::Wire wire(const std::string& topic, int n, std::size_t size = 10) {
    return {topic, "key", std::to_string(n) + ":" + std::string(size, 'x'), {{"ce_id", std::to_string(n)}}};
}

/// A publisher with the thread that serves it, as the HTTP server does.
class Post {
public:
    Post(const std::string& brokers, const std::string& folder, const std::string& topic = "", std::size_t bytes = 1u << 30,
         Millis patience = Millis{1'500})
        : publisher_([&] {
              PublisherOptions o;
              o.brokers = brokers;
              o.client_id = "test";
              o.spool_dir = folder;
              o.spool_bytes = bytes;
              if (!topic.empty()) o.topics = {topic};
              o.patience =
                  topic.empty() ? Millis{600} : patience;  // a broker that has just started answers its first producer late
              return o;
          }()) {
        publisher_.start();
        (void)publisher_.warm_up(Millis{5'000});
        thread_ = std::thread([this] {
            while (!stop_) {
                publisher_.serve();
                std::this_thread::sleep_for(Millis{2});
            }
        });
    }
    ~Post() {
        stop_ = true;
        thread_.join();
        publisher_.stop(Millis{500});
    }
    void send(events::Wire w) {
        publisher_.send(std::move(w), [this](Publisher::Safe safe) {
            std::lock_guard guard(lock_);
            ++answers_[static_cast<std::size_t>(safe)];
            ++all_;
            wake_.notify_all();
        });
    }
    /// Waits until so many are answered; how many in each way.
    std::array<int, 3> answered(int n, Millis within = Millis{20'000}) {
        std::unique_lock guard(lock_);
        REQUIRE(wake_.wait_for(guard, within, [&] { return all_ >= n; }));
        return answers_;
    }
    std::array<int, 3> so_far() {
        std::lock_guard guard(lock_);
        return answers_;
    }
    Publisher& publisher() { return publisher_; }

private:
    Publisher publisher_;
    std::thread thread_;
    std::atomic<bool> stop_{false};
    std::mutex lock_;
    std::condition_variable wake_;
    std::array<int, 3> answers_{};
    int all_ = 0;
};

/// A broker inside librdkafka that lets each request wait: Kafka as it is with copies in other zones.
class SlowKafka {
public:
    explicit SlowKafka(Millis each) {
        char why[256];
        auto* conf = rd_kafka_conf_new();
        rd_kafka_conf_set(conf, "test.mock.num.brokers", "1", why, sizeof why);
        client_ = rd_kafka_new(RD_KAFKA_PRODUCER, conf, why, sizeof why);
        REQUIRE(client_ != nullptr);
        auto* cluster = rd_kafka_handle_mock_cluster(client_);
        rd_kafka_mock_topic_create(cluster, "slow", 1, 1);
        rd_kafka_mock_broker_set_rtt(cluster, 1, static_cast<int>(each.count()));
        brokers_ = rd_kafka_mock_cluster_bootstraps(cluster);
    }
    ~SlowKafka() { rd_kafka_destroy(client_); }
    SlowKafka(const SlowKafka&) = delete;
    const std::string& brokers() const { return brokers_; }

private:
    rd_kafka_t* client_ = nullptr;
    std::string brokers_;
};

/// First occurrences, in order.
std::vector<int> firsts(const std::string& brokers, const std::string& topic, std::size_t at_least) {
    kafka::Reader reader(brokers, "test-reader", {topic});
    std::vector<int> out;
    std::set<int> seen;
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (out.size() < at_least && std::chrono::steady_clock::now() < end)
        for (const auto& r : reader.poll(1'000, Millis{200})) {
            int n = std::stoi(r.value);
            if (seen.insert(n).second) out.push_back(n);
        }
    return out;
}

std::vector<int> counting(int n) {
    std::vector<int> out;
    for (int i = 0; i < n; ++i) out.push_back(i);
    return out;
}

}  // namespace

TEST_CASE("with Kafka there, an event is safe once Kafka has it", "[integration]") {
    auto& kafka = testkit::TestKafka::shared();
    auto topic = kafka.fresh_topic();
    Folder folder;
    Post post(kafka.brokers(), folder.path, topic, 1u << 30, Millis{15'000});
    for (int i = 0; i < 200; ++i) post.send(wire(topic, i));
    CHECK(post.answered(200)[0] == 200);
    CHECK(post.publisher().spooled() == 0);
    CHECK(firsts(kafka.brokers(), topic, 200) == counting(200));
}

TEST_CASE("Kafka away: answered from the spool within a second, drained in order once it is back, and direct again",
          "[integration]") {
    auto& kafka = testkit::TestKafka::shared();
    if (!kafka.can_stop()) return;
    auto topic = kafka.fresh_topic();
    Folder folder;
    Post post(kafka.brokers(), folder.path, topic);
    for (int i = 0; i < 50; ++i) post.send(wire(topic, i));
    post.answered(50);
    kafka.stop();
    auto began = std::chrono::steady_clock::now();
    for (int i = 50; i < 150; ++i) post.send(wire(topic, i));
    auto answers = post.answered(150);
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(3));
    CHECK(answers[1] == 100);
    CHECK(answers[2] == 0);
    for (int i = 150; i < 200; ++i) post.send(wire(topic, i));
    post.answered(200);
    kafka.start();
    CHECK(firsts(kafka.brokers(), topic, 200) == counting(200));
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (post.publisher().spooled() > 0 && std::chrono::steady_clock::now() < end) std::this_thread::sleep_for(Millis{20});
    CHECK(post.publisher().spooled() == 0);
    auto before = post.answered(200)[0];
    for (int i = 200; i < 210; ++i) post.send(wire(topic, i));
    CHECK(post.answered(210)[0] == before + 10);
}

TEST_CASE("what is in the spool when the process ends is drained by the next one", "[integration]") {
    auto& kafka = testkit::TestKafka::shared();
    auto topic = kafka.fresh_topic();
    Folder folder;
    {
        Post post("127.0.0.1:1", folder.path);
        for (int i = 0; i < 30; ++i) post.send(wire(topic, i));
        CHECK(post.answered(30)[1] == 30);
    }
    Post post(kafka.brokers(), folder.path, topic);
    post.send(wire(topic, 30));
    CHECK(firsts(kafka.brokers(), topic, 31) == counting(31));
}

TEST_CASE("a stop leaves nothing in the spool that Kafka takes in time", "[integration]") {
    auto& kafka = testkit::TestKafka::shared();
    auto topic = kafka.fresh_topic();
    Folder folder;
    {
        Post post("127.0.0.1:1", folder.path);
        for (int i = 0; i < 3'000; ++i) post.send(wire(topic, i));
        CHECK(post.answered(3'000)[1] == 3'000);
    }
    {
        PublisherOptions o;
        o.brokers = kafka.brokers();
        o.client_id = "test";
        o.spool_dir = folder.path;
        o.topics = {topic};
        o.patience = Millis{15'000};
        Publisher publisher(o);
        publisher.start();
        (void)publisher.warm_up(Millis{5'000});
        publisher.stop(Millis{30'000});
        CHECK(publisher.spooled() == 0);
    }
    CHECK(firsts(kafka.brokers(), topic, 3'000) == counting(3'000));
}

TEST_CASE("the spool is left while webhooks come faster than Kafka confirms them") {
    SlowKafka kafka(Millis{40});
    Folder folder;
    int n = 0;
    {
        Post post("127.0.0.1:1", folder.path);
        for (; n < 100; ++n) post.send(wire("slow", n));
        CHECK(post.answered(100)[1] == 100);
    }
    Post post(kafka.brokers(), folder.path, "slow");
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    int sent = 0;
    while (post.so_far()[0] == 0 && std::chrono::steady_clock::now() < end) {
        post.send(wire("slow", n++));
        ++sent;
        std::this_thread::sleep_for(Millis{2});  // the traffic
    }
    auto answers = post.answered(sent);
    CHECK(answers[0] > 0);
    CHECK(answers[2] == 0);
    CHECK(firsts(kafka.brokers(), "slow", static_cast<std::size_t>(n)) == counting(n));
}

TEST_CASE("a stop leaves nothing in the spool though Kafka has been too slow for the answers") {
    SlowKafka kafka(Millis{700});
    Folder folder;
    PublisherOptions o;
    o.brokers = kafka.brokers();
    o.client_id = "test";
    o.spool_dir = folder.path;
    o.topics = {"slow"};
    std::atomic<int> safe{0};
    {
        Publisher publisher(o);
        publisher.start();
        (void)publisher.warm_up(Millis{5'000});
        for (int i = 0; i < 10; ++i)
            publisher.send(wire("slow", i), [&](Publisher::Safe s) { safe += s != Publisher::Safe::refused; });
        publisher.stop(Millis{25'000});
        CHECK(publisher.spooled() == 0);
    }
    CHECK(safe == 10);
    CHECK(firsts(kafka.brokers(), "slow", 10) == counting(10));
}

TEST_CASE("a stop while the spool runs empty ends", "[integration]") {
    auto& kafka = testkit::TestKafka::shared();
    auto topic = kafka.fresh_topic();
    Folder folder;
    for (int i = 0; i < 12; ++i) {
        {
            Post post("127.0.0.1:1", folder.path);
            post.send(wire(topic, i));
            CHECK(post.answered(1)[1] == 1);
        }
        Post post(kafka.brokers(), folder.path, topic);
        firsts(kafka.brokers(), topic, static_cast<std::size_t>(i) + 1);  // it has left the spool, or is just about to
    }
    CHECK(firsts(kafka.brokers(), topic, 12) == counting(12));
}

TEST_CASE("what a spool holds, of how much, and since when, is shown from the start") {
    using testkit::metric;
    Folder folder;
    auto old = wire("t", 0, 1'000);
    old.headers.emplace_back("ce_time", to_rfc3339(system_clock().now() - std::chrono::seconds(90)));
    {
        Spool spool(folder.path);
        auto newer = wire("t", 1);
        newer.headers.emplace_back("ce_time", to_rfc3339(system_clock().now()));
        REQUIRE(spool.append({&old}));
        REQUIRE(spool.append({&newer}));
        REQUIRE(spool.oldest());
        auto row = spool.lowest(1, 1);
        spool.remove_up_to(row.front().id);
        REQUIRE(spool.oldest());
        CHECK(system_clock().now() - *spool.oldest() < std::chrono::seconds(60));
        spool.remove_up_to(row.front().id + 1);
        CHECK_FALSE(spool.oldest());
        REQUIRE(spool.append({&old}));
    }
    Post post("127.0.0.1:1", folder.path, "", 5'000'000);
    CHECK(metric("otto_spool_limit_bytes", {{"service", "test"}}) == 5'000'000);
    CHECK(metric("otto_spool_rows", {{"service", "test"}}) == 1);
    CHECK(metric("otto_spool_bytes", {{"service", "test"}}) > 1'000);
    CHECK(metric("otto_spool_oldest_seconds", {{"service", "test"}}) >= 90);
}

TEST_CASE("a full spool refuses, and one directory has one process") {
    Folder folder;
    Post post("127.0.0.1:1", folder.path, "", 100'000);
    for (int i = 0; i < 40; ++i) post.send(wire("t", i, 10'000));
    auto answers = post.answered(40);
    CHECK(answers[1] > 5);
    CHECK(answers[2] > 20);
    CHECK_THROWS_AS(Spool(folder.path), Failure);
}

TEST_CASE("a spool on a full disk can still be emptied, and then takes events again") {
    Folder folder;
    if (::mount("tmpfs", folder.path.c_str(), "tmpfs", 0, "size=16m") != 0) {
        WARN("mounting is not allowed here: not run");
        return;
    }
    {
        Spool spool(folder.path);
        std::size_t taken = 0;
        auto w = wire("t", 1, 2'000);
        while (spool.append({&w})) ++taken;
        CHECK(taken > 200);
        // Somebody else takes what is left.
        int fd = ::open((folder.path + "/filler").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        std::string block(4'096, 'x');
        while (::write(fd, block.data(), block.size()) > 0) {
        }
        ::close(fd);
        std::size_t emptied = 0;
        while (spool.rows() > 0) {
            auto rows = spool.lowest(500, 8u << 20);
            REQUIRE_FALSE(rows.empty());
            REQUIRE_NOTHROW(spool.remove_up_to(rows.back().id));
            emptied += rows.size();
        }
        CHECK(emptied == taken);
        CHECK(spool.append({&w}));
        CHECK(spool.rows() == 1);
    }
    ::umount2(folder.path.c_str(), MNT_DETACH);
}

TEST_CASE("the spool keeps order, bytes and headers over a restart") {
    Folder folder;
    {
        Spool spool(folder.path);
        auto a = wire("t", 1), b = wire("t", 2);
        a.value = std::string("\0\xff bytes", 8);
        REQUIRE(spool.append({&a, &b}).ok());
        CHECK(spool.rows() == 2);
    }
    Spool spool(folder.path);
    auto rows = spool.lowest(10, 1u << 20);
    REQUIRE(rows.size() == 2);
    CHECK(rows[0].wire.value == std::string("\0\xff bytes", 8));
    CHECK(rows[1].wire.headers == std::vector<std::pair<std::string, std::string>>{{"ce_id", "2"}});
    spool.remove_up_to(rows[0].id);
    CHECK(spool.rows() == 1);
    CHECK(spool.lowest(10, 1u << 20)[0].wire.value.starts_with("2:"));
}
