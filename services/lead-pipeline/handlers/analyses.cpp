#include "handlers/analyses.hpp"

#include <map>
#include <set>

#include "base/spoken_time.hpp"
#include "books/contact_book.hpp"
#include "books/lead_book.hpp"
#include "books/voicemail_book.hpp"
#include "events/changes.hpp"
#include "lead-pipeline/sql.hpp"
#include "rows/task_row.hpp"
#include "telemetry/log.hpp"

namespace otto::lead_pipeline {
namespace {

using In = rt::In<analysis::v1::AnalysisCompleted>;
using Out = rt::Out<changes::v1::RowChanged>;

/// Where a call belongs at the moment.
struct Place {
    CallId call;  ///< itself, or what its row was folded into
    ContactId contact;
    LeadId lead;
    auto operator<=>(const Place&) const = default;
};

/// Ids of tasks are names, so that a batch that runs again makes the same ones.
Uuid task_id(const CallKey& call, const std::string& action_type, int slot) {
    static const Uuid space = *Uuid::parse("6f74746f-7461-5373-a473-000000000001");
    return Uuid::v5(space, call.first.value() + "\n" + std::to_string(call.second.value()) + "\n" + action_type + "\n" +
                               std::to_string(slot));
}

std::optional<std::string> stated(bool has, std::string text) {
    std::erase(text, '\0');
    return has && !text.empty() ? std::optional(std::move(text)) : std::nullopt;
}

class Batch {
public:
    Batch(std::span<const In> ins, pg::Tx& tx, Out& out) : ins_(ins), tx_(tx), out_(out), contacts_(tx), leads_(tx) {}

    void run() {
        for (const auto& in : ins_) cause_[key_of(in)] = &in.meta;
        places_ = find_calls();
        auto contacts = contacts_of_places();
        contacts_.hold(contacts);
        // A call whose caller's number became known a moment ago has another card now: the batch begins again.
        if (find_calls() != places_) throw pg::SqlFailure("40001", "a call moved to another contact meanwhile", "", "calls_of");
        leads_.load(contacts);
        for (const auto& in : ins_) take(in);
        write_contacts();
        write_leads();
        write_tasks();
        write_voicemails();
    }

private:
    static CallKey key_of(const In& in) { return {CompanyId{in.event.company_id()}, CallId{in.event.call_id()}}; }
    /// A task that is to be made, or to become another.
    struct Filled {
        TaskRow row;
        const In* in;
        bool is_new;
    };
    std::map<CallKey, Place> find_calls();
    std::set<ContactKey> contacts_of_places() const;
    void take(const In&);
    void write_contacts();
    void write_leads();
    void write_voicemails();
    std::vector<Filled> fill_tasks();
    void settle_times(std::vector<Filled>&);
    void leave_to_role(std::vector<Filled>&);
    void write_tasks();
    void tell(const rt::Envelope& cause, const char* kind, const CompanyId& company, const Uuid& id, std::int64_t version);

