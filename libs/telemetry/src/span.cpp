#include "telemetry/span.hpp"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <iterator>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "scope.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::tel {

namespace detail {
std::atomic<bool> traces_on{false};
thread_local bool traces_muted = false;
}  // namespace detail

namespace {

const Counters kSpans{
    "otto_trace_spans_total",
    "Steps told to the collector of traces: sent; dropped (too many waited); failed (the collector did not take them).",
    {"outcome"}};

/// The last 56 bits of an id are random by the standard, and say of a journey alike in all processes whether it is told.
constexpr std::uint64_t kRandomBits = (std::uint64_t{1} << 56) - 1;
std::uint64_t random_of(const TraceContext& t) {
    std::uint64_t n = 0;
    for (std::size_t i = 9; i < t.trace_id.size(); ++i) n = n << 8 | t.trace_id[i];
    return n;
}
std::atomic<std::uint64_t> told_below{0};

template <std::size_t N>
std::string hex(const std::array<std::uint8_t, N>& bytes) {
    return hex_encode(std::string_view(reinterpret_cast<const char*>(bytes.data()), N));
}

std::string nanos(Instant at) { return std::to_string(to_micros(at)) + "000"; }

struct Waiting {
    std::string service;
    Span span;
};

void write_text(JsonWriter& w, std::string_view key, std::string_view text) {
    w.begin_object().member("key", key).key("value").begin_object().member("stringValue", text).end_object().end_object();
}

void write_span(JsonWriter& w, const Span& s) {
    w.begin_object().member("traceId", hex(s.context.trace_id)).member("spanId", hex(s.context.span_id));
    if (s.parent != SpanId{}) w.member("parentSpanId", hex(s.parent));
    w.member("name", s.name)
        .member("kind", static_cast<int>(s.kind))
        .member("startTimeUnixNano", nanos(s.began))
        .member("endTimeUnixNano", nanos(s.ended))
        .key("attributes")
        .begin_array();
    for (const auto& [key, value] : s.attributes) {
        if (const auto* text = std::get_if<std::string>(&value)) {
            write_text(w, key, *text);
            continue;
        }
        w.begin_object()
            .member("key", key)
            .key("value")
            .begin_object()
            .member("intValue", std::to_string(std::get<std::int64_t>(value)))  // as Protobuf's JSON has 64 bits
            .end_object()
            .end_object();
    }
    w.end_array().key("status").begin_object();
    if (s.failed) w.member("code", 2);
    w.end_object().end_object();
}

/// An ExportTraceServiceRequest; each service is a resource of its own.
std::string request_of(const std::vector<Waiting>& spans) {
    std::map<std::string_view, std::vector<const Span*>> services;
    for (const auto& s : spans) services[s.service].push_back(&s.span);
    JsonWriter w(spans.size() * 512);
    w.begin_object().key("resourceSpans").begin_array();
    for (const auto& [service, its] : services) {
        w.begin_object().key("resource").begin_object().key("attributes").begin_array();
        write_text(w, "service.name", service);
        w.end_array().end_object().key("scopeSpans").begin_array().begin_object().key("scope").begin_object();
        w.member("name", "otto").end_object().key("spans").begin_array();
        for (const auto* s : its) write_span(w, *s);
        w.end_array().end_object().end_array().end_object();
    }
    return w.end_array().end_object().take();
}

}  // namespace

struct TraceExport::Impl {
    Impl(TraceOptions o, TracePost p) : options(std::move(o)), post(std::move(p)) {}

    TraceOptions options;
    TracePost post;
    std::mutex lock;
    std::condition_variable wake;
    std::vector<Waiting> waiting;
    bool stopping = false, troubled = false;
    std::thread thread;
    Counter sent = kSpans({"sent"}), dropped = kSpans({"dropped"}), failed = kSpans({"failed"});

    void take(Span span) {
        auto service = !span.service.empty() ? span.service : service_of_thread().empty() ? options.program : service_of_thread();
        {
            std::lock_guard guard(lock);
            if (waiting.size() >= options.most) {
                dropped.inc();
                return;
            }
            waiting.push_back({std::move(service), std::move(span)});
            if (waiting.size() != options.at_once) return;
        }
        wake.notify_one();
    }

    bool ends() {
        std::lock_guard guard(lock);
        return stopping;
    }

    void run() {
        detail::traces_muted = true;  // a post is no step of a journey
        for (bool last = false; !last;) {
            std::vector<Waiting> all;
            {
                std::unique_lock guard(lock);
                wake.wait_for(guard, options.every, [&] { return stopping || waiting.size() >= options.at_once; });
                last = stopping;
                all.swap(waiting);
            }
            for (std::size_t from = 0; from < all.size(); from += options.at_once) {
                if (troubled && ends()) {  // a collector that is away holds up no end
                    dropped.inc(static_cast<double>(all.size() - from));
                    break;
                }
                auto to = std::min(all.size(), from + options.at_once);
                send({std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(from)),
                      std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(to))});
            }
        }
    }

    /// Once: whoever waits for a collector that is away only makes the next ones wait too.
    void send(const std::vector<Waiting>& spans) {
        std::string why = "it answers with an error";
        bool taken = false;
        try {
            taken = post(request_of(spans));
        } catch (const std::exception& e) {
            why = e.what();
        }
        (taken ? sent : failed).inc(static_cast<double>(spans.size()));
        if (taken == troubled) {
            if (taken)
                tel::info("the collector of traces takes them again");
            else
                tel::warn("the collector of traces does not take them: they are dropped, and counted", {{"why", why}});
        }
        troubled = !taken;
    }
};

namespace {

/// Who tells at the moment. Whoever holds it may go on telling while it ends.
struct Current {
    std::mutex lock;
    std::shared_ptr<const std::function<void(Span)>> take;
};
Current& current() {
    static auto* one = new Current;  // steps may end after main() has
    return *one;
}

}  // namespace

bool told(const TraceContext& t, Instant::duration took, bool failed, Instant::duration slow) {
    return failed || took >= slow || random_of(t) < told_below.load(std::memory_order_relaxed);
}

void tell(Span span, Instant::duration slow) {
    if (!tracing() || !told(span.context, span.ended - span.began, span.failed, slow)) return;
    std::shared_ptr<const std::function<void(Span)>> take;
    {
        std::lock_guard guard(current().lock);
        take = current().take;
    }
    if (take) (*take)(std::move(span));
}

TraceExport::TraceExport(TraceOptions options, TracePost post)
    : impl_(std::make_shared<Impl>(std::move(options), std::move(post))) {
    std::lock_guard guard(current().lock);
    if (current().take) throw std::logic_error("traces are told already");
    current().take =
        std::make_shared<const std::function<void(Span)>>([impl = impl_](Span span) { impl->take(std::move(span)); });
    auto share = std::min(1.0, std::max(0.0, impl_->options.sample));
    told_below = share >= 1 ? kRandomBits + 1 : static_cast<std::uint64_t>(share * static_cast<double>(kRandomBits));
    impl_->thread = std::thread([impl = impl_] { impl->run(); });
    detail::traces_on = true;
}

TraceExport::~TraceExport() {
    detail::traces_on = false;
    {
        std::lock_guard guard(current().lock);
        current().take = nullptr;
    }
    {
        std::lock_guard guard(impl_->lock);
        impl_->stopping = true;
    }
    impl_->wake.notify_all();
    impl_->thread.join();
}

}  // namespace otto::tel
