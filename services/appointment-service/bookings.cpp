#include "bookings.hpp"

#include <algorithm>
#include <set>

#include "appointment-service/sql.hpp"
#include "appointment.hpp"
#include "base/says_nothing.hpp"
#include "events/changes.hpp"
#include "events/journey.hpp"
#include "moves.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"
#include "visits.hpp"

namespace otto::appointment_service {
namespace {

const tel::Counters kWithoutTime{"otto_appointments_without_time_total",
                                 "Appointments that were booked without anybody saying when."};

struct Changed {
    Uuid id;
    std::int64_t version;
    static Changed from(const pg::Fields& f) { return {f.uuid("id"), f.integer("version")}; }
};
struct Place {
    Customer at;
    static Place from(const pg::Fields& f) { return {{f.uuid("lead_id"), f.uuid("contact_card_id")}}; }
};
struct OfCall {
    Uuid id;
    std::int64_t call, weight;
    static OfCall from(const pg::Fields& f) { return {f.uuid("id"), f.integer("call_id"), f.integer("weight")}; }
};

Standing standing_from(const pg::Fields& f) {
    return {f.uuid("id"),         f.maybe_integer("call_id"), f.time("scheduled_start"), f.time("scheduled_end"),
            f.boolean("planned"), f.boolean("of_people")};
}
Heard heard_from(const pg::Fields& f) {
    return {f.integer("call_id"),         *f.time("started_at"),
            f.boolean("booked"),          f.time("starts_at"),
            f.maybe_text("remark"),       f.maybe_text("location_address"),
            f.maybe_text("service_type"), f.maybe_text("appointment_type"),
            f.integer("said_version")};
}

/// A name, so that the same event makes the same appointment.
Uuid appointment_id(const std::string& company, std::int64_t call) {
    static const Uuid space = *Uuid::parse("6f74746f-6170-5074-a473-000000000001");
    return Uuid::v5(space, company + "\n" + std::to_string(call));
}

std::optional<std::string> stated(bool has, const std::string& text) {
    return has && !says_nothing(text) ? std::optional(text) : std::nullopt;
}

}  // namespace

/// What an event leaves of the visits of leads.
struct Bookings::Settling {
    const std::string& of;  ///< the company
    const directory::Profile& company;
    pg::Tx& tx;
    Out& out;
    bool changed = false;

    /// An event's word about a call, which may be one that the event's was folded into.
    struct Noted {
        std::int64_t call;
        Customer customer;
        const Event* event;
    };

