#pragma once
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/crypto.hpp"
#include "config.hpp"
#include "directory/companies.hpp"
#include "otto/changes/v1/changes.pb.h"
#include "otto/inbound/v1/inbound.pb.h"
#include "runtime/runtime.hpp"

namespace otto::company_service {

/// Companies whose account at CallRail, or at Twilio, is to be swept (runtime/work_queue.hpp).
inline constexpr std::string_view kSweeps = "company-service/sweeps", kTwilioSweeps = "company-service/twilio-sweeps";

/// One entry of a provider's list: a call, a text.
struct Listed {
    virtual ~Listed() = default;
    std::string id, json;       ///< its own, and as the provider wrote it
    std::optional<Instant> at;  ///< when it began, or was sent: by which the list is read
    bool early = false;         ///< its webhook may still come
    bool under_way = false;     ///< nothing is to be concluded from it yet
    bool settled = true;        ///< false: it is to be looked at again, however far the sweep has come
};

/// An entry beside what we have of it.
struct Compared {
    const Listed* listed;
    bool known = false;
    bool owned = true;                                     ///< false: to a number that none of the account's companies has
    std::vector<std::string> differs;                      ///< what the provider knows otherwise or besides, of one that is known
    std::function<inbound::v1::ProviderEvent()> to_enter;  ///< null: nothing
};

/// Companies whom one key of one account speaks for, and how the sweep of each stands.
struct SweptAccount {
    struct Member {
        directory::ProfilePtr profile;
        std::optional<std::string> company_there;  ///< which company at the provider it is
        std::optional<Instant> watermark, asked_at, not_before, hour, started_at;
        std::int64_t requests = 0;
    };
    std::string id, user;  ///< `user`: as whom it is asked, where that is not the account itself
    Secret key;
    std::vector<Member> members;
};

/// A provider whose list is swept: what it lists, whose that is, and what of it is missing here.
class SweptList {
public:
    virtual ~SweptList() = default;
    /// How people, tables and metrics name it.
    struct Names {
        std::string_view provider, title, queue, id_field, missing, early, differs, unowned;
        const pg::Query &state, &begin, &note_page, &end;
        const tel::Counters& found;
    };
    virtual const Names& names() const = 0;
    /// Whether a company can have credentials of that account, or, without one, of any: what is known without asking the
    /// database.
    virtual bool concerns(const directory::Profile&, const std::optional<std::string>& account) const = 0;
    /// The accounts that a company is asked about; without members.
    struct Credentials {
        std::string id, user;
        Secret key;
        std::optional<std::string> company_there;
    };
    virtual std::vector<Credentials> credentials(pg::Tx&, const directory::Profile&) const = 0;
    /// From where the list is read.
    virtual Instant from(std::optional<Instant> watermark, std::optional<Instant> last_sweep, Instant now) const = 0;
    /// One page; `next` of the page before, "" at first.
    struct Page {
        std::vector<std::unique_ptr<Listed>> entries;
        std::vector<std::string> unreadable;  ///< of each entry that is no JSON, why
        std::string next;                     ///< "": it is the last one
        bool in_order = false;                ///< the oldest first: what lies before its entries is settled
    };
    struct Refusal {
        std::string why;
        bool busy = false;
        std::optional<Millis> after = {};
    };
    virtual std::variant<Page, Refusal> page(const SweptAccount&, Instant from, Instant to, const std::string& next,
                                             const tel::TraceContext&) const = 0;
    /// Index into members of the company that an entry belongs to; nullopt: none of them.
    virtual std::optional<std::size_t> owner_of(const SweptAccount&, const Listed&) const = 0;
    /// Entries of one company beside what we have.
    virtual std::vector<Compared> compare(pg::Tx&, const CompanyId&, const SweptAccount&, const std::vector<const Listed*>&,
                                          Instant asked) const = 0;
    /// Which entries that are none of the account's companies' enter all the same, in the name of the first: where numbers are
    /// registered, what came for one that is not is held until it is, whether its webhook came or not.
    virtual std::vector<Compared> unowned(pg::Tx&, const SweptAccount&, const std::vector<const Listed*>&,
                                          Instant /*asked*/) const {
        return {};
    }
    /// Gets what the list itself lacks, no transaction is open; `may_ask` waits for its turn and counts, false: not now. What is
    /// not got does not enter, and is looked at again.
    virtual void complete(const SweptAccount&, std::vector<Compared>&, const std::function<bool()>& /*may_ask*/,
                          const tel::TraceContext&) const {}
    /// Between two requests.
    virtual Millis pace() const { return Millis{0}; }
    virtual std::int64_t requests_an_hour() const = 0;
};

/// Holds a provider's list against ours, because providers send a webhook once and never again. What is missing enters
/// otto.inbound as an event marked `swept`, and so does what the provider knows better. Each account by itself, within a budget
/// of requests.
class Sweep {
public:
    Sweep(const app::Settings&, const SweptList&, const directory::Companies&);
    /// The schedule: puts the accounts that are due, or asked for, into the list's queue, each under its first company.
    void plan(pg::Connection&) const;
    /// Sweeps that company's account. A process that stops ends with the request that is under way; the sweep goes on from there
    /// another time.
    std::optional<Instant> next(rt::Lease&) const;
    /// The process ends: nothing is planned any more.
    void stop() { stop_ = true; }

private:
    /// Requests of one account: in the hour that runs, and when the last one was made.
    struct Budget {
        Instant hour{};
        std::int64_t used = 0;
        Instant last{};
    };
    struct Ending {
        std::string error;  ///< "" = the whole list was read
        std::optional<Instant> not_before;
    };
    /// Of all companies, or of those with that account's id.
    std::vector<SweptAccount> accounts(const std::function<pg::Tx(const CompanyId&)>& begin, const std::optional<std::string>& id,
                                       const std::optional<CompanyId>& of) const;
    bool due(const SweptAccount&, Instant now) const;
    void sweep(rt::Lease&, const SweptAccount&) const;
    /// Nothing: a request may be made now, and is counted. Waits until it may.
    std::optional<Ending> take_turn(const rt::Lease&, Budget&) const;
    /// Page by page; `reached` is how far everything is settled.
    Ending read_list(rt::Lease&, const SweptAccount&, Instant from, Instant now, Budget&, std::optional<Instant>& reached) const;
    /// What of it was put off is noted in `unsettled`.
    void take_page(rt::Lease&, const SweptAccount&, const SweptList::Page&, Instant asked, Budget&,
                   std::optional<Instant> reached, std::optional<Instant>& unsettled) const;
    void take_unowned(rt::Lease&, const SweptAccount&, const std::vector<const Listed*>&, Instant asked, Budget&,
                      std::optional<Instant>& unsettled) const;
    /// Emits, and logs, what enters.
    void enter(pg::Tx&, const Compared&, Instant asked) const;

    Millis every_;
    const SweptList& list_;
    const directory::Companies& companies_;
    std::atomic<bool> stop_{false};
    rt::Emitter<inbound::v1::ProviderEvent> emitter_{"company-service"};
};

/// Webhooks whose signature no key of the company proved: counted, for the operator.
class Refusals {
public:
    rt::Outcome note(rt::Intent<changes::v1::SignaturesRefused>, rt::Out<>&) const;
};

/// Whether a sweep that began then is due again.
bool sweep_due(std::optional<Instant> started_at, std::optional<Instant> asked_at, std::optional<Instant> not_before, Instant now,
               Millis every);
/// Until when a provider asks to wait; a minute if it does not say, an hour at most.
Instant retry_at(std::optional<Millis> after, Instant now);

}  // namespace otto::company_service
