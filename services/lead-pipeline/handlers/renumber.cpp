#include "handlers/renumber.hpp"

#include <limits>

#include "base/phone.hpp"
#include "events/changes.hpp"
#include "lead-pipeline/sql.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::lead_pipeline {
namespace {

constexpr std::int64_t kPage = 200, kTogether = 100, kMost = std::numeric_limits<std::int64_t>::max();
constexpr auto kAtOnce = std::chrono::milliseconds(500);

pg::Scope scope(const std::string& company) { return pg::Scope::companies({CompanyId{company}}); }

struct CallId64 {
    std::int64_t id;
    static CallId64 from(const pg::Fields& f) { return {f.integer("call_id")}; }
};

}  // namespace

struct Renumber::Company {
    std::string id;
    Uuid cards_after;
    std::int64_t calls_after = 0;
    bool failed = false;
    static Company from(const pg::Fields& f) { return {f.text("company_id"), f.uuid("cards_after"), f.integer("calls_after")}; }
};

void Renumber::run(pg::Connection& db) const {
    for (auto end = std::chrono::steady_clock::now() + kAtOnce; std::chrono::steady_clock::now() < end;) {
        auto look = db.begin(pg::Scope::none());
        auto company = look.maybe<Company>(sql::company_to_renumber);
        look.commit();
        if (!company) return;
        bool over = !page_of_cards(db, *company) && !page_of_calls(db, *company);
        auto tx = db.begin(pg::Scope::none());
        if (over) tx.write(sql::renumbered_all, {company->id, company->failed});
        else tx.write(sql::renumbered_so_far, {company->id, company->cards_after, company->calls_after, company->failed});
        tx.commit();
    }
}

/// One that cannot be done holds up nothing else; the company is gone through again.
template <class Work>
void Renumber::guarded(Company& company, const std::string& what, Work&& work) const {
    try {
        work();
    } catch (const pg::SqlFailure& e) {
        if (e.kind() != pg::FailureClass::data && e.kind() != pg::FailureClass::contention) throw;
        company.failed = true;
        tel::warn("what the present rules make of a row could not be written; it is tried again in ten minutes", {{"company_id", company.id}, {"id", what}, {"why", e.what()}});
    }
}

/// False if there are no more.
bool Renumber::page_of_cards(pg::Connection& db, Company& company) const {
    std::vector<Uuid> wrong;
    std::int64_t seen = 0;
    auto tx = db.begin(scope(company.id));
    Uuid last = company.cards_after;
    std::int64_t calls = 0;
    tx.each(sql::cards_to_judge, {company.id, company.cards_after, kPage}, [&](const pg::Fields& f) {
        auto id = f.uuid("id");
        if (id != last) {
            ++seen;
            calls = 0;
        }
        last = id;
        bool is_wrong = false;
        if (auto number = f.maybe_text("primary_phone")) is_wrong = normalize_phone(*number) != Phone{*number, true};
        else if (auto said = f.maybe_text("phone_number"); ++calls > 1 || (said && normalize_phone(*said).e164)) is_wrong = true;
        if (is_wrong && (wrong.empty() || wrong.back() != id)) wrong.push_back(id);
    });
    tx.commit();
    for (const auto& card : wrong) guarded(company, card.to_string(), [&] { judge(db, company.id, card); });
    company.cards_after = last;
    return seen > 0;
}

bool Renumber::page_of_calls(pg::Connection& db, Company& company) const {
    std::vector<std::int64_t> wrong;
    std::int64_t last = company.calls_after;
    auto tx = db.begin(scope(company.id));
    tx.each(sql::calls_to_judge, {company.id, company.calls_after, kPage}, [&](const pg::Fields& f) {
        last = f.integer("call_id");
        auto number = f.maybe_text("phone_number");
        auto status = f.text("status");
        bool right = (!number || normalize_phone(*number).text == *number) && f.boolean("missed_call") == is_missed(f.text("direction"), status) && f.boolean("answered") == is_answered(status);
        if (!right) wrong.push_back(last);
    });
    tx.commit();
    for (std::size_t i = 0; i < wrong.size(); i += kTogether) {
        std::vector<std::int64_t> some(wrong.begin() + static_cast<long>(i), wrong.begin() + static_cast<long>(std::min(wrong.size(), i + kTogether)));
        guarded(company, std::to_string(some.front()), [&] { look_at(db, company.id, some); });
    }
    bool more = last != company.calls_after;
    company.calls_after = last;
    return more;
}

void Renumber::judge(pg::Connection& db, const std::string& company, const Uuid& card) const {
    static auto judged = tel::Metrics::counter("cards_renumbered_total", "Contact cards whose number is read otherwise than when they were made.");
    auto tx = db.begin(scope(company));
    pg::Columns asked(2);
    asked.row({company, card});
    auto row = tx.maybe<ContactRow>(sql::lock_contacts_by_id, asked.params());
    if (!row) return;
    bool named = false;
    if (row->phone) {
        auto phone = normalize_phone(*row->phone);
        if (phone == Phone{*row->phone, true}) return;
        named = phone.e164 && tx.write_counted(sql::number_card, {company, card, phone.text}) > 0;
        auto tell = [&](const char* kind, const Uuid& id, std::int64_t version) { emitter_.emit(tx, events::row_changed(CompanyId{company}, kind, id.to_string(), version), tel::TraceContext::fresh()); };
        if (!named) {
            // A card without a number, whose calls go to the card of theirs, or have one of their own each.
            tx.write(sql::unnumber_card, {company, card});
            std::vector<std::pair<Uuid, std::int64_t>> cancelled;
            if (!phone.e164) tx.each(sql::cancel_call_backs, {company, card}, [&](const pg::Fields& f) { cancelled.emplace_back(f.uuid("id"), f.integer("version")); });
            for (const auto& [task, version] : cancelled) tell("task", task, version);
        }
        tell("contact", card, 0);
    }
    tx.commit();
    judged.inc();
    if (named) return;
    for (std::int64_t before = kMost;;) {
        auto look = db.begin(scope(company));
        auto rows = look.many<CallId64>(sql::calls_of_card, {company, card, before, kTogether});
        look.commit();
        if (rows.empty()) return;
        std::vector<std::int64_t> calls;
        for (const auto& r : rows) calls.push_back(r.id);
        before = calls.back();
        look_at(db, company, calls);
    }
}

void Renumber::look_at(pg::Connection& db, const std::string& company, const std::vector<std::int64_t>& calls) const {
    auto tx = db.begin(scope(company));
    Batch batch(tx, grace_);
    for (auto call : calls) batch.look_at(company, call);
    batch.run();
    auto trace = tel::TraceContext::fresh();
    batch.tell([&](const rt::Envelope*, const Outgoing& event) { std::visit([&](const auto& m) { emitter_.emit(tx, m, trace); }, event); });
    tx.commit();
}

}  // namespace otto::lead_pipeline
