#pragma once
#include "app/settings.hpp"
#include "providers/settings.hpp"
#include "providers/svix.hpp"

namespace otto::company_service {

using providers::kCallRailApi;
using providers::kTwilioAccountSid;
using providers::kTwilioApi;
using providers::kTwilioApiKey;
using providers::kTwilioApiSecret;
using providers::kTwilioAuthToken;
inline const app::Setting<std::string> kClerkApi = app::text("clerk-api", "https://api.clerk.com", "base URL of Clerk's API");
inline const app::Setting<Secret> kClerkSecretKey =
    app::secret("clerk-secret-key", "key of Clerk's API (sk_…); organisations are made with it");
inline const app::Setting<Secret> kClerkWebhookSecret = app::secret(
    "clerk-webhook-secret", "what Svix signs Clerk's webhooks with (whsec_…); a comma list while it rotates, newest first",
    "secrets of endpoints in Clerk's dashboard, whsec_ and base64, with commas between", [](const std::string& text) {
        auto keys = providers::svix::keys_of(Secret(text));
        return keys ? std::nullopt : std::optional(keys.error().message);
    });
inline const app::Setting<Millis> kSweepEvery = app::duration(
    "sweep-every", "10m",
    "how often CallRail's list of calls and Twilio's of texts are held against ours, because neither repeats a webhook");
inline const app::Setting<std::int64_t> kSweepRequests =
    app::number("sweep-requests", 100, 1, 100'000,
                "requests an hour that sweeps may make to one CallRail account; recordings have their own "
                "(OTTO_CALLRAIL_BUDGET), CallRail allows 1,000 for both");
inline const app::Setting<Millis> kKeyGrace = app::duration("key-grace", "7d", "how long a replaced signing key stays valid");
inline const app::Setting<std::int64_t> kUnprovenNumbers =
    app::number("unproven-numbers", 50, 1, 100'000,
                "numbers that a company may have registered without proof: neither has a webhook that its key signed come for "
                "them, nor does CallRail's list under its API key show them");
inline const app::Setting<Millis> kNumbersEvery = app::duration("numbers-every", "6h",
                                                                "how often the tracking numbers of a company's CallRail account "
                                                                "are read again: what they show is proven to be the company's");
inline const app::Setting<bool> kTwilioSharedPurchases =
    app::flag("twilio-shared-purchases", false,
              "whether a company without a Twilio account of its own may buy numbers; they are the deployment's account's, which "
              "pays for them");
inline const app::Setting<Millis> kMembersEvery =
    app::duration("members-every", "15m", "how often the members of a company's organisation at Clerk are read again");
inline const app::Setting<std::int64_t> kCompaniesAnHour = app::number(
    "companies-an-hour", 20, 1, 100'000, "companies that one user may make in an hour; each costs an organisation at Clerk");

}  // namespace otto::company_service
