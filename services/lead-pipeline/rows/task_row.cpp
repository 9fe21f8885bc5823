#include "rows/task_row.hpp"

namespace otto::lead_pipeline {
namespace {

const pg::Table<TaskRow> kTasks("lead_pipeline", "tasks",
                                {
                                    pg::col("company_id", &TaskRow::company).key(),
                                    pg::col("id", &TaskRow::kept, &Kept::id).key(),
                                    pg::derived<TaskRow>("source", [](const TaskRow&) { return std::string("shunya"); }),
                                    pg::col("call_id", &TaskRow::call),
                                    pg::col("contact_card_id", &TaskRow::contact).unread(),
                                    pg::col("lead_id", &TaskRow::lead).unread(),
                                    pg::col("action_type", &TaskRow::kept, &Kept::action_type),
                                    pg::col("unique_key", &TaskRow::kept, &Kept::key),
                                    pg::col("slot", &TaskRow::kept, &Kept::slot),
                                    pg::col("analysis_version", &TaskRow::kept, &Kept::version),
                                    pg::derived<TaskRow>(
                                        "edited_by", [](const TaskRow&) { return std::optional<std::string>(); },
                                        [](TaskRow& t, const std::optional<std::string>& who) {
                                            t.kept.touched = who.has_value();
                                        }),
                                    pg::col("description", &TaskRow::wanted, &Wanted::description).unread(),
                                    pg::col("assigned_to", &TaskRow::wanted, &Wanted::assigned_to).unread(),
                                    pg::col("assignee_id", &TaskRow::assignee).unread(),
                                    pg::derived<TaskRow>("due_at", [](const TaskRow& t) { return t.wanted.due.at; }),
                                    pg::col("priority", &TaskRow::wanted, &Wanted::priority).unread(),
                                    pg::col("raw_text", &TaskRow::wanted, &Wanted::raw_text).unread(),
                                    pg::col("contact_method", &TaskRow::wanted, &Wanted::contact_method).unread(),
                                });

}  // namespace

const pg::Select<TaskRow> tasks_of_calls =
    kTasks.by("tasks_of_calls", {"company_id", "call_id"}, "AND source = 'shunya' ORDER BY company_id, id FOR UPDATE");
const pg::Write<TaskRow> add_tasks = kTasks.insert(
    "add_tasks",
    {"company_id", "id", "source", "call_id", "contact_card_id", "lead_id", "action_type", "unique_key", "slot",
     "analysis_version", "description", "assigned_to", "assignee_id", "due_at", "priority", "raw_text", "contact_method"},
    "ON CONFLICT (company_id, unique_key) DO NOTHING RETURNING company_id, id, version");
const pg::Write<TaskRow> change_tasks = kTasks.update(
    "change_tasks",
    {"unique_key", "analysis_version", "description", "assigned_to", "assignee_id", "due_at", "priority", "raw_text",
     "contact_method"},
    "status = CASE WHEN t.status = 'overdue' AND (i.due_at IS NULL OR i.due_at > now()) THEN 'open' ELSE t.status END",
    "AND t.edited_by IS NULL AND t.status IN ('open', 'overdue') RETURNING t.company_id, t.id, t.version");

}  // namespace otto::lead_pipeline
