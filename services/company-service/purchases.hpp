#pragma once
#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "api/api.hpp"
#include "config.hpp"
#include "http/client.hpp"
#include "providers/twilio.hpp"
#include "runtime/work_queue.hpp"
#include "twilio_numbers.hpp"
#include "twilio_webhooks.hpp"

namespace otto::company_service {

/// Purchases whose fate is to be found out; key: the purchase.
inline constexpr std::string_view kPurchases = "company-service/purchases";

/// Numbers that are bought at Twilio, and where what comes for them goes (seed 003, steps 1 and 3).
///
/// Twilio has no idempotency key, so a purchase is committed as `asked` before Twilio is, with the moment until which a request
/// waits for the answer, and with work that is due then. What the answer says settles it: bought (registered in the transaction
/// that answers the manager) or failed. Where the answer was lost, or the process died, only the account's own list can tell: a
/// repeat of the request asks it, and so does the work every minute. A number that was in the account before, or that is there
/// with other webhooks than were asked for, is nothing that was bought here. Thread-safe.
class Purchases {
public:
    /// How long Twilio is waited for: a purchase, and what else a request asks.
    struct Patience {
        Millis purchase{15'000}, other{5'000};
    };
    Purchases(const app::Settings&, pg::Pool&, const TwilioNumbers&, Patience);
    Purchases(const app::Settings& s, pg::Pool& pool, const TwilioNumbers& numbers) : Purchases(s, pool, numbers, Patience{}) {}

    http::Response available(api::Context&) const;
    /// 200 also for what a former request of the company has bought; 503 while nobody knows what came of one: the same request
    /// again tells, and buys nothing twice.
    http::Response buy(api::Context&) const;
    /// Sets the number's addresses at Twilio to this Otto's. What stood there is in the audit log before it is changed.
    http::Response configure(api::Context&) const;
    /// A turn of kPurchases.
    std::optional<Instant> next(rt::Lease&) const;

private:
    /// A row of number_purchases.
    struct Purchase {
        Uuid id;
        std::string number, state, account_sid, voice_url, asked_by;
        bool shared, asking, settled, live;
        std::int64_t asks;
        Instant asked_at;
        std::optional<Instant> asking_until;
        std::optional<Uuid> number_id;
        static Purchase from(const pg::Fields&);
    };
    struct Account {
        providers::twilio::Account twilio;
        bool shared;  ///< the deployment's
    };
    using Listed = providers::twilio::ListedNumber;
    /// What the account says of a purchase: the number that it bought; that it bought none; or why nobody knows.
    struct Unknown {
        std::string why;
    };
    struct NotThere {};
    struct NotOurs {};  ///< the account has the number, and this purchase did not put it there
    using Found = std::variant<Listed, NotThere, NotOurs, Unknown>;

    std::optional<Purchase> last_of(const CompanyId&, const std::string& number) const;
    /// 409 with the cure if there is none.
    Account account_to_buy_with(const CompanyId&) const;
    std::optional<Account> account_of(pg::Tx&, const CompanyId&, const Purchase&) const;
    Found look(const std::optional<Account>&, const Purchase&, const tel::TraceContext&) const;
    /// Registers what was bought, once; answers its row in company_numbers.
    /// `asked`: the request that is answered with it; null where the job found it.
    Uuid record(pg::Tx&, const CompanyId&, const Purchase&, const Listed&, api::Context* asked) const;
    http::Response answer(const std::string& number, const Uuid& number_id) const;
    http::Response record_and_answer(api::Context&, const Purchase&, const Listed&) const;
    /// Commits that Twilio is about to be asked; 409 if something stands against it.
    Purchase note_asking(api::Context&, const Account&, const std::string& number, const std::optional<Purchase>& open) const;
    http::Response ask(api::Context&, const Account&, const Purchase&, const std::string& friendly_name) const;
    void settle_failed(const CompanyId&, const Purchase&, int code, const std::string& why) const;
    /// 503, and the purchase stays open.
    [[noreturn]] void leave_in_doubt(api::Context&, const Purchase&, const std::string& why) const;

    struct Cached {
        std::chrono::steady_clock::time_point until;
        std::string json;
    };
    pg::Pool& pool_;
    const TwilioNumbers& numbers_;
    TwilioWebhooks webhooks_;
    std::optional<providers::twilio::Account> deployment_;
    bool shared_purchases_;
    Millis asking_for_;  ///< the longest that a request waits for what comes of a purchase
    http::Client buying_http_, asking_http_;
    providers::twilio::Client buying_, asking_;
    mutable std::mutex lock_;
    mutable std::map<std::string, Cached> cache_;  ///< of available(): by company, account, country and area code
};

}  // namespace otto::company_service
