// Appointments ahead of somebody who was removed are nobody's.
#include "leavers.hpp"

#include "testing/catch.hpp"
#include "testkit/database.hpp"

using namespace otto;
using namespace otto::appointment_service;

TEST_CASE("a removed rep's appointments that are still ahead lose the rep, once", "[integration]") {
    testkit::Database db("otto_appointment_service");
    db.owner.execute(
        "INSERT INTO contact_cards (company_id, id) VALUES ('org_l', '0191e0b8-0000-7000-8000-00000000c001'); INSERT INTO leads "
        "(company_id, id, contact_card_id, status) VALUES ('org_l', '0191e0b8-0000-7000-8000-00000000c002', "
        "'0191e0b8-0000-7000-8000-00000000c001', 'new')");
    auto appointment = [&](const std::string& notes, const std::string& rep, const std::string& status,
                           const std::string& start) {
        db.owner.execute(
            "INSERT INTO appointments (company_id, id, lead_id, contact_card_id, scheduled_start, scheduled_end, needs_time, "
            "status, "
            "assigned_rep_id, notes, touched_by) VALUES ('org_l', gen_random_uuid(), '0191e0b8-0000-7000-8000-00000000c002', "
            "'0191e0b8-0000-7000-8000-00000000c001', " +
            start + ", " + start + " + interval '1 hour', " + (start == "NULL::timestamptz" ? "true" : "false") + ", '" + status +
            "', '" + rep + "', '" + notes + "', 'user_m')");
    };
    appointment("ahead", "user_r", "confirmed", "now() + interval '1 day'");
    appointment("cancelled", "user_r", "cancelled", "now() + interval '1 day'");
    appointment("of another", "user_o", "scheduled", "now() + interval '1 day'");
    appointment("over", "user_r", "scheduled", "now() - interval '1 day'");
    appointment("without a time", "user_r", "scheduled", "NULL::timestamptz");
    db.owner.execute(
        "INSERT INTO company_users (company_id, id, role, status) VALUES ('org_l', 'user_r', 'sales_rep', 'active')");
    auto told = [&](const std::string& status) {
        members::v1::Member m;
        m.set_company_id("org_l");
        m.set_user_id("user_r");
        m.set_status(status == "removed" ? members::v1::STATUS_REMOVED : members::v1::STATUS_ACTIVE);
        rt::Envelope meta;
        meta.id = EventId{Uuid::v7(system_clock().now())};
        meta.company = CompanyId{"org_l"};
        auto tx = db.service.begin(pg::Scope::companies({meta.company}));
        rt::Sink sink("appointment-service/members");
        rt::Out<changes::v1::RowChanged> out(sink, &meta);
        CHECK(Leavers().give_back({m, meta}, tx, out).settled());
        tx.commit();
        return sink.size();
    };
    CHECK(told("active") == 0);
    CHECK(told("removed") == 0);  // he is back by now
    db.owner.execute("UPDATE company_users SET status = 'removed'");
    CHECK(told("removed") == 2);
    CHECK(
        db.lines(
            "SELECT concat_ws(' ', notes, coalesce(assigned_rep_id, 'nobody'), touched_by) AS v FROM appointments ORDER BY 1") ==
        "ahead nobody user_m\ncancelled user_r user_m\nof another user_o user_m\nover user_r user_m\nwithout a time nobody "
        "user_m\n");
    CHECK(told("removed") == 0);
    CHECK(db.lines("SELECT action || ' ' || actor || ' ' || (before ->> 'assigned_rep_id') AS v FROM audit_log ORDER BY id") ==
          "appointment.release system user_r\nappointment.release system user_r\n");
}
