#pragma once
#include "app/settings.hpp"

namespace otto::company_service {

inline const app::Setting<std::string> kClerkApi = app::text("clerk-api", "https://api.clerk.com", "base URL of Clerk's API");
inline const app::Setting<Secret> kClerkSecretKey = app::secret("clerk-secret-key", "key of Clerk's API (sk_…); organisations are made with it");
inline const app::Setting<std::string> kCallRailApi = app::text("callrail-api", "https://api.callrail.com", "base URL of CallRail's API");
inline const app::Setting<Millis> kKeyGrace = app::duration("key-grace", "7d", "how long a replaced signing key stays valid");

}  // namespace otto::company_service
