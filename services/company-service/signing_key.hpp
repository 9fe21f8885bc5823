#pragma once
#include "app/secrets.hpp"
#include "config.hpp"
#include "otto/changes/v1/changes.pb.h"
#include "providers/callrail.hpp"
#include "runtime/consumer.hpp"
#include "runtime/work_queue.hpp"

namespace otto::company_service {

/// Companies whose signing key is to be looked up (runtime/work_queue.hpp).
inline constexpr std::string_view kSigningKeys = "company-service/signing-keys";

/// Reads a company's webhook signing key from CallRail, when it has an account there and nobody gave the key (providers.md §1.6,
/// integrations.json).
class SigningKeyReader {
public:
    SigningKeyReader(const app::Settings&, const providers::callrail::Client&);
    rt::Outcome want(rt::In<changes::v1::CallRailConnected>, pg::Tx&, rt::Out<>&) const;
    std::optional<Instant> next(rt::Lease&) const;

private:
    void keep(pg::Tx&, const CompanyId&, const std::string& key) const;
    app::LiveKeyRing keys_;
    Millis key_grace_;
    const providers::callrail::Client& callrail_;
};

}  // namespace otto::company_service
