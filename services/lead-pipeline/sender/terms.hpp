#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "directory/companies.hpp"
#include "pg/tx.hpp"
#include "providers/twilio.hpp"
#include "rules/quiet_hours.hpp"

namespace otto::lead_pipeline {

/// By which account a company's texts come and go at Twilio: its own, else the deployment's; one whose token is not known is
/// none.
std::optional<providers::twilio::Account> twilio_account(const directory::Profile&,
                                                         const std::optional<providers::twilio::Account>& deployment);

/// On what terms a company's texts leave, as the directory has it by now.
struct Terms {
    std::optional<providers::twilio::Account> account;
    std::string why_not;      ///< none may leave, and the cure; "": they may
    std::string credentials;  ///< a hash of what the provider is shown, to know others by
    double rate = 1;          ///< parts of texts a second, of each number
    QuietHours quiet;
    std::string zone;  ///< where the company is
    std::vector<directory::Number> numbers;

    /// The number is one of the company's for texts, and Twilio serves it.
    bool may_send_from(const std::string& number, Instant now) const;
};
/// When the quiet hours end in which a moment lies, for a customer of that state ("": nobody knows); nullopt: it lies in none.
std::optional<Instant> quiet_until(pg::Tx&, const Terms&, std::string_view state, Instant now);
/// `company` null: nobody knows it any more.
Terms terms_of(const directory::ProfilePtr& company, const std::optional<providers::twilio::Account>& deployment);

}  // namespace otto::lead_pipeline
