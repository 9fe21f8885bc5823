#pragma once
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "app/process.hpp"
#include "base/crypto.hpp"
#include "directory/companies.hpp"
#include "http/message.hpp"
#include "ingress/courier.hpp"

namespace otto::inbound::v1 {
class ProviderEvent;
class Receipt;
}

/// The webhook endpoint that all providers share: limits, verdict, receipt, answer. What differs between providers is a Provider.
namespace otto::ingress {

/// Who could be the owner of what a webhook reports; what its body says, proves nothing.
struct Candidates {
    std::string number;                        ///< the tracking number, E.164; "" = none
    directory::Purpose purpose = directory::Purpose::voice;
    std::vector<std::string> provider_companies;
    std::string account, claimed_company;
};

/// A body in our words. `event` lacks only what the endpoint knows: receipt and verdict.
struct Normalized {
    std::shared_ptr<inbound::v1::ProviderEvent> event;
    std::string identity;                      ///< the provider's own id of what happened; with the raw body's hash it makes the event's id
    std::string log_message;                   ///< "CallRail call.completed webhook"
    std::string customer;                      ///< for the log, hashed there
    Candidates candidates;
};

enum class Verdict { authentic, open, unsigned_, forged };
std::string_view to_text(Verdict);
struct Judgement {
    Verdict verdict = Verdict::open;
    CompanyId company;      ///< whose key proved it
    std::string why;        ///< of forged: which check failed
    std::vector<CompanyId> refused_for = {};  ///< of forged: companies whose keys did not prove it
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
    virtual std::vector<std::string> paths() const = 0;
    virtual Normalized normalize(const http::Request&) const = 0;
    /// Header fields that carry the signature, as received.
    virtual std::vector<std::pair<std::string, std::string>> signature_headers(const http::Request&) const = 0;
    virtual Proof proof(const http::Request&) const = 0;
    virtual std::vector<Secret> keys(const directory::Profile&, Instant now) const = 0;
    /// Why no body could make this request a proven one ("the header … is missing"): it is refused by its head, before its body is read. Nothing: the body
    /// decides. A provider whose webhooks may come without a signature never knows so early.
    virtual std::optional<std::string> unprovable(const http::Request& /*head*/, bool /*allow_unsigned*/, Instant /*now*/) const { return std::nullopt; }
    /// For a provider whose key is the deployment's and not a company's: its verdict on a whole request. nullopt: companies' keys decide, see judge().
    virtual std::optional<Judgement> judge_alone(const http::Request&, bool /*allow_unsigned*/, Instant /*now*/) const { return std::nullopt; }
    /// Bytes of the largest body that is taken; 413 above.
    virtual std::size_t body_limit() const { return 2u << 20; }
};

/// Architecture G4. Candidates are the number's owner, the owner of the provider's company or account, and the company that the body claims to be for;
/// whose key verifies, owns. None has a key: open. One has a key and none verifies: forged. One judgement for each, all keys tried together.
struct Case {
    const http::Request& request;
    const Candidates& candidates;
};
std::vector<Judgement> judge(const Provider&, std::span<const Case>, const directory::Companies&, bool allow_unsigned, Instant now);

/// What is kept of a request beside its event: the body as it came, byte for byte; target, headers and client with whatever is no UTF-8 in them mended,
/// for an event with such a text could be written and acknowledged, but never read again.
void fill_receipt(inbound::v1::Receipt&, const Provider&, const http::Request&, const Judgement&, Instant received);

/// Unverified events are limited, so that strangers cannot fill the disk.
struct OpenLimits {
    double per_second = 50;             ///< a client address
    double events = 100'000, bytes = 1ull << 30;
    double days = 30;                   ///< in which those two are forgotten evenly
};
class OpenBudget {
public:
    explicit OpenBudget(OpenLimits limits) : limits_(limits) {}
    bool take(const std::string& client, std::size_t bytes, Instant now);

private:
    struct Bucket { double level = 0; Instant at{}; };
    OpenLimits limits_;
    std::mutex lock_;
    std::unordered_map<std::string, Bucket> clients_;
    Bucket events_, bytes_;
};

inline const app::Setting<std::string> kSpoolDir = app::text("spool-dir", "/var/lib/otto/spool", "folder of webhooks that Kafka does not have yet, and of the directory's snapshot; must outlive the process");
inline const app::Setting<std::int64_t> kSpoolMegabytes = app::number("spool-megabytes", 1024, 1, 1'000'000, "size of the spool above which webhooks are answered 503, MiB");
inline const app::Setting<std::vector<std::string>> kAllowUnsigned = app::list("allow-unsigned-webhooks", "", "providers whose unsigned webhooks are taken for companies that have set no key; empty in production");
inline const app::Setting<std::int64_t> kOpenPerSecond = app::number("open-per-second", 50, 1, 1'000'000, "unverified webhooks a second that one client address may send");
inline const app::Setting<std::int64_t> kOpenEvents = app::number("open-events", 100'000, 1, 1'000'000'000, "unverified webhooks taken in OTTO_OPEN_DAYS");
inline const app::Setting<std::int64_t> kOpenMegabytes = app::number("open-megabytes", 1024, 1, 1'000'000, "size of unverified webhooks taken in OTTO_OPEN_DAYS, MiB");
inline const app::Setting<std::int64_t> kOpenDays = app::number("open-days", 30, 1, 365, "days over which unverified webhooks are counted");
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
