#include "handlers/due.hpp"

#include <set>

#include "events/changes.hpp"
#include "lead-pipeline/sql.hpp"
#include "telemetry/metrics.hpp"

namespace otto::lead_pipeline {
namespace {

const tel::Counters kCallBacks{"otto_call_back_tasks_total", "Tasks made because a call stayed missed."};
const tel::Counters kOverdue{"otto_tasks_overdue_total", "Tasks whose time came before they were done."};

struct Changed {
    std::string company, task;
    std::int64_t version;
    static Changed from(const pg::Fields& f) { return {f.text("company_id"), f.text("id"), f.integer("version")}; }
};

pg::Params keys_of(std::span<const rt::Due> due) {
    pg::Columns keys(2);
    for (const auto& d : due) keys.row({d.company, d.key});
    return keys.params();
}

}  // namespace

void DueWork::call_back(std::span<rt::Due> due, pg::Tx& tx) const {
    auto made = tx.many<Changed>(sql::call_back, keys_of(due));
    for (const auto& c : made) tell(tx, c.company, c.task, c.version);
    // Not here: whoever texts holds the caller's card, and who reports calls waits for these rows with that card in hand.
    pg::Columns texted_back(2);
    for (const auto& d : due)
        if (texts_back_(d.company)) texted_back.row({d.company, d.key});
    if (texted_back.rows() > 0) tx.write(sql::want_text_backs, texted_back.params());
    tx.on_commit([n = made.size()] { kCallBacks().inc(static_cast<double>(n)); });
}

void DueWork::make_overdue(std::span<rt::Due> due, pg::Tx& tx) const {
    auto late = tx.many<Changed>(sql::make_overdue, keys_of(due));
    for (const auto& c : late) tell(tx, c.company, c.task, c.version);
    // Who was about to change a task went first: it comes up again if it is still due then.
    std::set<std::pair<std::string, std::string>> still;
    if (late.size() < due.size())
        tx.each(sql::still_due, keys_of(due), [&](const pg::Fields& f) { still.emplace(f.text("company_id"), f.text("id")); });
    for (auto& d : due)
        if (still.contains({d.company.value(), d.key})) d.again = d.now + Millis{1'000};
    tx.on_commit([n = late.size()] { kOverdue().inc(static_cast<double>(n)); });
}

void DueWork::tell(pg::Tx& tx, const std::string& company, const std::string& task, std::int64_t version) const {
    emitter_.emit(tx, events::row_changed(CompanyId{company}, "task", task, version), tel::TraceContext::fresh());
}

}  // namespace otto::lead_pipeline
