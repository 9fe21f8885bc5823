#include "telemetry/trace.hpp"

#include <algorithm>

#include "base/crypto.hpp"

namespace otto::tel {
namespace {

template <std::size_t N>
void fill_random(std::array<std::uint8_t, N>& bytes) {
    do {
        auto random = id_bytes(N);
        std::copy(random.begin(), random.end(), bytes.begin());
    } while (std::all_of(bytes.begin(), bytes.end(), [](auto b) { return b == 0; }));
}

template <std::size_t N>
std::string hex(const std::array<std::uint8_t, N>& bytes) {
    return hex_encode(std::string_view(reinterpret_cast<const char*>(bytes.data()), N));
}

template <std::size_t N>
bool read_hex(std::string_view text, std::array<std::uint8_t, N>& bytes) {
    if (std::any_of(text.begin(), text.end(), [](char c) { return c >= 'A' && c <= 'F'; }))
        return false;  // the standard wants lower case
    auto raw = hex_decode(text);
    if (!raw || raw->size() != N) return false;
    std::copy(raw->begin(), raw->end(), bytes.begin());
    return true;
}

}  // namespace

TraceContext TraceContext::fresh() {
    TraceContext t;
    fill_random(t.trace_id);
    fill_random(t.span_id);
    return t;
}

std::optional<TraceContext> TraceContext::parse(std::string_view text) {
    // 00-<32 hex>-<16 hex>-<2 hex>; a later version may go on after another dash
    if (text.size() < 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') return std::nullopt;
    auto version = text.substr(0, 2);
    if (version == "ff" || (version == "00" && text.size() != 55) || (text.size() > 55 && text[55] != '-')) return std::nullopt;
    TraceContext t;
    std::array<std::uint8_t, 1> version_byte{}, flags{};
    if (!read_hex(version, version_byte) || !read_hex(text.substr(3, 32), t.trace_id) ||
        !read_hex(text.substr(36, 16), t.span_id) || !read_hex(text.substr(53, 2), flags))
        return std::nullopt;
    t.flags = flags[0];
    if (t.trace_id == decltype(t.trace_id){} || t.span_id == decltype(t.span_id){}) return std::nullopt;
    return t;
}

TraceContext TraceContext::child() const {
    TraceContext t = *this;
    fill_random(t.span_id);
    return t;
}

std::string TraceContext::traceparent() const {
    std::array<std::uint8_t, 1> f{flags};
    return "00-" + hex(trace_id) + "-" + hex(span_id) + "-" + hex(f);
}

std::string TraceContext::trace_id_hex() const { return hex(trace_id); }

}  // namespace otto::tel
