#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/crypto.hpp"
#include "checks.hpp"
#include "config.hpp"
#include "http/client.hpp"
#include "pg/connection.hpp"

namespace otto::company_service {

/// What CallRail said of an account's tracking numbers.
struct Listing {
    /// not_found: there is no such account, or whoever answers for CallRail does not serve the list; which of them cannot be told.
    enum class End { good, refused_key, no_account, not_found, no_answer };
    End end = End::no_answer;
    std::string why;                     ///< unless good
    std::vector<std::string> numbers;    ///< E.164, of the company asked for
    bool whole = false;                  ///< false: there are more than were read, or than could be understood
};

/// A page of CallRail's trackers: the numbers of those that are in use and, if a company at CallRail is named, of that one (providers.md §1.6).
struct TrackerPage {
    std::vector<std::string> numbers;
    std::size_t pages = 1;
    bool whole = true;                   ///< false: something in it could not be understood, so that nothing may be concluded from what it lacks
};
Result<TrackerPage> read_trackers(std::string_view json, const std::optional<std::string>& callrail_company_id);

/// The tracking numbers that CallRail lists under a company's own credentials: final proof of whose they are. Read when credentials or numbers change and from time to time, and
/// within a request where the answer depends on it.
class CallRailNumbers {
public:
    CallRailNumbers(const app::Settings&, http::Client& patient);
    struct Account { Secret key; std::string id; std::optional<std::string> company; };
    struct Given { std::optional<std::string> key, account, company; };
    /// The company's account, with what is given in the place of what is set; none if it is not complete.
    std::optional<Account> account_of(pg::Tx&, const CompanyId&, const Given& = {}) const;
    /// Within a request: one page, a few seconds, no second try.
    Listing ask(const Account&, const tel::TraceContext&) const;
    /// Puts down what an account lists, and what that proves; forgets what a whole list shows no more.
    static void keep(pg::Tx&, const CompanyId&, const Listing&);
    /// ask() and keep() for a company that has an account, in a transaction of their own.
    void consult(pg::Pool&, const CompanyId&, const tel::TraceContext&) const;
    /// The check: the whole list.
    CheckResult check(pg::Pool&, const CompanyId&) const;

private:
    Listing read(http::Client&, const Account&, std::size_t most_pages, const tel::TraceContext&) const;

    KeyRing keys_;
    std::string api_;
    http::Client& patient_;
    mutable http::Client hasty_;
};

}  // namespace otto::company_service
