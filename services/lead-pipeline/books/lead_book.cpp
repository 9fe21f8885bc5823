#include "books/lead_book.hpp"

#include <algorithm>

#include "lead-pipeline/sql.hpp"
#include "rows/contact_row.hpp"

namespace otto::lead_pipeline {

std::optional<LeadRow> LeadBook::hold(const LeadKey& key) {
    auto contact = tx_.value<ContactId>(sql::contact_of_lead, {key.first, key.second});
    if (!contact) return std::nullopt;
    lock_cards.queue(tx_, std::set{ContactKey{key.first, *contact}});
    auto rows = lock_leads(tx_, std::set{key});
    return rows.empty() ? std::nullopt : std::optional(std::move(rows.front()));
}

std::set<LeadKey> LeadBook::release(const std::set<LeadKey>& keys, const std::string& rep) {
    std::vector<LeadRow> released;
    std::set<LeadKey> which;
    for (auto& row : lock_leads(tx_, keys)) {
        if (row.rep != rep || !is_open(row.status)) continue;
        row.rep.reset();
        which.insert(row.key());
        released.push_back(std::move(row));
    }
    if (!released.empty()) assign_leads(tx_, released);
    return which;
}

void LeadBook::find(const std::set<ContactKey>& contacts, const std::set<LeadKey>& leads) {
    for (auto& row : find_leads(tx_, contacts, leads)) {
        auto key = row.key();
        if (is_open(row.status)) open_.insert_or_assign(row.contact_key(), key);
        leads_.emplace(key, Entry{std::move(row), {}});
    }
}

LeadKey LeadBook::open_lead(const ContactKey& contact, const LeadId& if_new, std::optional<Instant> made_at) {
    auto [open, is_new] = open_.try_emplace(contact, contact.first, if_new);
    if (is_new) {
        LeadRow row;
        row.company = contact.first;
        row.id = if_new;
        row.contact = contact.second;
        row.made_at = made_at;
        leads_.emplace(row.key(), Entry{.row = row, .verdicts = {}, .is_new = true});
    }
    return open->second;
}

void LeadBook::touch(const LeadKey& key, const std::optional<std::string>& source, Instant started_at,
                     const std::string& provider_call_id) {
    auto found = leads_.find(key);
    if (found == leads_.end()) return;
    if (lead_pipeline::touch(found->second.row.lead, source, started_at, provider_call_id)) found->second.touched = true;
}

void LeadBook::load(const std::set<ContactKey>& contacts) {
    leads_.clear();
    open_.clear();
    std::set<LeadKey> found;
    for (auto& row : lock_leads_of_contacts(tx_, contacts)) {
        auto key = row.key();
        found.insert(key);
        leads_.emplace(key, Entry{std::move(row), {}});
    }
    for (auto& v : verdicts_of_leads(tx_, found)) leads_.at({v.company, v.lead}).verdicts.push_back(std::move(v.verdict));
}

LeadBook::Entry* LeadBook::with_verdict_of(const CompanyId& company, std::int64_t call) {
    for (auto& [key, entry] : leads_)
        if (key.first == company &&
            std::any_of(entry.verdicts.begin(), entry.verdicts.end(), [&](const Verdict& v) { return v.call == call; }))
            return &entry;
    return nullptr;
}

void LeadBook::take(const LeadKey& lead, const Verdict& v) {
    // A verdict that has gone to another lead of the contact stays there.
    Entry* mine = with_verdict_of(lead.first, v.call);
    auto at = leads_.find(lead);
    if (!mine && at != leads_.end()) mine = &at->second;
    if (!mine) return;
    auto before = decide(mine->row.edit(), mine->verdicts);
    if (!lead_pipeline::take(mine->verdicts, v)) return;
    said_.emplace(lead.first, v.call);
    settle(mine->row.key(), *mine, before);
}

void LeadBook::review(const LeadKey& key, Lost lost) {
    auto found = leads_.find(key);
    if (found == leads_.end()) return;
    auto& entry = found->second;
    if (lost == Lost::a_verdict && last_qualified(entry.verdicts) != entry.row.last_qualified_at) {
        entry.row.last_qualified_at = last_qualified(entry.verdicts);
        entry.settled = true;
    }
    settle(key, entry, lost == Lost::a_verdict ? std::optional(entry.row.status) : std::nullopt);
}

void LeadBook::settle(const LeadKey& key, Entry& lead, const std::optional<std::string>& before) {
    auto after = decide(lead.row.edit(), lead.verdicts);
    // What a verdict made of it falls with that verdict; what nobody has said anything about stays as it is.
    auto target = after ? *after : before ? "new" : lead.row.status;
    if (is_open(target) && !is_open(lead.row.status)) {
        auto other = std::find_if(leads_.begin(), leads_.end(), [&](const auto& e) {
            return e.first.first == key.first && e.second.row.contact == lead.row.contact && is_open(e.second.row.status);
        });
        if (other != leads_.end()) {
            // It stays closed: the contact has an open lead, and what was said goes there.
            auto& open = other->second;
            auto open_before = decide(open.row.edit(), open.verdicts);
            for (const auto& v : lead.verdicts) {
                open.verdicts.push_back(v);
                said_.emplace(key.first, v.call);
            }
            lead.verdicts.clear();
            settle(other->first, open, open_before);
            return;
        }
    }
    if (auto at = last_qualified(lead.verdicts); at && at != lead.row.last_qualified_at) {
        lead.row.last_qualified_at = at;
        lead.settled = true;
    }
    lead.settled = lead.settled || target != lead.row.status;
    lead.row.status = target;
}

bool LeadBook::adopt(const LeadKey& lead, const ContactId& into, const CallId& call, Adopt when) {
    bool adopted = false;
    tx_.each(sql::adopt_lead, {lead.first, lead.second, into, call, when == Adopt::always},
             [&](const pg::Fields&) { adopted = true; });
    return adopted;
}

LeadBook::Left LeadBook::leave(const LeadKey& lead, const LeadId& into, const CallId& call, const ContactId& contact_of_into) {
    const auto& [company, from] = lead;
    Left left;
    left.tasks = tx_.many<ChangedTask>(sql::move_tasks, {company, from, into, call, contact_of_into});
    left.verdict = tx_.write_counted(sql::move_verdicts, {company, from, into, call}) > 0;
    tx_.each(sql::fold_lead, {company, from, into}, [&](const pg::Fields&) { left.whole = true; });
    if (left.whole) return left;
    if (auto contact = tx_.value<ContactId>(sql::relearn_lead, {company, from})) left.contact = ContactKey{company, *contact};
    return left;
}

void LeadBook::save() {
    std::vector<const LeadRow*> added, touched, settled;
    std::vector<VerdictRow> verdicts;
    for (auto& [key, lead] : leads_) {
        for (const auto& v : lead.verdicts)
            if (said_.contains({key.first, v.call})) verdicts.push_back({key.first, key.second, v});
        if (lead.is_new)
            added.push_back(&lead.row);
        else if (lead.touched)
            touched.push_back(&lead.row);
        if (lead.settled) settled.push_back(&lead.row);
        if (lead.is_new || lead.touched || lead.settled) changed_.insert(key);
        lead.is_new = lead.touched = lead.settled = false;
    }
    add_leads(tx_, added);
    touch_leads(tx_, touched);
    save_verdicts(tx_, verdicts);
    settle_leads(tx_, settled);
    said_.clear();
}

const LeadRow* LeadBook::at(const LeadKey& key) const {
    auto found = leads_.find(key);
    return found == leads_.end() ? nullptr : &found->second.row;
}

}  // namespace otto::lead_pipeline
