#include "books/batch.hpp"

#include <algorithm>

#include "base/phone.hpp"
#include "lead-pipeline/sql.hpp"
#include "books/owners.hpp"

namespace otto::lead_pipeline {
namespace {

/// Ids of cards are names, so that a batch that runs again makes the same ones.
Uuid card_id(const std::string& company, const std::string& whose) {
    static const Uuid space = *Uuid::parse("6f74746f-6361-5264-a473-000000000001");
    return Uuid::v5(space, company + "\n" + whose);
}

struct AliasRow {
    Alias alias;
    std::int64_t call_id;
    static AliasRow from(const pg::Fields& f) { return {{f.text("company_id"), f.text("provider"), f.text("alias")}, f.integer("call_id")}; }
};
struct NewId {
    std::int64_t id;
    static NewId from(const pg::Fields& f) { return {f.integer("call_id")}; }
};

/// Of all the ids of a call the one that it is known by: CallRail's lasting form first, then the least; the same whichever came first.
bool better_id(const std::string& a, const std::string& b) {
    auto lasting = [](const std::string& s) { return s.starts_with("CAL"); };
    return lasting(a) != lasting(b) ? lasting(a) : a < b;
}

}  // namespace

void Batch::run() {
    find_calls();
    find_phones();
    lock_contacts();
    load_calls();
    sort_out_shared_cards();
    merge_reports();
    settle_contacts();
    settle_leads();
    save();
    watch_missed_calls();
    leave_former();
}

void Batch::join(Group& into, Group* other) {
    into.reports.insert(into.reports.end(), other->reports.begin(), other->reports.end());
    into.phones.merge(other->phones);
    into.aliases.insert(other->aliases.begin(), other->aliases.end());
    into.recorded.insert(other->recorded.begin(), other->recorded.end());
    into.known.insert(other->known.begin(), other->known.end());
    for (const auto& alias : other->aliases) by_alias_[alias] = &into;
    std::erase_if(groups_, [&](const auto& g) { return g.get() == other; });
}

/// Reports that share an id are about one call.
void Batch::add(const In& in) {
    const auto& e = in.event;
    std::set<Alias> aliases;
    for (const auto& a : e.call().aliases()) aliases.insert({e.company_id(), e.receipt().provider(), a});
    if (aliases.empty()) aliases.insert({e.company_id(), e.receipt().provider(), e.call().provider_call_id()});
    Group* mine = nullptr;
    for (const auto& a : aliases) {
        auto found = by_alias_.find(a);
        if (found == by_alias_.end() || found->second == mine) continue;
        Group* other = found->second;
        if (!mine) {
            mine = other;
            continue;
        }
        join(*mine, other);
    }
    if (!mine) mine = groups_.emplace_back(std::make_unique<Group>()).get();
    mine->reports.push_back(&in);
    if (auto phone = customer_of(e.call()); phone.e164) mine->phones.insert(std::move(phone.text));
    for (const auto& a : aliases) by_alias_[a] = mine;
    mine->aliases.insert(aliases.begin(), aliases.end());
}

void Batch::look_at(const std::string& company, std::int64_t call) {
    auto& g = *groups_.emplace_back(std::make_unique<Group>());
    g.row.company = company;
    g.row.call_id = call;
    g.known.insert(call);
}

void Batch::find_calls() {
    if (by_alias_.empty()) return;
    pg::Columns asked(3);
    for (const auto& [a, group] : by_alias_) asked.row({a.company, a.provider, a.alias});
    for (const auto& row : tx_.many<AliasRow>(sql::known_aliases, asked.params())) {
        by_alias_.at(row.alias)->known.insert(row.call_id);
        by_alias_.at(row.alias)->recorded.insert(row.alias);
    }
    // Ids that no report names together may still be one row's.
    std::map<std::pair<std::string, std::int64_t>, Group*> of_row;
    for (const auto& [alias, first] : std::map(by_alias_)) {
        Group* group = by_alias_.at(alias);
        for (auto id : std::set(group->known)) {
            auto [entry, added] = of_row.try_emplace({alias.company, id}, group);
            if (added || entry->second == group) continue;
            Group* other = entry->second;
            join(*group, other);
            for (auto& [row, g] : of_row)
                if (g == other) g = group;
        }
    }
    std::size_t fresh = 0;
    for (const auto& g : groups_) fresh += g->known.empty();
    std::vector<NewId> ids;
    if (fresh > 0) ids = tx_.many<NewId>(sql::new_call_ids, {static_cast<int>(fresh)});
    for (auto& g : groups_) {
        if (g->looked_at()) continue;
        const auto& first = g->reports.front()->event;
        g->row.company = first.company_id();
        g->row.provider = first.receipt().provider();
        if (!g->known.empty()) {
            g->row.call_id = *g->known.begin();  // the older one stays
        } else {
            g->row.call_id = ids.back().id;
            ids.pop_back();
        }
    }
}

/// Of calls that are looked at. A number that changes before its row is locked is settled by the report that brings it.
void Batch::find_phones() {
    pg::Columns asked(2);
    std::map<std::pair<std::string, std::int64_t>, Group*> of_call;
    for (const auto& g : groups_) {
        if (!g->looked_at()) continue;
        asked.row({g->row.company, g->row.call_id});
        of_call[{g->row.company, g->row.call_id}] = g.get();
    }
    if (asked.rows() == 0) return;
    tx_.each(sql::phones_of_calls, asked.params(), [&](const pg::Fields& f) {
        if (auto phone = normalize_phone(f.maybe_text("phone_number").value_or("")); phone.e164) of_call.at({f.text("company_id"), f.integer("call_id")})->phones.insert(std::move(phone.text));
    });
}

/// Cards of callable numbers exist and are locked, in sorted order, before anything else is: whoever works on the same customer waits here.
void Batch::lock_contacts() {
    std::set<std::pair<std::string, std::string>> phones;
    for (const auto& g : groups_)
        for (const auto& phone : g->phones) phones.emplace(g->row.company, phone);
    if (phones.empty()) return;
    pg::Columns made(3), asked(2);
    for (const auto& [company, phone] : phones) {
        made.row({company, card_id(company, phone), phone});
        asked.row({company, phone});
    }
    tx_.write(sql::ensure_contacts, made.params());
    for (auto& row : tx_.many<ContactRow>(sql::lock_contacts, asked.params())) {
        auto& kept = contacts_.emplace(std::pair{row.company, row.id}, row).first->second;
        by_phone_[{kept.company, *kept.phone}] = &kept;
    }
}

void Batch::load_calls() {
    pg::Columns asked(2);
    std::map<std::pair<std::string, std::int64_t>, Group*> owner;
    for (const auto& g : groups_)
        for (auto id : g->known) {
            asked.row({g->row.company, id});
            owner[{g->row.company, id}] = g.get();
        }
    if (asked.rows() == 0) return;
    // Sorted by call_id: of rows that prove to be one call the older comes first, and the others are folded into it.
    std::vector<std::pair<Group*, CallRow>> others;
    for (auto& row : tx_.many<CallRow>(sql::lock_calls, asked.params())) {
        auto mine = owner.extract({row.company, row.call_id});
        auto& g = *mine.mapped();
        if (row.call_id == g.row.call_id) g.row = row;
        else others.emplace_back(&g, row);
    }
    // Its ids lead to another row by now; under its old id it would be born again.
    for (const auto& [call, g] : owner)
        if (!g->looked_at()) throw pg::SqlFailure("40001", "a call was folded into another one meanwhile", "", "lock_calls");
    std::erase_if(groups_, [&](const auto& g) { return g->looked_at() && owner.contains({g->row.company, g->row.call_id}); });
    // Cards of calls that had no callable number, and those of rows that go: whoever takes an analysis of such a call waits, or is waited for.
    pg::Columns cards(2);
    auto with_card = [&](const CallRow& row) {
        if (!row.contact.is_nil() && !contacts_.contains({row.company, row.contact})) cards.row({row.company, row.contact});
    };
    for (const auto& g : groups_) with_card(g->row);
    for (const auto& [g, row] : others) with_card(row);
    if (cards.rows() > 0)
        for (auto& row : tx_.many<ContactRow>(sql::lock_contacts_by_id, cards.params())) contacts_.emplace(std::pair{row.company, row.id}, row);
    for (const auto& [g, row] : others) fold(*g, row);
}

/// What is on record of a row that is the same call as the group's goes there.
void Batch::fold(Group& g, const CallRow& other) {
    merge(g.row.call, other.call);
    g.row.version = std::max(g.row.version, other.version);
    if (better_id(other.provider_call_id, g.row.provider_call_id)) g.row.provider_call_id = other.provider_call_id;
    tx_.each(sql::fold_tasks, {other.company, other.call_id, g.row.call_id}, [&](const pg::Fields& f) { g.changed_tasks.emplace_back(f.uuid("id"), f.integer("version")); });
    tx_.write(sql::fold_call, {other.company, other.call_id, g.row.call_id});
    if (tx_.write_counted(sql::forget_verdict, {other.company, other.call_id}) > 0) g.verdict_dropped = true;
    if (other.lead != g.row.lead) g.left_leads.insert(other.lead);
    if (other.contact != g.row.contact) g.left_contacts.insert(other.contact);
    g.folded.push_back(other.call_id);
}

/// A card without a number is one call's. Where several share it, all but the oldest get one of their own, and a lead: the oldest of each lead takes that lead along, with what people did to it.
void Batch::sort_out_shared_cards() {
    pg::Columns cards(2);
    std::set<Key> asked;
    auto shared = [&](const Group& g) {
        auto card = contacts_.find({g.row.company, g.row.contact});
        return g.looked_at() && card != contacts_.end() && !card->second.phone;
    };
    for (const auto& g : groups_)
        if (shared(*g) && asked.emplace(g->row.company, g->row.contact).second) cards.row({g->row.company, g->row.contact});
    if (asked.empty()) return;
    struct Oldest {
        std::int64_t call = 0;
        Uuid lead;
        std::int64_t calls = 0;
    };
    std::map<Key, Oldest> of_card;
    std::map<std::pair<Key, Uuid>, std::int64_t> of_lead;
    tx_.each(sql::oldest_of_cards, cards.params(), [&](const pg::Fields& f) {
        Key card{f.text("company_id"), f.uuid("contact_card_id")};
        auto lead = f.uuid("lead_id");
        auto call = f.integer("oldest");
        of_lead[{card, lead}] = call;
        auto& oldest = of_card[card];
        if (oldest.calls == 0 || call < oldest.call) oldest = {call, lead, oldest.calls};
        oldest.calls += f.integer("calls");
    });
    for (const auto& g : groups_) {
        if (!shared(*g)) continue;
        Key card{g->row.company, g->row.contact};
        const auto& oldest = of_card.at(card);
        if (oldest.calls == 1) continue;
        g->keeps_card = g->row.call_id == oldest.call;
        g->apart = !g->keeps_card;
        g->takes_lead = g->apart && g->row.lead != oldest.lead && of_lead.at({card, g->row.lead}) == g->row.call_id;
    }
    // Who leaves takes its name along before the card forgets it.
    std::stable_partition(groups_.begin(), groups_.end(), [](const auto& g) { return !g->keeps_card; });
}

void Batch::merge_reports() {
    for (auto& g : groups_) {
        for (const auto& a : g->aliases)
            if (g->row.provider_call_id.empty() || better_id(a.alias, g->row.provider_call_id)) g->row.provider_call_id = a.alias;
        for (const auto* in : g->reports) {
            const auto& e = in->event;
            merge(g->row.call, e.call(), order_of(e.call(), from_micros(e.receipt().received_at_us()), in->meta.id.value().to_string()));
            if (g->row.traceparent.empty()) g->row.traceparent = in->meta.trace.traceparent();
        }
    }
    std::vector<NamedAgent> agents;
    for (auto& g : groups_) {
        auto& r = g->row;
        bool named = std::any_of(g->reports.begin(), g->reports.end(), [](const In* in) { return in->event.call().has_agent_email(); });
        if (r.call.owner_email && (named || !r.owner_id)) agents.push_back({r.company, *r.call.owner_email, &r.owner_id});
    }
    find_owners(tx_, agents);
}

ContactRow& Batch::own_card(Group& g, pg::Columns& made) {
    auto& row = g.row;
    auto id = card_id(row.company, row.provider + "\n" + row.provider_call_id);
    made.row({row.company, id, g.looked_at() ? pg::Param(row.call.received_at) : pg::Param(nullptr)});
    return contacts_.insert_or_assign({row.company, id}, ContactRow{row.company, id, {}, {}}).first->second;
}

/// The caller's number is known by now: the card of its own was for want of one.
void Batch::leave_card(Group& g, const ContactRow& former, ContactRow& into) {
    bool shared = g.apart || g.keeps_card;
    if (merge(into.contact, shared ? part_of(former.contact, std::vector<std::int64_t>(g.known.begin(), g.known.end())) : former.contact)) g.contact_changed = true;
    g.left_contacts.insert(former.id);
    auto& lead = g.row.lead;
    bool adopted = false;
    tx_.each(sql::adopt_lead, {g.row.company, lead, into.id, g.row.call_id, false}, [&](const pg::Fields&) { adopted = true; });
    if (adopted) {
        g.moves.push_back({lead, lead, true});
    } else {
        g.left_leads.insert(lead);
        lead = Uuid{};
    }
}

void Batch::settle_contacts() {
    pg::Columns nameless(3);
    std::vector<Group*> with_lead;
    for (auto& g : groups_) {
        auto& row = g->row;
        ContactRow* by_number = row.call.phone_callable && row.call.phone_number ? contact_of(row.company, *row.call.phone_number) : nullptr;
        auto found = row.contact.is_nil() ? contacts_.end() : contacts_.find({row.company, row.contact});
        ContactRow* current = found == contacts_.end() ? nullptr : &found->second;
        std::vector<std::int64_t> ids{row.call_id};
        ids.insert(ids.end(), g->known.begin(), g->known.end());
        if (current && (current->phone || (!by_number && !g->apart))) {
            g->contact = current;
            if (g->keeps_card) {
                auto own = part_of(current->contact, ids, Persons::too);
                g->contact_changed = own.origins.text() != current->contact.origins.text();
                current->contact = std::move(own);
            }
        } else if (by_number) {
            if (current) leave_card(*g, *current, *by_number);
            g->contact = by_number;
        } else {
            g->contact = &own_card(*g, nameless);
            if (g->apart) {
                g->contact->contact = part_of(current->contact, ids);
                g->contact_changed = true;
                if (g->takes_lead) {
                    with_lead.push_back(g.get());
                } else {
                    g->left_leads.insert(row.lead);
                    row.lead = Uuid{};
                }
            }
        }
        row.contact = g->contact->id;
        if (merge(g->contact->contact, statement_of(row.call, ids))) g->contact_changed = true;
    }
    if (nameless.rows() > 0) tx_.write(sql::ensure_nameless_contacts, nameless.params());
    for (auto* g : with_lead) {
        tx_.each(sql::adopt_lead, {g->row.company, g->row.lead, g->row.contact, g->row.call_id, true}, [](const pg::Fields&) {});
        g->moves.push_back({g->row.lead, g->row.lead, true});
    }
}

Batch::LeadRow Batch::LeadRow::from(const pg::Fields& f) {
    LeadRow r;
    r.company = f.text("company_id");
    r.id = f.uuid("id");
    r.contact = f.uuid("contact_card_id");
    r.status = f.text("status");
    r.lead = {f.maybe_text("source"), f.time("source_at"), f.maybe_text("source_call"), f.time("last_contacted_at")};
    return r;
}

void Batch::settle_leads() {
    pg::Columns of_contacts(2), by_id(2);
    std::set<std::pair<std::string, Uuid>> asked_contacts, asked_ids;
    for (const auto& g : groups_) {
        if (g->row.lead.is_nil() && asked_contacts.insert({g->row.company, g->row.contact}).second) of_contacts.row({g->row.company, g->row.contact});
        if (!g->row.lead.is_nil() && asked_ids.insert({g->row.company, g->row.lead}).second) by_id.row({g->row.company, g->row.lead});
    }
    pg::Params params = of_contacts.params();
    for (auto& p : by_id.params()) params.push_back(p);
    std::map<std::pair<std::string, Uuid>, LeadRow*> open;
    for (auto& row : tx_.many<LeadRow>(sql::leads_of, params)) {
        auto& kept = leads_.emplace(std::pair{row.company, row.id}, row).first->second;
        if (is_open(kept.status)) open[{kept.company, kept.contact}] = &kept;
    }
    for (auto& g : groups_) {
        auto& row = g->row;
        if (row.lead.is_nil()) {
            auto& mine = open[{row.company, row.contact}];
            if (!mine) {
                LeadRow fresh;
                fresh.company = row.company;
                fresh.id = g->looked_at() ? Uuid::v5(row.contact, "lead " + std::to_string(row.call_id)) : Uuid::v5(g->reports.front()->meta.id.value(), "lead");
                if (g->looked_at()) fresh.made_at = row.call.received_at;
                fresh.contact = row.contact;
                fresh.fresh = true;
                mine = &leads_.emplace(std::pair{fresh.company, fresh.id}, fresh).first->second;
            }
            row.lead = mine->id;
        }
        auto lead = leads_.find({row.company, row.lead});
        if (lead != leads_.end() && touch(lead->second.lead, row.call.source, row.call.started_at.value_or(row.call.received_at), row.provider_call_id)) lead->second.changed = true;
    }
}

}  // namespace otto::lead_pipeline
