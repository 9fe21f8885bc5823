#include "moves.hpp"

#include <set>
#include <vector>

#include "appointment-service/sql.hpp"
#include "events/changes.hpp"

namespace otto::appointment_service {
namespace {

struct Place {
    Customer at;
    static Place from(const pg::Fields& f) { return {{f.uuid("lead_id"), f.uuid("contact_card_id")}}; }
};

struct Changed {
    Uuid id;
    std::int64_t version;
    static Changed from(const pg::Fields& f) { return {f.uuid("id"), f.integer("version")}; }
};

}  // namespace

void hold_lead(pg::Tx& tx, const std::string& company, const Uuid& lead) {
    tx.each(sql::hold_lead, {company, lead}, [](const pg::Fields&) {});
}

Customer customer_of(pg::Tx& tx, const std::string& company, std::int64_t call, Customer said) {
    auto look = [&] {
        auto place = tx.maybe<Place>(sql::place_of_call, {company, call});
        return place ? place->at : said;
    };
    for (auto at = look();;) {
        hold_lead(tx, company, at.lead);
        auto now = look();
        if (now == at) return at;
        at = now;
    }
}

rt::Outcome Moves::moved(rt::In<calls::v1::LeadMoved> in, pg::Tx& tx, Bookings::Out& out) const {
    const auto& e = in.event;
    auto from = Uuid::parse(e.from_lead()), into = Uuid::parse(e.into_lead());
    if (!from || !into) return rt::Outcome::reject("from_lead or into_lead is no id");
    hold_lead(tx, e.company_id(), *from);
    bool all = e.call_id() == 0;
    auto moved = all ? tx.many<Changed>(sql::move_appointments_of_lead, {e.company_id(), *from, *into})
                     : tx.many<Changed>(sql::move_appointment_of_call, {e.company_id(), e.call_id()});
    for (const auto& a : moved)
        out.emit(events::row_changed(CompanyId{e.company_id()}, "appointment", a.id.to_string(), a.version));
    // What was heard goes along, and may make one visit of two, or two of one.
    std::set<Uuid> leads;
    auto heard = all ? tx.values<Uuid>(sql::move_heard_of_lead, {e.company_id(), *from, *into})
                     : tx.values<Uuid>(sql::move_heard_of_call, {e.company_id(), e.call_id()});
    leads.insert(heard.begin(), heard.end());
    if (!leads.empty()) leads.insert(*from);
    for (const auto& lead : leads) bookings_.settle(e.company_id(), lead, tx, out);
    return moved.empty() && leads.empty() ? rt::Outcome::ignored("no appointment hangs on it") : rt::Outcome::done();
}

}  // namespace otto::appointment_service
