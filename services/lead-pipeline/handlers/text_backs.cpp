#include "handlers/text_backs.hpp"

#include <algorithm>
#include <chrono>
#include <set>

#include "base/phone.hpp"
#include "books/contact_book.hpp"
#include "books/gate.hpp"
#include "books/message_book.hpp"
#include "lead-pipeline/sql.hpp"
#include "sender/from.hpp"
#include "sender/record.hpp"
#include "telemetry/metrics.hpp"

namespace otto::lead_pipeline {
namespace {

constexpr Millis kUnknown{1'000};    ///< until it is looked again whether the companies are known
constexpr Millis kCallsNow{30'000};  ///< until it is looked again what became of the call that he is in
/// After an outage nobody is texted about what happened so long ago; nor does a text leave so long after it should have.
constexpr Millis kLongAgo{2 * 3'600'000};

const tel::Counters kTextsBack{"otto_text_backs_total",
                               "Missed calls of companies that text back, by what became of them: written, or why it was not.",
                               {"outcome"}};

/// How it stands with the caller of a call (since_call).
struct Since {
    bool missed;
    std::string tracking_number, phone, state;
    ContactId contact;
    Instant at;
    bool spoken, calls_now, texted, called_back;
    static Since from(const pg::Fields& f) {
        return {f.boolean("missed_call"),
                f.text("tracking_number"),
                f.text("primary_phone"),
                f.text("state"),
                ContactId{f.uuid("contact_card_id")},
                *f.time("at"),
                f.boolean("spoken"),
                f.boolean("calls_now"),
                f.boolean("texted"),
                f.boolean("called_back")};
    }
    /// "": nobody took care of the caller.
    const char* taken_care_of() const {
        if (!missed) return "answered";
        if (spoken) return "spoken";
        if (texted) return "texted";
        return called_back ? "called_back" : "";
    }
};

struct TextBack {
    CallId call;
    std::string body;
    Instant due;
    static TextBack from(const pg::Fields& f) { return {CallId{f.integer("call_id")}, f.text("body"), *f.time("due")}; }
};

std::optional<Instant> over(pg::Tx& tx, const char* outcome) {
    tx.on_commit([outcome] { kTextsBack({outcome}).inc(); });
    return std::nullopt;
}

/// The number that was called if texts leave from it, else the one from which people write to this contact; "": there is none.
std::string number_to_text_from(pg::Tx& tx, const CompanyId& company, const Since& call, const Terms& terms, Instant now) {
    auto numbers = text_numbers(terms.numbers, now);
    auto called = normalize_phone(call.tracking_number).text;
    if (std::find(numbers.begin(), numbers.end(), called) != numbers.end()) return called;
    return usual_number(tx, company, call.contact, numbers);
}

}  // namespace

bool TextBacks::may_be_wanted(const CompanyId& company) const {
    auto body = outside_.body(company);
    return !body || *body;
}

std::optional<Instant> TextBacks::next(rt::Lease& lease) const {
    const CallId call{std::stoll(lease.key)};
    return lease.settle([&](pg::Tx& tx) { return judge(tx, lease.company, call, lease.now); });
}

std::optional<Instant> TextBacks::judge(pg::Tx& tx, const CompanyId& company, const CallId& id, Instant now) const {
    auto said = tx.value<std::optional<std::string>>(sql::caller, {company, id});
    const auto caller = normalize_phone(said.value_or(std::nullopt).value_or(""));
    if (!caller.e164) return over(tx, "no_number");
    // What is told of the caller is told under this lock: nothing changes until the commit.
    const NumberKey key{company, caller.text};
    ContactBook(tx).hold(std::set{key});
    auto call = tx.maybe<Since>(sql::since_call, {company, id, std::optional<Uuid>{}});
    if (!call) return std::nullopt;              // it went into another one, which is looked at by itself
    if (call->phone != caller.text) return now;  // it went to another card meanwhile
    if (call->at < now - kLongAgo) return over(tx, "long_ago");
    if (*call->taken_care_of()) return over(tx, call->taken_care_of());
    if (call->calls_now) return now + kCallsNow;

    const auto body = outside_.body(company);
    const auto terms = outside_.terms(company);
    if (!body || !terms) return now + kUnknown;
    if (!*body) return over(tx, "off");
    if (outside_.is_ours(caller.text)) return over(tx, "ours");
    if (closed_to(tx, key, true)) return over(tx, "closed");
    if (!terms->why_not.empty()) return over(tx, "no_account");
    const auto from = number_to_text_from(tx, company, *call, *terms, now);
    if (from.empty()) return over(tx, "no_text_number");

    const auto quiet = quiet_until(tx, *terms, call->state, now);
    const auto text = Uuid::v7(now);
    if (tx.write_counted(sql::text_back_once, {company, call->contact, id, quiet.value_or(now), terms->zone, text}) == 0)
        return over(tx, "once_a_day");
    MessageBook book(tx);
    book.write({.company = company,
                .to = caller.text,
                .from = from,
                .body = **body,
                .id = text,
                .automatic = true,
                .reason = std::string(kMissedCall),
                .not_before = quiet});
    book.settle();
    tell(tx, book);
    return over(tx, "written");
}

std::optional<std::string> TextBacks::unwanted(pg::Tx& tx, const MessageKey& key, Instant now) const {
    auto text = tx.maybe<TextBack>(sql::text_back, {key.first, key.second});
    if (!text) return "nobody knows which call it was to follow";
    auto body = outside_.body(key.first);
    if (body && *body != text->body) return "the company does not send this text after missed calls any more";
    if (text->due < now - kLongAgo) return "it would have come long after it was to leave";
    auto call = tx.maybe<Since>(sql::since_call, {key.first, text->call, std::optional(key.second)});
    if (!call) return "the call that it was to follow is gone";
    if (!call->missed) return "the call was answered after all";
    if (call->spoken) return "the customer was called, or spoken to, meanwhile";
    if (call->texted) return "the customer was texted meanwhile";
    if (call->called_back) return "somebody has taken care of the call meanwhile";
    return std::nullopt;
}

}  // namespace otto::lead_pipeline
