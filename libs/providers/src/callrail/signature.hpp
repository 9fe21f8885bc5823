#pragma once
#include "providers/webhook.hpp"

/// What CallRail's webhooks are signed with.
namespace otto::providers::callrail {

/// Names of the headers that may carry a signature, as a receipt keeps them.
inline constexpr std::string_view kSignatureHeaders[] = {"signature", "x-callrail-signature"};

/// `Signature`: base64 of HMAC-SHA1 over the raw body (providers.md §1.2); `x-callrail-signature`: `sha256=<hex>` of HMAC-SHA256
/// (seed 002), also hex or base64 alone. Of both a key meets both; two different ones are malformed.
Proof proof_of(const Parts&);

}  // namespace otto::providers::callrail
