#include "handlers.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "base/json.hpp"
#include "call.hpp"
#include "cards.hpp"
#include "contact.hpp"
#include "events/changes.hpp"
#include "lead.hpp"
#include "lead-pipeline/sql.hpp"
#include "leads.hpp"
#include "owners.hpp"

namespace otto::lead_pipeline {
namespace {

using In = rt::In<routed::v1::CallReported>;
using Out = rt::Out<calls::v1::CallRecorded, calls::v1::CallFolded, changes::v1::RowChanged>;

/// Ids of cards are names, so that a batch that runs again makes the same ones.
Uuid card_id(const std::string& company, const std::string& whose) {
    static const Uuid space = *Uuid::parse("6f74746f-6361-5264-a473-000000000001");
    return Uuid::v5(space, company + "\n" + whose);
}

struct Alias {
    std::string company, provider, alias;
    auto operator<=>(const Alias&) const = default;
};

struct AliasRow {
    Alias alias;
    std::int64_t call_id;
    static AliasRow from(const pg::Fields& f) { return {{f.text("company_id"), f.text("provider"), f.text("alias")}, f.integer("call_id")}; }
};
struct NewId {
    std::int64_t id;
    static NewId from(const pg::Fields& f) { return {f.integer("call_id")}; }
};

struct LeadRow {
    std::string company;
    Uuid id, contact;
    std::string status = "new";
    Lead lead;
    bool fresh = false, changed = false;
    static LeadRow from(const pg::Fields& f) {
        LeadRow r{f.text("company_id"), f.uuid("id"), f.uuid("contact_card_id"), f.text("status"), {}};
        r.lead = {f.maybe_text("source"), f.time("source_at"), f.maybe_text("source_call"), f.time("last_contacted_at")};
        return r;
    }
};

struct CallRow {
    std::string company, provider, provider_call_id, traceparent;
    std::int64_t call_id = 0, version = 0;
    Uuid contact, lead;
    std::optional<std::string> owner_id;    ///< who took the call
    bool was_missed = false;                ///< as it stood: missed, by somebody who can be called back
    Call call;
    static CallRow from(const pg::Fields& f) {
        CallRow r;
        r.company = f.text("company_id");
        r.provider = f.text("provider");
        r.provider_call_id = f.text("provider_call_id");
        r.traceparent = f.text("traceparent");
        r.call_id = f.integer("call_id");
        r.version = f.integer("version");
        r.contact = f.uuid("contact_card_id");
        r.lead = f.uuid("lead_id");
        r.owner_id = f.maybe_text("owner_id");
        auto& c = r.call;
        // What is derived or not shown stands in the merge state.
        auto state = JsonDocument::parse(f.text("merge_state"));
        auto root = state ? state->root() : JsonView{};
        c.origins = Origins::parse(root["origins"].dump());
        c.reported_status = std::string(root["status"].string().value_or(""));
        c.ever_answered = root["answered"].boolean().value_or(false);
        c.phone_callable = root["callable"].boolean().value_or(false);
        for (std::size_t i = 0; i < root["seen"].size(); ++i) c.seen.emplace(root["seen"].at(i).string().value_or(""));
        for (const auto& id : c.origins.reports()) c.seen.insert(name_of(id));  // of rows that are older than the list
        auto kept = [&](const char* name, std::optional<std::string>& slot) {
            if (auto text = root[name].string()) slot = std::string(*text);
        };
        kept("owner", c.owner_email);
        kept("name", c.customer_name);
        kept("city", c.customer_city);
        kept("state", c.customer_state);
        c.phone_number = f.maybe_text("phone_number");
        c.tracking_number = f.maybe_text("tracking_number");
        if (c.origins.of("direction")) c.direction = f.maybe_text("direction");
        c.recording_url = f.maybe_text("recording_url");
        c.source = f.maybe_text("source");
        c.campaign = f.maybe_text("campaign");
        c.keywords = f.maybe_text("keywords");
        c.note = f.maybe_text("note");
        c.value = f.maybe_text("value");
        c.lead_status = f.maybe_text("lead_status");
        c.duration_s = f.maybe_integer("duration");
        c.first_call = f.maybe_boolean("first_call");
        auto tags = JsonDocument::parse(f.text("tags_json"));
        for (std::size_t i = 0; tags && i < tags->root().size(); ++i) c.tags.emplace_back(tags->root().at(i).string().value_or(""));
        c.started_at = f.time("started_at");
        c.ended_at = f.time("ended_at");
        c.received_at = f.time("received_at").value_or(Instant{});
        r.was_missed = f.boolean("missed_call") && c.phone_callable;
        return r;
    }
};

std::string merge_state(const Call& c) {
    JsonWriter w;
    w.begin_object().member("status", c.reported_status).member("answered", c.ever_answered).member("callable", c.phone_callable);
    if (c.owner_email) w.member("owner", *c.owner_email);
    if (c.customer_name) w.member("name", *c.customer_name);
    if (c.customer_city) w.member("city", *c.customer_city);
    if (c.customer_state) w.member("state", *c.customer_state);
    w.key("seen").begin_array();
    for (const auto& name : c.seen) w.value(name);
    return w.end_array().key("origins").raw(c.origins.text()).end_object().take();
}

std::string tags_json(const Call& c) {
    JsonWriter w;
    w.begin_array();
    for (const auto& t : c.tags) w.value(t);
    return w.end_array().take();
}

/// Of all the ids of a call the one that it is known by: CallRail's lasting form first, then the least; the same whichever came first.
bool better_id(const std::string& a, const std::string& b) {
    auto lasting = [](const std::string& s) { return s.starts_with("CAL"); };
    return lasting(a) != lasting(b) ? lasting(a) : a < b;
}

/// The reports of one batch that are about one call.
struct Group {
    std::vector<const In*> reports;
    std::set<Alias> aliases;
    std::set<Alias> recorded;       ///< of the aliases, those that a row has already
    std::set<std::int64_t> known;   ///< rows that it has already; more than one: they are one call
    CallRow row;
    ContactRow* contact = nullptr;
    bool contact_changed = false, verdict_dropped = false;
    std::set<Uuid> left_contacts, left_leads;
    std::vector<std::int64_t> folded;                                  ///< rows that went into this one
    std::vector<std::pair<Uuid, std::int64_t>> changed_tasks;          ///< because of that, with their versions
};

class Batch {
public:
    Batch(std::span<const In> ins, pg::Tx& tx, Out& out, Millis grace) : tx_(tx), out_(out), grace_(grace) {
        for (const auto& in : ins) add(in);
    }

