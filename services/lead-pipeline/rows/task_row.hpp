#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "pg/table.hpp"
#include "rows/keys.hpp"
#include "rules/task.hpp"

namespace otto::lead_pipeline {

/// A task that an analysis asks for, as it stands in its row.
struct TaskRow {
    CompanyId company;
    Kept kept;  ///< what it is known by, and what is read of it
    Wanted wanted;
    std::optional<std::string> assignee;
    CallId call;
    ContactId contact;
    LeadId lead;
};

extern const pg::Select<TaskRow> tasks_of_calls;
/// Not one whose like is there. Returns company_id, id and version, as the next.
extern const pg::Write<TaskRow> add_tasks;
/// Not one that a person had a hand in meanwhile.
extern const pg::Write<TaskRow> change_tasks;

/// A task whose row has changed, and that is to be told of.
struct ChangedTask {
    Uuid id;
    std::int64_t version;
    static ChangedTask from(const pg::Fields& f) { return {f.uuid("id"), f.integer("version")}; }
};

}  // namespace otto::lead_pipeline
