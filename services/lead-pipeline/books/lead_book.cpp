#include "books/lead_book.hpp"

#include <algorithm>

#include "lead-pipeline/sql.hpp"

namespace otto::lead_pipeline {

void LeadBook::load(const std::set<Key>& contacts) {
    if (contacts.empty()) return;
    pg::Columns asked(2), found(2);
    for (const auto& [company, id] : contacts) asked.row({company, id});
    tx_.each(sql::lock_leads_of_contacts, asked.params(), [&](const pg::Fields& f) {
        Entry e;
        e.contact = f.uuid("contact_card_id");
        e.status = f.text("status");
        e.rep = f.maybe_text("assigned_rep_id");
        if (auto status = f.maybe_text("edited_status"))
            if (auto at = f.time("status_edited_at")) e.edit = Edit{*status, *at};
        e.last_qualified_at = f.time("last_qualified_at");
        found.row({f.text("company_id"), f.uuid("id")});
        leads_.emplace(Key{f.text("company_id"), f.uuid("id")}, std::move(e));
    });
    if (found.rows() == 0) return;
    tx_.each(sql::verdicts_of_leads, found.params(), [&](const pg::Fields& f) {
        Verdict v{f.integer("call_id"), f.maybe_text("booking_status"), f.maybe_text("lead_quality"), f.maybe_text("call_outcome_category"), *f.time("call_started_at"), *f.time("received_at"), f.integer("version")};
        leads_.at({f.text("company_id"), f.uuid("lead_id")}).verdicts.push_back(std::move(v));
    });
}

LeadBook::Entry* LeadBook::holder(const std::string& company, std::int64_t call) {
    for (auto& [key, entry] : leads_)
        if (key.first == company && std::any_of(entry.verdicts.begin(), entry.verdicts.end(), [&](const Verdict& v) { return v.call == call; })) return &entry;
    return nullptr;
}

void LeadBook::take(const std::string& company, const Uuid& lead, const Verdict& v) {
    // A verdict that has gone to another lead of the contact stays there.
    Entry* mine = holder(company, v.call);
    auto at = leads_.find({company, lead});
    if (!mine && at != leads_.end()) mine = &at->second;
    if (!mine) return;
    auto before = decide(mine->edit, mine->verdicts);
    if (!lead_pipeline::take(mine->verdicts, v)) return;
    said_.emplace(company, v.call);
    auto entry = std::find_if(leads_.begin(), leads_.end(), [&](const auto& e) { return &e.second == mine; });
    settle(entry->first, *mine, before);
}

void LeadBook::review(const std::string& company, const Uuid& lead, Lost lost) {
    auto found = leads_.find({company, lead});
    if (found == leads_.end()) return;
    auto& entry = found->second;
    if (lost == Lost::a_verdict && last_qualified(entry.verdicts) != entry.last_qualified_at) {
        entry.last_qualified_at = last_qualified(entry.verdicts);
        entry.changed = true;
    }
    settle(found->first, entry, lost == Lost::a_verdict ? std::optional(entry.status) : std::nullopt);
}

void LeadBook::settle(const Key& key, Entry& lead, const std::optional<std::string>& before) {
    auto after = decide(lead.edit, lead.verdicts);
    // What a verdict made of it falls with that verdict; what nobody has said anything about stays as it is.
    auto target = after ? *after : before ? "new" : lead.status;
    if (lead_pipeline::is_open(target) && !lead_pipeline::is_open(lead.status)) {
        auto other = std::find_if(leads_.begin(), leads_.end(), [&](const auto& e) { return e.first.first == key.first && e.second.contact == lead.contact && lead_pipeline::is_open(e.second.status); });
        if (other != leads_.end()) {
            // It stays closed: the contact has an open lead, and what was said goes there.
            auto& open = other->second;
            auto open_before = decide(open.edit, open.verdicts);
            for (const auto& v : lead.verdicts) {
                open.verdicts.push_back(v);
                said_.emplace(key.first, v.call);
            }
            lead.verdicts.clear();
            settle(other->first, open, open_before);
            return;
        }
    }
    if (auto at = last_qualified(lead.verdicts); at && at != lead.last_qualified_at) {
        lead.last_qualified_at = at;
        lead.changed = true;
    }
    lead.changed = lead.changed || target != lead.status;
    lead.status = target;
}

std::set<Key> LeadBook::save() {
    pg::Columns verdicts(9), leads(5);
    std::set<Key> changed;
    for (auto& [key, lead] : leads_) {
        for (const auto& v : lead.verdicts)
            if (said_.contains({key.first, v.call}))
                verdicts.row({key.first, v.call, key.second, v.booking_status, v.lead_quality, v.call_outcome_category, v.call_started_at, v.received_at, v.version});
        if (!lead.changed) continue;
        leads.row({key.first, key.second, lead.status, pool_status(lead.status, lead.rep.has_value()), lead.last_qualified_at});
        changed.insert(key);
        lead.changed = false;
    }
    if (verdicts.rows() > 0) tx_.write(sql::save_verdicts, verdicts.params());
    if (leads.rows() > 0) tx_.write(sql::settle_leads, leads.params());
    said_.clear();
    return changed;
}

std::optional<std::string> LeadBook::rep(const std::string& company, const Uuid& lead) const {
    auto found = leads_.find({company, lead});
    return found == leads_.end() ? std::nullopt : found->second.rep;
}

}  // namespace otto::lead_pipeline
