#pragma once
#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "http/message.hpp"

/// Signatures of webhooks by the Standard Webhooks specification, as Svix sends them for Clerk (providers.md §3.3): HMAC-SHA256
/// over "{id}.{timestamp}.{raw body}" in base64, in a list of versioned entries of which any v1 may match.
namespace otto::providers::svix {

/// How far a webhook's time may be from when it came, before and after.
inline constexpr std::chrono::minutes kWindow{5};

/// The bytes of a secret that is written whsec_ and base64; the error never repeats it.
Result<Secret> key_of(const Secret& written);
/// The same of a comma list, the newest first.
Result<std::vector<Secret>> keys_of(const Secret& list);

/// What the headers say, under their names svix-* or webhook-*.
struct Signed {
    std::string_view id, timestamp, signatures;  ///< they point into the request
};
/// What can be told without the body: all three are there once, the time is near, some entry is v1. The error says which check
/// failed, in words that the sender may see.
Result<Signed> read_head(const http::Headers&, Instant now);
/// The whole check, of the body as it came.
Result<void> verify(const Signed&, std::string_view body, std::span<const Secret> keys);

/// "v1,…" for what we send ourselves.
std::string sign(std::string_view id, std::string_view timestamp, std::string_view body, const Secret& key);

}  // namespace otto::providers::svix
