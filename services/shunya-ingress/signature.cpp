#include "signature.hpp"

#include <algorithm>
#include <charconv>

#include "base/crypto.hpp"
#include "base/text.hpp"

namespace otto::shunya_ingress {

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
    return text.size() == 64 && std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

}  // namespace

namespace {

struct Signed { std::string signature, timestamp; };

/// What the head says of it; the error is the check that fails whatever the body is.
Result<Signed> read_head(Scheme scheme, const http::Headers& headers, const std::vector<Secret>& secrets, Instant now) {
    for (auto name : {signature_header(scheme), timestamp_header(scheme)}) {
        if (!headers.has(name)) return Error("the header " + std::string(name) + " is missing");
        if (headers.count(name) > 1) return Error("the header " + std::string(name) + " is there more than once");
    }
    Signed out{std::string(headers.get(signature_header(scheme))), std::string(headers.get(timestamp_header(scheme)))};
    const std::string stamp_name(timestamp_header(scheme)), unit = scheme == Scheme::uwc ? "seconds" : "milliseconds";
    if (!lower_hex(out.signature)) return Error("the header " + std::string(signature_header(scheme)) + " is not 64 digits of lower-case hex");
    auto stamp = decimal(out.timestamp);
    if (!stamp || (scheme == Scheme::uwc && out.timestamp.size() > 12)) return Error("the header " + stamp_name + " is no time in " + unit + " since 1970");
    auto at = Millis{scheme == Scheme::uwc ? *stamp * 1'000 : *stamp};
    auto age = std::chrono::floor<Millis>(now.time_since_epoch()) - at;
    if (age > kWindow || age < -kWindow) {
        auto seconds = std::to_string(std::chrono::duration_cast<std::chrono::seconds>(age < Millis{0} ? -age : age).count());
        return Error("the header " + stamp_name + " is " + seconds + " s " + (age < Millis{0} ? "ahead" : "old") + "; " + std::to_string(std::chrono::seconds(kWindow).count()) +
                     " s are allowed, and it counts " + unit);
    }
    if (secrets.empty()) return Error("this deployment has no secret for it (OTTO_SHUNYA_WEBHOOK_SECRET)");
    return out;
}

}  // namespace

std::optional<std::string> refused_by_head(Scheme scheme, const http::Headers& headers, const std::vector<Secret>& secrets, Instant now) {
    auto head = read_head(scheme, headers, secrets, now);
    if (!head) return head.error().message;
    return std::nullopt;
}

std::optional<std::string> refused_because(Scheme scheme, const http::Headers& headers, std::string_view body, const std::vector<Secret>& secrets, Instant now) {
    auto head = read_head(scheme, headers, secrets, now);
    if (!head) return head.error().message;
    const auto& [signature, timestamp] = *head;
    std::string message = timestamp;
    switch (scheme) {
        case Scheme::timestamp_dot_body: message.append(".").append(body); break;
        case Scheme::uwc: message.append(".").append(hex_encode(sha256(body))); break;
        case Scheme::sorted_json: {
            auto sorted = sorted_json(body);
            if (!sorted) return "the body is no JSON, of which the signature is made: " + sorted.error().message;
            message.append(":").append(*sorted);
        }
    }
    bool good = false;
    for (const auto& secret : secrets) good = constant_time_equal(hex_encode(hmac_sha256(secret.reveal(), message)), signature) || good;
    if (!good) return "no secret matched";
    return std::nullopt;
}

}  // namespace otto::shunya_ingress
