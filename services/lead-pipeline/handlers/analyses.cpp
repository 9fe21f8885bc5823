#include "handlers/analyses.hpp"

#include <map>
#include <set>

#include "base/spoken_time.hpp"
#include "rows/contact_row.hpp"
#include "events/changes.hpp"
#include "lead-pipeline/sql.hpp"
#include "books/lead_book.hpp"
#include "rules/task.hpp"
#include "telemetry/log.hpp"

namespace otto::lead_pipeline {
namespace {

using In = rt::In<analysis::v1::AnalysisCompleted>;
using Out = rt::Out<changes::v1::RowChanged>;
using CallKey = std::pair<std::string, std::int64_t>;

/// Where a call belongs at the moment.
struct Place {
    std::int64_t call;   ///< itself, or what its row was folded into
    Uuid contact, lead;
    auto operator<=>(const Place&) const = default;
};

struct TaskRow {
    Kept kept;
    static TaskRow from(const pg::Fields& f) {
        return {{f.uuid("id"), f.text("unique_key"), f.text("action_type"), static_cast<int>(f.integer("slot")), f.integer("analysis_version"), !f.is_null("edited_by")}};
    }
};

/// Ids of tasks are names, so that a batch that runs again makes the same ones.
Uuid task_id(const CallKey& call, const std::string& action_type, int slot) {
    static const Uuid space = *Uuid::parse("6f74746f-7461-5373-a473-000000000001");
    return Uuid::v5(space, call.first + "\n" + std::to_string(call.second) + "\n" + action_type + "\n" + std::to_string(slot));
}

std::optional<std::string> stated(bool has, std::string text) {
    std::erase(text, '\0');
    return has && !text.empty() ? std::optional(std::move(text)) : std::nullopt;
}

class Batch {
public:
    Batch(std::span<const In> ins, pg::Tx& tx, Out& out) : ins_(ins), tx_(tx), out_(out), book_(tx) {}

    void run() {
        for (const auto& in : ins_) cause_[key_of(in)] = &in.meta;
        auto places = find_calls();
        lock_contacts(places);
        // A call whose caller's number became known a moment ago has another card now: the batch begins again.
        if (find_calls() != places) throw pg::SqlFailure("40001", "a call moved to another contact meanwhile", "", "calls_of");
        places_ = std::move(places);
        std::set<Key> contacts;
        for (const auto& [call, place] : places_) contacts.emplace(call.first, place.contact);
        book_.load(contacts);
        for (const auto& in : ins_) take(in);
        write_contacts();
        write_leads();
        write_tasks();
    }

private:
    static CallKey key_of(const In& in) { return {in.event.company_id(), in.event.call_id()}; }
    /// A task that is to be made, or to become another.
    struct Filled {
        CallKey call;
        Place place;
        Kept kept;
        Wanted wanted;
        const In* in;
        bool fresh;
    };
    std::map<CallKey, Place> find_calls();
    void lock_contacts(const std::map<CallKey, Place>&);
    void take(const In&);
    void write_contacts();
    void write_leads();
    std::vector<Filled> fill_tasks();
    void settle_times(std::vector<Filled>&);
    void write_tasks();
    void tell(const rt::Envelope& cause, const char* kind, const std::string& company, const Uuid& id, std::int64_t version);

