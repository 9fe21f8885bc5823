#pragma once
#include <map>
#include <mutex>
#include <optional>
#include <tuple>

#include "directory/companies.hpp"
#include "kinds.hpp"
#include "otto/analysis/v1/analysis.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "otto/inbound/v1/inbound.pb.h"
#include "otto/routed/v1/routed.pb.h"
#include "runtime/runtime.hpp"
#include "telemetry/metrics.hpp"

namespace otto::tenant_router {

/// Which proofs of numbers are on their way to company-service. Until the directory shows what they say each further event of the
/// number would tell it again. Bounded; thread-safe.
class ToldProofs {
public:
    /// Whether to tell it: not told lately, or by the same event, whose batch runs again.
    bool tell(const changes::v1::NumberProven&, const EventId& cause);

private:
    struct Told {
        EventId cause;
        std::int64_t at_us;
    };
    std::mutex lock_;
    std::map<std::string, Told> told_;
};

/// Numbers that webhooks which a company's key proved were for, and that it has not registered.
class SeenNumbers {
public:
    void add(const CompanyId&, const std::string& number, const std::string& provider, directory::Purpose, Instant at);
    void write(pg::Tx&) const;
    /// The same in a transaction that had no companies: what it does after this is in the scope of these.
    void write_alone(pg::Tx&) const;

private:
    std::map<std::tuple<std::string, std::string, directory::Purpose>, std::pair<std::string, Instant>> all_;
};

/// What may wait on one company's account.
struct HeldLimits {
    std::int64_t events = 10'000, bytes = 256ll << 20;
};

/// Which held events are removed by age (service.cpp says when). Whatever else waits is proven and may go on one day, such as
/// what is for a number that is not registered yet: it is kept.
inline constexpr const char *kWentOn = "released_at IS NOT NULL", *kUnverified = "released_at IS NULL AND verdict = 'open'",
                            *kConflicts = "released_at IS NULL AND verdict <> 'open' AND conflict";

/// From otto.inbound to otto.routed; what nobody owns is held until somebody does.
class Router {
public:
    Router(const directory::Companies& companies, std::vector<std::string> allow_unsigned, HeldLimits limits = {},
           ingress::DeploymentAccount deployment = {})
        : companies_(companies),
          allow_unsigned_(std::move(allow_unsigned)),
          deployment_(std::move(deployment)),
          limits_(limits) {}
    rt::Outcome route(rt::Take<inbound::v1::ProviderEvent>, Kinds::Out&) const;
    using LookedUp = rt::Out<routed::v1::JobReported, routed::v1::MessageReported, routed::v1::CallReported>;
    /// What the function above cannot settle alone: reports of jobs, whose company stands in a table, as that of a message does
    /// whose number is nobody's, and that of a report which names no more than its call; and what is held.
    void look_up_or_hold(std::span<const rt::In<inbound::v1::ProviderEvent>>, pg::Tx&, LookedUp&) const;
    /// Which company each call and message went to, and numbers that proven webhooks showed but nobody registered; a registered
    /// one that is surer now is told. What came about a message, or a call of Twilio's, before it is looked at again.
    void remember(std::span<const rt::In<routed::v1::CallReported>>, pg::Tx&, rt::Out<changes::v1::NumberProven>&) const;
    void remember_messages(std::span<const rt::In<routed::v1::MessageReported>>, pg::Tx&,
                           rt::Out<changes::v1::NumberProven>&) const;
    /// Whose job it is that was handed to Shunya; reports of it that came before flow on with the next release.
    void remember_jobs(std::span<const rt::In<analysis::v1::JobSubmitted>>, pg::Tx&, rt::Out<>&) const;
    /// The periodic job: held events whose owner is known by now go on, in order of arrival, under their own ids.
    void release(pg::Connection&) const;
    /// Part of the same job: how many wait, and on whose account too many do. That is counted here alone, once for all that take
    /// webhooks in, and reaches them by the directory.
    void count(pg::Connection&, tel::Shares&) const;

private:
    Decision decide(const inbound::v1::ProviderEvent& event, const std::vector<CompanyId>& of_message = {}) const {
        return tenant_router::route(event, companies_, allow_unsigned_, system_clock().now(), of_message, deployment_);
    }
    Decision decide_of_call(const inbound::v1::ProviderEvent& event, const std::vector<JobOwner>& of_call) const {
        return tenant_router::route_of_call(event, companies_, allow_unsigned_, system_clock().now(), of_call, deployment_);
    }
    /// What a report that a company's number was used for says of the number.
    struct Use {
        std::string number;
        directory::Purpose purpose;
        std::optional<Instant> at;
    };
    template <class Routed>
    void note_use(const rt::In<Routed>&, const Use&, SeenNumbers&, rt::Out<changes::v1::NumberProven>&) const;
    /// The waiting ones after a position that the names concern; nothing: all.
    bool release_page(pg::Connection&, const std::optional<std::vector<std::string>>& names, Instant& after,
                      Uuid& after_id) const;
    const directory::Companies& companies_;
    std::vector<std::string> allow_unsigned_;
    ingress::DeploymentAccount deployment_;
    mutable std::uint64_t tried_generation_ = 0;
    HeldLimits limits_;
    mutable std::optional<std::chrono::steady_clock::time_point> tried_all_, count_at_;
    mutable double waiting_ = 0;  ///< as it was counted last
    mutable ToldProofs told_;
};

}  // namespace otto::tenant_router
