#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "base/time.hpp"
#include "http/message.hpp"

/// How Shunya signs its webhooks (providers.md §6.4): HMAC-SHA256 in lower-case hex, with the deployment's secret, over a message that holds the time.
namespace otto::shunya_ingress {

/// Which message is signed. A setting, never found out by trying: what fails under one must not pass under another.
enum class Scheme {
    timestamp_dot_body,  ///< X-Shunya-Signature over "{X-Shunya-Timestamp}.{body}", milliseconds
    sorted_json,         ///< X-Shunya-Signature over "{X-Shunya-Timestamp}:{body as Python's json.dumps(…, sort_keys=True) writes it}", milliseconds
    uwc,                 ///< X-UWC-Signature over "{X-UWC-Timestamp}.{hex SHA-256 of the body}", seconds
};
/// Of OTTO_SHUNYA_SIGNATURE; the error names the setting and its words.
Result<Scheme> scheme_of(std::string_view word);

/// Names of the headers in which a scheme is told, as providers write them.
std::string_view signature_header(Scheme);
std::string_view timestamp_header(Scheme);

/// How far the time of a webhook may be from ours, before and after.
inline constexpr std::chrono::minutes kWindow{5};

/// Which check failed, and what mends it: in words for who sent it, who learns no name of a setting, and for who receives it.
struct Refusal {
    std::string why, cure, operators_cure;
};
/// What the headers alone refute: one that is missing, doubled or malformed, a time that is not ours; or this deployment has no secret. nullopt: the body must tell.
std::optional<Refusal> refused_by_head(Scheme, const http::Headers&, const std::vector<Secret>& secrets, Instant now);
/// nullopt: one of `secrets` signed it. Constant time in the signature.
std::optional<Refusal> refused_because(Scheme, const http::Headers&, std::string_view body, const std::vector<Secret>& secrets, Instant now);

/// JSON as Python's json.dumps(json.loads(text), sort_keys=True) writes it: keys in order of their code points, of doubled keys the last, ", " and ": "
/// between, everything beyond printable ASCII escaped in lower-case hex. Numbers stay as they stood: whoever signed wrote them with the same library.
/// The error says where it is no JSON, or is nested deeper than 500 levels.
Result<std::string> sorted_json(std::string_view text);

}  // namespace otto::shunya_ingress
