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
    char name[] = "/tmp/otto-test-kafka-XXXXXX";
    if (!::mkdtemp(name)) throw std::runtime_error("no temporary folder");
    folder_ = name;
    port_ = free_port();
    brokers_ = "127.0.0.1:" + std::to_string(port_);
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
    std::string script = OTTO_SOURCE_DIR "/deploy/kafka/start", port = std::to_string(port_);
    pid_ = ::fork();
    if (pid_ == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // it does not outlive a test that crashed
        ::setpgid(0, 0);
        ::setenv("KAFKA_JVM_PERFORMANCE_OPTS", "-XX:TieredStopAtLevel=1",
                 0);  // it lives for a minute: the thorough compiler would never pay
        ::dup2(out[1], STDOUT_FILENO);
        ::execl(script.c_str(), script.c_str(), "--dir", folder_.c_str(), "--port", port.c_str(), nullptr);
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
