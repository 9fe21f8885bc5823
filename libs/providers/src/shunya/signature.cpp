
#include <algorithm>
#include <charconv>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "providers/shunya_webhook.hpp"

namespace otto::providers::shunya {

Result<Scheme> scheme_of(std::string_view word) {
    if (word == "timestamp_dot_body") return Scheme::timestamp_dot_body;
    if (word == "sorted_json") return Scheme::sorted_json;
    if (word == "uwc") return Scheme::uwc;
    return Error("OTTO_SHUNYA_SIGNATURE is '" + std::string(word) + "'", "it takes timestamp_dot_body, sorted_json or uwc");
}

std::string_view signature_header(Scheme s) { return s == Scheme::uwc ? "X-UWC-Signature" : "X-Shunya-Signature"; }
std::string_view timestamp_header(Scheme s) { return s == Scheme::uwc ? "X-UWC-Timestamp" : "X-Shunya-Timestamp"; }

namespace {

/// Not negative, decimal, at most 15 digits; so that its milliseconds can be counted.
std::optional<std::int64_t> decimal(std::string_view text) {
    if (text.empty() || text.size() > 15) return std::nullopt;
    std::int64_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < 0 || text.front() == '-') return std::nullopt;
    return value;
}

bool lower_hex(std::string_view text) {
    return text.size() == 64 &&
           std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

struct Head {
    std::string_view signature, timestamp;
};
std::optional<Refusal> read_head(Scheme scheme, const Parts& parts, Head& head) {
    const std::string signature_name(signature_header(scheme)), stamp_name(timestamp_header(scheme)),
        unit = scheme == Scheme::uwc ? "seconds" : "milliseconds";
    const std::string setting = "OTTO_SHUNYA_SIGNATURE says which headers and which message are expected";
    auto field = [&](const std::string& name, std::string_view& value) -> std::optional<Refusal> {
        auto cure = "Send " + signature_name + " and " + stamp_name + ", once each.";
        auto n = parts.count(name);
        if (n == 0) return Refusal{"the header " + name + " is missing", cure, setting};
        if (n > 1) return Refusal{"the header " + name + " is there more than once", cure, setting};
        value = parts.header(name);
        return std::nullopt;
    };
    if (auto refusal = field(signature_name, head.signature)) return refusal;
    if (auto refusal = field(stamp_name, head.timestamp)) return refusal;
    if (!lower_hex(head.signature))
        return Refusal{"the header " + signature_name + " is not 64 digits of lower-case hex",
                       "Send the HMAC-SHA256 as lower-case hex, and nothing else.", setting};
    auto stamp = decimal(head.timestamp);
    auto count = "Send the time in " + unit + " since 1970.";
    if (!stamp || (scheme == Scheme::uwc && head.timestamp.size() > 12))
        return Refusal{"the header " + stamp_name + " is no time in " + unit + " since 1970", count, setting};
    auto now = std::chrono::floor<Millis>(parts.received_at.time_since_epoch());
    auto age = now - Millis{scheme == Scheme::uwc ? *stamp * 1'000 : *stamp};
    if (age > kWindow || age < -kWindow) {
        // A time that is right in the other unit is a fault of the unit, not of a clock.
        auto other = now - Millis{scheme == Scheme::uwc ? *stamp : *stamp < 100'000'000'000 ? *stamp * 1'000 : 0};
        bool unit_wrong = other <= kWindow && other >= -kWindow;
        auto seconds = std::to_string(std::chrono::duration_cast<std::chrono::seconds>(age < Millis{0} ? -age : age).count());
        return Refusal{"the header " + stamp_name + " is " + seconds + " s " + (age < Millis{0} ? "ahead" : "old") + "; " +
                           std::to_string(std::chrono::seconds(kWindow).count()) + " s are allowed, and it counts " + unit,
                       unit_wrong ? count : "Send each webhook with the time of its sending, from a clock that is right.",
                       unit_wrong ? setting : "compare this machine's clock with the time"};
    }
    return std::nullopt;
}

}  // namespace

std::optional<Refusal> Webhook::refused_by_head(const Parts& parts) const {
    Head head;
    return read_head(scheme_, parts, head);
}

Proof Webhook::proof(const Parts& parts) const {
    Head head;
    if (auto refusal = read_head(scheme_, parts, head)) return Proof::none(std::move(*refusal));
    Proof::Claim claim{Digest::hmac_sha256, *hex_decode(head.signature), std::string(head.timestamp), {}};
    switch (scheme_) {
        case Scheme::timestamp_dot_body:
            claim.composed += ".";
            claim.body = parts.body;
            break;
        case Scheme::uwc:
            claim.composed += "." + hex_encode(sha256(parts.body));
            break;
        case Scheme::sorted_json: {
            auto sorted = sorted_json(parts.body);
            if (!sorted)
                return Proof::none({"the body is no JSON, of which the signature is made: " + sorted.error().message,
                                    "Sign and send the same JSON.", "OTTO_SHUNYA_SIGNATURE says that sorted JSON is signed"});
            claim.composed = std::move(sorted->insert(0, claim.composed + ":"));
            break;
        }
    }
    Proof proof;
    proof.alternatives.emplace_back().push_back(std::move(claim));
    return proof;
}

}  // namespace otto::providers::shunya
