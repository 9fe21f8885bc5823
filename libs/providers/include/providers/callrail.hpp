#pragma once
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/crypto.hpp"
#include "base/secret.hpp"

/// What CallRail's webhooks are signed with. Used where they arrive, and again where an event waited for its owner's key.
namespace otto::providers::callrail {

using SignatureHeaders = std::vector<std::pair<std::string, std::string>>;

/// Names of the headers that may carry a signature, lower-case.
inline constexpr std::string_view kSignatureHeaders[] = {"signature", "x-callrail-signature"};

enum class Signature { absent, malformed, present };
/// Whether there is something to verify. Two different signatures are malformed.
Signature signature_of(const SignatureHeaders&);

/// What a key must make of the raw body.
struct Claim {
    Digest kind;
    std::string digest;
};
/// `Signature`: base64 of HMAC-SHA1 over the raw body (providers.md §1.2); `x-callrail-signature`: `sha256=<hex>` of HMAC-SHA256 (seed 002), also
/// hex or base64 alone. A key that proves the body meets all claims; none if there is nothing to verify.
std::vector<Claim> claims(const SignatureHeaders&);

/// Whether the key meets all claims, of which there must be one. Constant time in the signature's content.
bool verifies(const SignatureHeaders&, std::string_view raw_body, const Secret& key);

}  // namespace otto::providers::callrail
