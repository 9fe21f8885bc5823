// What a removed person had to work on returns, once, whatever comes again.
#include "handlers/leavers.hpp"

#include "steps.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;

namespace {

/// How many rows dashboards are told of.
std::size_t told(const std::string& company, const std::string& user, const std::string& status) {
    members::v1::Member m;
    m.set_company_id(company);
    m.set_user_id(user);
    m.set_status(status == "removed" ? members::v1::STATUS_REMOVED : members::v1::STATUS_ACTIVE);
    rt::Envelope meta;
    meta.id = EventId{Uuid::v7(system_clock().now())};
    meta.company = CompanyId{company};
    auto tx = Db::shared().service.begin(pg::Scope::companies({meta.company}));
    rt::Sink sink("lead-pipeline/members");
    rt::Out<changes::v1::RowChanged> out(sink, &meta);
    CHECK(Leavers().give_back({m, meta}, tx, out).settled());
    tx.commit();
    return sink.size();
}

std::string rows(const std::string& company) {
    return lines(
        "SELECT concat_ws(' ', 'lead', status, pool_status, coalesce(assigned_rep_id, 'nobody')) AS v FROM leads WHERE "
        "company_id "
        "= $1 UNION ALL SELECT concat_ws(' ', 'task', description, assigned_to, status, coalesce(assignee_id, 'nobody')) FROM "
        "tasks WHERE company_id = $1 ORDER BY 1",
        company);
}

}  // namespace

TEST_CASE("a removed rep's open leads return to the pool, and open tasks to their role", "[integration]") {
    const std::string company = "org_leavers";
    auto open = call(company, "L1", 0, "+12025550101"), closed = call(company, "L2", 1, "+12025550102"),
         others = call(company, "L3", 2, "+12025550103");
    as_owner("INSERT INTO company_users (company_id, id, role, status) VALUES ('org_leavers', 'user_r', 'sales_rep', 'active')");
    as_owner(
        "UPDATE leads SET assigned_rep_id = 'user_r', pool_status = 'assigned' WHERE company_id = 'org_leavers' AND id IN ('" +
        open.lead + "', '" + closed.lead + "'); UPDATE leads SET status = 'closed_won' WHERE id = '" + closed.lead +
        "'; UPDATE leads SET assigned_rep_id = 'user_o', pool_status = 'assigned' WHERE id = '" + others.lead + "'");
    for (auto [name, status, whose] : {std::tuple{"ring", "open", "user_r"},
                                       {"late", "overdue", "user_r"},
                                       {"done", "completed", "user_r"},
                                       {"other", "open", "user_o"}})
        as_owner(
            "INSERT INTO tasks (company_id, id, description, assigned_to, assignee_id, source, action_type, status, "
            "contact_card_id, "
            "lead_id, unique_key) VALUES ('org_leavers', gen_random_uuid(), '" +
            std::string(name) + "', 'rep', '" + whose + "', 'manual', 'other', '" + status + "', '" + open.contact + "', '" +
            open.lead + "', '" + name + "')");
    auto before = rows(company);
    CHECK(told(company, "user_r", "active") == 0);
    CHECK(told(company, "user_r", "removed") == 0);  // the event is older than what is on record: he is back
    CHECK(rows(company) == before);
    as_owner("UPDATE company_users SET status = 'removed' WHERE company_id = 'org_leavers'");
    CHECK(told(company, "user_r", "removed") == 3);
    CHECK(rows(company) ==
          "lead closed_won assigned user_r\nlead new assigned user_o\nlead new in_pool nobody\ntask done rep completed "
          "user_r\ntask late rep overdue nobody\ntask other rep open user_o\ntask ring rep open nobody\n");
    CHECK(told(company, "user_r", "removed") == 0);
    CHECK(lines("SELECT action || ' ' || actor || ' ' || (before ->> 'assigned_rep_id' IS NOT NULL) AS v FROM audit_log WHERE "
                "company_id = $1 ORDER BY action, id",
                company) == "lead.release system true\ntask.release system false\ntask.release system false\n");
}