    std::span<const In> ins_;
    pg::Tx& tx_;
    Out& out_;
    LeadBook book_;
    std::map<CallKey, const rt::Envelope*> cause_;
    std::map<CallKey, Place> places_;
    std::map<Key, ContactRow> contacts_;
    std::map<Key, const rt::Envelope*> renamed_, restated_;   ///< contacts, leads: because of which event
    std::map<CallKey, std::pair<Place, std::vector<const In*>>> with_actions_;
};

std::map<CallKey, Place> Batch::find_calls() {
    pg::Columns asked(2);
    for (const auto& [call, cause] : cause_) asked.row({call.first, call.second});
    std::map<CallKey, Place> places;
    tx_.each(sql::calls_of, asked.params(), [&](const pg::Fields& f) { 
        places.emplace(CallKey{f.text("company_id"), f.integer("asked")}, Place{f.integer("call_id"), f.uuid("contact_card_id"), f.uuid("lead_id")});
    });
    return places;
}

void Batch::lock_contacts(const std::map<CallKey, Place>& places) {
    std::set<Key> ids;
    for (const auto& [call, place] : places) ids.emplace(call.first, place.contact);
    if (ids.empty()) return;
    pg::Columns asked(2);
    for (const auto& [company, id] : ids) asked.row({company, id});
    for (auto& row : tx_.many<ContactRow>(sql::lock_cards, asked.params())) contacts_.insert_or_assign(Key{row.company, row.id}, row);
}

void Batch::take(const In& in) {
    const auto& e = in.event;
    auto at = places_.find(key_of(in));
    if (at == places_.end()) {
        tel::warn("an analysis of a call that is not on record changes nothing", {{"company_id", e.company_id()}, {"call_id", e.call_id()}});
        return;
    }
    const auto& place = at->second;
    auto started = from_micros(e.call_started_at_us());
    Verdict v{place.call, stated(e.has_booking_status(), e.booking_status()), stated(e.has_lead_quality(), e.lead_quality()), stated(e.has_call_outcome_category(), e.call_outcome_category()), started,
              from_micros(e.received_at_us()), e.version()};
    book_.take(e.company_id(), place.lead, v);
    restated_[{e.company_id(), place.contact}] = &in.meta;

    auto card = contacts_.find({e.company_id(), place.contact});
    if (card != contacts_.end()) {
        auto& contact = card->second.contact;
        auto former = contact.origins.text();
        merge(contact, {Voice::analysis, stated(e.has_customer_name(), e.customer_name()), stated(e.has_address(), e.address()), stated(e.has_city(), e.city()), stated(e.has_state(), e.state()), started,
                        {place.call}, e.version()});
        if (contact.origins.text() != former) renamed_[card->first] = &in.meta;
    }
    if (e.actions_size() > 0) {
        auto& [home, ins] = with_actions_[{e.company_id(), place.call}];
        home = place;
        ins.push_back(&in);
    }
}

void Batch::tell(const rt::Envelope& cause, const char* kind, const std::string& company, const Uuid& id, std::int64_t version) {
    out_.emit(cause, events::row_changed(CompanyId{company}, kind, id.to_string(), version));
}

void Batch::write_contacts() {
    std::vector<const ContactRow*> rows;
    for (const auto& [key, cause] : renamed_) {
        rows.push_back(&contacts_.at(key));
        tell(*cause, "contact", key.first, key.second, 0);
    }
    save_cards(tx_, rows);
}

void Batch::write_leads() {
    for (const auto& key : book_.save()) {
        auto cause = restated_.find({key.first, book_.contact(key.first, key.second)});
        if (cause != restated_.end()) tell(*cause->second, "lead", key.first, key.second, 0);
    }
}

std::vector<Batch::Filled> Batch::fill_tasks() {
    pg::Columns asked(2);
    for (const auto& [call, said] : with_actions_) asked.row({call.first, call.second});
    std::map<CallKey, std::vector<Kept>> kept;
    tx_.each(sql::tasks_of_calls, asked.params(), [&](const pg::Fields& f) { kept[{f.text("company_id"), f.integer("call_id")}].push_back(TaskRow::from(f).kept); });
    std::vector<Filled> filled;
    for (const auto& [call, said] : with_actions_) {
        const auto& [place, ins] = said;
        auto& mine = kept[call];
        // Of several analyses in one batch the tasks are those that one after another would make.
        struct Pending { Wanted wanted; const In* in; bool fresh; };
        std::map<Uuid, Pending> pending;
        for (const auto* in : ins) {
            std::vector<Wanted> wanted;
            for (const auto& action : in->event.actions())
                if (auto w = understand(action, call.second)) wanted.push_back(std::move(*w));
            auto plan = plan_tasks(mine, wanted, in->event.version());
            for (auto& [i, w] : plan.changes) {
                auto& k = mine[i];
                k.key = w.key;
                k.version = in->event.version();
                auto [entry, added] = pending.try_emplace(k.id, Pending{w, in, false});
                if (!added) entry->second = {w, in, entry->second.fresh};
            }
            for (auto& [slot, w] : plan.fresh) {
                auto id = task_id(call, w.action_type, slot);
                mine.push_back({id, w.key, w.action_type, slot, in->event.version(), false});
                pending.emplace(id, Pending{w, in, true});
            }
        }
        for (const auto& k : mine) {
            auto found = pending.find(k.id);
            if (found == pending.end()) continue;
            auto& [w, in, is_fresh] = found->second;
            filled.push_back({call, place, k, std::move(w), in, is_fresh});
        }
    }
    return filled;
}

/// Of what clocks show become moments, and of moments only those stay that can be meant.
void Batch::settle_times(std::vector<Filled>& filled) {
    pg::Columns walls(3);
    std::vector<Due*> shown;
    for (auto& f : filled) {
        auto& due = f.wanted.due;
        if (!due.wall) continue;
        walls.row({f.call.first, due.wall, due.place});
        shown.push_back(&due);
    }
    std::size_t n = 0;
    if (!shown.empty()) tx_.each(sql::moments, walls.params(), [&](const pg::Fields& f) { shown[n++]->at = f.time("at"); });
    for (auto& f : filled) f.wanted.due.at = credible(f.wanted.due.at, from_micros(f.in->event.received_at_us()));
}

void Batch::write_tasks() {
    if (with_actions_.empty()) return;
    auto filled = fill_tasks();
    settle_times(filled);
    pg::Columns fresh(16), changes(11);
    std::map<Key, const rt::Envelope*> causes;
    for (const auto& f : filled) {
        const auto& w = f.wanted;
        const auto& company = f.call.first;
        std::optional<std::string> assignee;
        if (w.assigned_to == "rep") assignee = book_.rep(company, f.place.lead);
        else if (w.assigned_to == "csr") assignee = stated(f.in->event.has_owner_id(), f.in->event.owner_id());
        if (f.fresh)
            fresh.row({company, f.kept.id, w.description, w.assigned_to, assignee, w.action_type, w.due.at, w.priority, f.place.contact, f.place.lead, f.call.second, w.key, w.raw_text, w.contact_method,
                       f.kept.slot, f.kept.version});
        else
            changes.row({company, f.kept.id, w.description, w.assigned_to, assignee, w.due.at, w.priority, w.key, w.raw_text, w.contact_method, f.kept.version});
        causes[{company, f.kept.id}] = &f.in->meta;
    }
    auto told = [&](const pg::Fields& f) { tell(*causes.at({f.text("company_id"), f.uuid("id")}), "task", f.text("company_id"), f.uuid("id"), f.integer("version")); };
    if (changes.rows() > 0) tx_.each(sql::change_tasks, changes.params(), told);
    if (fresh.rows() > 0) tx_.each(sql::add_tasks, fresh.params(), told);
}

}  // namespace

void Analyses::record(std::span<const In> ins, pg::Tx& tx, Out& out) const { Batch(ins, tx, out).run(); }

}  // namespace otto::lead_pipeline
