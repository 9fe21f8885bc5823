#pragma once
#include <sys/types.h>

#include <memory>
#include <string>

namespace otto::testkit {

/// A private Kafka broker for this test process (deploy/kafka/start), started at first use, killed at exit. stop() and start()
/// keep its data and its address. With OTTO_TEST_KAFKA set, that cluster is used instead and cannot be stopped.
class TestKafka {
public:
    static TestKafka& shared();
    /// One of its own that can be reached by TLS too, at secure_brokers(), with certificates made for it: by who has a
    /// certificate of its CA, and logs in as one of `users` (NAME=PASSWORD lines).
    static std::unique_ptr<TestKafka> secure(const std::string& users);
    const std::string& secure_brokers() const { return secure_brokers_; }
    /// ca.pem, client.pem, client.key; and other-ca.pem, which vouches for nobody.
    const std::string& certificates() const { return certificates_; }
    ~TestKafka();
    const std::string& brokers() const { return brokers_; }
    /// A new topic's name; the topic exists.
    std::string fresh_topic(int partitions = 1, bool compacted = false);
    bool can_stop() const { return !folder_.empty(); }
    void stop();   ///< SIGKILL
    void start();  ///< returns once it answers

private:
    TestKafka();
    struct Secure {
        std::string users;
    };
    explicit TestKafka(const Secure&);
    void make_folder();
    std::string folder_, brokers_, secure_brokers_, certificates_;
    int port_ = 0, secure_port_ = 0, next_ = 0;
    pid_t pid_ = -1;
};

}  // namespace otto::testkit
