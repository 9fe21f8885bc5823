#pragma once
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/process.hpp"
#include "base/crypto.hpp"
#include "directory/companies.hpp"
#include "http/message.hpp"
#include "ingress/budgets.hpp"
#include "ingress/courier.hpp"

namespace otto::inbound::v1 {
class ProviderEvent;
class Receipt;
}

/// The webhook endpoint that all providers share: limits, verdict, receipt, answer. What differs between providers is a Provider.
namespace otto::ingress {

/// A body in our words. `event` lacks only what the endpoint knows: receipt and verdict.
struct Normalized {
    std::shared_ptr<inbound::v1::ProviderEvent> event;
    std::string identity;                      ///< the provider's own id of what happened; with the raw body's hash it makes the event's id
    std::string customer;                      ///< for the log, hashed there
    bool waits = false;                        ///< nothing can be made of it yet, whoever proves it: it will be held
};

/// A request whose body has been read so far as it says whose it could be. A stranger may have sent it: whatever costs more comes after the verdict.
class Reading {
public:
    virtual ~Reading() = default;
    directory::Asked asked;
    std::optional<Instant> at;                 ///< the event's own time; nothing: when it was received
    virtual Normalized normalize(const http::Request&) const = 0;
};

enum class Verdict { authentic, open, unsigned_, forged };
std::string_view to_text(Verdict);
struct Judgement {
    Verdict verdict = Verdict::open;
    CompanyId company = {};                   ///< whose key proved it
    std::string why = {};                     ///< of forged: which check failed
    std::string cure = "Check the signing key of the integration.";  ///< of forged: what to do, for whoever sent it
    std::string operators_cure = {};          ///< of forged: what to do where it is received, for the log only
    std::vector<CompanyId> refused_for = {};  ///< of forged: companies whose keys did not prove its signature; none if it carries none that is well-formed
    bool final_proof = false;                 ///< of authentic: the provider's API gave that key
    bool contested = false;                   ///< of authentic: its number finally is another's, see directory::contested
    CompanyId held_for = {};                  ///< on whose account it will be held: the signer's, or that of the owner who has set no key; "" = nobody's, or it flows on
};

/// What a request offers as its proof.
struct Proof {
    struct Claim {
        Digest kind;
        std::string_view message;              ///< of the request: what is signed
        std::string digest;                    ///< what a key must make of it
    };
    std::vector<Claim> claims;                 ///< a key that proves the request meets them all
    std::optional<std::string> missing;        ///< why there is nothing to verify ("header missing", "not base64")
};

/// One provider: pure functions of a request. Thread-safe.
class Provider {
public:
    virtual ~Provider() = default;
    virtual std::string_view name() const = 0;
    /// As people write it: "CallRail".
    virtual std::string_view title() const = 0;
    virtual std::vector<std::string> paths() const = 0;
    virtual std::unique_ptr<Reading> read(const http::Request&) const = 0;
    /// Header fields that carry the signature, as received.
    virtual std::vector<std::pair<std::string, std::string>> signature_headers(const http::Request&) const = 0;
    virtual Proof proof(const http::Request&) const = 0;
    virtual std::vector<directory::Key> keys(const directory::Profile&, Instant now) const = 0;
    /// For a provider whose key is the deployment's and not a company's: its verdict on a request. nullopt: companies' keys decide, see judge().
    virtual std::optional<Judgement> judge_alone(const http::Request&, bool /*allow_unsigned*/, Instant /*now*/) const { return std::nullopt; }
    /// What its headers alone refute, before the body is read.
    virtual std::optional<Judgement> refused_by_head(const http::Request&, bool /*allow_unsigned*/, Instant /*now*/) const { return std::nullopt; }
    /// Bytes of the largest body that is taken; 413 above.
    virtual std::size_t body_limit() const { return 2u << 20; }
};

/// Architecture G4. Whose key of the candidates verifies, owns. None has a key: open. One has a key and none verifies: forged. One judgement for each, all keys tried together.
struct Case {
    const http::Request& request;
    const directory::Asked& asked;
    Instant at;                               ///< the event's own time
};
std::vector<Judgement> judge(const Provider&, std::span<const Case>, const directory::Companies&, bool allow_unsigned, Instant now);

/// What is kept of a request beside its event: the body as it came, byte for byte; target, headers and client with whatever is no UTF-8 in them mended,
/// for an event with such a text could be written and acknowledged, but never read again.
void fill_receipt(inbound::v1::Receipt&, const Provider&, const http::Request&, const Judgement&, Instant received);

inline const app::Setting<std::string> kSpoolDir = app::text("spool-dir", "/var/lib/otto/spool", "folder of webhooks that Kafka does not have yet, and of the directory's snapshot; must outlive the process");
inline const app::Setting<std::int64_t> kSpoolMegabytes = app::number("spool-megabytes", 1024, 1, 1'000'000, "size of the spool above which webhooks are answered 503, MiB");
inline const app::Setting<std::vector<std::string>> kAllowUnsigned = app::list("allow-unsigned-webhooks", "", "providers whose unsigned webhooks are taken for companies that have set no key; empty in production");
inline const app::Setting<std::int64_t> kOpenPerSecond = app::number("open-per-second", 50, 1, 1'000'000, "unverified webhooks a second that one client address may send");
inline const app::Setting<std::int64_t> kOpenEvents = app::number("open-events", 100'000, 1, 1'000'000'000, "unverified webhooks taken in OTTO_OPEN_DAYS");
inline const app::Setting<std::int64_t> kOpenMegabytes = app::number("open-megabytes", 1024, 1, 1'000'000, "size of unverified webhooks taken in OTTO_OPEN_DAYS, MiB");
inline const app::Setting<std::int64_t> kOpenDays = app::number("open-days", 30, 1, 365, "days over which unverified webhooks are counted");
inline const app::Setting<std::int64_t> kHeldEvents = app::number("held-events", 10'000, 1, 1'000'000'000, "webhooks that may wait on one company's account, of all processes together; more that no key proves, or that are about another company's number, are answered 429");
inline const app::Setting<std::int64_t> kHeldMegabytes = app::number("held-megabytes", 256, 1, 1'000'000, "size of the webhooks that may wait on one company's account, MiB");
app::Rows ingress_rows();

/// Serves a provider's webhooks: registers its routes, owns the courier. Made once in wire().
class Endpoint {
public:
    Endpoint(app::Service&, std::shared_ptr<const Provider>, const directory::Companies&);
    ~Endpoint();

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace otto::ingress
