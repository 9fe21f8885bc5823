#include "handlers/doubts.hpp"

#include "events/changes.hpp"
#include "lead-pipeline/sql.hpp"
#include "rows/task_row.hpp"
#include "rules/task.hpp"

namespace otto::lead_pipeline {

rt::Outcome Doubts::look_into(rt::In<analysis::v1::AppointmentDoubted> in, pg::Tx& tx,
                              rt::Out<changes::v1::RowChanged>& out) const {
    static const Uuid space = *Uuid::parse("6f74746f-7461-5373-a473-000000000002");
    const auto& e = in.event;
    auto appointment = Uuid::parse(e.appointment_id());
    if (!appointment) return rt::Outcome::reject("appointment_id is no id");
    auto key = unique_key("otto", std::to_string(e.call_id()), "check_appointment", e.appointment_id());
    auto stands = e.planned().empty() ? std::string("it has no time") : "it stands for " + e.planned();
    auto task = tx.maybe<ChangedTask>(
        sql::ask_about_appointment,
        {e.company_id(), e.call_id(), Uuid::v5(space, e.company_id() + "\n" + key), *appointment, key,
         "Check the appointment: " + stands + ", a call booked " + e.heard(), e.said(),
         e.has_owner_id() ? pg::Param(e.owner_id()) : pg::Param(nullptr), from_micros(e.received_at_us()), e.version()});
    if (!task) return rt::Outcome::ignored("the call is not on record, or the task is there and somebody has it");
    out.emit(events::row_changed(CompanyId{e.company_id()}, "task", task->id.to_string(), task->version));
    return rt::Outcome::done();
}

}  // namespace otto::lead_pipeline
