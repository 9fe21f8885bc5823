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
            "SELECT coalesce(string_agg(concat_ws(' ', company_id, actor, user_id, action, target, detail, before, after, "
            "client_address, request_id), ',' ORDER BY id), '') AS v FROM audit_log");
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
    CHECK(w.audits() == "org_a user user_m task.change " + kTask + R"( {"fields": ["description"]})");
    CHECK(w.told() == "1");
    CHECK_THROWS_AS(c.audit("task.change", kTask), std::logic_error);  // one request, one line
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
    CHECK(w.audits() == "org_a user user_m task.change " + kTask + R"( {"fields": [], "impersonated": true})");
}

TEST_CASE("a line says what was another value, from where it was asked, and of a customer's number its end", "[integration]") {
    World w;
    w.request.client_address = "203.0.113.7";
    w.request.request_id = "req-1";
    Context c(w.request, w.who, w.pool, "lead-pipeline");
    rt::Changes changes;
    changes.add("status", "open", "completed")
        .add("priority", "high", "high")
        .add("assignee_id", std::nullopt, "user_b")
        .add("phone", "(202) 555-0143", std::nullopt)
        .add("ends", 7, std::optional<std::int64_t>());
    c.audit("task.change", kTask, {"status"}, changes);
    c.tx().commit();
    CHECK(w.value("SELECT concat_ws(' ', before, after, client_address, request_id) AS v FROM audit_log") ==
          R"({"ends": 7, "phone": "…0143", "status": "open", "assignee_id": null} )"
          R"({"ends": null, "phone": null, "status": "completed", "assignee_id": "user_b"} 203.0.113.7 req-1)");
}

TEST_CASE("who acts without a request is on record as what it is", "[integration]") {
    World w;
    auto tx = w.pool.begin(pg::Scope::companies({CompanyId{"org_a"}, CompanyId{"org_b"}}));
    rt::put_on_record(tx, CompanyId{"org_b"},
                      {.actor = rt::Actor::clerk,
                       .action = "user.remove",
                       .target = "user_x",
                       .changes = rt::Changes().add("status", "active", "removed")});
    tx.commit();
    CHECK(w.audits() == R"(org_b clerk user.remove user_x {} {"status": "active"} {"status": "removed"})");
    auto other = w.pool.begin(pg::Scope::company(CompanyId{"org_a"}));
    rt::put_on_record(other, CompanyId{"org_b"}, {.action = "user.remove", .target = "user_x"});
    CHECK_THROWS_AS(other.commit(), pg::SqlFailure);  // the wall
}
