#include "handlers/leavers.hpp"

#include <set>

#include "books/contact_book.hpp"
#include "books/lead_book.hpp"
#include "events/changes.hpp"
#include "lead-pipeline/sql.hpp"
#include "rows/task_row.hpp"
#include "runtime/audit.hpp"

namespace otto::lead_pipeline {

rt::Outcome Leavers::give_back(rt::In<members::v1::Member> in, pg::Tx& tx, rt::Out<changes::v1::RowChanged>& out) const {
    const auto& e = in.event;
    if (e.status() != members::v1::STATUS_REMOVED) return rt::Outcome::ignored("works there");
    const CompanyId company{e.company_id()};
    if (!tx.value<std::string>(sql::is_removed, {company, e.user_id()})) return rt::Outcome::ignored("is back by now");
    std::set<LeadKey> own;
    std::set<ContactKey> cards;
    tx.each(sql::open_leads_of_rep, {company, e.user_id()}, [&](const pg::Fields& f) {
        own.emplace(company, LeadId{f.uuid("id")});
        cards.emplace(company, ContactId{f.uuid("contact_card_id")});
    });
    ContactBook contacts(tx);
    contacts.hold(cards);
    LeadBook leads(tx);
    auto changed = leads.release(own, e.user_id());
    for (const auto& [whose, lead] : changed) {
        auto id = lead.value().to_string();
        rt::put_on_record(
            tx, company,
            {.action = "lead.release", .target = id, .changes = rt::Changes().add("assigned_rep_id", e.user_id(), std::nullopt)});
        out.emit(events::row_changed(company, "lead", id, 0));
    }
    auto tasks = tx.many<ChangedTask>(sql::tasks_to_their_role, {company, e.user_id()});
    for (const auto& t : tasks) {
        auto id = t.id.to_string();
        rt::put_on_record(
            tx, company,
            {.action = "task.release", .target = id, .changes = rt::Changes().add("assignee_id", e.user_id(), std::nullopt)});
        out.emit(events::row_changed(company, "task", id, t.version));
    }
    return changed.empty() && tasks.empty() ? rt::Outcome::ignored("had nothing to work on") : rt::Outcome::done();
}

}  // namespace otto::lead_pipeline
