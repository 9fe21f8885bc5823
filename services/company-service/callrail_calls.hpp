#pragma once
#include "app/secrets.hpp"
#include "listed_call.hpp"
#include "sweep.hpp"

namespace otto::company_service {

/// CallRail's list of calls, for the sweep: read in the order in which calls began.
class CallRailCalls final : public SweptList {
public:
    CallRailCalls(const app::Settings&, const providers::callrail::Client&, const directory::Companies&);
    const Names& names() const override;
    bool concerns(const directory::Profile&, const std::optional<std::string>& account) const override;
    std::vector<Credentials> credentials(pg::Tx&, const directory::Profile&) const override;
    Instant from(std::optional<Instant> watermark, std::optional<Instant> last_sweep, Instant now) const override;
    std::variant<Page, Refusal> page(const SweptAccount&, Instant from, Instant to, const std::string& next,
                                     const tel::TraceContext&) const override;
    std::optional<std::size_t> owner_of(const SweptAccount&, const Listed&) const override;
    std::vector<Compared> compare(pg::Tx&, const CompanyId&, const SweptAccount&, const std::vector<const Listed*>&,
                                  Instant asked) const override;
    std::int64_t requests_an_hour() const override { return requests_an_hour_; }

private:
    app::LiveKeyRing keys_;
    std::int64_t requests_an_hour_;
    const providers::callrail::Client& callrail_;
    const directory::Companies& companies_;
};

/// From where the list is read: before the watermark, because a call is listed when it is over. An hour before it, and by the
/// first sweep of each hour as long as a call may last; a day at first; never beyond what CallRail keeps.
Instant sweep_from(std::optional<Instant> watermark, std::optional<Instant> last_sweep, Instant now);

}  // namespace otto::company_service
