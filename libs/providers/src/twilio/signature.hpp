#pragma once
#include "providers/webhook.hpp"

/// What Twilio's webhooks are signed with.
namespace otto::providers::twilio {

inline constexpr std::string_view kSignatureHeader = "X-Twilio-Signature";

/// Base64 of HMAC-SHA1 under the account's auth token over the address that was asked and, of a form, the parameters: each name
/// with each of its values, decoded, sorted, doubled ones once. Of another body the query's bodySHA256 says what it is.
///
/// The address is each of Parts::urls as it stands; with the scheme's own port, or without any (Twilio's products differ); and
/// each with `'` of its query as `%27`. Nothing else is written anew: what came is what was signed.
Proof proof_of(const Parts&);

}  // namespace otto::providers::twilio
