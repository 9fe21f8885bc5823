#include "bookings.hpp"

#include "appointment-service/sql.hpp"
#include "appointment.hpp"
#include "base/says_nothing.hpp"
#include "events/changes.hpp"
#include "moves.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::appointment_service {
namespace {

struct Changed {
    Uuid id;
    std::int64_t version;
    static Changed from(const pg::Fields& f) { return {f.uuid("id"), f.integer("version")}; }
};
struct Version {
    std::int64_t version;
    static Version from(const pg::Fields& f) { return {f.integer("version")}; }
};

struct Moment {
    std::optional<Instant> at;
    static Moment from(const pg::Fields& f) { return {f.time("at")}; }
};
struct Text {
    std::string status;
    static Text from(const pg::Fields& f) { return {f.text("status")}; }
};
struct Into {
    std::optional<std::int64_t> call;
    static Into from(const pg::Fields& f) { return {f.maybe_integer("folded_into")}; }
};
struct Noted {
    std::optional<std::int64_t> into;
    std::int64_t version;
    static Noted from(const pg::Fields& f) { return {f.maybe_integer("folded_into"), f.integer("version")}; }
};
struct OfCall {
    Uuid id;
    std::int64_t call, weight;
    static OfCall from(const pg::Fields& f) { return {f.uuid("id"), f.integer("call_id"), f.integer("weight")}; }
};

/// A name, so that the same event makes the same appointment.
Uuid appointment_id(const std::string& company, std::int64_t call) {
    static const Uuid space = *Uuid::parse("6f74746f-6170-5074-a473-000000000001");
    return Uuid::v5(space, company + "\n" + std::to_string(call));
}

pg::Param text_or_null(bool has, const std::string& text) { return has && !says_nothing(text) ? pg::Param(text) : pg::Param(nullptr); }

}  // namespace

rt::Outcome Bookings::analysed(rt::In<analysis::v1::AnalysisCompleted> in, pg::Tx& tx, rt::Out<changes::v1::RowChanged>& out) const {
    static auto without_time = tel::Metrics::counter("appointments_without_time_total", "Appointments that were booked without anybody saying when.");
    const auto& a = in.event;
    auto effect = effect_of(a);
    for (auto from : a.folded()) fold(a.company_id(), from, a.call_id(), tx, out);
    if (effect == Effect::none) return rt::Outcome::ignored("the analysis does not say whether it was booked");
    auto company = companies_.find(CompanyId{a.company_id()});
    if (!company) return rt::Outcome::retry("the company is not in otto.directory yet");
    auto lead = Uuid::parse(a.lead_id()), contact = Uuid::parse(a.contact_card_id());
    if (!lead || !contact) return rt::Outcome::reject("lead_id or contact_card_id is no id");
    auto call = a.call_id();
    while (!tx.maybe<Version>(sql::note_analysis, {a.company_id(), call, a.version()})) {
        auto folded = tx.maybe<Into>(sql::folded_into, {a.company_id(), call});
        if (!folded) return rt::Outcome::ignored("a newer analysis was here before");
        call = *folded->call;
    }
    if (call != a.call_id() && !tx.maybe<Text>(sql::lead, {a.company_id(), *lead})) return rt::Outcome::ignored("its call proved to be another one, of which the analysis is told anew");
    auto customer = customer_of(tx, a.company_id(), call, {*lead, *contact});

    std::optional<Changed> changed;
    if (effect == Effect::make) {
        auto clocks = [&tx](const std::string& wall, const std::string& zone) { return tx.one<Moment>(sql::moment, {wall, zone}).at; };
        auto when = when_of(a.has_appointment_date() ? std::optional(a.appointment_date()) : std::nullopt, company->timezone, from_micros(a.received_at_us()), clocks);
        changed = tx.maybe<Changed>(sql::book, {a.company_id(), appointment_id(a.company_id(), call), customer.lead, customer.contact, call, when.at, minutes_of(company->workflow_config), text_or_null(a.has_address(), a.address()), text_or_null(a.has_service_type(), a.service_type()),
                                                text_or_null(a.has_appointment_type(), a.appointment_type()), text_or_null(true, when.remark), a.version()});
        if (changed && !when.at) {
            tx.on_commit([] { without_time.inc(); });
            tel::warn("An appointment was booked without a time", {{"company_id", a.company_id()}, {"call_id", call}, {"appointment_id", changed->id.to_string()},
                                                                     {"cure", "Ask the customer and set scheduled_start (PATCH /api/v1/appointments/{id})."}});
        }
    } else {
        changed = tx.maybe<Changed>(sql::unbook, {a.company_id(), call, a.version()});
    }
    if (!changed) changed = tx.maybe<Changed>(sql::go_with_call, {a.company_id(), call, customer.lead, customer.contact});
    if (!changed) return rt::Outcome::ignored(effect == Effect::make ? "a person has touched the appointment, or it is over" : "there is no appointment of the analysis' own to call off");
    out.emit(events::row_changed(CompanyId{a.company_id()}, "appointment", changed->id.to_string(), changed->version));
    return rt::Outcome::done();
}

/// Two rows proved to be one call, which has one appointment: one that a person touched before an analysis' own, else that of the row that stays. The other one is called off, unless a person touched it too.
void Bookings::fold(const std::string& company, std::int64_t from, std::int64_t into, pg::Tx& tx, rt::Out<changes::v1::RowChanged>& out) const {
    auto marked = tx.maybe<Version>(sql::mark_folded, {company, from, into});
    if (!marked) return;  // it was told before
    auto noted = tx.one<Noted>(sql::note_fold, {company, into, marked->version});
    for (; noted.into; noted = tx.one<Noted>(sql::note_fold, {company, into, marked->version})) into = *noted.into;

    std::optional<OfCall> stays, goes;
    for (auto& one : tx.many<OfCall>(sql::of_both_calls, {company, into, from})) (one.call == into ? stays : goes) = one;
    if (!goes) return;
    auto tell = [&](const std::optional<Changed>& changed) {
        if (changed) out.emit(events::row_changed(CompanyId{company}, "appointment", changed->id.to_string(), changed->version));
    };
    if (!stays || goes->weight > stays->weight) {
        if (stays) tx.write(sql::leave_call, {company, stays->id});
        tell(tx.maybe<Changed>(sql::be_of_call, {company, goes->id, into}));
        if (stays) tell(tx.maybe<Changed>(sql::be_of_call, {company, stays->id, from}));
        // The call's own newer analysis had nothing to call off then.
        if (noted.version > marked->version) tell(tx.maybe<Changed>(sql::unbook, {company, into, noted.version}));
        std::swap(stays, goes);
    }
    if (goes) tell(tx.maybe<Changed>(sql::call_off_double, {company, goes->id}));
}

}  // namespace otto::appointment_service
