#include "books/opt_out_book.hpp"

#include "base/text.hpp"
#include "base/unicode.hpp"
#include "lead-pipeline/sql.hpp"
#include "rules/opt_out.hpp"
#include "rules/task.hpp"

namespace otto::lead_pipeline {
namespace {

/// Ids are names, so that a batch that runs again makes the same ones.
Uuid named(const char* what, const MessageRow& row) {
    static const Uuid space = *Uuid::parse("6f74746f-6f70-5474-a473-000000000001");
    return Uuid::v5(space, std::string(what) + "\n" + row.company.value() + "\n" + row.id.to_string());
}

}  // namespace

void OptOutBook::take(const MessageRow& row, const std::string& said_by_provider) {
    auto number = row.number();
    if (!number || !row.message.inbound()) return;  // nobody is texted who has no number
    auto ask = ask_of(row.message.body.value_or(""), said_by_provider);
    if (ask.what == Asks::nothing) return;
    Said said{&row, number->second, ask.what == Asks::yes ? "yes" : "start", std::string(ask.source)};
    (ask.what == Asks::stop ? stops_ : ask.what == Asks::unclear ? unclear_ : starts_).push_back(std::move(said));
}

void OptOutBook::take_refusal(const MessageRow& row) {
    if (auto number = row.number()) stops_.push_back({&row, number->second, {}, "provider"});
}

void OptOutBook::save() {
    enter_starts();
    enter_stops();
    take_back();
    ask_people();
}

/// They are kept: a STOP that is heard of late finds them.
void OptOutBook::enter_starts() {
    if (starts_.empty()) return;
    pg::Columns columns(6);
    for (const auto& s : starts_) columns.row({s.row->company, s.row->id, s.phone, s.word, s.source, s.row->message.sent_at});
    tx_.write(sql::enter_opt_ins, columns.params());
}

void OptOutBook::enter_stops() {
    if (stops_.empty()) return;
    pg::Columns columns(6);
    for (const auto& s : stops_)
        columns.row({s.row->company, named("opt_out", *s.row), s.phone, s.source, s.row->id, s.row->message.sent_at});
    tx_.each(sql::enter_opt_outs, columns.params(), [&](const pg::Fields& f) {
        changed_.push_back({"opt_out", {CompanyId{f.text("company_id")}, f.uuid("message_id")}, f.uuid("id"), 0});
    });
}

void OptOutBook::take_back() {
    if (starts_.empty()) return;
    pg::Columns columns(6);
    for (const auto& s : starts_) columns.row({s.row->company, s.phone, s.row->id, s.word, s.source, s.row->message.sent_at});
    tx_.each(sql::take_opt_outs_back, columns.params(), [&](const pg::Fields& f) {
        changed_.push_back({"opt_out", {CompanyId{f.text("company_id")}, f.uuid("message_id")}, f.uuid("id"), 0});
    });
}

void OptOutBook::ask_people() {
    if (unclear_.empty()) return;
    pg::Columns columns(9);
    for (const auto& s : unclear_) {
        const auto& row = *s.row;
        auto words = clip_utf8(tidy(row.message.body.value_or("")), 100);
        columns.row({row.company, named("check_opt_out", row),
                     "Ask whether " + s.phone + " wants no more texts: \"" + words + "\"", row.contact, row.lead, row.id,
                     unique_key("otto", row.id.to_string(), "check_opt_out", ""), words, row.message.sent_at});
    }
    tx_.each(sql::ask_about_opt_outs, columns.params(), [&](const pg::Fields& f) {
        changed_.push_back({"task", {CompanyId{f.text("company_id")}, f.uuid("message_id")}, f.uuid("id"), f.integer("version")});
    });
}

}  // namespace otto::lead_pipeline
