#pragma once
#include <atomic>
#include <map>

#include "base/crypto.hpp"
#include "config.hpp"
#include "directory/companies.hpp"
#include "listed_call.hpp"
#include "otto/changes/v1/changes.pb.h"
#include "runtime/runtime.hpp"

namespace otto::company_service {

/// Companies whose CallRail account is to be swept (runtime/work_queue.hpp).
inline constexpr std::string_view kSweeps = "company-service/sweeps";

/// Holds CallRail's list of calls against ours, because CallRail sends a webhook once and never again. What is missing enters
/// otto.inbound as an event marked `swept`, and so does what CallRail knows better. Each account by itself, within a budget of
/// requests.
class Sweep {
public:
    Sweep(const app::Settings&, const providers::callrail::Client&, const directory::Companies&);
    /// The schedule: puts the accounts that are due, or asked for, into the queue `kSweeps`, each under its first company.
    void plan(pg::Connection&) const;
    /// Sweeps that company's account. A process that stops ends with the request that is under way; the sweep goes on from there
    /// another time.
    std::optional<Instant> next(rt::Lease&) const;
    /// The process ends: nothing is planned any more.
    void stop() { stop_ = true; }
    /// Webhooks whose signature no key of the company proved: counted, for the operator.
    rt::Outcome note_refusals(rt::Intent<changes::v1::SignaturesRefused>, rt::Out<>&) const;

private:
    struct Member {
        directory::ProfilePtr profile;
        std::optional<std::string> callrail_company;
        std::optional<Instant> watermark, asked_at, not_before, hour, started_at;
        std::int64_t requests = 0;
    };
    /// Companies whom one key of one account speaks for.
    struct Account {
        std::string id;
        Secret key;
        std::vector<Member> members;
    };
    /// Requests of one account in the hour that runs.
    struct Budget {
        Instant hour{};
        std::int64_t used = 0;
    };
    struct Ending {
        std::string error;  ///< "" = the whole list was read
        std::optional<Instant> not_before;
    };
    /// Of all companies, or of those with that account's id.
    std::vector<Account> accounts(const std::function<pg::Tx(const CompanyId&)>& begin,
                                  const std::optional<std::string>& id) const;
    bool due(const Account&, Instant now) const;
    void sweep(rt::Lease&, const Account&) const;
    /// Page by page; `reached` is how far everything is settled.
    Ending read_list(rt::Lease&, const Account&, Instant from, Instant now, Budget&, std::optional<Instant>& reached) const;
    /// Index into members of the company that the call belongs to; nullopt: none of them.
    std::optional<std::size_t> owner_of(const Account&, const ListedCall&) const;
    void take_page(rt::Lease&, const Account&, const std::vector<ListedCall>&, Instant asked, const Budget&,
                   std::optional<Instant> reached) const;

    KeyRing keys_;
    Millis every_;
    std::int64_t requests_an_hour_;
    const providers::callrail::Client& callrail_;
    const directory::Companies& companies_;
    std::atomic<bool> stop_{false};
    rt::Emitter<inbound::v1::ProviderEvent> emitter_{"company-service"};
};

/// Whether a sweep that began then is due again.
bool sweep_due(std::optional<Instant> started_at, std::optional<Instant> asked_at, std::optional<Instant> not_before, Instant now,
               Millis every);
/// From where the list is read: before the watermark, because a call is listed when it is over. An hour before it, and by the
/// first sweep of each hour as long as a call may last; a day at first; never beyond what CallRail keeps.
Instant sweep_from(std::optional<Instant> watermark, std::optional<Instant> last_sweep, Instant now);
/// Until when CallRail asks to wait; a minute if it does not say, an hour at most.
Instant retry_at(std::optional<Millis> after, Instant now);

}  // namespace otto::company_service
