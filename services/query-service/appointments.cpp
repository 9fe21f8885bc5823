#include "appointments.hpp"

#include "api/resources.hpp"
#include "days.hpp"
#include "roles.hpp"

namespace otto::query_service {

using api::Context;

void Appointments::routes(api::Api& api) const {
    api.get("/api/v1/appointments", kEverybody, *this, &Appointments::list);
    api.get("/api/v1/appointments/today/self", kEverybody, *this, &Appointments::today);
    api.get("/api/v1/appointments/{appointment_id}", kEverybody, *this, &Appointments::one);
}

http::Response Appointments::list(Context& c) const { return answer_list(c, lists_.appointments, resources::appointment_value); }

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
    auto filters = sql::lists::Appointments::asked(asked);
    filters.since = days.since;
    filters.till = days.till;
    filters.rep_id = pg::Param::array(std::vector<std::string>{c.who.user.value()});
    return lists_.appointments.answer(c, page, filters, resources::appointment_value);
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