    void tell(const std::optional<Changed>& row) {
        if (!row) return;
        changed = true;
        out.emit(events::row_changed(CompanyId{of}, "appointment", row->id.to_string(), row->version));
    }
    std::optional<Noted> note(const Event&, const Customer& said);
    std::int64_t fold(std::int64_t from, std::int64_t into);
    void settle(const Customer&, const std::optional<Noted>&);
    bool write(const Customer&, const Visit&, std::int64_t minutes);
    void ask(const Event&, const Doubt&, const Heard&);
};

rt::Outcome Bookings::analysed(rt::In<Event> in, pg::Tx& tx, Out& out) const {
    const auto& a = in.event;
    auto effect = effect_of(a);
    if (effect == Effect::none && a.folded().empty())
        return rt::Outcome::ignored("the analysis does not say whether it was booked");
    auto company = companies_.find(CompanyId{a.company_id()});
    if (!company) return rt::Outcome::retry("the company is not in otto.directory yet");
    auto lead = Uuid::parse(a.lead_id()), contact = Uuid::parse(a.contact_card_id());
    if (!lead || !contact) return rt::Outcome::reject("lead_id or contact_card_id is no id");
    Settling here{a.company_id(), *company, tx, out};
    std::set<std::int64_t> stay;
    for (auto from : a.folded()) stay.insert(here.fold(from, a.call_id()));
    std::optional<Settling::Noted> noted;
    if (effect != Effect::none) noted = here.note(a, {*lead, *contact});
    if (noted) {
        here.settle(noted->customer, noted);
        here.tell(
            tx.maybe<Changed>(sql::go_with_call, {a.company_id(), noted->call, noted->customer.lead, noted->customer.contact}));
        stay.erase(noted->call);
    }
    for (auto call : stay) {
        auto said = tx.maybe<Place>(sql::customer_of_heard, {a.company_id(), call});
        if (said) here.settle(customer_of(tx, a.company_id(), call, said->at), std::nullopt);
    }
    if (here.changed) return rt::Outcome::done();
    return rt::Outcome::ignored(
        noted || effect == Effect::none
            ? "no appointment that an analysis may change is other than planned"
            : "a newer analysis was here before, or its call is another one, of which the analysis is told anew");
}

void Bookings::settle(const std::string& company_id, const Uuid& lead, pg::Tx& tx, Out& out) const {
    auto company = companies_.find(CompanyId{company_id});
    hold_lead(tx, company_id, lead);
    auto customer = tx.maybe<Place>(sql::customer_of_lead, {company_id, lead});
    if (company && customer) Settling{company_id, *company, tx, out}.settle(customer->at, std::nullopt);
}

/// Keeps what was said, unless something newer was.
std::optional<Bookings::Settling::Noted> Bookings::Settling::note(const Event& e, const Customer& said) {
    When when;
    bool booked = effect_of(e) == Effect::make;
    if (booked) {
        auto clocks = [this](const std::string& wall, const std::string& zone) {
            return tx.value<std::optional<Instant>>(sql::moment, {wall, zone}).value();
        };
        when = when_of(stated(e.has_appointment_date(), e.appointment_date()), company.timezone, from_micros(e.received_at_us()),
                       clocks);
    }
    for (auto call = e.call_id();;) {
        auto customer = customer_of(tx, of, call, said);
        auto noted = tx.value<std::int64_t>(
            sql::note_analysis,
            {of, call, e.version(), customer.lead, from_micros(e.call_started_at_us()), booked, when.at,
             stated(true, when.remark), stated(e.has_address(), e.address()), stated(e.has_service_type(), e.service_type()),
             stated(e.has_appointment_type(), e.appointment_type())});
        if (noted) {
            if (call != e.call_id() && !tx.value<Uuid>(sql::lead, {of, said.lead}))
                return std::nullopt;  // of which the analysis is told anew
            return Noted{call, customer, &e};
        }
        auto folded = tx.value<std::int64_t>(sql::folded_into, {of, call});
        if (!folded) return std::nullopt;
        call = *folded;
    }
}

void Bookings::Settling::settle(const Customer& customer, const std::optional<Noted>& noted) {
    std::vector<Heard> heard;
    std::vector<std::optional<std::string>> calls;
    tx.each(sql::heard_of_lead, {of, customer.lead}, [&](const pg::Fields& f) {
        heard.push_back(heard_from(f));
        calls.emplace_back(std::to_string(heard.back().call));
    });
    std::vector<Standing> rows;
    tx.each(sql::standing_of_lead, {of, customer.lead, pg::Param::array(calls)},
            [&](const pg::Fields& f) { rows.push_back(standing_from(f)); });
    auto minutes = minutes_of(company.workflow_config);
    auto plan = plan_visits(heard, rows, std::chrono::minutes(minutes));
    auto off = [&](const Uuid& id, const pg::Query& query, pg::Params more) {
        pg::Params params{of, id};
        params.insert(params.end(), more.begin(), more.end());
        tell(tx.maybe<Changed>(query, std::move(params)));
    };
    for (const auto& id : plan.unbooked) off(id, sql::unbook, {});
    for (const auto& id : plan.doubles)
        off(id, sql::call_off_double, {"Another appointment of the customer stands in its place."});
    for (const auto& visit : plan.visits) {
        bool fresh = write(customer, visit, minutes);
        auto reported = noted ? noted->event->call_reported_at_us() : 0;
        if (fresh && reported != 0 && !noted->event->corrected() && visit.calls.front() == noted->call)
            tx.on_commit([at = from_micros(reported)] { events::arrived(events::Stage::booked, at, system_clock().now()); });
    }
    for (const auto& doubt : plan.doubts)
        if (noted && doubt.call == noted->call)
            ask(*noted->event, doubt,
                *std::find_if(heard.begin(), heard.end(), [&](const auto& h) { return h.call == doubt.call; }));
}

/// Whether it is a new one.
bool Bookings::Settling::write(const Customer& customer, const Visit& v, std::int64_t minutes) {
    std::optional<Changed> row;
    if (v.row)
        row = tx.maybe<Changed>(sql::plan, {of, *v.row, customer.lead, customer.contact, v.at, minutes, v.address, v.service_type,
                                            v.appointment_type, v.remark, v.moved_from, v.moved_by, v.version});
    else
        row = tx.one<Changed>(
            sql::book, {of, appointment_id(of, v.calls.front()), customer.lead, customer.contact, v.calls.front(), v.at, minutes,
                        v.address, v.service_type, v.appointment_type, v.remark, v.moved_from, v.moved_by, v.version});
    tell(row);
    if (!row || v.at) return row && !v.row;
    tx.on_commit([] { kWithoutTime().inc(); });
    tel::warn("An appointment was booked without a time",
              {{"company_id", of},
               {"call_id", v.calls.front()},
               {"appointment_id", row->id.to_string()},
               {"cure", "Ask the customer and set scheduled_start (PATCH /api/v1/appointments/{id})."}});
    return !v.row;
}

/// What people planned is not moved; lead-pipeline, whose tasks are, has a person look.
void Bookings::Settling::ask(const Event& event, const Doubt& doubt, const Heard& h) {
    struct Shown {
        std::string planned, heard;
        static Shown from(const pg::Fields& f) { return {f.text("planned"), f.text("heard")}; }
    };
    auto shown = tx.one<Shown>(sql::shown_on_clocks, {doubt.planned, h.at, company.timezone});
    analysis::v1::AppointmentDoubted m;
    m.set_company_id(event.company_id());
    m.set_phone(event.phone());
    m.set_call_id(h.call);
    m.set_appointment_id(doubt.appointment.to_string());
    m.set_version(event.version());
    m.set_received_at_us(event.received_at_us());
    m.set_planned(shown.planned);
    m.set_heard(shown.heard);
    m.set_said(event.appointment_date());
    if (event.has_owner_id()) m.set_owner_id(event.owner_id());
    out.emit(m);
    changed = true;
}

/// Two rows proved to be one call, which has one appointment: one that a person touched before an analysis' own, else that of the
/// row that stays. The other one is called off, unless a person touched it too. The call that stays, whose visits are to be
/// planned anew.
std::int64_t Bookings::Settling::fold(std::int64_t from, std::int64_t into) {
    auto version = tx.value<std::int64_t>(sql::mark_folded, {of, from, into});
    if (!version) return into;  // it was told before
    while (auto further = *tx.value<std::optional<std::int64_t>>(sql::note_fold, {of, into, *version})) into = *further;
    tx.write(sql::take_over, {of, from, into});

    std::optional<OfCall> stays, goes;
    for (auto& one : tx.many<OfCall>(sql::of_both_calls, {of, into, from})) (one.call == into ? stays : goes) = one;
    if (!goes) return into;
    if (!stays || goes->weight > stays->weight) {
        if (stays) tx.write(sql::leave_call, {of, stays->id});
        tell(tx.maybe<Changed>(sql::be_of_call, {of, goes->id, into}));
        if (stays) tell(tx.maybe<Changed>(sql::be_of_call, {of, stays->id, from}));
        std::swap(stays, goes);
    }
    if (goes)
        tell(tx.maybe<Changed>(sql::call_off_double,
                               {of, goes->id, "The call was recorded twice; the other appointment of it stands."}));
    return into;
}

}  // namespace otto::appointment_service
