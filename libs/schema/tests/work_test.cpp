// What waited in a table of its own before there was one queue of work.
#include <algorithm>

#include "pg/migrate.hpp"
#include "schema/schema.hpp"
#include "testing/catch.hpp"
#include "testkit/postgres.hpp"

using namespace otto;

TEST_CASE("what waited in a service's own table waits in the queue, and what SQL writes of tasks goes there", "[integration]") {
    auto all = schema::all();
    pg::Connection db(testkit::TestPostgres::shared().fresh_database(), "test");
    auto first = std::find_if(all.begin(), all.end(), [](const auto& m) { return m.version >= "20261129220000"; });
    REQUIRE(pg::migrate(db, {all.begin(), first}).ok());
    db.execute(
        "INSERT INTO orchestrator_work (company_id, call_id, due_at, leased_until, lease) VALUES ('org_a', 7, '2026-01-01Z', "
        "now(), gen_random_uuid())");
    db.execute(
        "INSERT INTO due_work VALUES ('org_a', 'missed_call', '8', '2026-01-02Z'), ('org_b', 'task', "
        "'01890000-0000-7000-8000-000000000001', '2026-01-03Z')");
    db.execute(
        "INSERT INTO company_checks (company_id, what, due_at, asked_at) VALUES ('org_a', 'members', '2026-01-03Z', "
        "'2026-01-01Z'), ('org_a', 'callrail_numbers', '2026-01-03Z', NULL)");
    for (std::string state : {"pending", "running", "done"})
        db.execute(
            "INSERT INTO intents (consumer, intent_key, event_id, company_id, type, value, headers, state) VALUES "
            "('company-service', '" +
            state + "', gen_random_uuid(), 'org_" + state + "', 'otto.changes.v1.CallRailConnected', '', '[]', '" + state + "')");
    auto done = pg::migrate(db, all);
    INFO((done.ok() ? std::string() : done.error().describe()));
    REQUIRE(done.ok());
    auto lines = [&](const std::string& text) {
        static int n = 0;
        auto name = "q" + std::to_string(++n), out = std::string();
        auto tx = db.begin(pg::Scope::none());
        tx.each({name, text}, {}, [&](const pg::Fields& f) { out += f.text("v") + "\n"; });
        return out;
    };
    CHECK(lines("SELECT concat_ws(' ', queue, company_id, key, CASE WHEN queue LIKE 'company%' THEN due_at <= now() ELSE due_at "
                "< '2026-01-04Z' END, lease) AS v FROM work ORDER BY 1") ==
          "company-service/callrail-numbers org_a  t\ncompany-service/members org_a  t\ncompany-service/signing-keys org_pending "
          " t\ncompany-service/signing-keys org_running  t\nlead-pipeline/missed-calls org_a 8 t\n"
          "lead-pipeline/overdue-tasks org_b 01890000-0000-7000-8000-000000000001 t\nshunya-orchestrator org_a 7 t\n");
    CHECK(lines("SELECT state AS v FROM intents") == "done\n");
    CHECK(lines("SELECT company_id || ' ' || asked_at::date AS v FROM members_asked") == "org_a 2026-01-01\n");

    db.execute(
        "INSERT INTO tasks (company_id, id, description, unique_key, due_at, status) VALUES ('org_t', "
        "'01890000-0000-7000-8000-000000000002', 'x', 'k', '2026-02-01Z', 'open')");
    auto task = [&] {
        return lines(
            "SELECT key || ' ' || (due_at AT TIME ZONE 'UTC')::date || ' ' || wanted AS v FROM work WHERE company_id = 'org_t'");
    };
    CHECK(task() == "01890000-0000-7000-8000-000000000002 2026-02-01 0\n");
    db.execute("UPDATE tasks SET due_at = '2026-03-01Z' WHERE company_id = 'org_t'");
    CHECK(task() == "01890000-0000-7000-8000-000000000002 2026-03-01 1\n");
    db.execute("UPDATE tasks SET status = 'completed' WHERE company_id = 'org_t'");
    CHECK(task() == "");
}
