#include <thread>

#include "base/json.hpp"
#include "telemetry/log.hpp"
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

TEST_CASE("a log line is one JSON object with its fields") {
    tel::configure_log("test", tel::Level::info, Secret("key"));
    Lines caught;
    tel::debug("not this");
    tel::info("CallRail call.completed webhook", {{"status", 200}, {"ok", true}, {"seconds", 0.5}, {"text", std::string("line\n\xff")}});
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
    auto counter = tel::Metrics::counter("test_events_total", "Events.", {{"kind", "a"}});
    counter.inc();
    tel::Metrics::counter("test_events_total", "Events.", {{"kind", "a"}}).inc(2);
    tel::Metrics::gauge("test_depth", "Depth.").set(7);
    tel::Metrics::histogram("test_seconds", "Seconds.").observe(0.003);
    auto text = tel::Metrics::expose();
    CHECK(text.find("test_events_total{kind=\"a\"} 3") != std::string::npos);
    CHECK(text.find("test_depth 7") != std::string::npos);
    CHECK(text.find("test_seconds_bucket{le=\"0.005\"} 1") != std::string::npos);
}

TEST_CASE("trace contexts: the standard's example, children, and what is invalid") {
    constexpr std::string_view example = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    auto t = tel::TraceContext::parse(example);
    REQUIRE(t);
    CHECK(t->traceparent() == example);
    CHECK(t->child().trace_id == t->trace_id);
    CHECK(t->child().span_id != t->span_id);
    CHECK(tel::TraceContext::parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later"));
    for (auto bad : {"", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
                     "00-00000000000000000000000000000000-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
                     "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01", "00-4bf92f3577b34da6a3ce929d0e0e473-600f067aa0ba902b7-01"})
        CHECK_FALSE(tel::TraceContext::parse(bad));
    auto fresh = tel::TraceContext::fresh();
    CHECK(tel::TraceContext::parse(fresh.traceparent()) == fresh);
}
