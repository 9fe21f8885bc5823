#include "people.hpp"

#include "api/asked.hpp"
#include "base/json.hpp"
#include "pg/json.hpp"
#include "query-service/sql.hpp"
#include "roles.hpp"

namespace otto::query_service {
namespace {

using api::Context;
using pg::Fields;

void user_of(JsonWriter& w, const Context& c, std::optional<std::string> name, std::optional<std::string> email) {
    w.key("user").begin_object().member("id", c.who.user.value()).member("name", name).member("email", email);
    w.key("role");
    if (c.who.role)
        w.value(to_text(*c.who.role));
    else
        w.null();
    w.end_object();
}

void company_of(JsonWriter& w, const Fields& f) {
    w.key("company").begin_object();
    pg::texts(w, f, {"id", "name", "timezone"});
    for (auto json : {"hours", "texting_numbers"}) pg::json_value(w.key(json), f, json);
    w.end_object();
}

}  // namespace

void People::routes(api::Api& api) const {
    api.get("/api/v1/me", identity::Roles::any_signed_in(), *this, &People::me);
    api.get("/api/v1/people", kEverybody, *this, &People::list);
}

http::Response People::me(Context& c) const {
    api::takes_nothing(c);
    JsonWriter w;
    w.begin_object();
    bool has_company = false;
    if (c.who.company)
        c.tx().each(sql::me, {c.company(), c.who.user.value()}, [&](const Fields& f) {
            user_of(w, c, f.maybe_text("user_name"), f.maybe_text("email"));
            company_of(w, f);
            has_company = true;
        });
    if (!has_company) {
        user_of(w, c, std::nullopt, std::nullopt);
        w.key("company").null();
    }
    w.key("features").begin_object().end_object();
    return c.ok(w.end_object().take());
}

http::Response People::list(Context& c) const {
    api::takes_nothing(c);
    JsonWriter w;
    w.begin_object().key("items").begin_array();
    c.tx().each(sql::people, {c.company()}, [&](const Fields& f) {
        w.begin_object();
        pg::texts(w, f, {"id", "name", "role", "status"});
        w.end_object();
    });
    return c.ok(w.end_array().end_object().take());
}

}  // namespace otto::query_service
