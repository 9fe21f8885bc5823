#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace otto::tel {

/// W3C trace context: which journey this step belongs to. Crosses HTTP and Kafka as the header `traceparent`.
struct TraceContext {
    std::array<std::uint8_t, 16> trace_id{};
    std::array<std::uint8_t, 8> span_id{};
    std::uint8_t flags = 1;

    /// A new journey.
    static TraceContext fresh();
    /// Version 00 and, as the standard asks, what later versions begin with; all-zero ids are invalid.
    static std::optional<TraceContext> parse(std::string_view traceparent);
    /// The next step of the same journey.
    TraceContext child() const;
    std::string traceparent() const;
    std::string trace_id_hex() const;
    bool operator==(const TraceContext&) const = default;
};

}  // namespace otto::tel
