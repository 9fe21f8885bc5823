// The end of a command: one line in audit_log, one RowChanged, and the row as its GET shows it, all or nothing.
#include "api-test/sql.hpp"
#include "api/api.hpp"
#include "api/resources.hpp"
#include "base/json.hpp"
#include "testing/catch.hpp"
#include "testkit/database.hpp"

using namespace otto;
using api::Context;

namespace {

const std::string kTask = "0191e0b8-0000-7000-8000-00000000c001";
constexpr pg::Query kRaise{"test.raise",
                           "UPDATE tasks SET description = 'new', version = version + 1 WHERE company_id = 'org_a'"};

struct World : testkit::Database {
    pg::Pool pool{service_url(), "test", 2};
    http::Request request;
    identity::Principal who;

    World() : Database("otto_lead_pipeline") {
        owner.execute("INSERT INTO tasks (company_id, id, description, unique_key) VALUES ('org_a', '" + kTask +
                      "', 'old', 'k'), ('org_b', '" + kTask + "', 'theirs', 'k')");
        request.trace = tel::TraceContext::fresh();
        who.user = UserId{"user_m"};
        who.company = CompanyId{"org_a"};
        who.role = identity::Role::manager;
    }
    std::string audits() {
        return value(
            "SELECT coalesce(string_agg(company_id || ' ' || user_id || ' ' || action || ' ' || target || ' ' || detail::text, "
            "',' ORDER BY id), '') AS v FROM audit_log");
    }
    std::string told() { return value("SELECT count(*)::text AS v FROM outbox WHERE consumer = 'lead-pipeline'"); }
};

}  // namespace

TEST_CASE("what a command changed is on record, told, and answered as its GET has it; nothing of it stays if it fails",
          "[integration]") {
    World w;
    {
        Context c(w.request, w.who, w.pool, "lead-pipeline");
        c.tx().write(kRaise);
        auto answer = c.changed({"task", kTask, "task.change", {"description"}}, sql::task, resources::task_value, 201);
        CHECK(answer.status == 201);
        auto data = JsonDocument::parse(answer.body).value();
        CHECK(data.root()["data"]["description"].string() == "new");
        CHECK(data.root()["data"]["company_id"].string() == "org_a");
    }  // no commit
    CHECK(w.audits() == "");
    CHECK(w.told() == "0");
    Context c(w.request, w.who, w.pool, "lead-pipeline");
    c.tx().write(kRaise);
    auto changed = c.changed({"task", kTask, "task.change", {"description"}}, sql::task, resources::task_value);
    c.tx().commit();
    CHECK(w.audits() == "org_a user_m task.change " + kTask + R"( {"fields": ["description"]})");
    CHECK(w.told() == "1");
    // Nothing to change: the same answer, and no line.
    Context again(w.request, w.who, w.pool, "lead-pipeline");
    auto same = again.row(kTask, sql::task, resources::task_value);
    again.tx().commit();
    CHECK(JsonDocument::parse(same.body).value().root()["data"].dump() ==
          JsonDocument::parse(changed.body).value().root()["data"].dump());
    CHECK(w.told() == "1");
}

TEST_CASE("who acts as another person is on record as one who does", "[integration]") {
    World w;
    w.who.impersonated = true;
    Context c(w.request, w.who, w.pool, "lead-pipeline");
    c.audit("task.change", kTask);
    c.tx().commit();
    CHECK(w.audits() == "org_a user_m task.change " + kTask + R"( {"fields": [], "impersonated": true})");
}
