#include "sender/statuses.hpp"

#include <algorithm>
#include <array>

#include "lead-pipeline/sql.hpp"
#include "sender/pauses.hpp"
#include "sender/record.hpp"
#include "telemetry/log.hpp"

namespace otto::lead_pipeline {
namespace {

using namespace providers::twilio;

constexpr std::array<Millis, 4> kAskedAfter{Millis{600'000}, Millis{3'600'000}, Millis{21'600'000}, Millis{86'400'000}};
constexpr Millis kTrouble{600'000};      ///< until it is tried again, if it could not be asked
constexpr Millis kGivenUp{172'800'000};  ///< then nobody is asked any more

}  // namespace

struct Statuses::Row {
    std::string sid, status, to;
    std::optional<Instant> asked_at;
    bool on_its_way = false, unknown = false;
    static Row from(const pg::Fields& f) {
        return {f.text("sid"),      f.text("status"),        f.text("to_number"),
                f.time("asked_at"), f.boolean("on_its_way"), f.boolean("status_unknown")};
    }
    bool open() const { return status == "queued" || status == "sending" || status == "sent" || status == "scheduled"; }
};

std::optional<Instant> Statuses::next(rt::Lease& lease) const {
    const auto id = Uuid::parse(lease.key);
    if (!id) return std::nullopt;
    auto row = lease.read([&](pg::Tx& tx) { return tx.maybe<Row>(sql::text_status, {lease.company, *id}); });
    if (!row || !row->open() || row->unknown || !row->asked_at) return std::nullopt;
    if (row->on_its_way) return lease.now + kTrouble;
    if (row->sid.empty()) return std::nullopt;
    auto reply = ask(lease, *row);
    if (!reply) return lease.now + kTrouble;
    return lease.settle([&](pg::Tx& tx) { return settle(tx, lease, *id, *row, *reply); });
}

/// nullopt: nobody may be asked for now.
std::optional<Statuses::Reply> Statuses::ask(const rt::Lease& lease, const Row& row) const {
    auto terms = outside_.terms(lease.company);
    if (!terms) return std::nullopt;
    if (!terms->account) return ApiError{ApiError::Kind::no_answer, terms->why_not};
    return outside_.message(*terms->account, row.sid);
}

std::optional<Instant> Statuses::settle(pg::Tx& tx, const rt::Lease& lease, const Uuid& id, const Row& row,
                                        const Reply& reply) const {
    const auto since = lease.now - *row.asked_at;
    Record record(tx, {lease.company, id}, row.to);
    auto* message = std::get_if<ListedMessage>(&reply);
    if (message) {
        record.heard(*message, lease.now);
        if (!Row{{}, message->status}.open()) return std::nullopt;
    } else {
        const auto& error = std::get<ApiError>(reply);
        tel::warn("Twilio cannot be asked how a text stands",
                  {{"company_id", lease.company.value()}, {"message_id", lease.key}, {"why", error.why}});
        if (error.kind != ApiError::Kind::not_found && since < kGivenUp)
            return lease.now + std::max(kTrouble, error.after.value_or(Millis{0}));
    }
    auto later = std::find_if(kAskedAfter.begin(), kAskedAfter.end(), [&](Millis after) { return since < after; });
    if (later != kAskedAfter.end()) return *row.asked_at + *later;
    record.say({.status_unknown = true});
    return std::nullopt;
}

}  // namespace otto::lead_pipeline
