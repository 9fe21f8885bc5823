#include "testkit/kafka.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "kafka/topics.hpp"
#include "testkit/postgres.hpp"

namespace otto::testkit {

TestKafka& TestKafka::shared() {
    static TestKafka kafka;
    return kafka;
}

TestKafka::TestKafka() {
    if (const char* brokers = std::getenv("OTTO_TEST_KAFKA"); brokers && *brokers) {
        brokers_ = brokers;
        return;
    }
    make_folder();
    start();
}

void TestKafka::make_folder() {
    char name[] = "/tmp/otto-test-kafka-XXXXXX";
    if (!::mkdtemp(name)) throw std::runtime_error("no temporary folder");
    folder_ = name;
    port_ = free_port();
    brokers_ = "127.0.0.1:" + std::to_string(port_);
}

std::unique_ptr<TestKafka> TestKafka::secure(const std::string& users) {
    return std::unique_ptr<TestKafka>(new TestKafka(Secure{users}));
}

TestKafka::TestKafka(const Secure& how) {
    make_folder();
    certificates_ = folder_ + "/certificates";
    secure_port_ = free_port();
    secure_brokers_ = "127.0.0.1:" + std::to_string(secure_port_);
    const std::string key = "openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes ", quiet = " 2>> log && ";
    std::string made = "mkdir " + certificates_ + " && cd " + certificates_ + " && ";
    for (const std::string ca : {"ca", "other-ca"})
        made.append(key).append("-x509 -days 2 -subj /CN=" + ca + " -keyout " + ca + ".key -out " + ca + ".pem").append(quiet);
    for (const std::string who : {"broker", "client"})
        made.append(key)
            .append("-subj /CN=" + who + " -addext subjectAltName=IP:127.0.0.1 -keyout " + who + ".key -out " + who + ".csr")
            .append(quiet)
            .append("openssl x509 -req -days 2 -copy_extensions copy -CA ca.pem -CAkey ca.key -CAcreateserial -in " + who +
                    ".csr -out " + who + ".pem")
            .append(quiet);
    run_command(made + "cat broker.key >> broker.pem && printf '%s' '" + how.users + "' > users");
    start();
}

TestKafka::~TestKafka() {
    if (folder_.empty()) return;
    try {
        stop();
        run_command("rm -rf " + folder_);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
    }
}

void TestKafka::start() {
    if (pid_ > 0 || folder_.empty()) return;
    int out[2];
    if (::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    std::string script = OTTO_SOURCE_DIR "/deploy/kafka/start", port = std::to_string(port_),
                secure = std::to_string(secure_port_) + "=" + certificates_;
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // it does not outlive a test that crashed
        ::setpgid(0, 0);
        // It lives for a minute: the thorough compiler would never pay.
        ::setenv("KAFKA_JVM_PERFORMANCE_OPTS",
                 secure_port_ ? "-XX:TieredStopAtLevel=1 -Xms256m -Xmx256m -Xmn128m" : "-XX:TieredStopAtLevel=1",
                 secure_port_ != 0);
        ::dup2(out[1], STDOUT_FILENO);
        const char* also = secure_port_ ? "--secure" : nullptr;
        ::execl(script.c_str(), script.c_str(), "--dir", folder_.c_str(), "--port", port.c_str(), also, secure.c_str(), nullptr);
        ::_exit(127);
    }
    ::close(out[1]);
    std::string said;
    char c;
    while (said.find("ready") == std::string::npos) {
        auto n = ::read(out[0], &c, 1);
        if (n <= 0) break;
        said += c;
    }
    ::close(out[0]);
    if (said.find("ready") == std::string::npos) throw std::runtime_error("Kafka did not start; see " + folder_ + "/kafka.log");
}

void TestKafka::stop() {
    if (pid_ <= 0) return;
    ::kill(-pid_, SIGKILL);
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
}

std::string TestKafka::fresh_topic(int partitions, bool compacted) {
    kafka::TopicSpec spec{"test." + std::to_string(::getpid()) + "." + std::to_string(next_++), partitions, {}};
    if (compacted) spec.settings.emplace_back("cleanup.policy", "compact");
    auto done = kafka::apply_topics(brokers_, {spec}, 1, Millis{20'000});
    if (!done) throw std::runtime_error(done.error().describe());
    return spec.name;
}

}  // namespace otto::testkit
