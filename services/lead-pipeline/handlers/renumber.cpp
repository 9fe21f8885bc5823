#include "handlers/renumber.hpp"

#include <limits>

#include "base/phone.hpp"
#include "events/changes.hpp"
#include "lead-pipeline/sql.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::lead_pipeline {
namespace {

const tel::Counters kRenumbered{"otto_cards_renumbered_total",
                                "Contact cards whose number is read otherwise than when they were made."};
constexpr std::int64_t kPage = 200, kTogether = 100, kMost = std::numeric_limits<std::int64_t>::max();
constexpr auto kAtOnce = std::chrono::milliseconds(500);

pg::Scope scope(const CompanyId& company) { return pg::Scope::companies({company}); }

}  // namespace

struct Renumber::Company {
    CompanyId id;
    ContactId cards_after;
    CallId calls_after;
    bool failed = false;
    static Company from(const pg::Fields& f) {
        return {CompanyId{f.text("company_id")}, ContactId{f.uuid("cards_after")}, CallId{f.integer("calls_after")}};
    }
};

void Renumber::run(pg::Connection& db) const {
    for (auto end = std::chrono::steady_clock::now() + kAtOnce; std::chrono::steady_clock::now() < end;) {
        auto look = db.begin(pg::Scope::none());
        auto company = look.maybe<Company>(sql::company_to_renumber);
        look.commit();
        if (!company) return;
        bool over = !page_of_cards(db, *company) && !page_of_calls(db, *company);
        auto tx = db.begin(pg::Scope::none());
        if (over)
            tx.write(sql::renumbered_all, {company->id, company->failed});
        else
            tx.write(sql::renumbered_so_far, {company->id, company->cards_after, company->calls_after, company->failed});
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
        tel::warn("what the present rules make of a row could not be written; it is tried again in ten minutes",
                  {{"company_id", company.id.value()}, {"id", what}, {"why", e.what()}});
    }
}

/// False if there are no more.
bool Renumber::page_of_cards(pg::Connection& db, Company& company) const {
    std::vector<ContactId> wrong;
    std::int64_t seen = 0;
    auto tx = db.begin(scope(company.id));
    auto last = company.cards_after;
    std::int64_t calls = 0;
    tx.each(sql::cards_to_judge, {company.id, company.cards_after, kPage}, [&](const pg::Fields& f) {
        ContactId id{f.uuid("id")};
        if (id != last) {
            ++seen;
            calls = 0;
        }
        last = id;
        bool is_wrong = false;
        if (auto number = f.maybe_text("primary_phone"))
            is_wrong = normalize_phone(*number) != Phone{*number, true};
        else if (auto said = f.maybe_text("phone_number"); said && normalize_phone(*said).e164)
            is_wrong = true;
        else if (f.maybe_integer("call_id") && ++calls > 1)
            is_wrong = true;
        if (is_wrong && (wrong.empty() || wrong.back() != id)) wrong.push_back(id);
    });
    tx.commit();
    for (const auto& card : wrong) guarded(company, card.value().to_string(), [&] { judge(db, {company.id, card}); });
    company.cards_after = last;
    return seen > 0;
}

bool Renumber::page_of_calls(pg::Connection& db, Company& company) const {
    std::vector<CallId> wrong;
    auto last = company.calls_after;
    auto tx = db.begin(scope(company.id));
    tx.each(sql::calls_to_judge, {company.id, company.calls_after, kPage}, [&](const pg::Fields& f) {
        last = CallId{f.integer("call_id")};
        auto number = f.maybe_text("phone_number");
        auto status = f.text("status");
        bool right = (!number || normalize_phone(*number).text == *number) &&
                     f.boolean("missed_call") == is_missed(f.text("direction"), status) &&
                     f.boolean("answered") == is_answered(status);
        if (!right) wrong.push_back(last);
    });
    tx.commit();
    for (std::span<const CallId> rest(wrong); !rest.empty();) {
        auto some = rest.first(std::min<std::size_t>(rest.size(), kTogether));
        guarded(company, std::to_string(some.front().value()), [&] { look_at(db, company.id, some); });
        rest = rest.subspan(some.size());
    }
    bool more = last != company.calls_after;
    company.calls_after = last;
    return more;
}

void Renumber::judge(pg::Connection& db, const ContactKey& key) const {
    auto tx = db.begin(scope(key.first));
    ContactBook contacts(tx);
    contacts.hold(std::set{key});
    const auto* card = contacts.find(key);
    if (!card) return;
    bool numbered = false;
    if (card->phone) {
        auto phone = normalize_phone(*card->phone);
        if (phone == Phone{*card->phone, true}) return;
        numbered = settle_number(tx, *card, phone);
    }
    tx.commit();
    kRenumbered().inc();
    if (numbered) return;
    for (CallId before{kMost};;) {
        auto look = db.begin(scope(key.first));
        auto calls = look.values<CallId>(sql::calls_of_card, {key.first, key.second, before, kTogether});
        look.commit();
        if (calls.empty()) break;
        before = calls.back();
        look_at(db, key.first, calls);
    }
    for (Uuid after;;) {
        auto look = db.begin(scope(key.first));
        auto messages = look.values<Uuid>(sql::messages_of_card, {key.first, key.second, after, kTogether});
        look.commit();
        if (messages.empty()) return;
        after = messages.back();
        look_at(db, key.first, messages);
    }
}

/// A card whose number is read otherwise gets that number. False: there is a card of that number, or it is none; then this one
/// has no number any more, and its calls go to the card of theirs, or have one of their own each.
bool Renumber::settle_number(pg::Tx& tx, const ContactRow& card, const Phone& phone) const {
    auto tell = [&](const char* kind, const Uuid& id, std::int64_t version) {
        emitter_.emit(tx, events::row_changed(card.company, kind, id.to_string(), version), tel::TraceContext::fresh());
    };
    bool numbered = phone.e164 && tx.write_counted(sql::number_card, {card.company, card.id, phone.text}) > 0;
    if (!numbered) {
        tx.write(sql::unnumber_card, {card.company, card.id});
        if (!phone.e164)
            for (const auto& task : tx.many<ChangedTask>(sql::cancel_call_backs, {card.company, card.id}))
                tell("task", task.id, task.version);
    }
    tell("contact", card.id.value(), 0);
    return numbered;
}

void Renumber::look_at(pg::Connection& db, const CompanyId& company, std::span<const CallId> calls) const {
    auto tx = db.begin(scope(company));
    Books books(tx, grace_);
    for (const auto& call : calls) books.calls.look_at({company, call});
    settle(tx, books);
    tx.commit();
}

void Renumber::look_at(pg::Connection& db, const CompanyId& company, std::span<const Uuid> messages) const {
    auto tx = db.begin(scope(company));
    MessageBook book(tx);
    for (const auto& message : messages) book.look_at({company, message});
    settle(tx, book);
    tx.commit();
}

template <class Book>
void Renumber::settle(pg::Tx& tx, Book& book) const {
    book.settle();
    auto trace = tel::TraceContext::fresh();
    book.tell(
        [&](const rt::Envelope*, const auto& event) { std::visit([&](const auto& m) { emitter_.emit(tx, m, trace); }, event); });
}

}  // namespace otto::lead_pipeline
