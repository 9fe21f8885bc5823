#include "leavers.hpp"

#include "appointment-service/sql.hpp"
#include "events/changes.hpp"
#include "runtime/audit.hpp"

namespace otto::appointment_service {
namespace {

struct Changed {
    Uuid id;
    std::int64_t version;
    static Changed from(const pg::Fields& f) { return {f.uuid("id"), f.integer("version")}; }
};

}  // namespace

rt::Outcome Leavers::give_back(rt::In<members::v1::Member> in, pg::Tx& tx, rt::Out<changes::v1::RowChanged>& out) const {
    const auto& e = in.event;
    if (e.status() != members::v1::STATUS_REMOVED) return rt::Outcome::ignored("works there");
    const CompanyId company{e.company_id()};
    if (!tx.value<std::string>(sql::is_removed, {company, e.user_id()})) return rt::Outcome::ignored("is back by now");
    // Whoever gives the person an appointment at this moment is done with it first.
    tx.each(sql::lock_rep, {company, e.user_id()}, [](const pg::Fields&) {});
    auto changed = tx.many<Changed>(sql::leave_appointments, {company, e.user_id()});
    for (const auto& a : changed) {
        auto id = a.id.to_string();
        rt::put_on_record(tx, company,
                          {.action = "appointment.release",
                           .target = id,
                           .changes = rt::Changes().add("assigned_rep_id", e.user_id(), std::nullopt)});
        out.emit(events::row_changed(company, "appointment", id, a.version));
    }
    return changed.empty() ? rt::Outcome::ignored("had no appointment ahead") : rt::Outcome::done();
}

}  // namespace otto::appointment_service
