#include "books/books.hpp"

#include <map>
#include <utility>
#include <vector>

#include "lead-pipeline/sql.hpp"

namespace otto::lead_pipeline {

void Books::settle() {
    calls.find();
    contacts_.hold(calls.numbers());  // before anything else is locked: whoever works on the same customers waits here
    calls.load();
    contacts_.hold(calls.contacts());  // whoever takes an analysis of a call without a number waits, or is waited for
    calls.fold();
    find_shared_cards();
    calls.merge();
    settle_contacts();
    settle_leads();
    leads_.save();
    contacts_.save();
    calls.save(grace_);
    voicemails_.save(calls);
    leave_former();
}

/// A card without a number is one call's. Where calls that are looked at share one, all but the oldest get one of their own, and
/// a lead: the oldest of each lead takes that lead along, with what people did to it.
void Books::find_shared_cards() {
    auto has_nameless_card = [&](const HeldCall& call) {
        auto* card = call.looked_at() ? contacts_.find(call.row.contact_key()) : nullptr;
        return card && !card->phone;
    };
    std::set<ContactKey> cards;
    for (const auto& call : calls)
        if (has_nameless_card(call)) cards.insert(call.row.contact_key());
    auto sharings = calls.sharings(cards);
    for (auto& call : calls) {
        if (!has_nameless_card(call)) continue;
        const auto& sharing = sharings.at(call.row.contact_key());
        if (sharing.calls == 1) continue;
        bool keeps = call.row.id == sharing.oldest,
             takes_lead = call.row.lead != sharing.lead_of_oldest && sharing.oldest_of_lead.at(call.row.lead) == call.row.id;
        call.share = keeps ? HeldCall::Share::keeps_card : takes_lead ? HeldCall::Share::parts_with_lead : HeldCall::Share::parts;
    }
    calls.let_those_who_part_go_first();
}

void Books::settle_contacts() {
    std::vector<HeldCall*> with_their_leads;
    for (auto& call : calls) {
        auto number = call.row.number();
        ContactRow* by_number = number ? contacts_.of_number(*number) : nullptr;
        ContactRow* current = contacts_.find(call.row.contact_key());
        bool stays = current && (current->phone || (!by_number && !call.parts()));
        auto& card = stays ? stay(call, *current) : by_number ? go(call, current, *by_number) : part(call, current);
        if (!stays && !by_number && call.share == HeldCall::Share::parts_with_lead) with_their_leads.push_back(&call);
        call.row.contact = card.id;
        if (merge(card.contact, statement_of(call.row.call, call.ids()))) call.contact_changed = true;
        if (call.contact_changed) contacts_.changed(card);
    }
    contacts_.add_new();
    for (auto* call : with_their_leads) {
        leads_.adopt(call->row.lead_key(), call->row.contact, call->row.id, LeadBook::Adopt::always);
        call->moves.push_back({call->row.lead, call->row.lead, true});
    }
}

/// The one that keeps a card which others leave keeps what is its own.
ContactRow& Books::stay(HeldCall& call, ContactRow& card) {
    if (call.share != HeldCall::Share::keeps_card) return card;
    auto own = part_of(card.contact, call.ids(), Persons::too);
    call.contact_changed = own.origins.text() != card.contact.origins.text();
    card.contact = std::move(own);
    return card;
}

/// The caller's number is known by now: a card of its own was for want of one.
ContactRow& Books::go(HeldCall& call, const ContactRow* former, ContactRow& into) {
    if (!former) return into;
    bool was_shared = call.share != HeldCall::Share::alone;
    if (merge(into.contact, was_shared ? part_of(former->contact, call.ids()) : former->contact)) call.contact_changed = true;
    call.left_contacts.insert(former->id);
    auto& lead = call.row.lead;
    if (leads_.adopt(call.row.lead_key(), into.id, call.row.id, LeadBook::Adopt::if_free)) {
        call.moves.push_back({lead, lead, true});
    } else {
        call.left_leads.insert(lead);
        lead = LeadId{};
    }
    return into;
}

/// A card of its own, for want of a number.
ContactRow& Books::part(HeldCall& call, const ContactRow* former) {
    auto made_at = call.looked_at() ? std::optional(call.row.call.received_at) : std::nullopt;
    auto& card = contacts_.make(call.row.company, call.row.provider + "\n" + call.row.provider_call_id, made_at);
    if (!call.parts()) return card;
    card.contact = part_of(former->contact, call.ids());
    call.contact_changed = true;
    if (call.share != HeldCall::Share::parts_with_lead) {
        call.left_leads.insert(call.row.lead);
        call.row.lead = LeadId{};
    }
    return card;
}

void Books::settle_leads() {
    std::set<ContactKey> contacts;
    std::set<LeadKey> leads;
    for (const auto& call : calls) {
        if (call.row.lead.value().is_nil())
            contacts.insert(call.row.contact_key());
        else
            leads.insert(call.row.lead_key());
    }
    leads_.find(contacts, leads);
    for (auto& call : calls) {
        auto& row = call.row;
        if (row.lead.value().is_nil()) {
            auto id = call.looked_at() ? Uuid::v5(row.contact.value(), "lead " + std::to_string(row.id.value()))
                                       : Uuid::v5(call.reports.front()->meta.id.value(), "lead");
            auto made_at = call.looked_at() ? std::optional(row.call.received_at) : std::nullopt;
            row.lead = leads_.open_lead(row.contact_key(), LeadId{id}, made_at).second;
        }
        leads_.touch(row.lead_key(), row.call.source, row.call.started_at.value_or(row.call.received_at), row.provider_call_id);
    }
}

/// What hung on the card and lead that a call had goes along; what nothing hangs on any more goes.
void Books::leave_former() {
    std::set<ContactKey> contacts;
    std::set<LeadKey> found, lost;
    for (auto& call : calls) {
        const auto& row = call.row;
        bool verdicts = call.verdict_dropped;
        for (const auto& from : call.left_leads) {
            if (from == row.lead) continue;
            const LeadKey key{row.company, from};
            auto left = leads_.leave(key, row.lead, row.id, row.contact);
            call.tasks.insert(call.tasks.end(), left.tasks.begin(), left.tasks.end());
            call.moves.push_back({from, row.lead, left.whole});
            verdicts = verdicts || left.verdict || left.whole;
            if (left.contact) contacts.insert(*left.contact);
            if (left.verdict && !left.whole) lost.insert(key);
        }
        for (const auto& from : call.left_contacts)
            if (from != row.contact) contacts_.fold({row.company, from}, row.contact);
        if (!verdicts) continue;
        contacts.insert(row.contact_key());
        found.insert(row.lead_key());
    }
    if (found.empty() && lost.empty()) return;
    leads_.load(contacts);
    for (const auto& key : found) leads_.review(key);
    for (const auto& key : lost) leads_.review(key, LeadBook::Lost::a_verdict);
    leads_.save();
}

}  // namespace otto::lead_pipeline
