#include "appointments.hpp"

#include "api/resources.hpp"
#include "days.hpp"
#include "roles.hpp"
#include "search.hpp"
#include "words.hpp"

namespace otto::query_service {

using api::Context;

void Appointments::routes(api::Api& api) const {
    api.get("/api/v1/appointments", kEverybody, *this, &Appointments::list);
    api.get("/api/v1/appointments/today/self", kEverybody, *this, &Appointments::today);
    api.get("/api/v1/appointments/{appointment_id}", kEverybody, *this, &Appointments::one);
}

http::Response Appointments::list(Context& c) const {
    api::Asked asked(c.request,
                     {"date", "date_from", "date_to", "lead_id", "contact_card_id", "status", "outcome", "rep_id", "search"});
    auto page = lists_.appointments.page_of(asked);
    auto date = asked.date("date"), from = asked.date("date_from"), to = asked.date("date_to");
    if (date && (from || to)) api::refuse_field("date", "does not go with date_from and date_to; use one of them");
    if (date) from = to = date;
    auto found = Found::of(c, "appointments", asked.search());
    auto days = Days::of(c, from, to);
    return lists_.appointments.answer(c, page,
                                      {.since = days.since,
                                       .till = days.till,
                                       .lead_id = asked.uuid("lead_id"),
                                       .status = asked.any_of("status", words::appointment_status),
                                       .outcome = asked.any_of("outcome", words::appointment_outcome),
                                       .rep_id = asked.any_of("rep_id"),
                                       .contact_card_id = asked.uuid("contact_card_id"),
                                       .found = found.ids,
                                       .words = found.patterns},
                                      resources::appointment_value, found.rows);
}

http::Response Appointments::today(Context& c) const {
    api::Asked asked(c.request, {"status", "outcome"});
    auto page = lists_.appointments.page_of(asked);
    if (!asked.text("sort") && !asked.text("cursor")) {
        page.sort = "scheduled_start";
        page.descending = false;
    }
    auto day = to_rfc3339(c.request.received_at).substr(0, 10);
    c.tx().each(sql::window, {c.company(), nullptr, nullptr}, [&](const pg::Fields& f) { day = f.text("until"); });
    auto days = Days::of(c, day, day);
    return lists_.appointments.answer(c, page,
                                      {.since = days.since,
                                       .till = days.till,
                                       .status = asked.any_of("status", words::appointment_status),
                                       .outcome = asked.any_of("outcome", words::appointment_outcome),
                                       .rep_id = pg::Param::array(std::vector<std::string>{c.who.user.value()})},
                                      resources::appointment_value);
}

http::Response Appointments::one(Context& c) const {
    api::takes_nothing(c);
    auto id = c.id("appointment_id", "appointment");
    auto viewer = c.viewer();
    JsonWriter w;
    c.tx().each(sql::one_appointment, {c.company(), id, viewer.own()},
                [&](const pg::Fields& f) { resources::appointment_value(w, f, viewer, resources::Texts::whole); });
    if (w.text().empty()) api::not_found("appointment");
    return c.ok(w.take());
}

}  // namespace otto::query_service
