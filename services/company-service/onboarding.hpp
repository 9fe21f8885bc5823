#pragma once
#include <string>

#include "api/api.hpp"
#include "app/secrets.hpp"
#include "callrail_numbers.hpp"
#include "config.hpp"
#include "numbers.hpp"
#include "twilio_numbers.hpp"

namespace otto::company_service {

/// Connecting Twilio, and tests of what is connected. (CallRail is connected where its credentials are set: commands.hpp.)
class Onboarding {
public:
    Onboarding(const app::Settings&, pg::Pool&, const Numbers&, const CallRailNumbers&, const TwilioNumbers&);
    http::Response connect_twilio(api::Context&) const;
    /// What the provider says to the credentials that are set, and whether its list fits what is registered: each check with its
    /// cure. At most six a minute a company.
    http::Response test_callrail(api::Context&) const;
    http::Response test_twilio(api::Context&) const;

private:
    struct Check {
        std::string name;
        bool ok;
        std::string detail, cure;  ///< the cure of one that is ok is ""
    };
    using Checks = std::vector<Check>;
    void count_test(api::Context&) const;
    /// Whether each of the company's numbers at the provider is among those that it lists.
    Check numbers_check(const std::vector<std::string>& registered, const Listing&, const std::string& title) const;
    std::vector<std::string> registered_at(pg::Tx&, const CompanyId&, const char* provider) const;
    Check webhooks_check(const std::vector<std::string>& registered, const std::vector<providers::twilio::ListedNumber>&) const;
    /// Whether calls for the numbers that are registered for voice come here, and their ends are told.
    Check voice_check(const std::vector<std::string>& registered, const std::vector<providers::twilio::ListedNumber>&) const;
    static http::Response answer(api::Context&, const Checks&);

    app::LiveKeyRing keys_;
    Millis key_grace_;
    std::string public_url_, deployment_sid_;
    pg::Pool& pool_;
    const Numbers& numbers_;
    const CallRailNumbers& callrail_;
    const TwilioNumbers& twilio_;
};

}  // namespace otto::company_service
