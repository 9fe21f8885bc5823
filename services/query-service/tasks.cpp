#include "tasks.hpp"

#include "api/resources.hpp"
#include "roles.hpp"

namespace otto::query_service {

using api::Context;

void Tasks::routes(api::Api& api) const {
    api.get("/api/v1/tasks", kEverybody, *this, &Tasks::list);
    api.get("/api/v1/tasks/{task_id}", kEverybody, *this, &Tasks::one);
}

http::Response Tasks::list(Context& c) const { return answer_list(c, lists_.tasks, resources::task_value); }

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
