#pragma once
#include <string>

#include "app/settings.hpp"
#include "providers/twilio.hpp"

namespace otto::company_service {

/// Where Twilio must send what comes for a number so that this Otto gets it (seed 003, step 3), and what of a number's own
/// settings there says otherwise. The addresses are OTTO_PUBLIC_URL's.
class TwilioWebhooks {
public:
    explicit TwilioWebhooks(const app::Settings&);
    const providers::twilio::NumberWebhooks& ours() const { return ours_; }
    /// What of a number's calls, or texts, does not come here, in a sentence; "" = all that there can be does.
    std::string calls_astray(const providers::twilio::ListedNumber&) const;
    std::string texts_astray(const providers::twilio::ListedNumber&) const;
    /// Whether any address of it is somebody else's: not empty, not ours, and not what Twilio gives to a new number.
    bool leads_elsewhere(const providers::twilio::ListedNumber&) const;
    /// Whichever webhook this Otto has told people to set.
    std::string any() const { return any_; }

private:
    bool is_ours(const std::string& url, const std::string& own) const;
    providers::twilio::NumberWebhooks ours_;
    std::string any_;
};

}  // namespace otto::company_service