    void run() {
        find_calls();
        lock_contacts();
        load_calls();
        merge_reports();
        settle_contacts();
        settle_leads();
        save();
        watch_missed_calls();
        leave_former();
        emit();
    }

private:
    void add(const In& in);
    void join(Group& into, Group* other);
    void find_calls();
    void lock_contacts();
    void load_calls();
    void fold(Group&, const CallRow& other);
    void merge_reports();
    void settle_contacts();
    void settle_leads();
    void save();
    void watch_missed_calls();
    void leave_former();
    void emit();
    ContactRow* contact_of(const std::string& company, const std::string& phone) {
        auto found = by_phone_.find({company, phone});
        return found == by_phone_.end() ? nullptr : found->second;
    }

    pg::Tx& tx_;
    Out& out_;
    Millis grace_;
    std::vector<std::unique_ptr<Group>> groups_;
    std::map<Alias, Group*> by_alias_;
    std::map<std::pair<std::string, Uuid>, ContactRow> contacts_;
    std::map<std::pair<std::string, std::string>, ContactRow*> by_phone_;
    std::map<std::pair<std::string, Uuid>, LeadRow> leads_;
    std::set<Key> resettled_;   ///< leads whose status changed because a call came to them with its verdict
};

void Batch::join(Group& into, Group* other) {
    into.reports.insert(into.reports.end(), other->reports.begin(), other->reports.end());
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
    for (const auto& a : aliases) by_alias_[a] = mine;
    mine->aliases.insert(aliases.begin(), aliases.end());
}

void Batch::find_calls() {
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

/// Cards of callable numbers exist and are locked, in sorted order, before anything else is: whoever works on the same customer waits here.
void Batch::lock_contacts() {
    std::set<std::pair<std::string, std::string>> phones;
    for (const auto& g : groups_)
        for (const auto* in : g->reports)
            if (in->event.call().customer_phone_callable()) phones.emplace(in->event.company_id(), in->event.call().customer_phone());
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
    if (!owner.empty()) throw pg::SqlFailure("40001", "a call was folded into another one meanwhile", "", "lock_calls");
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

void Batch::settle_contacts() {
    pg::Columns nameless(2);
    for (auto& g : groups_) {
        auto& row = g->row;
        ContactRow* by_number = row.call.phone_callable && row.call.phone_number ? contact_of(row.company, *row.call.phone_number) : nullptr;
        auto current = contacts_.find({row.company, row.contact});
        if (!row.contact.is_nil() && current != contacts_.end() && (current->second.phone || !by_number)) {
            g->contact = &current->second;
        } else if (by_number) {
            if (!row.contact.is_nil()) {  // the caller's number is known by now: the card of its own was for want of one
                g->left_contacts.insert(row.contact);
                g->left_leads.insert(row.lead);
                row.lead = Uuid{};
            }
            g->contact = by_number;
        } else {
            auto id = card_id(row.company, row.provider + "\n" + row.provider_call_id);
            nameless.row({row.company, id});
            g->contact = &contacts_.emplace(std::pair{row.company, id}, ContactRow{row.company, id, {}, {}}).first->second;
        }
        row.contact = g->contact->id;
        std::vector<std::int64_t> ids{row.call_id};
        ids.insert(ids.end(), g->known.begin(), g->known.end());
        if (merge(g->contact->contact, statement_of(row.call, ids))) g->contact_changed = true;
    }
    if (nameless.rows() > 0) tx_.write(sql::ensure_nameless_contacts, nameless.params());
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
                fresh.id = Uuid::v5(g->reports.front()->meta.id.value(), "lead");
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

void Batch::save() {
    pg::Columns new_leads(7), old_leads(6), calls(29), aliases(4);
    for (const auto& [key, l] : leads_) {
        if (l.fresh) new_leads.row({l.company, l.id, l.contact, l.lead.source, l.lead.source_at, l.lead.source_call, l.lead.last_contacted_at});
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

/// What follows from a missed call waits for a report that says otherwise; who cannot be called back is not waited for.
void Batch::watch_missed_calls() {
    pg::Columns missed(3), answered(2);
    for (const auto& g : groups_) {
        const auto& r = g->row;
        bool now = r.call.missed_call() && r.call.phone_callable;
        if (now && !r.was_missed) {
            std::int64_t received = 0;
            for (const auto* in : g->reports) received = std::max(received, in->event.receipt().received_at_us());
            missed.row({r.company, r.call_id, from_micros(received)});
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

/// The card and lead that a call had while its caller's number was not known: what hangs on them goes along.
void Batch::leave_former() {
    std::set<Key> contacts, leads;
    for (const auto& g : groups_) {
        const auto& r = g->row;
        bool verdicts = g->verdict_dropped;
        for (const auto& left : g->left_leads) {
            if (left == r.lead) continue;
            tx_.write(sql::move_tasks, {r.company, left, r.lead, r.call_id, r.contact});
            if (tx_.write_counted(sql::move_verdicts, {r.company, left, r.lead, r.call_id}) > 0) verdicts = true;
            tx_.write(sql::drop_orphan_lead, {r.company, left});
        }
        for (const auto& left : g->left_contacts)
            if (left != r.contact) tx_.write(sql::drop_orphan_contact, {r.company, left});
        if (!verdicts) continue;
        contacts.emplace(r.company, r.contact);
        leads.emplace(r.company, r.lead);
    }
    if (leads.empty()) return;
    LeadBook book(tx_);
    book.load(contacts);
    for (const auto& [company, lead] : leads) book.review(company, lead);
    resettled_ = book.save();
}

void Batch::emit() {
    std::set<std::pair<std::string, Uuid>> told;
    for (const auto& g : groups_) {
        const auto& r = g->row;
        const auto& c = r.call;
        const auto& cause = g->reports.back()->meta;
        auto phone = c.phone_callable ? *c.phone_number : r.provider_call_id;
        auto changed = [&](const char* kind, const std::string& id, std::int64_t version) { out_.emit(cause, events::row_changed(CompanyId{r.company}, kind, id, version)); };
        // First, so that whoever knew the row that went has its work in hand before the one that stays may be begun anew.
        for (auto from : g->folded) {
            calls::v1::CallFolded f;
            f.set_company_id(r.company);
            f.set_phone(phone);
            f.set_from(from);
            f.set_into(r.call_id);
            f.set_version(r.version);
            out_.emit(cause, f);
            changed("call", std::to_string(from), r.version);
        }
        for (const auto& [task, version] : g->changed_tasks) changed("task", task.to_string(), version);
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
        out_.emit(cause, m);
        changed("call", std::to_string(r.call_id), r.version);
        auto lead = leads_.find({r.company, r.lead});
        bool lead_changed = (lead != leads_.end() && (lead->second.fresh || lead->second.changed)) || resettled_.contains({r.company, r.lead});
        if (lead_changed && told.insert({r.company, r.lead}).second) changed("lead", r.lead.to_string(), 0);
        if (g->contact_changed && told.insert({r.company, r.contact}).second) changed("contact", r.contact.to_string(), 0);
    }
}

}  // namespace

void Calls::record(std::span<const In> ins, pg::Tx& tx, Out& out) const { Batch(ins, tx, out, grace_).run(); }

}  // namespace otto::lead_pipeline
