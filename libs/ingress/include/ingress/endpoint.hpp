#pragma once
#include <memory>
#include <string>
#include <vector>

#include "app/process.hpp"
#include "ingress/judge.hpp"
#include "providers/webhook.hpp"

/// The webhook endpoint that all providers share: limits, verdict, receipt, answer. What differs between providers is a
/// providers::Webhook, and whose key proves it.
namespace otto::ingress {

inline const app::Setting<std::string> kSpoolDir =
    app::text("spool-dir", "/var/lib/otto/spool",
              "folder of webhooks that Kafka does not have yet, and of the directory's snapshot; must outlive the process");
inline const app::Setting<std::int64_t> kSpoolMegabytes =
    app::number("spool-megabytes", 1024, 1, 1'000'000, "size of the spool above which webhooks are answered 503, MiB");
inline const app::Setting<std::vector<std::string>> kAllowUnsigned =
    app::list("allow-unsigned-webhooks", "",
              "providers whose unsigned webhooks are taken for companies that have set no key; empty in production");
inline const app::Setting<std::int64_t> kOpenPerSecond =
    app::number("open-per-second", 50, 1, 1'000'000, "unverified webhooks a second that one client address may send");
inline const app::Setting<std::int64_t> kOpenEvents =
    app::number("open-events", 100'000, 1, 1'000'000'000, "unverified webhooks taken in OTTO_OPEN_DAYS");
inline const app::Setting<std::int64_t> kOpenMegabytes =
    app::number("open-megabytes", 1024, 1, 1'000'000, "size of unverified webhooks taken in OTTO_OPEN_DAYS, MiB");
inline const app::Setting<std::int64_t> kOpenDays =
    app::number("open-days", 30, 1, 365, "days over which unverified webhooks are counted");
inline const app::Setting<std::int64_t> kHeldEvents =
    app::number("held-events", 10'000, 1, 1'000'000'000,
                "webhooks that may wait on one company's account, of all processes together; more that no key proves, or that "
                "are about another company's number, are answered 429");
inline const app::Setting<std::int64_t> kHeldMegabytes =
    app::number("held-megabytes", 256, 1, 1'000'000, "size of the webhooks that may wait on one company's account, MiB");
struct Quotas;

/// Settings of an ingress: every one's, and those of one whose webhooks the keys of companies prove.
app::Rows ingress_rows();
app::Rows company_keyed_rows();

/// Serves a provider's webhooks: registers its routes, owns the publisher. Made once in wire(). The webhook must outlive it.
class Endpoint {
public:
    /// Proven by the keys of companies, and by the deployment's for what its own account sends.
    Endpoint(app::Service&, const providers::Webhook&, const directory::Companies&, DeploymentAccount = {});
    /// Proven by the deployment's key.
    Endpoint(app::Service&, const providers::Webhook&, DeploymentKey);
    ~Endpoint();

private:
    struct Impl;
    Endpoint(app::Service&, const providers::Webhook&, std::unique_ptr<const Judge>, const directory::Companies*,
             std::unique_ptr<Quotas>);
    std::shared_ptr<Impl> impl_;
};

}  // namespace otto::ingress
