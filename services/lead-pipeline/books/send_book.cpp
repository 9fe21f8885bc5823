#include "books/send_book.hpp"

#include "lead-pipeline/sql.hpp"
#include "pg/table.hpp"
#include "runtime/work_queue.hpp"
#include "sender/queues.hpp"

namespace otto::lead_pipeline {
namespace {

const pg::Table<Send> kSends("lead_pipeline", "text_sends",
                             {
                                 pg::col("company_id", &Send::company).key(),
                                 pg::col("message_id", &Send::message).key(),
                                 pg::col("from_number", &Send::from),
                                 pg::col("to_number", &Send::to),
                                 pg::col("automatic", &Send::automatic),
                                 pg::col("segments", &Send::segments),
                                 pg::col("state", &Send::state),
                                 pg::col("accepted_at", &Send::accepted_at),
                                 pg::col("asked_at", &Send::asked_at),
                                 pg::col("account", &Send::account),
                                 pg::col("looked_at", &Send::looked_at),
                                 pg::col("not_found", &Send::not_found),
                                 pg::col("failures", &Send::failures),
                             });

const pg::Select<Send> lock_sends =
    kSends.by("lock_sends", {"company_id", "message_id"}, "ORDER BY company_id, message_id FOR UPDATE");
// One is looked for by equality: a plan for a set that was made while the table was nearly empty reads all of it.
const pg::Select<Send> lock_send =
    kSends.select("lock_send", "SELECT {columns} FROM text_sends WHERE company_id = $1 AND message_id = $2 FOR UPDATE");
const pg::Select<Send> send_in_doubt =
    kSends.select("send_in_doubt",
                  "SELECT {columns} FROM text_sends WHERE company_id = $1 AND from_number = $2 AND to_number = $3 AND state IN "
                  "('asked', 'unknown')");
const pg::Select<Send> sends_in_doubt =
    kSends.by("sends_in_doubt", {"company_id", "from_number", "to_number"}, "AND state IN ('asked', 'unknown')");
const pg::Write<Send> add_sends = kSends.insert("add_sends", "");

/// Who is at the head of a line.
struct Head {
    Uuid message;
    bool automatic;
    std::string state;
    static Head from(const pg::Fields& f) { return {f.uuid("message_id"), f.boolean("automatic"), f.text("state")}; }
};

std::optional<Send> one_of(std::vector<Send> found) {
    return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

}  // namespace

/// The number's work row is locked before any row of its line.
void SendBook::want_number(const Send& s) { tx_.write(sql::want_now, {kTextNumbers, s.company, s.from}); }

/// Whether one that comes is at the head; an automatic one that only waits makes room for a person's.
bool SendBook::leads(const Send& s) {
    auto head = tx_.maybe<Head>(sql::head_of_line, {s.company, s.from, s.to});
    if (head && (s.automatic || !head->automatic || head->state != "waiting")) return false;
    want_number(s);
    return !head || tx_.write_counted(sql::push_send_back, {s.company, head->message}) > 0;
}

void SendBook::enter(const Send& s, std::optional<Instant> not_before) {
    auto entered = s;
    entered.state = not_before ? "scheduled" : leads(s) ? "waiting" : "behind";
    add_sends(tx_, std::vector{entered});
    if (not_before) rt::want(tx_, kTexts, s.company, s.message.to_string(), *not_before);
}

void SendBook::step_in(const Send& s) {
    tx_.write(sql::place_send, {s.company, s.message, leads(s) ? "waiting" : "behind", s.to});
}

std::optional<Send> SendBook::lock(const MessageKey& key) { return one_of(lock_send(tx_, pg::Params{key.first, key.second})); }
std::vector<Send> SendBook::lock(const std::set<MessageKey>& keys) { return lock_sends(tx_, keys); }

void SendBook::save(const Send& s, const std::string& why) {
    auto state = s.state;
    if (state == "waiting") {
        want_number(s);
        if (s.automatic && tx_.value<bool>(sql::person_is_behind, {s.company, s.from, s.to}).value_or(false)) state = "behind";
    }
    tx_.write(sql::save_send, {s.company, s.message, state, s.asked_at, s.account, s.looked_at, s.not_found, s.failures, why});
    if (state != s.state) step_up(s);
}

void SendBook::leave(const Send& s) {
    if (s.at_head()) want_number(s);
    tx_.write(sql::drop_send, {s.company, s.message});
    if (s.at_head()) step_up(s);
}

void SendBook::step_up(const Send& left) { tx_.write(sql::step_up, {left.company, left.from, left.to}); }

void SendBook::redirect(const Send& s, const std::string& to) {
    if (s.in_doubt() || s.to == to) return;
    if (s.state == "scheduled") {
        tx_.write(sql::place_send, {s.company, s.message, s.state, to});
        return;
    }
    leave(s);
    auto moved = s;
    moved.to = to;
    enter(moved);
}

std::optional<Send> SendBook::in_doubt(const CompanyId& company, const std::string& from, const std::string& to) {
    return one_of(send_in_doubt(tx_, pg::Params{company, from, to}));
}
std::vector<Send> SendBook::in_doubt(const std::set<Pair>& pairs) { return sends_in_doubt(tx_, pairs); }

}  // namespace otto::lead_pipeline
