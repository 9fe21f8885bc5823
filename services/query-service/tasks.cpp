#include "tasks.hpp"

#include "api/resources.hpp"
#include "roles.hpp"
#include "search.hpp"
#include "words.hpp"

namespace otto::query_service {

using api::Context;

void Tasks::routes(api::Api& api) const {
    api.get("/api/v1/tasks", kEverybody, *this, &Tasks::list);
    api.get("/api/v1/tasks/{task_id}", kEverybody, *this, &Tasks::one);
}

http::Response Tasks::list(Context& c) const {
    api::Asked asked(c.request, {"status", "assigned_to", "assignee_id", "overdue", "lead_id", "contact_card_id", "search"});
    auto page = lists_.tasks.page_of(asked);
    auto found = Found::of(c, "tasks", asked.search());
    return lists_.tasks.answer(c, page,
                               {.status = asked.any_of("status", words::task_status),
                                .assigned_to = asked.any_of("assigned_to", words::task_role),
                                .assignee_id = asked.any_of("assignee_id"),
                                .overdue = asked.truth("overdue"),
                                .lead_id = asked.uuid("lead_id"),
                                .contact_card_id = asked.uuid("contact_card_id"),
                                .found = found.ids,
                                .words = found.patterns},
                               resources::task_value, found.rows);
}

http::Response Tasks::one(Context& c) const {
    api::takes_nothing(c);
    auto id = c.id("task_id", "task");
    auto viewer = c.viewer();
    JsonWriter w;
    c.tx().each(sql::one_task, {c.company(), id, viewer.own()},
                [&](const pg::Fields& f) { resources::task_value(w, f, viewer, resources::Texts::whole); });
    if (w.text().empty()) api::not_found("task");
    return c.ok(w.take());
}

}  // namespace otto::query_service
