#include "leads.hpp"

#include "api/resources.hpp"
#include "folded.hpp"
#include "hanging.hpp"
#include "roles.hpp"

namespace otto::query_service {

using api::Context;

void Leads::routes(api::Api& api) const {
    api.get("/api/v1/leads", kEverybody, *this, &Leads::list);
    api.get("/api/v1/leads/{lead_id}", kEverybody, *this, &Leads::one);
}

http::Response Leads::list(Context& c) const { return answer_list(c, lists_.leads, resources::lead_value); }

http::Response Leads::one(Context& c) const {
    api::takes_nothing(c);
    auto id = c.id("lead_id", "lead");
    JsonWriter w;
    w.begin_object();
    read_folded(c, id, "lead", sql::one_lead, [&](const pg::Fields& f) {
        resources::lead_columns(w, f, resources::Texts::whole);
        resources::nested_contact(w, f);
    });
    hang_calls(w.key("calls"), c, lists_, {.lead_id = id});
    hang_appointments(w.key("appointments"), c, lists_, {.lead_id = id});
    hang_tasks(w.key("tasks"), c, lists_, {.lead_id = id});
    return c.ok(w.end_object().take());
}

}  // namespace otto::query_service
