#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/time.hpp"
#include "telemetry/trace.hpp"

/// Steps of journeys (trace.hpp), told to a collector as OTLP. Off unless somebody has made a TraceExport; then whoever does
/// something tells it once it is over, with the context under which whatever follows from it was sent on:
///
///     auto mine = tel::tracing() ? request.trace.child() : request.trace;
///     …
///     if (tel::tracing()) tel::tell({mine, request.trace.span_id, tel::SpanKind::internal, "webhook callrail", began, now});
///
/// Never a secret, a phone number, a person's words, or a company: names and attributes are of the program's own making. Telling
/// never waits; what the collector does not take in time is dropped and counted.
namespace otto::tel {

using SpanId = std::array<std::uint8_t, 8>;

/// OTLP's numbers.
enum class SpanKind { internal = 1, server = 2, client = 3, producer = 4, consumer = 5 };

/// One step, over.
struct Span {
    TraceContext context;  ///< its own
    SpanId parent{};       ///< of zeros: it is the first
    SpanKind kind = SpanKind::internal;
    std::string name;
    Instant began{}, ended{};
    bool failed = false;
    std::vector<std::pair<std::string_view, std::variant<std::string, std::int64_t>>> attributes = {};  ///< keys are constants
    std::string service = {};  ///< whose step it is; "" = of whom the thread works for (ServiceScope)
};

namespace detail {
extern std::atomic<bool> traces_on;
extern thread_local bool traces_muted;
}  // namespace detail

/// Whether steps are told at all: one branch where they are not.
inline bool tracing() { return detail::traces_on.load(std::memory_order_relaxed) && !detail::traces_muted; }

/// What goes out with whatever follows from a step. Where steps are told it is the step's own context, so that the next one knows
/// whose child it is; else a new one, as the standard asks of who takes part and does not tell.
inline TraceContext onward(const TraceContext& step) { return tracing() ? step : step.child(); }

/// Whether such a step is told: of a share of all journeys (the same in every process that has the same share), and whatever
/// failed or was slow. For those to whom building a Span is work.
bool told(const TraceContext&, Instant::duration took, bool failed, Instant::duration slow = std::chrono::seconds(1));
/// Tells it, if it is told.
void tell(Span, Instant::duration slow = std::chrono::seconds(1));

struct TraceOptions {
    double sample = 0.01;       ///< of all journeys
    std::string program;        ///< service.name of what is done under no ServiceScope
    std::size_t most = 4'096;   ///< spans that wait; more are dropped
    std::size_t at_once = 512;  ///< spans of one post
    Millis every{1'000};        ///< how long a span waits for others at most
};
/// Posts one ExportTraceServiceRequest, as OTLP's JSON. False: the collector did not take it. May take its time, and throw;
/// called on the exporter's thread alone, on which nothing is traced.
using TracePost = std::function<bool(const std::string& body)>;

/// While it lives, steps are told. One at a time in a process.
class TraceExport {
public:
    TraceExport(TraceOptions, TracePost);
    /// Posts what waits, once.
    ~TraceExport();
    TraceExport(const TraceExport&) = delete;
    TraceExport& operator=(const TraceExport&) = delete;

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace otto::tel
