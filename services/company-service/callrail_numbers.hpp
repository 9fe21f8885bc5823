#pragma once
#include <optional>
#include <string>

#include "app/secrets.hpp"
#include "config.hpp"
#include "http/client.hpp"
#include "number_list.hpp"
#include "providers/callrail.hpp"

namespace otto::company_service {

/// The tracking numbers of a company's CallRail account.
class CallRailNumbers final : public NumberList {
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
    /// Within a request.
    Listing ask(const Account&, const tel::TraceContext&) const;

private:
    Provider provider() const override;
    std::optional<Asked> asked(pg::Tx&, const CompanyId&) const override;
    std::pair<std::string, std::string> problem_of(const Listing&) const override;
    Listing read(How, const Account&, const tel::TraceContext&) const;

    app::LiveKeyRing keys_;
    const providers::callrail::Client& patient_;
    http::Client hasty_http_;
    providers::callrail::Client hasty_;
};

}  // namespace otto::company_service
