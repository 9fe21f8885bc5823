#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/crypto.hpp"
#include "checks.hpp"
#include "config.hpp"
#include "http/client.hpp"
#include "pg/connection.hpp"
#include "providers/callrail.hpp"

namespace otto::company_service {

/// What CallRail said of an account's tracking numbers.
struct Listing {
    enum class End { good, refused_key, no_account, not_found, no_answer };
    End end = End::no_answer;
    std::string why;                   ///< unless good
    std::vector<std::string> numbers;  ///< E.164, of the company asked for
    bool whole = false;                ///< false: there are more than were read, or than could be understood
};

/// The tracking numbers that CallRail lists under a company's own credentials: final proof of whose they are. Read when
/// credentials or numbers change and from time to time, and within a request where the answer depends on it.
class CallRailNumbers {
public:
    /// `patient` asks for checks; requests of people ask with little time, through a client of its own.
    CallRailNumbers(const app::Settings&, const providers::callrail::Client& patient);
    struct Account {
        Secret key;
        std::string id;
        std::optional<std::string> company;
    };
    struct Given {
        std::optional<std::string> key, account, company;
    };
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
    static Listing read(const providers::callrail::Client&, const Account&, std::size_t most_pages, const tel::TraceContext&);

    KeyRing keys_;
    const providers::callrail::Client& patient_;
    http::Client hasty_http_;
    providers::callrail::Client hasty_;
};

}  // namespace otto::company_service
