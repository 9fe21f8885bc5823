#pragma once
#include "app/secrets.hpp"
#include "providers/twilio.hpp"
#include "sweep.hpp"

namespace otto::company_service {

/// Twilio's list of messages, for the sweep: texts and how they stand. It is read for each account of a company, and for the
/// deployment's own, whose numbers companies have.
class TwilioMessages final : public SweptList {
public:
    TwilioMessages(const app::Settings&, const providers::twilio::Client&, const directory::Companies&,
                   Millis pace = Millis{1'000});
    const Names& names() const override;
    bool concerns(const directory::Profile&, const std::optional<std::string>& account) const override;
    std::vector<Credentials> credentials(pg::Tx&, const directory::Profile&) const override;
    Instant from(std::optional<Instant> watermark, std::optional<Instant> last_sweep, Instant now) const override;
    std::variant<Page, Refusal> page(const SweptAccount&, Instant from, Instant to, const std::string& next,
                                     const tel::TraceContext&) const override;
    std::optional<std::size_t> owner_of(const SweptAccount&, const Listed&) const override;
    std::vector<Compared> compare(pg::Tx&, const CompanyId&, const SweptAccount&, const std::vector<const Listed*>&,
                                  Instant asked) const override;
    /// Texts that somebody wrote to a number which none of the account's companies registered. What is sent from such a number
    /// has no webhook here, and stays where it is.
    std::vector<Compared> unowned(pg::Tx&, const SweptAccount&, const std::vector<const Listed*>&, Instant asked) const override;
    /// What came with texts that are missing is asked for one by one.
    void complete(const SweptAccount&, std::vector<Compared>&, const std::function<bool()>& may_ask,
                  const tel::TraceContext&) const override;
    Millis pace() const override { return pace_; }
    std::int64_t requests_an_hour() const override { return 3'600; }

private:
    /// It may have numbers in the deployment's account; which provider's a number is, the tables say.
    bool may_be_guest(const directory::Profile&, const std::optional<std::string>& account) const;
    bool is_deployments(const SweptAccount& account) const { return deployment_ && deployment_->sid == account.id; }

    app::LiveKeyRing keys_;
    std::optional<providers::twilio::Account> deployment_;
    const providers::twilio::Client& twilio_;
    const directory::Companies& companies_;
    Millis pace_;
};

/// Whether what Twilio lists says more of a text than we know: "status", if its own stands higher in the contract's order, and
/// "body", if nothing but its delivery was told.
std::vector<std::string> differences(const providers::twilio::ListedMessage&, std::string_view known_status, bool known_body);
/// The event that enters: all that the list says. `by_deployment`: the account is the deployment's own, whose list proves no
/// company's number; "" is then nobody's.
inbound::v1::ProviderEvent swept_event(const providers::twilio::ListedMessage&, const std::string& company_id,
                                       const std::string& account_sid, Instant asked_at, bool by_deployment);

}  // namespace otto::company_service
