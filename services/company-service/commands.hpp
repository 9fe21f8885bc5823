#pragma once
#include "api/api.hpp"
#include "app/secrets.hpp"
#include "base/json.hpp"
#include "callrail_numbers.hpp"
#include "config.hpp"
#include "numbers.hpp"
#include "otto/changes/v1/changes.pb.h"
#include "providers/clerk.hpp"
#include "runtime/runtime.hpp"

namespace otto::company_service {

/// What people command: companies and their credentials.
class Commands {
public:
    Commands(const app::Settings&, const providers::clerk::Client&, pg::Pool&, const Numbers&, const CallRailNumbers&);
    http::Response create(api::Context&) const;
    http::Response update(api::Context&) const;
    http::Response set_api_key(api::Context&) const;
    http::Response set_account_id(api::Context&) const;
    http::Response set_signing_key(api::Context&) const;
    http::Response connect_callrail(api::Context&) const;

private:
    struct Credentials {
        std::optional<std::string> api_key, account_id, company_id, tracking_number, signing_key;
    };
    void count_creation(const UserId&) const;
    /// What CallRail says to the credentials as they would be, if they are complete: 422 if it refuses what is given, 409 if an
    /// id is claimed by many and nothing shows that it is this company's.
    std::optional<Listing> ask_callrail(api::Context&, const Credentials&) const;
    void store(api::Context&, const Credentials&, bool connects) const;
    [[noreturn]] void no_clerk(const api::Context&, const providers::clerk::ApiError&) const;
    std::string organisation_for(const api::Context&, const std::string& name) const;
    std::optional<std::string> unused_organisation(const UserId&) const;
    void keep_organisation(const api::Context&, const std::string& id) const;
    std::optional<std::string> lost_organisation(const api::Context&) const;
    void forget_organisation(const UserId&, const std::string& id) const;
    void drop_organisation(const api::Context&, const std::string& id) const;

    app::LiveKeyRing keys_;
    Millis key_grace_;
    std::string public_url_;
    const providers::clerk::Client& clerk_;
    pg::Pool& pool_;
    const Numbers& numbers_;
    const CallRailNumbers& callrail_;
    std::int64_t companies_an_hour_;
    rt::Emitter<changes::v1::CallRailConnected> emitter_{"company-service"};
};

}  // namespace otto::company_service
