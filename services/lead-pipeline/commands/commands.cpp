#include "commands/commands.hpp"

#include <algorithm>

#include "api/inputs.hpp"
#include "api/resources.hpp"
#include "books/lead_book.hpp"
#include "lead-pipeline/sql.hpp"
#include "rules/lead.hpp"
#include "rules/task.hpp"
#include "words.hpp"

namespace otto::lead_pipeline {
namespace {

using api::Context;
using api::Inputs;

/// A task as a person may change it.
struct Task {
    std::string description, assigned_to, status, priority;
    std::optional<std::string> assignee_id, action_type;
    std::optional<Instant> due_at;
    bool of_own_lead = false;  ///< of the rep who asks
    static Task from(const pg::Fields& f) {
        return {f.text("description"),       f.text("assigned_to"),       f.text("status"), f.text("priority"),
                f.maybe_text("assignee_id"), f.maybe_text("action_type"), f.time("due_at"), f.boolean("of_own_lead")};
    }
};

/// What a task is about.
struct Place {
    Uuid contact;
    std::optional<Uuid> lead;
    std::optional<std::string> rep;
    static Place from(const pg::Fields& f) {
        return {f.uuid("contact_card_id"), f.maybe_uuid("lead_id"), f.maybe_text("assigned_rep_id")};
    }
};

/// What a field names is not there, or is not the caller's to see.
[[noreturn]] void no_such(const std::string& field, const std::string& what) {
    api::refuse_field(field, "there is no such " + what);
}

std::optional<std::string> action(const Inputs& in) {
    auto type = in.text("action_type", 50);
    if (type && !std::all_of(type->begin(), type->end(), [](char ch) { return (ch >= 'a' && ch <= 'z') || ch == '_'; }))
        api::refuse_field("action_type", "takes small letters and _, as call_back");
    return type;
}

/// What a person may say of a task, read alike from what makes it and from what changes it.
struct TaskInputs {
    std::optional<std::string> description, assigned_to, assignee, action_type, priority;
    std::optional<Instant> due_at;
    explicit TaskInputs(const Inputs& in)
        : description(in.text("description", 2000)),
          assigned_to(in.one_of("assigned_to", words::task_role)),
          assignee(in.text("assignee_id", 100)),
          action_type(action(in)),
          priority(in.one_of("priority", words::task_priority)),
          due_at(in.time("due_at")) {}
};

/// Whose a task may become, by whoever's command: one of the company's people; and a rep gives away what is about own leads, and
/// nothing else.
void may_become(Context& c, const Task& former, const Task& task) {
    bool other_person = task.assignee_id != former.assignee_id, other_role = task.assigned_to != former.assigned_to;
    if (auto self = c.viewer().only(); self && !task.of_own_lead) {
        if (other_person && task.assignee_id != self)
            api::refuse_field("assignee_id", "a rep gives others tasks about own leads (lead_id), and keeps the rest");
        if (other_role && task.assigned_to != "rep")
            api::refuse_field("assigned_to", "a rep gives others tasks about own leads (lead_id), and keeps the rest");
    }
    if (other_person && task.assignee_id) c.must_be_member("assignee_id", *task.assignee_id);
}

Task lock_task(Context& c, const Uuid& id) {
    auto task = c.tx().maybe<Task>(sql::lock_task, {c.company(), id, c.viewer().only()});
    if (!task) api::not_found("task");
    return *task;
}

/// What else than a task's text became another value.
rt::Changes changes(const Task& former, const Task& task) {
    rt::Changes out;
    out.add("status", former.status, task.status)
        .add("assigned_to", former.assigned_to, task.assigned_to)
        .add("assignee_id", former.assignee_id, task.assignee_id)
        .add("action_type", former.action_type, task.action_type)
        .add("due_at", former.due_at, task.due_at)
        .add("priority", former.priority, task.priority);
    return out;
}

rt::Changes changes(const LeadRow& former, const LeadRow& lead) {
    rt::Changes out;
    out.add("status", former.status, lead.status).add("assigned_rep_id", former.rep, lead.rep);
    return out;
}

void save_task(Context& c, const Uuid& id, const Task& t) {
    c.tx().write(sql::change_task, {c.company(), id, t.description, t.assigned_to, t.assignee_id, t.action_type, t.due_at,
                                    t.priority, t.status, c.who.user});
}

LeadRow lock_lead(Context& c, const Uuid& id) {
    auto lead = LeadBook(c.tx()).hold({c.company(), LeadId{id}});
    if (!lead) api::not_found("lead");
    return *lead;
}

}  // namespace

http::Response Commands::create_task(Context& c) const {
    auto in = Inputs::of(c.request, {"description", "assigned_to", "assignee_id", "action_type", "due_at", "priority",
                                     "contact_card_id", "lead_id", "call_id", "appointment_id"});
    auto self = c.viewer().only();
    in.required("description", 2000);
    const TaskInputs said(in);
    auto contact = in.uuid("contact_card_id"), lead = in.uuid("lead_id"), appointment = in.uuid("appointment_id");
    auto call = in.integer("call_id", 1, 9007199254740991);

    // A call gives the task its lead and contact, a lead its contact; of a rep's it must be.
    bool own = false;
    auto place = [&](const pg::Query& query, pg::Params params, const char* field, const char* what) {
        auto at = c.tx().maybe<Place>(query, std::move(params));
        if (!at || (self && at->rep != self)) no_such(field, what);
        own = true;
        if (lead && at->lead && *lead != *at->lead) api::refuse_field("lead_id", "is not the lead of this call");
        if (contact && *contact != at->contact) api::refuse_field("contact_card_id", "is not the contact of this lead or call");
        contact = at->contact;
        if (at->lead) lead = at->lead;
    };
    if (call) place(sql::place_of_call, {c.company(), *call}, "call_id", "call");
    if (lead) place(sql::place_of_lead, {c.company(), *lead}, "lead_id", "lead");
    if (contact && !lead) place(sql::place_of_contact, {c.company(), *contact, self}, "contact_card_id", "contact");
    if (appointment) {
        auto rep = c.tx().value<std::optional<std::string>>(sql::rep_of_appointment, {c.company(), *appointment});
        if (!rep || (self && !own && *rep != self)) no_such("appointment_id", "appointment");
    }

    // A rep's task is the rep's own unless it says otherwise.
    Task before{.assigned_to = self ? "rep" : "csr", .of_own_lead = own};
    Task task{*said.description,
              said.assigned_to.value_or(before.assigned_to),
              "open",
              said.priority.value_or("medium"),
              said.assignee,
              said.action_type,
              said.due_at,
              own};
    if (self && !task.assignee_id && task.assigned_to == "rep") task.assignee_id = self;
    may_become(c, before, task);
    auto id = Uuid::v7(c.request.received_at);
    c.tx().write(
        sql::create_task,
        {c.company(), id, task.description, task.assigned_to, task.assignee_id, task.action_type, task.due_at, task.priority,
         contact, lead, call, appointment,
         unique_key("manual", call ? std::to_string(*call) : "", task.action_type.value_or(""), id.to_string()), c.who.user});
    return c.changed({"task", id.to_string(), "task.create"}, sql::task, resources::task_value, 201);
}

http::Response Commands::change_task(Context& c) const {
    auto id = c.id("task_id", "task");
    auto in = Inputs::change(c.request, {.lasting = {"description", "assigned_to", "action_type", "priority", "status"},
                                         .clearable = {"assignee_id", "due_at"},
                                         .fixed = {{{"contact_card_id", "lead_id", "call_id", "appointment_id", "source"},
                                                    "stays what it is; cancel this task and create another"}}});
    const TaskInputs said(in);
    auto status = in.one_of("status", words::task_status_change);

    const auto former = lock_task(c, id);
    auto task = former;
    if (said.description) task.description = *said.description;
    if (said.assigned_to) task.assigned_to = *said.assigned_to;
    if (said.action_type) task.action_type = said.action_type;
    if (said.priority) task.priority = *said.priority;
    task.assignee_id = in.change("assignee_id", said.assignee).after(former.assignee_id);
    task.due_at = in.change("due_at", said.due_at).after(former.due_at);
    if (in.has("due_at") && task.status == "overdue") task.status = "open";  // whether it is overdue is seen anew
    if (status) task.status = *status;
    may_become(c, former, task);
    save_task(c, id, task);
    return c.changed({"task", id.to_string(), "task.change", in.changed(), changes(former, task)}, sql::task,
                     resources::task_value);
}

http::Response Commands::complete_task(Context& c) const {
    auto id = c.id("task_id", "task");
    Inputs::of(c.request, {});
    const auto former = lock_task(c, id);
    auto task = former;
    if (task.status == "cancelled")
        api::refuse(409, "Task cancelled", "This task is cancelled; open it again first: PATCH with status open.",
                    {{"status", "is cancelled"}});
    if (task.status == "completed") return c.row(id.to_string(), sql::task, resources::task_value);
    task.status = "completed";
    save_task(c, id, task);
    return c.changed({"task", id.to_string(), "task.complete", {}, changes(former, task)}, sql::task, resources::task_value);
}

http::Response Commands::cancel_task(Context& c) const {
    auto id = c.id("task_id", "task");
    Inputs::of(c.request, {});
    const auto former = lock_task(c, id);
    auto task = former;
    if (task.status == "completed")
        api::refuse(409, "Task completed", "This task is completed; open it again first: PATCH with status open.",
                    {{"status", "is completed"}});
    if (task.status == "cancelled") return c.row(id.to_string(), sql::task, resources::task_value);
    task.status = "cancelled";
    save_task(c, id, task);
    return c.changed({"task", id.to_string(), "task.cancel", {}, changes(former, task)}, sql::task, resources::task_value);
}

http::Response Commands::change_lead(Context& c) const {
    auto id = c.id("lead_id", "lead");
    auto in = Inputs::change(c.request, {.lasting = {"status"},
                                         .clearable = {"assigned_rep_id"},
                                         .fixed = {{{"pool_status"}, "follows from status and assigned_rep_id"}}});
    auto status = in.one_of("status", words::lead_status);
    auto rep = in.text("assigned_rep_id", 100);

    const auto former = lock_lead(c, id);
    auto lead = former;
    if (status) {
        try {
            c.tx().write_counted(sql::edit_lead_status, {c.company(), id, *status, c.who.user});
        } catch (const pg::SqlFailure& e) {
            if (e.constraint() != "leads_one_open") throw;
            api::refuse(409, "Another open lead",
                        "This lead's contact has another open lead; work on that one, or close it first.",
                        {{"status", "the contact has another open lead"}});
        }
        lead.status = *status;
    }
    if (rep && rep != lead.rep) c.must_be_member("assigned_rep_id", *rep);
    lead.rep = in.change("assigned_rep_id", rep).after(lead.rep);
    assign_leads(c.tx(), std::vector{lead});
    return c.changed({"lead", id.to_string(), "lead.change", in.changed(), changes(former, lead)}, sql::lead,
                     resources::lead_value);
}

http::Response Commands::claim_lead(Context& c) const {
    auto id = c.id("lead_id", "lead");
    Inputs::of(c.request, {});
    const auto former = lock_lead(c, id);
    auto lead = former;
    const auto& self = c.who.user.value();
    if (lead.rep && *lead.rep != self)
        api::refuse(409, "Lead taken", "Somebody else has claimed this lead; take another one from the pool.",
                    {{"assigned_rep_id", "is somebody else"}});
    if (!is_open(lead.status))
        api::refuse(409, "Lead closed", "This lead is closed; open it again first: PATCH with a status.",
                    {{"status", "is " + lead.status}});
    if (lead.rep) return c.row(id.to_string(), sql::lead, resources::lead_value);
    lead.rep = self;
    assign_leads(c.tx(), std::vector{lead});
    return c.changed({"lead", id.to_string(), "lead.claim", {}, changes(former, lead)}, sql::lead, resources::lead_value);
}

}  // namespace otto::lead_pipeline
