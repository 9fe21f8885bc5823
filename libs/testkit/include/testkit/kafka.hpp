#pragma once
#include <sys/types.h>

#include <string>

namespace otto::testkit {

/// A private Kafka broker for this test process (deploy/kafka/start), started at first use, killed at exit. stop() and start()
/// keep its data and its address. With OTTO_TEST_KAFKA set, that cluster is used instead and cannot be stopped.
class TestKafka {
public:
    static TestKafka& shared();
    const std::string& brokers() const { return brokers_; }
    /// A new topic's name; the topic exists.
    std::string fresh_topic(int partitions = 1, bool compacted = false);
    bool can_stop() const { return !folder_.empty(); }
    void stop();   ///< SIGKILL
    void start();  ///< returns once it answers

private:
    TestKafka();
    ~TestKafka();
    std::string folder_, brokers_;
    int port_ = 0, next_ = 0;
    pid_t pid_ = -1;
};

}  // namespace otto::testkit
