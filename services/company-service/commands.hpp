#pragma once
#include "api/api.hpp"
#include "app/secrets.hpp"
#include "base/json.hpp"
#include "callrail_numbers.hpp"
#include "config.hpp"
#include "numbers.hpp"
#include "otto/changes/v1/changes.pb.h"
#include "runtime/runtime.hpp"

namespace otto::company_service {

/// Of a field that is no place's.
inline constexpr const char* kNoTimezone = "is none of IANA's places; write it as America/Phoenix";

/// What people command: companies and their credentials.
class Commands {
public:
    Commands(const app::Settings&, pg::Pool&, const Numbers&, const CallRailNumbers&);
    http::Response update(api::Context&) const;
    http::Response set_api_key(api::Context&) const;
    http::Response set_account_id(api::Context&) const;
    http::Response set_signing_key(api::Context&) const;
    http::Response connect_callrail(api::Context&) const;

private:
    struct Credentials {
        std::optional<std::string> api_key, account_id, company_id, tracking_number, signing_key;
    };
    /// What CallRail says to the credentials as they would be, if they are complete: 422 if it refuses what is given, 409 if an
    /// id is claimed by many and nothing shows that it is this company's.
    std::optional<Listing> ask_callrail(api::Context&, const Credentials&) const;
    void store(api::Context&, const Credentials&, bool connects) const;

    app::LiveKeyRing keys_;
    Millis key_grace_;
    std::string public_url_;
    pg::Pool& pool_;
    const Numbers& numbers_;
    const CallRailNumbers& callrail_;
    rt::Emitter<changes::v1::CallRailConnected> emitter_{"company-service"};
};

}  // namespace otto::company_service
