// The second half of a batch: what was settled is written, what hung on former rows goes along, and it is told.
#include <algorithm>

#include "books/batch.hpp"
#include "events/changes.hpp"
#include "lead-pipeline/sql.hpp"

namespace otto::lead_pipeline {

void Batch::save() {
    pg::Columns new_leads(8), old_leads(6), calls(29), aliases(4);
    for (const auto& [key, l] : leads_) {
        if (l.fresh) new_leads.row({l.company, l.id, l.contact, l.lead.source, l.lead.source_at, l.lead.source_call, l.lead.last_contacted_at, l.made_at});
        else if (l.changed) old_leads.row({l.company, l.id, l.lead.source, l.lead.source_at, l.lead.source_call, l.lead.last_contacted_at});
    }
    std::vector<const ContactRow*> cards;
    std::set<ContactRow*> named;
    for (const auto& g : groups_)
        if (g->contact_changed && named.insert(g->contact).second) cards.push_back(g->contact);
    // The moment, so that what is written over a restored database is above what readers know of the time that was lost.
    const auto now_ms = to_micros(system_clock().now()) / 1000;
    for (auto& g : groups_) {
        auto& r = g->row;
        const auto& c = r.call;
        r.version = std::max(r.version + 1, now_ms);
        calls.row({r.company, r.call_id, r.provider, r.provider_call_id, c.phone_number, c.tracking_number, c.direction_or_inbound(), c.status(), c.missed_call(), c.answered(), c.duration_s,
                   c.recording_url, c.started_at, c.ended_at, r.contact, r.lead, c.source, c.campaign, c.keywords, tags_json(c), c.note, c.value, c.lead_status, c.first_call, c.received_at,
                   merge_state(c), r.version, r.traceparent, r.owner_id});
        for (const auto& a : g->aliases)
            if (!g->recorded.contains(a)) aliases.row({a.company, a.provider, a.alias, r.call_id});
    }
    if (new_leads.rows() > 0) tx_.write(sql::add_leads, new_leads.params());
    if (old_leads.rows() > 0) tx_.write(sql::touch_leads, old_leads.params());
    save_cards(tx_, cards);
    tx_.write(sql::save_calls, calls.params());
    if (aliases.rows() > 0) tx_.write(sql::add_aliases, aliases.params());
}

/// What follows from a missed call waits for a report that says otherwise; who cannot be called back is not waited for, and of a call of long ago nothing follows any more.
void Batch::watch_missed_calls() {
    constexpr auto long_ago = std::chrono::hours(24);
    pg::Columns missed(3), answered(2);
    for (const auto& g : groups_) {
        const auto& r = g->row;
        bool now = r.call.missed_call() && r.call.phone_callable;
        if (now && !r.was_missed) {
            auto received = r.call.received_at;
            if (g->looked_at() && received < system_clock().now() - long_ago) continue;
            for (const auto* in : g->reports) received = std::max(received, from_micros(in->event.receipt().received_at_us()));
            missed.row({r.company, r.call_id, received});
        } else if (!now && r.was_missed) {
            answered.row({r.company, r.call_id});
        }
    }
    if (missed.rows() > 0) {
        auto params = missed.params();
        params.push_back(static_cast<std::int64_t>(grace_.count()));
        tx_.write(sql::watch_missed_calls, params);
    }
    if (answered.rows() > 0) tx_.write(sql::forget_missed_calls, answered.params());
}

/// What hung on the card and lead that a call had goes along; what nothing hangs on any more goes.
void Batch::leave_former() {
    std::set<Key> contacts, found, lost;
    for (const auto& g : groups_) {
        const auto& r = g->row;
        bool verdicts = g->verdict_dropped;
        for (const auto& left : g->left_leads) {
            if (left == r.lead) continue;
            tx_.each(sql::move_tasks, {r.company, left, r.lead, r.call_id, r.contact}, [&](const pg::Fields& f) { g->changed_tasks.emplace_back(f.uuid("id"), f.integer("version")); });
            bool moved = tx_.write_counted(sql::move_verdicts, {r.company, left, r.lead, r.call_id}) > 0, gone = false;
            tx_.each(sql::fold_lead, {r.company, left, r.lead}, [&](const pg::Fields&) { gone = true; });
            g->moves.push_back({left, r.lead, gone});
            verdicts = verdicts || moved || gone;
            if (gone) continue;
            tx_.each(sql::relearn_lead, {r.company, left}, [&](const pg::Fields& f) { contacts.emplace(r.company, f.uuid("contact_card_id")); });
            if (moved) lost.emplace(r.company, left);
        }
        for (const auto& left : g->left_contacts)
            if (left != r.contact) tx_.write(sql::fold_card, {r.company, left, r.contact});
        if (!verdicts) continue;
        contacts.emplace(r.company, r.contact);
        found.emplace(r.company, r.lead);
    }
    if (found.empty() && lost.empty()) return;
    LeadBook book(tx_);
    book.load(contacts);
    for (const auto& [company, lead] : found) book.review(company, lead);
    for (const auto& [company, lead] : lost) book.review(company, lead, LeadBook::Lost::a_verdict);
    resettled_ = book.save();
}

void Batch::tell(const std::function<void(const rt::Envelope*, const Outgoing&)>& out) const {
    std::set<Key> told;
    for (const auto& g : groups_) {
        const auto& r = g->row;
        const auto& c = r.call;
        const rt::Envelope* cause = g->looked_at() ? nullptr : &g->reports.back()->meta;
        auto phone = c.phone_callable ? *c.phone_number : r.provider_call_id;
        auto changed = [&](const char* kind, const std::string& id, std::int64_t version) { out(cause, events::row_changed(CompanyId{r.company}, kind, id, version)); };
        // First, so that whoever knew the row that went has its work in hand before the one that stays may be begun anew.
        for (auto from : g->folded) {
            calls::v1::CallFolded f;
            f.set_company_id(r.company);
            f.set_phone(phone);
            f.set_from(from);
            f.set_into(r.call_id);
            f.set_version(r.version);
            out(cause, f);
            changed("call", std::to_string(from), r.version);
        }
        for (const auto& [task, version] : g->changed_tasks) changed("task", task.to_string(), version);
        for (const auto& move : g->moves) {
            calls::v1::LeadMoved m;
            m.set_company_id(r.company);
            m.set_phone(phone);
            m.set_from_lead(move.from.to_string());
            m.set_into_lead(move.into.to_string());
            m.set_contact_card_id(r.contact.to_string());
            if (!move.whole) m.set_call_id(r.call_id);
            out(cause, m);
            if (told.insert({r.company, move.from}).second) changed("lead", move.from.to_string(), 0);
        }
        calls::v1::CallRecorded m;
        m.set_company_id(r.company);
        m.set_phone(phone);
        m.set_call_id(r.call_id);
        m.set_version(r.version);
        m.set_provider(r.provider);
        m.set_provider_call_id(r.provider_call_id);
        m.set_contact_card_id(r.contact.to_string());
        m.set_lead_id(r.lead.to_string());
        m.set_status(c.status());
        m.set_missed_call(c.missed_call());
        m.set_answered(c.answered());
        m.set_direction(c.direction_or_inbound());
        m.set_duration_s(c.duration_s.value_or(0));
        m.set_recording_url(c.recording_url.value_or(""));
        m.set_started_at_us(c.started_at ? to_micros(*c.started_at) : 0);
        m.set_tracking_number(c.tracking_number.value_or(""));
        m.set_received_at_us(to_micros(c.received_at));
        m.set_owner_id(r.owner_id.value_or(""));
        out(cause, m);
        changed("call", std::to_string(r.call_id), r.version);
        auto lead = leads_.find({r.company, r.lead});
        bool lead_changed = (lead != leads_.end() && (lead->second.fresh || lead->second.changed)) || resettled_.contains({r.company, r.lead});
        if (lead_changed && told.insert({r.company, r.lead}).second) changed("lead", r.lead.to_string(), 0);
        for (const auto& left : g->left_contacts)
            if (told.insert({r.company, left}).second) changed("contact", left.to_string(), 0);
        if (g->contact_changed && told.insert({r.company, r.contact}).second) changed("contact", r.contact.to_string(), 0);
    }
}

}  // namespace otto::lead_pipeline
