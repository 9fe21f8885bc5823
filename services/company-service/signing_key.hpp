#pragma once
#include "base/crypto.hpp"
#include "config.hpp"
#include "http/client.hpp"
#include "otto/changes/v1/changes.pb.h"
#include "pg/connection.hpp"
#include "runtime/consumer.hpp"

namespace otto::company_service {

/// Reads a company's webhook signing key from CallRail, when it has an account there and nobody gave the key (providers.md §1.6, integrations.json).
class SigningKeyReader {
public:
    SigningKeyReader(const app::Settings&, http::Client&, pg::Pool&);
    rt::Outcome read(rt::Call<changes::v1::CallRailConnected>, rt::Out<>&) const;

private:
    KeyRing keys_;
    Millis key_grace_;
    std::string api_;
    http::Client& client_;
    pg::Pool& pool_;
};

/// The key among an account's integrations: of the one for that CallRail company, or of all if they agree. An empty list is no error.
struct FoundKey { std::optional<std::string> key; std::string why; };
FoundKey key_among(std::string_view integrations_json, const std::optional<std::string>& callrail_company_id);

}  // namespace otto::company_service
