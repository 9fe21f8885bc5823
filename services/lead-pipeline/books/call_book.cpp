#include "books/call_book.hpp"

#include <algorithm>
#include <chrono>
#include <tuple>

#include "base/phone.hpp"
#include "base/text.hpp"
#include "lead-pipeline/sql.hpp"

namespace otto::lead_pipeline {
namespace {

/// Of all the ids of a call the one that it is known by: CallRail's lasting form first, then the least; the same whichever came
/// first.
bool better_id(const std::string& a, const std::string& b) {
    auto lasting = [](const std::string& s) { return s.starts_with("CAL"); };
    return lasting(a) != lasting(b) ? lasting(a) : a < b;
}

/// Who took these calls: the user of the company with the e-mail that the provider names. What is no user's stays as it was.
void find_owners(pg::Tx& tx, const std::vector<CallRow*>& named) {
    using Agent = std::pair<CompanyId, std::string>;
    auto agent_of = [](const CallRow& row) { return Agent{row.company, lower(*row.call.owner_email)}; };
    std::set<Agent> asked;
    for (const auto* row : named) asked.insert(agent_of(*row));
    if (asked.empty()) return;
    std::map<Agent, std::string> users;
    tx.each(sql::users_of_emails, pg::arrays(asked), [&](const pg::Fields& f) {
        users[{CompanyId{f.text("company_id")}, f.text("email")}] = f.text("id");
    });
    for (auto* row : named)
        if (auto user = users.find(agent_of(*row)); user != users.end()) row->owner_id = user->second;
}

}  // namespace

std::vector<std::int64_t> HeldCall::ids() const {
    std::vector<std::int64_t> ids{row.id.value()};
    for (const auto& id : known)
        if (id != row.id) ids.push_back(id.value());
    return ids;
}

void CallBook::join(HeldCall& into, HeldCall* other) {
    into.reports.insert(into.reports.end(), other->reports.begin(), other->reports.end());
    into.numbers.merge(other->numbers);
    into.aliases.insert(other->aliases.begin(), other->aliases.end());
    into.names.merge(other->names);
    into.recorded.insert(other->recorded.begin(), other->recorded.end());
    into.known.insert(other->known.begin(), other->known.end());
    for (const auto& alias : other->aliases) by_alias_[alias] = &into;
    calls_.remove_if([&](const HeldCall& c) { return &c == other; });
}

/// Reports that share an id are about one call.
void CallBook::add(const HeldCall::In& in) {
    const auto& e = in.event;
    const CompanyId company{e.company_id()};
    std::set<Alias> aliases;
    for (const auto& a : e.call().aliases()) aliases.insert({company, e.receipt().provider(), a});
    if (aliases.empty()) aliases.insert({company, e.receipt().provider(), e.call().provider_call_id()});
    HeldCall* mine = nullptr;
    for (const auto& a : aliases) {
        auto found = by_alias_.find(a);
        if (found == by_alias_.end() || found->second == mine) continue;
        if (mine)
            join(*mine, found->second);
        else
            mine = found->second;
    }
    if (!mine) mine = &calls_.emplace_back();
    mine->row.company = company;
    mine->reports.push_back(&in);
    if (auto phone = customer_of(e.call()); phone.e164) mine->numbers.insert(std::move(phone.text));
    for (const auto& a : aliases) by_alias_[a] = mine;
    // Twilio's reports name the call that they are of, and a leg's its own id beside it.
    if (e.call().stage() == inbound::v1::STAGE_PROGRESS && !e.call().provider_call_id().empty())
        mine->names.insert(e.call().provider_call_id());
    else
        for (const auto& a : aliases) mine->names.insert(a.alias);
    mine->aliases.insert(aliases.begin(), aliases.end());
}

void CallBook::look_at(const CallKey& key) {
    auto& call = calls_.emplace_back();
    std::tie(call.row.company, call.row.id) = key;
    call.known.insert(key.second);
}

void CallBook::find() {
    std::set<std::tuple<CompanyId, std::string, std::string>> asked;
    for (const auto& [a, call] : by_alias_) asked.emplace(a.company, a.provider, a.alias);
    for (const auto& found : known_aliases(tx_, asked)) {
        by_alias_.at(found.alias)->known.insert(found.call);
        by_alias_.at(found.alias)->recorded.insert(found.alias);
    }
    join_by_rows();
    number_new();
    find_numbers();
}

/// Ids that no report names together may still be one row's.
void CallBook::join_by_rows() {
    std::map<CallKey, HeldCall*> of_row;
    for (const auto& [alias, first] : std::map(by_alias_)) {
        HeldCall* call = by_alias_.at(alias);
        for (const auto& id : std::set(call->known)) {
            auto [entry, added] = of_row.try_emplace({alias.company, id}, call);
            if (added || entry->second == call) continue;
            HeldCall* other = entry->second;
            join(*call, other);
            for (auto& [row, c] : of_row)
                if (c == other) c = call;
        }
    }
}

void CallBook::number_new() {
    auto is_new = [](const HeldCall& c) { return c.known.empty(); };
    auto count = std::count_if(calls_.begin(), calls_.end(), is_new);
    std::vector<CallId> ids;
    if (count > 0) ids = tx_.values<CallId>(sql::new_call_ids, {static_cast<int>(count)});
    for (auto& c : calls_) {
        if (c.looked_at()) continue;
        c.row.provider = c.reports.front()->event.receipt().provider();
        if (!is_new(c)) {
            c.row.id = *c.known.begin();  // the older one stays
        } else {
            c.row.id = ids.back();
            ids.pop_back();
        }
    }
}

/// Of calls that are looked at. A number that changes before its row is locked is settled by the report that brings it.
void CallBook::find_numbers() {
    std::map<CallKey, HeldCall*> looked_at;
    std::set<CallKey> asked;
    for (auto& c : calls_)
        if (c.looked_at() && asked.insert(c.row.key()).second) looked_at[c.row.key()] = &c;
    if (asked.empty()) return;
    tx_.each(sql::phones_of_calls, pg::arrays(asked), [&](const pg::Fields& f) {
        auto phone = normalize_phone(f.text("phone_number"));
        if (phone.e164)
            looked_at.at({CompanyId{f.text("company_id")}, CallId{f.integer("call_id")}})->numbers.insert(std::move(phone.text));
    });
}

std::set<NumberKey> CallBook::numbers() const {
    std::set<NumberKey> all;
    for (const auto& c : calls_)
        for (const auto& number : c.numbers) all.emplace(c.row.company, number);
    return all;
}

void CallBook::load() {
    std::set<CallKey> keys;
    std::map<CallKey, HeldCall*> missing;
    for (auto& c : calls_)
        for (const auto& id : c.known) {
            keys.emplace(c.row.company, id);
            missing[{c.row.company, id}] = &c;
        }
    for (auto& row : lock_calls(tx_, keys)) {
        auto& c = *missing.extract(row.key()).mapped();
        if (row.id == c.row.id)
            c.row = std::move(row);
        else
            twins_.emplace_back(&c, std::move(row));
    }
    // Its ids lead to another row by now; under its old id it would be born again.
    for (const auto& [key, c] : missing)
        if (!c->looked_at()) throw pg::SqlFailure("40001", "a call was folded into another one meanwhile", "", "lock_calls");
    calls_.remove_if([&](const HeldCall& c) { return c.looked_at() && missing.contains(c.row.key()); });
}

/// Those of callers without a number, and of rows that go: whoever takes an analysis of such a call waits, or is waited for.
std::set<ContactKey> CallBook::contacts() const {
    std::set<ContactKey> all;
    auto put = [&](const CallRow& row) {
        if (!row.contact.value().is_nil()) all.insert(row.contact_key());
    };
    for (const auto& c : calls_) put(c.row);
    for (const auto& [c, row] : twins_) put(row);
    return all;
}

void CallBook::fold() {
    for (const auto& [c, row] : twins_) fold(*c, row);
}

/// What is on record of a row that is the same call goes there.
void CallBook::fold(HeldCall& c, const CallRow& other) {
    lead_pipeline::merge(c.row.call, other.call);
    c.row.version = std::max(c.row.version, other.version);
    if (better_id(other.provider_call_id, c.row.provider_call_id)) c.row.provider_call_id = other.provider_call_id;
    for (const auto& task : tx_.many<ChangedTask>(sql::fold_tasks, {other.company, other.id, c.row.id})) c.tasks.push_back(task);
    tx_.write(sql::fold_call, {other.company, other.id, c.row.id});
    if (tx_.write_counted(sql::forget_verdict, {other.company, other.id}) > 0) c.verdict_dropped = true;
    if (other.lead != c.row.lead) c.left_leads.insert(other.lead);
    if (other.contact != c.row.contact) c.left_contacts.insert(other.contact);
    c.folded.push_back(other.id);
}

std::map<ContactKey, CallBook::Sharing> CallBook::sharings(const std::set<ContactKey>& cards) {
    std::map<ContactKey, Sharing> all;
    if (cards.empty()) return all;
    tx_.each(sql::oldest_of_cards, pg::arrays(cards), [&](const pg::Fields& f) {
        auto& sharing = all[{CompanyId{f.text("company_id")}, ContactId{f.uuid("contact_card_id")}}];
        LeadId lead{f.uuid("lead_id")};
        CallId oldest{f.integer("oldest")};
        sharing.oldest_of_lead[lead] = oldest;
        if (sharing.calls == 0 || oldest < sharing.oldest) {
            sharing.oldest = oldest;
            sharing.lead_of_oldest = lead;
        }
        sharing.calls += f.integer("calls");
    });
    return all;
}

void CallBook::let_those_who_part_go_first() {
    auto keeps = [](const HeldCall& c) { return c.share == HeldCall::Share::keeps_card; };
    calls_.sort([&](const HeldCall& a, const HeldCall& b) { return !keeps(a) && keeps(b); });  // stable
}

void CallBook::merge() {
    std::vector<CallRow*> named;
    for (auto& c : calls_) {
        for (const auto& name : c.names)
            if (c.row.provider_call_id.empty() || better_id(name, c.row.provider_call_id)) c.row.provider_call_id = name;
        bool names_agent = false;
        for (const auto* in : c.reports) {
            const auto& e = in->event;
            lead_pipeline::merge(c.row.call, e.call(),
                                 order_of(e.call(), from_micros(e.receipt().received_at_us()), in->meta.id.value().to_string()),
                                 e.receipt().proven_by_deployment());
            if (c.row.traceparent.empty()) c.row.traceparent = in->meta.trace.traceparent();
            names_agent = names_agent || e.call().has_agent_email();
        }
        if (c.row.call.owner_email && (names_agent || !c.row.owner_id)) named.push_back(&c.row);
    }
    find_owners(tx_, named);
}

void CallBook::save(Millis grace) {
    // The moment, so that what is written over a restored database is above what readers know of the time that was lost.
    const auto now_ms = to_micros(system_clock().now()) / 1000;
    std::vector<const CallRow*> rows;
    std::vector<AliasRow> aliases;
    for (auto& c : calls_) {
        c.row.version = std::max(c.row.version + 1, now_ms);
        rows.push_back(&c.row);
        for (const auto& a : c.aliases)
            if (!c.recorded.contains(a)) aliases.push_back({a, c.row.id});
    }
    save_calls(tx_, rows);
    add_aliases(tx_, aliases);
    watch_missed(grace);
}

/// What follows from a missed call waits for a report that says otherwise; who cannot be called back is not waited for, and of a
/// call of long ago nothing follows any more.
void CallBook::watch_missed(Millis grace) {
    constexpr auto long_ago = std::chrono::hours(24);
    std::vector<std::tuple<CompanyId, CallId, Instant>> missed;
    std::vector<CallKey> answered;
    for (const auto& c : calls_) {
        const auto& r = c.row;
        if (r.is_missed() && !r.was_missed) {
            auto received = r.call.received_at;
            if (c.looked_at() && received < system_clock().now() - long_ago) continue;
            for (const auto* in : c.reports) received = std::max(received, from_micros(in->event.receipt().received_at_us()));
            missed.emplace_back(r.company, r.id, received);
        } else if (!r.is_missed() && r.was_missed) {
            answered.push_back(r.key());
        }
    }
    if (!missed.empty()) {
        auto params = pg::arrays(missed);
        params.push_back(static_cast<std::int64_t>(grace.count()));
        tx_.write(sql::watch_missed_calls, params);
    }
    if (!answered.empty()) tx_.write(sql::forget_missed_calls, pg::arrays(answered));
}

}  // namespace otto::lead_pipeline
