#include "company.hpp"

#include "api/resources.hpp"
#include "lists.hpp"
#include "pg/json.hpp"
#include "roles.hpp"

namespace otto::query_service {
namespace {

using api::Context;
using pg::Fields;

void company_value(JsonWriter& w, const Fields& f) {
    w.begin_object();
    pg::texts(w, f,
              {"id", "name", "phone_number", "primary_tracking_number", "address", "timezone", "call_provider",
               "callrail_account_id", "callrail_company_id", "twilio_account_sid", "onboarding_step", "status"});
    w.member("onboarding_completed", f.boolean("onboarding_completed"));
    for (std::string secret : {"callrail_api_key", "callrail_signing_key", "twilio_auth_token"})
        w.member(secret + "_set", !f.is_null(secret + "_last4")).member(secret + "_last4", f.maybe_text(secret + "_last4"));
    for (auto json : {"service_area", "call_flow", "workflow_config", "held"}) pg::json_value(w.key(json), f, json);
    for (std::string problem : {"callrail_problem", "twilio_problem"}) {
        w.key(problem);
        if (auto cause = f.maybe_text(problem))
            w.begin_object().member("cause", *cause).member("cure", f.text(problem + "_cure")).end_object();
        else
            w.null();
    }
    pg::times(w, f, {"callrail_signing_key_former_until", "twilio_auth_token_former_until", "created_at", "updated_at"});
    w.end_object();
}

}  // namespace

void Company::routes(api::Api& api) const {
    for (std::string path : {"/api/v1/company/{id}", "/company/{id}"})
        api.get(path, kManagers, *this, &Company::one, api::Api::Suspended::let_in);
    api.get("/api/v1/users", kManagers, *this, &Company::users);
    api.get("/api/v1/numbers", kManagers, *this, &Company::numbers);
}

http::Response Company::one(Context& c) const {
    api::takes_nothing(c);
    if (c.request.param("id") != c.company().value()) api::not_found("company");
    JsonWriter w;
    c.tx().each(sql::company, {c.company()}, [&](const Fields& f) { company_value(w, f); });
    if (w.text().empty()) api::not_found("company");
    return c.ok(w.take());
}

http::Response Company::users(Context& c) const {
    const api::Asked asked(c.request, sql::lists::Users::asks);
    const auto page = users_.page_of(asked);
    auto filters = sql::lists::Users::asked(asked);
    if (auto part = asked.search()) filters.part = *part;
    return users_.answer(c, page, filters, resources::user_value);
}

http::Response Company::numbers(Context& c) const { return answer_list(c, numbers_, resources::company_number_value); }

}  // namespace otto::query_service
