#pragma once
#include <optional>
#include <string>
#include <vector>

#include "app/secrets.hpp"
#include "config.hpp"
#include "http/client.hpp"
#include "number_list.hpp"
#include "providers/twilio.hpp"
#include "twilio_webhooks.hpp"

namespace otto::company_service {

/// The numbers of a company's Twilio account. Those of the deployment's own account are no company's by being listed there.
class TwilioNumbers final : public NumberList {
public:
    /// As CallRailNumbers.
    TwilioNumbers(const app::Settings&, const providers::twilio::Client& patient);
    std::optional<providers::twilio::Account> account_of(pg::Tx&, const CompanyId&) const;
    /// Within a request: what the list says, and its first page as it came.
    Listing ask(const providers::twilio::Account&, const tel::TraceContext&,
                std::vector<providers::twilio::ListedNumber>* = nullptr) const;
    providers::twilio::Reply<providers::twilio::AccountState> state(const providers::twilio::Account& account,
                                                                    const tel::TraceContext& trace) const {
        return hasty_.account(account, trace);
    }

    /// The check: the whole list of the company's account, and by themselves the numbers that it has in the deployment's.
    CheckResult check_all(pg::Pool&, const CompanyId&) const;
    const TwilioWebhooks& webhooks() const { return webhooks_; }

private:
    CheckResult check_shared(pg::Pool&, const CompanyId&) const;
    void keep_leads(pg::Tx&, const CompanyId&, const Listing&) const override;
    Listing::Lead lead_of(const providers::twilio::ListedNumber& n) const {
        return {n.number, webhooks_.calls_astray(n), webhooks_.texts_astray(n)};
    }
    Provider provider() const override;
    std::optional<Asked> asked(pg::Tx&, const CompanyId&) const override;
    std::pair<std::string, std::string> problem_of(const Listing&) const override;
    Listing read(How, const providers::twilio::Account&, const tel::TraceContext&,
                 std::vector<providers::twilio::ListedNumber>*) const;

    app::LiveKeyRing keys_;
    TwilioWebhooks webhooks_;
    std::optional<providers::twilio::Account> deployment_;
    const providers::twilio::Client& patient_;
    http::Client hasty_http_;
    providers::twilio::Client hasty_;
};

inline constexpr const char* kNotTogether = "account SID and auth token do not fit together, or the account is suspended";

}  // namespace otto::company_service
