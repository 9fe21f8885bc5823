#pragma once
#include "base/result.hpp"
#include "providers/webhook.hpp"

/// Shunya's webhooks (providers.md §6.4): how its jobs stand, signed by HMAC-SHA256 in lower-case hex with the deployment's
/// secret over a message that holds the time. So they prove that Shunya speaks and no company: whose a job is, tenant-router
/// knows by the job's id.
namespace otto::providers::shunya {

/// Which message is signed. A setting, never found out by trying: what fails under one must not pass under another.
enum class Scheme {
    timestamp_dot_body,  ///< X-Shunya-Signature over "{X-Shunya-Timestamp}.{body}", milliseconds
    sorted_json,  ///< X-Shunya-Signature over "{X-Shunya-Timestamp}:{body as Python's json.dumps(…, sort_keys=True) writes it}",
                  ///< milliseconds
    uwc,  ///< X-UWC-Signature over "{X-UWC-Timestamp}.{hex SHA-256 of the body}", seconds
};
/// Of OTTO_SHUNYA_SIGNATURE; the error names the setting and its words.
Result<Scheme> scheme_of(std::string_view word);

/// Names of the headers in which a scheme is told, as providers write them.
std::string_view signature_header(Scheme);
std::string_view timestamp_header(Scheme);

/// How far the time of a webhook may be from when it came, before and after.
inline constexpr std::chrono::minutes kWindow{5};

/// JSON as Python's json.dumps(json.loads(text), sort_keys=True) writes it: keys in order of their code points, of doubled keys
/// the last, ", " and ": " between, everything beyond printable ASCII escaped in lower-case hex. Numbers stay as they stood:
/// whoever signed wrote them with the same library. The error says where it is no JSON, or is nested deeper than 500 levels.
Result<std::string> sorted_json(std::string_view text);

class Webhook final : public providers::Webhook {
public:
    explicit Webhook(Scheme scheme) : scheme_(scheme) {}
    std::string_view name() const override { return "shunya"; }
    std::string_view title() const override { return "Shunya"; }
    std::vector<std::string> paths() const override { return {"/api/v1/shunya/webhook"}; }
    std::vector<std::string_view> signature_headers() const override;
    /// Names nobody but by a claim. The event knows both shapes of a body and all names of its ids. What says neither of which
    /// job or call it is, nor how that stands, is not understood.
    std::unique_ptr<Reading> read(const Parts&) const override;
    std::optional<Refusal> refused_by_head(const Parts& head) const override;
    Proof proof(const Parts&) const override;
    std::size_t body_limit() const override { return 32u << 20; }

private:
    Scheme scheme_;
};

}  // namespace otto::providers::shunya
