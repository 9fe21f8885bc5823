// Texts of which nobody knows whether Twilio took them: it has no idempotency key, so only its list can tell.
#include <set>
#include <string_view>

#include "base/backoff.hpp"
#include "base/json.hpp"
#include "lead-pipeline/sql.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "rules/message.hpp"
#include "runtime/deliveries.hpp"
#include "sender/pauses.hpp"
#include "sender/standing.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::lead_pipeline {
namespace {

using namespace providers::twilio;

const tel::Counters kFates{"otto_texts_total",
                           "Texts that leave, by what became of a request: taken, rejected, not_taken (certainly not, and tried "
                           "again), in_doubt, found (in "
                           "Twilio's list), asked_again (twice not in it), canceled or failed before anybody was asked.",
                           {"outcome"}};

constexpr Millis kUnknown{1'000};
constexpr Millis kBack{600'000};             ///< before it was asked: so far back the list is read
constexpr Millis kOtherAccount{86'400'000};  ///< how long an account that is not connected any more is waited for
constexpr int kMostPages = 200;
constexpr int kLooks = 2;
const Backoff kTrouble{Millis{60'000}, Millis{600'000}, 2, 0.2};

bool by_the_api(const ListedMessage& m) {
    auto parsed = JsonDocument::parse(m.json);
    return parsed && parsed->root()["direction"].string() == "outbound-api";
}

}  // namespace

void count_text(pg::Tx& tx, const char* outcome) {
    const std::string_view how = outcome;
    if (how == "taken" || how == "found") rt::delivered(tx, "text", rt::Delivery::delivered);
    if (how == "rejected" || how == "failed") rt::delivered(tx, "text", rt::Delivery::failed);
    if (how == "canceled") rt::delivered(tx, "text", rt::Delivery::canceled);
    tx.on_commit([outcome] { kFates({outcome}).inc(); });
}

/// What Twilio's list said.
struct Sender::Search {
    std::vector<ListedMessage> same;  ///< messages with the same words, that may be the text
    std::optional<ApiError> error;    ///< it could not be read to where it had to be
};

std::optional<Instant> Sender::look_for(rt::Lease& lease, const Uuid& id, const Standing& standing) const {
    auto wait = [&](Instant until) { return lease.note([&](pg::Tx&) { return until; }); };
    if (auto due = next_look(standing); lease.now < due) return wait(due);
    auto terms = outside_.terms(lease.company);
    if (!terms) return wait(lease.now + kUnknown);
    auto pause = lease.read([&](pg::Tx& tx) { return pause_of(tx, lease.company); });
    if (held_until(*terms, pause, lease.now)) return wait(lease.now + kUntilListed / 2);
    Search found;
    if (!standing.account.empty() && standing.account != terms->account->sid)
        found.error = ApiError{ApiError::Kind::no_answer, "it was asked by the Twilio account " + standing.account +
                                                              ", which is not connected any more: only there it can be seen "
                                                              "whether the text was sent"};
    else
        found = search(*terms->account, standing);
    return lease.settle([&](pg::Tx& tx) { return settle(tx, lease, id, standing, *terms, pause.has_value(), found); });
}

Sender::Search Sender::search(const Account& account, const Standing& s) const {
    Search found;
    const auto since = *s.asked_at - kBack;
    std::string next;
    for (int pages = 0; pages < kMostPages; ++pages) {
        auto reply = outside_.listed(account, s.from_number, s.to, next);
        if (auto* error = std::get_if<ApiError>(&reply)) {
            found.error = std::move(*error);
            return found;
        }
        auto& page = std::get<MessagePage>(reply);
        if (!page.unreadable.empty()) {
            found.error =
                ApiError{ApiError::Kind::unreadable, "an entry of Twilio's list cannot be read: " + page.unreadable.front()};
            return found;
        }
        bool back = false;
        for (auto& m : page.messages) {
            if (m.created && *m.created < since)
                back = true;
            else if (by_the_api(m) && is_copy(m.event->message().body(), s.body))
                found.same.push_back(std::move(m));
        }
        next = page.next;
        if (next.empty() || back) return found;
    }
    found.error = ApiError{ApiError::Kind::unreadable, "Twilio's list does not end"};
    return found;
}

std::optional<Instant> Sender::settle(pg::Tx& tx, const rt::Lease& lease, const Uuid& id, const Standing& standing,
                                      const Terms& terms, bool was_paused, const Search& found) const {
    Record record(tx, {lease.company, id}, standing.to);
    auto& place = record.place;
    if (!place || place->state != "unknown") return lease.now;  // somebody told its fate meanwhile
    if (auto* m = unheard_of(tx, lease.company, found)) {
        count_text(tx, "found");
        record.heard(*m, lease.now);
        if (was_paused) resume(tx, lease.company);
        return std::nullopt;
    }
    if (found.error) {
        const bool refused = found.error->not_let_in();
        if (!refused && *place->asked_at + kOtherAccount < lease.now && standing.account != terms.account->sid) {
            count_text(tx, "failed");
            record.end("failed", "Nobody knows whether it was sent: " + found.error->why + ".");
            return std::nullopt;
        }
        tel::warn("a text cannot be looked for in Twilio's list",
                  {{"company_id", lease.company.value()}, {"message_id", lease.key}, {"why", found.error->why}});
        auto pause = kTrouble.pause(static_cast<int>(std::min<std::int64_t>(place->failures++, 16)));
        record.line().save(*place, found.error->why);
        if (refused) refuse(tx, lease.company, terms, found.error->why, lease.now);
        return lease.now + std::max(pause, found.error->after.value_or(Millis{0}));
    }
    place->looked_at = lease.now;
    place->failures = 0;
    if (++place->not_found < kLooks) {
        record.line().save(*place, "it is not in Twilio's list yet; it is looked for once more");
    } else {
        count_text(tx, "asked_again");
        tel::warn("Twilio has not taken a text, and is asked again",
                  {{"company_id", lease.company.value()}, {"message_id", lease.key}});
        place->state = "waiting";
        record.line().save(*place, "Twilio has not taken it");
    }
    if (was_paused) resume(tx, lease.company);
    return place->state == "waiting" ? std::nullopt : std::optional(next_look(*place));
}

/// That of the messages with the same words which no row is of, made nearest to when it was asked.
const ListedMessage* Sender::unheard_of(pg::Tx& tx, const CompanyId& company, const Search& found) const {
    if (found.same.empty()) return nullptr;
    std::vector<std::string> sids;
    for (const auto& m : found.same) sids.push_back(m.sid);
    auto known = tx.values<std::string>(sql::known_sids, {company, pg::Param::array(sids)});
    const std::set<std::string> rows(known.begin(), known.end());
    // The list has the newest first, and of those that are nobody's the oldest is the one: a text is asked once.
    for (auto m = found.same.rbegin(); m != found.same.rend(); ++m)
        if (!rows.contains(m->sid)) return &*m;
    return nullptr;
}

}  // namespace otto::lead_pipeline
