#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <thread>

#include "base/json.hpp"
#include "telemetry/log.hpp"
#include "telemetry/log_output.hpp"
#include "telemetry/metrics.hpp"
#include "telemetry/trace.hpp"
#include "testing/catch.hpp"

using namespace otto;

namespace {
/// Catches log lines for the length of a test.
struct Lines {
    std::vector<std::string> lines;
    Lines() {
        tel::set_log_sink([this](std::string_view line) { lines.emplace_back(line); });
    }
    ~Lines() { tel::set_log_sink({}); }
};
}  // namespace

namespace {
std::string json(const tel::Field& field) {
    JsonWriter w;
    field.write(w);
    return w.take();
}
}  // namespace

namespace {
/// A process of its own that logs into a pipe; what arrives, and in how many pieces.
struct Logged {
    std::string text;
    int pieces = 0, status = -1;
    template <class F>
    explicit Logged(F body) {
        int ends[2];
        REQUIRE(::pipe2(ends, O_CLOEXEC | O_DIRECT) == 0);  // one read takes what one write gave
        pid_t pid = ::fork();
        if (pid == 0) {
            ::dup2(ends[1], STDOUT_FILENO);
            tel::buffer_log();
            body();
            std::_Exit(0);
        }
        ::close(ends[1]);
        std::string piece(128u << 10, ' ');
        for (ssize_t n = 0; (n = ::read(ends[0], piece.data(), piece.size())) > 0; ++pieces)
            text.append(piece, 0, static_cast<std::size_t>(n));
        ::close(ends[0]);
        ::waitpid(pid, &status, 0);
    }
    std::vector<std::string> messages() const {
        std::vector<std::string> out;
        std::istringstream in(text);
        for (std::string line; std::getline(in, line);)
            out.emplace_back(*JsonDocument::parse(line).value().root()["message"].string());
        return out;
    }
};
}  // namespace

TEST_CASE("lines that come one upon the other share a write, whole and in order") {
    constexpr int kLines = 2'000;
    Logged logged([] {
        for (int n = 0; n < kLines; ++n) tel::info(std::to_string(n), {{"text", std::string(40, 'a')}});
        tel::flush_log();
    });
    CHECK(logged.pieces < kLines / 2);
    auto messages = logged.messages();
    REQUIRE(messages.size() == kLines);
    for (int n = 0; n < kLines; ++n) REQUIRE(messages[static_cast<std::size_t>(n)] == std::to_string(n));
}

TEST_CASE("a warning waits for nothing, and takes with it what came before") {
    Logged logged([] {
        tel::info("1");
        tel::info("2");
        tel::warn("3");  // the process ends without another word
    });
    CHECK(logged.messages() == std::vector<std::string>{"1", "2", "3"});
}

