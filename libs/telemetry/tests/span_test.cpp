#include "telemetry/span.hpp"

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include "base/json.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"
#include "testing/catch.hpp"

using namespace otto;

namespace {

const Instant kNoon = from_micros(1'795'000'000'000'000);

tel::Span step(const tel::TraceContext& mine, Millis took = Millis{5}, bool failed = false) {
    return {mine, {}, tel::SpanKind::internal, "a step", kNoon, kNoon + took, failed};
}

/// A journey whose random bits are so many 56ths of all.
tel::TraceContext journey(std::uint8_t first_random_byte) {
    auto t = tel::TraceContext::fresh();
    t.trace_id[9] = first_random_byte;
    return t;
}

/// What a collector was sent.
struct Collector {
    std::mutex lock;
    std::vector<std::string> bodies;
    tel::TracePost post() {
        return [this](const std::string& body) {
            std::lock_guard guard(lock);
            bodies.push_back(body);
            return true;
        };
    }
    std::size_t spans() {
        std::size_t n = 0;
        for (const auto& body : bodies) {
            auto parsed = JsonDocument::parse(body).value();
            auto resources = parsed.root()["resourceSpans"];
            for (std::size_t i = 0; i < resources.size(); ++i) n += resources.at(i)["scopeSpans"].at(0)["spans"].size();
        }
        return n;
    }
};

tel::TraceOptions all_of(std::string program) {
    tel::TraceOptions o;
    o.sample = 1;
    o.program = std::move(program);
    return o;
}

/// What a counter shows.
double count(const std::string& outcome) {
    auto text = tel::expose_metrics();
    auto at = text.find("otto_trace_spans_total{outcome=\"" + outcome + "\"} ");
    return at == std::string::npos ? 0 : std::stod(text.substr(text.find("} ", at) + 2));
}

}  // namespace

TEST_CASE("without an exporter nothing is told, and whoever follows is a step of its own") {
    CHECK_FALSE(tel::tracing());
    auto mine = tel::TraceContext::fresh();
    CHECK(tel::onward(mine).trace_id == mine.trace_id);
    CHECK(tel::onward(mine).span_id != mine.span_id);
    tel::tell(step(mine));
}

TEST_CASE("a step is told as OTLP has it, under its service, and what follows names it as its parent") {
    Collector collector;
    auto mine = *tel::TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    {
        tel::TraceExport on(all_of("all-in-one"), collector.post());
        CHECK(tel::tracing());
        CHECK_THROWS_AS(tel::TraceExport(all_of("twice"), collector.post()), std::logic_error);
        CHECK(tel::onward(mine) == mine);
        tel::ServiceScope scope("lead-pipeline");
        auto s = step(mine.child(), Millis{5}, true);
        s.context.span_id = {1, 2, 3, 4, 5, 6, 7, 8};
        s.parent = mine.span_id;
        s.kind = tel::SpanKind::consumer;
        s.attributes = {{"otto.outcome", std::string("dead \"letter\"")}, {"messaging.batch.message_count", std::int64_t{3}}};
        tel::tell(std::move(s));
    }
    CHECK_FALSE(tel::tracing());
    REQUIRE(collector.bodies.size() == 1);
    CHECK(collector.bodies.front() ==
          R"({"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"lead-pipeline"}}]},)"
          R"("scopeSpans":[{"scope":{"name":"otto"},"spans":[{"traceId":"4bf92f3577b34da6a3ce929d0e0e4736",)"
          R"("spanId":"0102030405060708","parentSpanId":"00f067aa0ba902b7","name":"a step","kind":5,)"
          R"("startTimeUnixNano":"1795000000000000000","endTimeUnixNano":"1795000000005000000",)"
          R"("attributes":[{"key":"otto.outcome","value":{"stringValue":"dead \"letter\""}},)"
          R"({"key":"messaging.batch.message_count","value":{"intValue":"3"}}],"status":{"code":2}}]}]}]})");
}

TEST_CASE("of all journeys a share is told, the same everywhere, and what failed or was slow always") {
    Collector collector;
    auto options = all_of("test");
    options.sample = 0.25;
    {
        tel::TraceExport on(options, collector.post());
        tel::tell(step(journey(0x00)));
        tel::tell(step(journey(0x3f)));
        tel::tell(step(journey(0x41)));
        tel::tell(step(journey(0xff)));
    }
    CHECK(collector.spans() == 2);
    options.sample = 0;
    {
        tel::TraceExport on(options, collector.post());
        tel::tell(step(journey(0x00)));
        tel::tell(step(journey(0xff), Millis{5}, true));
        tel::tell(step(journey(0xff), Millis{1'000}));
        tel::tell(step(journey(0xff), Millis{1'000}), std::chrono::seconds(5));
    }
    CHECK(collector.spans() == 4);
    options.sample = 1;
    {
        tel::TraceExport on(options, collector.post());
        auto last = journey(0xff);
        for (std::size_t i = 9; i < 16; ++i) last.trace_id[i] = 0xff;
        tel::tell(step(last));
    }
    CHECK(collector.spans() == 5);
}

TEST_CASE("a collector that stands still holds nobody up: what is too much is dropped, and counted") {
    auto options = all_of("test");
    options.most = 10;
    options.at_once = 5;
    std::promise<void> asked, goes_on, third;
    options.every = Millis{60'000};
    std::atomic<int> posts{0};
    std::atomic<bool> traced{false};  // on the exporter's thread
    const double dropped = count("dropped"), failed = count("failed"), sent = count("sent");
    {
        tel::TraceExport on(options, [&](const std::string&) {
            traced = traced || tel::tracing();
            if (posts++ == 0) {
                asked.set_value();
                goes_on.get_future().wait();
                throw std::runtime_error("it was away");
            }
            if (posts == 3) third.set_value();
            return posts != 2;
        });
        for (int i = 0; i < 5; ++i) tel::tell(step(journey(0)));
        asked.get_future().wait();
        for (int i = 0; i < 25; ++i) tel::tell(step(journey(0)));
        CHECK(count("dropped") - dropped == 15);
        goes_on.set_value();
        third.get_future().wait();
    }
    CHECK(posts == 3);
    CHECK_FALSE(traced);                    // a post is no step of a journey
    CHECK(count("failed") - failed == 10);  // those of the one that threw, and of the one that said no
    CHECK(count("sent") - sent == 5);
}

TEST_CASE("a collector that is away holds up no end: it is asked once, and the rest is dropped, and counted") {
    auto options = all_of("test");
    options.at_once = 5;
    options.every = Millis{60'000};
    std::promise<void> asked, goes_on;
    std::atomic<int> posts{0};
    const double dropped = count("dropped"), failed = count("failed");
    std::thread later;
    {
        tel::TraceExport on(options, [&](const std::string&) -> bool {
            if (posts++ == 0) {
                asked.set_value();
                goes_on.get_future().wait();
            }
            throw std::runtime_error("it is away");
        });
        for (int i = 0; i < 5; ++i) tel::tell(step(journey(0)));
        asked.get_future().wait();
        for (int i = 0; i < 25; ++i) tel::tell(step(journey(0)));
        later = std::thread([&] {
            while (tel::tracing()) std::this_thread::yield();  // until the end has begun
            goes_on.set_value();
        });
    }
    later.join();
    CHECK(posts <= 2);  // the end may be told of while the second one is asked
    CHECK(count("failed") - failed == 5 * posts);
    CHECK(count("dropped") - dropped == 30 - 5 * posts);
}
