#pragma once
#include <string>

#include "app/settings.hpp"

/// Where providers are and what is kept of theirs; read by more than one service.
namespace otto::providers {

inline const app::Setting<std::string> kCallRailApi =
    app::text("callrail-api", "https://api.callrail.com", "base URL of CallRail's API");
inline const app::Setting<std::string> kObjectStore =
    app::text("object-store", "file:/var/lib/otto/objects",
              "where recordings are kept: file:PATH, a folder that outlives the process and that all instances share");
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
