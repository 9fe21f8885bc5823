#pragma once
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "app/settings.hpp"
#include "base/secret.hpp"
#include "checks.hpp"
#include "http/client.hpp"
#include "pg/connection.hpp"
#include "telemetry/trace.hpp"

namespace otto::company_service {

/// What a provider said of an account's numbers.
struct Listing {
    enum class End { good, refused_key, no_account, not_found, no_answer };
    End end = End::no_answer;
    std::string why;                   ///< unless good
    std::vector<std::string> numbers;  ///< E.164, of the company asked for
    bool whole = false;                ///< false: there are more than were read, or than could be understood
    /// What of a number's calls and of its texts the provider does not send here, in words; "" = all comes.
    struct Lead {
        std::string number, calls, texts;
    };
    std::vector<Lead> leads;  ///< of a provider whose list tells
};

/// The numbers that a provider lists under a company's own credentials: final proof of whose they are. Read when credentials or
/// numbers change and from time to time, and within a request where the answer depends on it.
class NumberList {
public:
    virtual ~NumberList() = default;
    /// Puts down what an account lists, and what that proves; forgets what a whole list shows no more.
    void keep(pg::Tx&, const CompanyId&, const Listing&) const;
    /// Within a request, for a company that has an account: asks, and keeps what comes, in a transaction of its own.
    void consult(pg::Pool&, const CompanyId&, const tel::TraceContext&) const;
    /// The check: the whole list.
    CheckResult check(pg::Pool&, const CompanyId&) const;

protected:
    enum class How { in_request, patiently };  ///< one page in a few seconds and no second try, or the whole list
    /// A company's account as it can be asked now.
    struct Asked {
        std::string with;  ///< whatever it is asked with: another text is another account, or another key
        std::function<Listing(How, const tel::TraceContext&)> read;
    };
    /// Its name in the tables, and the statement that says what is wrong with an account there.
    struct Provider {
        std::string name;
        const pg::Query& problem;
    };
    virtual Provider provider() const = 0;
    /// What the tables have of such a listing besides.
    virtual void keep_leads(pg::Tx&, const CompanyId&, const Listing&) const {}
    virtual std::optional<Asked> asked(pg::Tx&, const CompanyId&) const = 0;
    /// Cause and cure of a listing that is none.
    virtual std::pair<std::string, std::string> problem_of(const Listing&) const = 0;
};

/// Of who waits for an answer: little time, no second try.
http::ClientOptions hasty(const app::Settings&);

}  // namespace otto::company_service