TEST_CASE("a line that waits is written a moment later, though nothing follows") {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(ends[1], STDOUT_FILENO);
        tel::buffer_log();
        tel::info("1");
        tel::info("2");
        for (;;) ::pause();
    }
    ::close(ends[1]);
    std::string text;
    char piece[4'096];
    pollfd readable{ends[0], POLLIN, 0};
    while (std::count(text.begin(), text.end(), '\n') < 2) {
        REQUIRE(::poll(&readable, 1, 10'000) == 1);
        auto n = ::read(ends[0], piece, sizeof piece);
        REQUIRE(n > 0);
        text.append(piece, static_cast<std::size_t>(n));
    }
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    ::close(ends[0]);
}

TEST_CASE("a log line is one JSON object with its fields") {
    tel::configure_log("test", tel::Level::info, Secret("key"));
    Lines caught;
    tel::debug("not this");
    tel::info("CallRail call.completed webhook",
              {{"status", 200}, {"ok", true}, {"seconds", 0.5}, {"text", std::string("line\n\xff")}});
    REQUIRE(caught.lines.size() == 1);
    auto document = JsonDocument::parse(caught.lines[0]).value();
    auto line = document.root();
    CHECK(line["message"].string() == "CallRail call.completed webhook");
    CHECK(line["level"].string() == "info");
    CHECK(line["service"].string() == "test");
    CHECK(line["status"].integer() == 200);
    CHECK(line["ok"].boolean() == true);
    CHECK(line["text"].string() == "line\n\xEF\xBF\xBD");
    CHECK(line["time"].string()->ends_with("Z"));
}

TEST_CASE("a phone number shows its last four digits and a keyed hash, the same for every way to write it") {
    tel::configure_log("test", tel::Level::info, Secret("key"));
    auto shown = json(tel::phone("from", "+12148654559"));
    CHECK(shown == json(tel::phone("from", "(214) 865-4559")));
    CHECK(shown.find("\"last4\":\"4559\"") != std::string::npos);
    CHECK(shown.find("8654") == std::string::npos);
    CHECK(json(tel::phone("from", "sip:jane@example.com")).find("jane") == std::string::npos);
    auto hash = tel::phone_hash("+12148654559");
    CHECK(hash.size() == 12);
    tel::configure_log("test", tel::Level::info, Secret("another key"));
    CHECK(hash != tel::phone_hash("+12148654559"));
    CHECK(json(tel::phone("from", "+12148654559")).find(tel::phone_hash("+12148654559")) != std::string::npos);
}

TEST_CASE("lines of a thread carry the service of its scope") {
    Lines caught;
    {
        tel::ServiceScope scope("tenant-router");
        tel::warn("inside");
    }
    tel::warn("outside");
    CHECK(caught.lines.at(0).find("\"service\":\"tenant-router\"") != std::string::npos);
    CHECK(caught.lines.at(1).find("\"service\":\"tenant-router\"") == std::string::npos);
}

TEST_CASE("metrics are found again by name and labels and shown in the text format") {
    const tel::Counters events{"otto_test_events_total", "Events.", {"kind"}};
    const tel::Gauges depth{"otto_test_depth", "Depth."};
    const tel::Histograms seconds{"otto_test_seconds", "Seconds."};
    events({"a"}).inc();
    events({"a"}).inc(2);
    depth().set(7);
    seconds().observe(0.003);
    auto text = tel::expose_metrics();
    CHECK(text.find("otto_test_events_total{kind=\"a\"} 3") != std::string::npos);
    CHECK(text.find("otto_test_depth 7") != std::string::npos);
    CHECK(text.find("otto_test_seconds_bucket{le=\"0.005\"} 1") != std::string::npos);
}

TEST_CASE("a metric is declared once, with its prefix and its labels, and stands on the page") {
    const tel::Counters events{"otto_test_declared_total", "What is declared.", {"kind", "outcome"}};
    CHECK(tel::metrics_page().find("| `otto_test_declared_total` | counter | `kind`, `outcome` | What is declared. |\n") !=
          std::string::npos);
    CHECK_THROWS_AS(events({"a"}), std::logic_error);
    CHECK_THROWS_AS(tel::Gauges("otto_test_declared_total", "Again."), std::logic_error);
    CHECK_THROWS_AS(tel::Gauges("depth", "Without its prefix."), std::logic_error);
    CHECK_THROWS_AS(tel::Counters("otto_test_declared", "Without its ending."), std::logic_error);
    CHECK(tel::metrics_page().find("Without its ending") == std::string::npos);
}

TEST_CASE("a gauge of shares shows their sum, and goes with the last of them") {
    const tel::SharedGauges kinds{"otto_test_shared", "Shared.", {"kind"}}, plain{"otto_test_shared_by_all", "Shared."};
    auto shows = [](const std::string& line) { return tel::expose_metrics().find(line) != std::string::npos; };
    {
        auto one = kinds({"a"});
        one.set(3);
        {
            auto two = kinds({"a"});
            two.set(4);
            one.set(5);
            CHECK(shows("otto_test_shared{kind=\"a\"} 9\n"));
            auto moved = std::move(two);
            CHECK(shows("otto_test_shared{kind=\"a\"} 9\n"));
            one = std::move(moved);  // what `one` was before goes with `moved`
        }
        CHECK(shows("otto_test_shared{kind=\"a\"} 4\n"));
    }
    CHECK_FALSE(shows("otto_test_shared{"));
    tel::Shares job;
    job.set(plain, {}, 1);
    job.set(plain, {}, 2);
    CHECK(shows("otto_test_shared_by_all 2\n"));
    job.clear();
    CHECK_FALSE(shows("otto_test_shared_by_all 2\n"));
}

TEST_CASE("trace contexts: the standard's example, children, and what is invalid") {
    constexpr std::string_view example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    auto t = tel::TraceContext::parse(example);
    REQUIRE(t);
    CHECK(t->traceparent() == example);
    CHECK(t->child().trace_id == t->trace_id);
    CHECK(t->child().span_id != t->span_id);
    CHECK(tel::TraceContext::parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later"));
    for (auto bad :
         {"", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x",
          "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
          "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
          "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01"})
        CHECK_FALSE(tel::TraceContext::parse(bad));
    auto fresh = tel::TraceContext::fresh();
    CHECK(tel::TraceContext::parse(fresh.traceparent()) == fresh);
}