    std::span<const In> ins_;
    pg::Tx& tx_;
    Out& out_;
    ContactBook contacts_;
    LeadBook leads_;
    std::map<CallKey, const rt::Envelope*> cause_;
    std::map<CallKey, Place> places_;
    std::set<CallKey> with_voicemails_;
    std::map<ContactKey, const rt::Envelope*> renamed_, restated_;  ///< contacts, and contacts of leads: because of which event
    std::map<CallKey, std::pair<Place, std::vector<const In*>>> with_actions_;
};

std::map<CallKey, Place> Batch::find_calls() {
    std::set<CallKey> asked;
    for (const auto& [call, cause] : cause_) asked.insert(call);
    std::map<CallKey, Place> places;
    tx_.each(sql::calls_of, pg::arrays(asked), [&](const pg::Fields& f) {
        places.emplace(CallKey{CompanyId{f.text("company_id")}, CallId{f.integer("asked")}},
                       Place{CallId{f.integer("call_id")}, ContactId{f.uuid("contact_card_id")}, LeadId{f.uuid("lead_id")}});
        if (f.boolean("has_voicemail")) with_voicemails_.emplace(CompanyId{f.text("company_id")}, CallId{f.integer("asked")});
    });
    return places;
}

std::set<ContactKey> Batch::contacts_of_places() const {
    std::set<ContactKey> contacts;
    for (const auto& [call, place] : places_) contacts.emplace(call.first, place.contact);
    return contacts;
}

void Batch::take(const In& in) {
    const auto& e = in.event;
    auto at = places_.find(key_of(in));
    if (at == places_.end()) {
        tel::warn("an analysis of a call that is not on record changes nothing",
                  {{"company_id", e.company_id()}, {"call_id", e.call_id()}});
        return;
    }
    const auto& company = at->first.first;
    const auto& place = at->second;
    const ContactKey contact{company, place.contact};
    auto started = from_micros(e.call_started_at_us());
    leads_.take({company, place.lead},
                {place.call.value(), stated(e.has_booking_status(), e.booking_status()),
                 stated(e.has_lead_quality(), e.lead_quality()), stated(e.has_call_outcome_category(), e.call_outcome_category()),
                 started, from_micros(e.received_at_us()), e.version()});
    restated_[contact] = &in.meta;

    if (auto* card = contacts_.find(contact)) {
        auto former = card->contact.origins.text();
        merge(card->contact, {Voice::analysis,
                              stated(e.has_customer_name(), e.customer_name()),
                              stated(e.has_address(), e.address()),
                              stated(e.has_city(), e.city()),
                              stated(e.has_state(), e.state()),
                              started,
                              {place.call.value()},
                              e.version()});
        if (card->contact.origins.text() != former) {
            contacts_.changed(*card);
            renamed_[contact] = &in.meta;
        }
    }
    if (e.actions_size() > 0) {
        auto& [home, ins] = with_actions_[{company, place.call}];
        home = place;
        ins.push_back(&in);
    }
}

void Batch::tell(const rt::Envelope& cause, const char* kind, const CompanyId& company, const Uuid& id, std::int64_t version) {
    out_.emit(cause, events::row_changed(company, kind, id.to_string(), version));
}

void Batch::write_contacts() {
    contacts_.save();
    for (const auto& [key, cause] : renamed_) tell(*cause, "contact", key.first, key.second.value(), 0);
}

void Batch::write_leads() {
    leads_.save();
    for (const auto& key : leads_.changed()) {
        auto cause = restated_.find(leads_.at(key)->contact_key());
        if (cause != restated_.end()) tell(*cause->second, "lead", key.first, key.second.value(), 0);
    }
}

void Batch::write_voicemails() {
    for (const auto& [call, changed] : fill_voicemails(tx_, {with_voicemails_.begin(), with_voicemails_.end()}))
        for (const auto& v : changed) tell(*cause_.at(call), "voicemail", call.first, v.id, v.version);
}

std::vector<Batch::Filled> Batch::fill_tasks() {
    std::set<CallKey> asked;
    for (const auto& [call, said] : with_actions_) asked.insert(call);
    std::map<CallKey, std::vector<Kept>> kept;
    for (auto& task : tasks_of_calls(tx_, asked)) kept[{task.company, task.call}].push_back(std::move(task.kept));
    std::vector<Filled> filled;
    for (const auto& [call, said] : with_actions_) {
        const auto& [place, ins] = said;
        auto& mine = kept[call];
        // Of several analyses in one batch the tasks are those that one after another would make.
        struct Pending {
            Wanted wanted;
            const In* in;
            bool is_new;
        };
        std::map<Uuid, Pending> pending;
        for (const auto* in : ins) {
            std::vector<Wanted> wanted;
            for (const auto& action : in->event.actions())
                if (auto w = understand(action, call.second.value())) wanted.push_back(std::move(*w));
            auto plan = plan_tasks(mine, wanted, in->event.version());
            for (auto& [i, w] : plan.changes) {
                auto& k = mine[i];
                k.key = w.key;
                k.version = in->event.version();
                auto [entry, added] = pending.try_emplace(k.id, Pending{w, in, false});
                if (!added) entry->second = {w, in, entry->second.is_new};
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
            auto& [w, in, is_new] = found->second;
            filled.push_back({{call.first, k, std::move(w), {}, call.second, place.contact, place.lead}, in, is_new});
        }
    }
    return filled;
}

/// What clocks show becomes moments, and of moments only those stay that can be meant.
void Batch::settle_times(std::vector<Filled>& filled) {
    pg::Columns walls(3);
    std::vector<Due*> shown;
    for (auto& f : filled) {
        auto& due = f.row.wanted.due;
        if (!due.wall) continue;
        walls.row({f.row.company, due.wall, due.place});
        shown.push_back(&due);
    }
    std::size_t n = 0;
    if (!shown.empty()) tx_.each(sql::moments, walls.params(), [&](const pg::Fields& f) { shown[n++]->at = f.time("at"); });
    for (auto& f : filled) f.row.wanted.due.at = credible(f.row.wanted.due.at, from_micros(f.in->event.received_at_us()));
}

/// What would be the task of who was removed meanwhile is anybody's of that role.
void Batch::leave_to_role(std::vector<Filled>& filled) {
    std::set<std::pair<CompanyId, std::string>> people, removed;
    for (const auto& f : filled)
        if (f.row.assignee) people.emplace(f.row.company, *f.row.assignee);
    if (people.empty()) return;
    pg::Columns asked(2);
    for (const auto& [company, user] : people) asked.row({company, user});
    tx_.each(sql::removed_among, asked.params(),
             [&](const pg::Fields& f) { removed.emplace(CompanyId{f.text("company_id")}, f.text("id")); });
    for (auto& f : filled)
        if (f.row.assignee && removed.contains({f.row.company, *f.row.assignee})) f.row.assignee.reset();
}

void Batch::write_tasks() {
    if (with_actions_.empty()) return;
    auto filled = fill_tasks();
    settle_times(filled);
    std::vector<const TaskRow*> added, changed;
    std::map<std::pair<CompanyId, Uuid>, const rt::Envelope*> causes;
    for (auto& f : filled) {
        auto& row = f.row;
        const auto* lead = leads_.at({row.company, row.lead});
        if (row.wanted.assigned_to == "rep")
            row.assignee = lead ? lead->rep : std::nullopt;
        else if (row.wanted.assigned_to == "csr")
            row.assignee = stated(f.in->event.has_owner_id(), f.in->event.owner_id());
        (f.is_new ? added : changed).push_back(&row);
        causes[{row.company, row.kept.id}] = &f.in->meta;
    }
    leave_to_role(filled);
    auto told = [&](const pg::Fields& f) {
        const CompanyId company{f.text("company_id")};
        tell(*causes.at({company, f.uuid("id")}), "task", company, f.uuid("id"), f.integer("version"));
    };
    change_tasks.returning(tx_, changed, told);
    add_tasks.returning(tx_, added, told);
}

}  // namespace

void Analyses::record(std::span<const In> ins, pg::Tx& tx, Out& out) const { Batch(ins, tx, out).run(); }

}  // namespace otto::lead_pipeline
