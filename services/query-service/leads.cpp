#include "leads.hpp"

#include "api/resources.hpp"
#include "days.hpp"
#include "folded.hpp"
#include "hanging.hpp"
#include "roles.hpp"
#include "search.hpp"
#include "words.hpp"

namespace otto::query_service {

using api::Context;

void Leads::routes(api::Api& api) const {
    api.get("/api/v1/leads", kEverybody, *this, &Leads::list);
    api.get("/api/v1/leads/{lead_id}", kEverybody, *this, &Leads::one);
}

http::Response Leads::list(Context& c) const {
    api::Asked asked(c.request, {"status", "pool_status", "rep_id", "source", "date_from", "date_to", "qualified", "search"});
    auto page = lists_.leads.page_of(asked);
    auto days = Days::of(c, asked.date("date_from"), asked.date("date_to"));
    auto found = Found::of(c, "leads", asked.search());
    return lists_.leads.answer(c, page,
                               {.status = asked.any_of("status", words::lead_status),
                                .pool_status = asked.any_of("pool_status", words::pool_status),
                                .rep_id = asked.any_of("rep_id"),
                                .source = asked.any_of("source"),
                                .since = days.since,
                                .till = days.till,
                                .found = found.ids,
                                .words = found.patterns,
                                .qualified = asked.truth("qualified")},
                               resources::lead_value, found.rows);
}

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
