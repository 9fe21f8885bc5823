#include "sender/sender.hpp"

#include <algorithm>
#include <chrono>

#include "base/backoff.hpp"
#include "books/gate.hpp"
#include "lead-pipeline/sql.hpp"
#include "sender/pauses.hpp"
#include "sender/queues.hpp"
#include "sender/standing.hpp"
#include "telemetry/log.hpp"

namespace otto::lead_pipeline {
namespace {

using namespace providers::twilio;

constexpr Millis kUnknown{1'000};    ///< until it is looked again whether the companies are known
constexpr Millis kLateness{10'000};  ///< after which what was noted is not asked any more
const Backoff kNotTaken{Millis{1'000}, Millis{60'000}, 2, 0.2};

std::optional<Instant> at_once(const rt::Lease& lease) { return lease.now; }

}  // namespace

/// What a turn needs to know of the text itself.
struct Sender::Facts {
    std::string body, reason, state;
    std::optional<Instant> scheduled_at;
    static Facts from(const pg::Fields& f) { return {f.text("body"), f.text("reason"), f.text("state"), f.time("scheduled_at")}; }
};

/// What was noted, and is to be asked.
struct Sender::Asked {
    std::optional<Terms> terms;  ///< none: nothing is to be asked
    NewText text;
    bool was_paused = false;
    std::chrono::steady_clock::time_point at{};
};

std::optional<Instant> Sender::next(rt::Lease& lease) const {
    const auto id = Uuid::parse(lease.key);
    if (!id) return std::nullopt;
    auto standing = lease.read([&](pg::Tx& tx) { return tx.maybe<Standing>(sql::text_on_its_way, {lease.company, *id}); });
    if (!standing) return std::nullopt;  // its fate is known
    if (standing->state == "unknown") return look_for(lease, *id, *standing);
    Asked asked;
    auto due = lease.note([&](pg::Tx& tx) { return note(tx, lease, *id, *standing, asked); });
    if (!asked.terms || !lease.held()) return due;
    // Whoever stood still meanwhile may have lost the text to another, who looks for it in the list already.
    auto outcome = std::chrono::steady_clock::now() - asked.at < kLateness
                       ? outside_.send(*asked.terms->account, asked.text)
                       : SendOutcome(NotTaken{{ApiError::Kind::no_answer, "Otto itself was too slow to ask"}});
    return lease.settle([&](pg::Tx& tx) { return settle(tx, lease, *id, asked, outcome); });
}

std::optional<Instant> Sender::note(pg::Tx& tx, const rt::Lease& lease, const Uuid& id, const Standing& standing,
                                    Asked& asked) const {
    Record record(tx, {lease.company, id}, standing.to);
    auto& place = record.place;
    if (!place) return std::nullopt;
    if (place->to != standing.to) return at_once(lease);  // it went to another card meanwhile
    if (place->state == "asked") {
        // Whoever asked died over it.
        count_text(tx, "in_doubt");
        place->state = "unknown";
        record.line().save(*place, "the process ended before it wrote what the provider answered");
        return *place->asked_at + kUntilListed;
    }
    if (place->state == "unknown") return next_look(*place);
    auto facts = tx.maybe<Facts>(sql::text_to_send, {lease.company, id});
    if (!facts) {  // nothing is left of it; who is behind it goes on
        record.line().leave(*place);
        return std::nullopt;
    }
    if (place->state == "scheduled") return when_due(tx, lease, record, *facts);
    if (place->state == "released") return before_it_is_asked(tx, lease, record, *facts, asked);
    return std::nullopt;  // it waits for its number
}

/// Somebody asked for no texts: it is cancelled. Whoever says STOP waits for the card that is held, or is heard of here.
bool Sender::stopped(pg::Tx& tx, Record& record) const {
    const auto& place = *record.place;
    auto why = closed_to(tx, {place.company, place.to}, place.automatic);
    if (!why) return false;
    count_text(tx, "canceled");
    record.end("canceled", *why);
    return true;
}

/// An automatic text that nobody wants any more is cancelled; who makes them says.
bool Sender::unwanted(pg::Tx& tx, Record& record, const Facts& facts, Instant now) const {
    auto why = outside_.unwanted(tx, record.place->key(), facts.reason, now);
    if (!why) return false;
    count_text(tx, "canceled");
    record.end("canceled", *why);
    return true;
}

/// A scheduled one whose time has come is judged anew, and goes into its line.
std::optional<Instant> Sender::when_due(pg::Tx& tx, const rt::Lease& lease, Record& record, const Facts& facts) const {
    if (facts.scheduled_at && lease.now < *facts.scheduled_at) return facts.scheduled_at;
    if (stopped(tx, record)) return std::nullopt;
    auto terms = outside_.terms(lease.company);
    if (!terms) return lease.now + kUnknown;
    const auto& place = *record.place;
    if (place.automatic) {
        if (unwanted(tx, record, facts, lease.now)) return std::nullopt;
        if (auto until = quiet_until(tx, *terms, facts.state, lease.now)) {
            record.say({.scheduled_at = *until});
            return until;
        }
    }
    record.say({.status = "queued"});
    record.line().step_in(place);
    return std::nullopt;
}

/// The last look at a text: whatever makes that it may not leave holds the card's lock or is read under it.
std::optional<Instant> Sender::before_it_is_asked(pg::Tx& tx, const rt::Lease& lease, Record& record, const Facts& facts,
                                                  Asked& asked) const {
    auto& place = *record.place;
    if (stopped(tx, record)) return std::nullopt;
    auto terms = outside_.terms(lease.company);
    if (!terms) return lease.now + kUnknown;
    // It may have waited for its number, or for the company's account, for hours.
    if (place.automatic && unwanted(tx, record, facts, lease.now)) return std::nullopt;
    if (auto until = place.automatic ? quiet_until(tx, *terms, facts.state, lease.now) : std::nullopt) {
        record.say({.scheduled_at = *until});
        record.line().leave(place);
        record.line().enter(place, until);
        return until;
    }
    auto pause = pause_of(tx, lease.company);
    if (held_until(*terms, pause, lease.now)) {
        place.state = "waiting";
        record.line().save(place, pause ? pause->why : terms->why_not);
        return std::nullopt;
    }
    if (!terms->may_send_from(place.from, lease.now)) {
        count_text(tx, "failed");
        record.end("failed", place.from +
                                 " is none of the company's text numbers at Twilio any more; send the text from another "
                                 "(GET /api/v1/numbers).");
        return std::nullopt;
    }
    place.state = "asked";
    place.asked_at = lease.now;
    place.account = terms->account->sid;
    place.looked_at.reset();
    place.not_found = 0;
    record.say({.status = "sending", .asked_at = lease.now});
    record.line().save(place);
    asked = {std::move(terms),
             {place.from, place.to, facts.body, outside_.status_callback + lease.key},
             pause.has_value(),
             std::chrono::steady_clock::now()};
    return at_once(lease);
}

std::optional<Instant> Sender::settle(pg::Tx& tx, const rt::Lease& lease, const Uuid& id, const Asked& asked,
                                      const SendOutcome& outcome) const {
    Record record(tx, {lease.company, id}, asked.text.to);
    if (auto* taken = std::get_if<Taken>(&outcome)) {
        count_text(tx, "taken");
        record.heard(taken->message, lease.now);
        if (asked.was_paused) resume(tx, lease.company);
        return std::nullopt;
    }
    auto& place = record.place;
    if (!place) return std::nullopt;  // a webhook told its fate before the answer was there
    auto& line = record.line();
    if (auto* rejected = std::get_if<Rejected>(&outcome)) {
        count_text(tx, "rejected");
        record.end("failed", rejected->why, rejected->code);
        if (asked.was_paused) resume(tx, lease.company);
        return std::nullopt;
    }
    if (auto* doubt = std::get_if<InDoubt>(&outcome)) {
        count_text(tx, "in_doubt");
        tel::warn("nobody knows whether a text was sent; it is looked for in Twilio's list",
                  {{"company_id", lease.company.value()}, {"message_id", lease.key}, {"why", doubt->why}});
        place->state = "unknown";
        line.save(*place, doubt->why);
        return next_look(*place);
    }
    const auto& error = std::get<NotTaken>(outcome).error;
    count_text(tx, "not_taken");
    tel::warn("a text was not taken and is tried again",
              {{"company_id", lease.company.value()}, {"message_id", lease.key}, {"why", error.why}});
    if (error.not_let_in()) {
        place->state = "waiting";
        line.save(*place, error.why);
        refuse(tx, lease.company, *asked.terms, error.why, lease.now);
        return std::nullopt;
    }
    place->state = "released";
    auto pause =
        kNotTaken.pause(static_cast<int>(std::min<std::int64_t>(place->failures++, 16)), std::hash<std::string>{}(lease.key));
    line.save(*place, error.why);
    return lease.now + std::max(pause, error.after.value_or(Millis{0}));
}

void Sender::put_off(pg::Tx& tx, const rt::Lease& lease, std::string_view why) const {
    if (auto id = Uuid::parse(lease.key)) tx.write(sql::text_put_off, {lease.company, *id, why});
}

}  // namespace otto::lead_pipeline
