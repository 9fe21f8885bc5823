#pragma once
#include <string>

#include "app/settings.hpp"

/// Where providers are and what is kept of theirs; read by more than one service.
namespace otto::providers {

inline const app::Setting<std::string> kCallRailApi =
    app::text("callrail-api", "https://api.callrail.com", "base URL of CallRail's API");
inline const app::Setting<std::string> kTwilioApi = app::text("twilio-api", "https://api.twilio.com", "base URL of Twilio's API");
inline const app::Setting<std::string> kTwilioAccountSid =
    app::text("twilio-account-sid", "",
              "SID (AC…) of the deployment's own Twilio account, whose numbers companies may have; empty: it has none");
inline const app::Setting<Secret> kTwilioAuthToken =
    app::secret("twilio-auth-token",
                "auth token of the deployment's Twilio account: it proves the account's webhooks; a comma list while it rotates, "
                "newest first");
inline const app::Setting<std::string> kTwilioApiKey =
    app::text("twilio-api-key", "",
              "SID (SK…) of an API key of the deployment's Twilio account, which asks Twilio's API in place of the auth token");
inline const app::Setting<Secret> kTwilioApiSecret = app::secret("twilio-api-secret", "secret of OTTO_TWILIO_API_KEY");
inline const app::Setting<std::string> kObjectStore =
    app::text("object-store", "file:/var/lib/otto/objects",
              "where recordings and what came with texts are kept: file:PATH, a folder that outlives the process and that all "
              "instances share");
inline const app::Setting<Secret> kMediaKeys =
    app::secret("media-keys",
                "keys of the links under /media, comma list, newest first, 32 characters or more each; empty: they are derived "
                "from OTTO_SECRET_KEYS");
inline const app::Setting<std::string> kShunyaApi =
    app::text("shunya-api", "https://otto.shunyalabs.ai", "base URL of Shunya's API");
inline const app::Setting<Secret> kShunyaTokenSecret =
    app::secret("shunya-token-secret",
                "signs the tokens that Shunya's API is asked with (HS256); a comma list while it rotates, newest first");
inline const app::Setting<Secret> kShunyaWebhookSecret =
    app::secret("shunya-webhook-secret", "what Shunya signs its webhooks with; a comma list while it rotates, newest first");

}  // namespace otto::providers
