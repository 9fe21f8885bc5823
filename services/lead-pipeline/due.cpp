#include "due.hpp"

#include <set>

#include "events/changes.hpp"
#include "lead-pipeline/sql.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::lead_pipeline {
namespace {

constexpr std::int64_t kBatch = 500;

struct Changed {
    std::string company, task;
    std::int64_t version;
    static Changed from(const pg::Fields& f) { return {f.text("company_id"), f.text("id"), f.integer("version")}; }
};

}  // namespace

struct DueWork::Item {
    std::string company, kind, ref;
    static Item from(const pg::Fields& f) { return {f.text("company_id"), f.text("kind"), f.text("ref")}; }
};

void DueWork::run(pg::Connection& db) const {
    while (round(db)) {
    }
}

/// One batch; true if there may be more.
bool DueWork::round(pg::Connection& db) const {
    auto look = db.begin(pg::Scope::none());
    auto due = look.many<Item>(sql::due_items, {kBatch});
    look.commit();
    if (due.empty()) return false;
    try {
        settle(db, due);
    } catch (const pg::SqlFailure& e) {
        if (e.kind() != pg::FailureClass::data && !e.perhaps_its_own()) throw;
        // One of them is guilty; it must not hold up the others.
        for (const auto& item : due) {
            try {
                settle(db, {item});
            } catch (const pg::SqlFailure& one) {
                if (one.kind() != pg::FailureClass::data && !one.perhaps_its_own()) throw;
                tel::error("what was due could not be done; it is tried again in ten minutes", {{"company_id", item.company}, {"kind", item.kind}, {"id", item.ref}, {"why", one.what()}});
                auto later = db.begin(pg::Scope::none());
                later.write(sql::postpone_due, {item.company, item.kind, item.ref});
                later.commit();
            }
        }
    }
    return due.size() == static_cast<std::size_t>(kBatch);
}

void DueWork::settle(pg::Connection& db, const std::vector<Item>& due) const {
    static auto call_backs = tel::Metrics::counter("call_back_tasks_total", "Tasks made because a call stayed missed.");
    static auto overdue = tel::Metrics::counter("tasks_overdue_total", "Tasks whose time came before they were done.");
    std::set<CompanyId> companies;
    pg::Columns calls(2), tasks(2);
    for (const auto& item : due) {
        companies.insert(CompanyId{item.company});
        (item.kind == "task" ? tasks : calls).row({item.company, item.ref});
    }
    auto tx = db.begin(pg::Scope::companies({companies.begin(), companies.end()}));
    std::vector<Changed> made, late;
    if (calls.rows() > 0) made = tx.many<Changed>(sql::call_back, calls.params());
    if (tasks.rows() > 0) {
        late = tx.many<Changed>(sql::make_overdue, tasks.params());
        tx.write(sql::drop_done_due, tasks.params());
    }
    for (const auto* tasks_changed : {&made, &late})
        for (const auto& c : *tasks_changed) tell(tx, c.company, c.task, c.version);
    tx.commit();
    call_backs.inc(static_cast<double>(made.size()));
    overdue.inc(static_cast<double>(late.size()));
}

void DueWork::tell(pg::Tx& tx, const std::string& company, const std::string& task, std::int64_t version) const {
    emitter_.emit(tx, events::row_changed(CompanyId{company}, "task", task, version), tel::TraceContext::fresh());
}

}  // namespace otto::lead_pipeline
