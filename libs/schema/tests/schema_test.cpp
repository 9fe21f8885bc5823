#include <map>
#include <random>
#include <set>

#include "base/unicode.hpp"
#include "pg/connection.hpp"
#include "schema/schema.hpp"
#include "testing/catch.hpp"
#include "testkit/postgres.hpp"

using namespace otto;

namespace {

struct Text {
    std::string value;
    static Text from(const pg::Fields& f) { return {f.text("v")}; }
};
struct Number {
    std::int64_t value;
    static Number from(const pg::Fields& f) { return {f.integer("v")}; }
};

Secret migrated() {
    static Secret url = [] {
        auto fresh = testkit::TestPostgres::shared().migrated_database();
        pg::Connection owner(fresh, "test");
        auto again = pg::migrate(owner, schema::all());
        REQUIRE((again.ok() && *again == 0));
        return fresh;
    }();
    return url;
}

pg::Connection as(const std::string& role) { return {testkit::TestPostgres::as_role(migrated(), role), "test"}; }

std::int64_t count(pg::Tx& tx, const char* text) { return tx.one<Number>({text, text}).value; }

}  // namespace

TEST_CASE("SQL's otto_fold() and base's fold() agree, over all characters and in texts", "[integration]") {
    auto utf8 = [](unsigned c) {
        std::string out;
        auto tail = [&](int shift) { out += static_cast<char>(0x80 | ((c >> shift) & 0x3f)); };
        if (c < 0x80) return std::string(1, static_cast<char>(c));
        if (c < 0x800)
            out += static_cast<char>(0xc0 | (c >> 6));
        else if (c < 0x10000)
            out += static_cast<char>(0xe0 | (c >> 12)), tail(6);
        else
            out += static_cast<char>(0xf0 | (c >> 18)), tail(12), tail(6);
        tail(0);
        return out;
    };
    std::vector<std::string> texts{"José O’Brien",      "Jose\u0301",         "Straße ΓΙΏΡΓΟΣ Γιώργος",
                                   "İstanbul",          "Nguyễn Văn Thuận",   "ＭＡＲＩＡ　ＬＯＰＥＺ",
                                   "\u202aMaria\u202c", "한국 e\u0323\u0301", "👩‍👩‍👧 → ½"};
    for (unsigned c = 1; c < 0x10000; ++c)
        if (c < 0xd800 || c > 0xdfff) texts.push_back(utf8(c));
    for (unsigned c : {0x10400u, 0x1d400u, 0x1d7d8u, 0x1f130u, 0x1f600u, 0x20000u}) texts.push_back(utf8(c));
    std::mt19937 dice(11);
    const unsigned blocks[][2] = {{0x20, 0x7e},     {0xa0, 0x24f},    {0x300, 0x362},  {0x370, 0x52f},
                                  {0x1e00, 0x1fff}, {0x2000, 0x206f}, {0xff00, 0xffef}};
    for (int n = 0; n < 5'000; ++n) {
        std::string text;
        for (unsigned i = dice() % 12; i > 0; --i) {
            auto [from, to] = blocks[dice() % std::size(blocks)];
            text += utf8(from + dice() % (to - from + 1));
        }
        texts.push_back(text);
    }
    pg::Connection db(migrated(), "test");
    auto tx = db.begin(pg::Scope::none());
    std::size_t at = 0, wrong = 0;
    tx.each({"fold", "SELECT otto_fold(t) AS v FROM unnest($1::text[]) WITH ORDINALITY AS u (t, n) ORDER BY n"},
            {pg::Param::array(texts)}, [&](const pg::Fields& f) {
                const auto& text = texts[at++];
                if (f.text("v") == fold(text)) return;
                if (++wrong <= 20) FAIL_CHECK("'" << text << "': SQL '" << f.text("v") << "', C++ '" << fold(text) << "'");
            });
    CHECK(at == texts.size());
    CHECK(wrong == 0);
}

TEST_CASE("every table is walled by company, or a listed exception", "[integration]") {
    // Nobody's data, or everybody's work; the reason stands beside each. Whoever adds a table gives it a wall, or gives a reason
    // here.
    const std::map<std::string, std::string> without{
        {"schema_migrations", "what was migrated"},
        {"background_steps", "how far large changes are"},
        {"unused_organisations", "what was made at the identity provider for companies that are not there yet"},
        {"finished_companies", "what a user asked for and was not told of yet, whichever company it is"},
        {"company_creations", "how many companies a user has made in the last hour, whichever they are"},
        {"directory_state", "versions of what is published of a company; its owner alone reads it"},
        {"members_untold", "companies of which otto.members is behind"},
        {"clerk_events", "ids of webhooks that were taken"},
        {"clerk_tombstones", "ids of organisations and invitations that are over"},
        {"number_releases", "when a number became free, without whose it was; its owner alone reads it"},
        {"held_events", "whose they are is not known"},
        {"provider_calls", "a provider's call and its id, before it is known whose it is"},
        {"renumbering", "a queue by time over all companies: ids and nothing else"},
    };
    // The runtime's: a service reaches the rows of its own consumers, of all companies at once, because a partition holds them
    // all.
    const std::set<std::string> by_service{"budgets", "dead_letters", "inbox", "intents", "lanes", "outbox", "parked", "work"};
    // Behind a wall without a door: only roles that see all rows reach them.
    const std::set<std::string> closed{"operator_actions", "clerk_users"};

    // otto_numbers cannot log in: it judges whose a number is, in functions that tell nothing but that.
    pg::Connection db(migrated(), "test");
    auto tx = db.begin(pg::Scope::none());
    std::set<std::string> open, services, shut;
    tx.each({"walls", R"sql(
        SELECT c.relname, c.relrowsecurity AND c.relforcerowsecurity AS walled, count(p.*) AS policies,
               coalesce(bool_and(concat_ws(' ', p.qual, p.with_check) ~ 'otto_request_company|otto_batch_companies|otto\.company_ids'), false) AS by_company
          FROM pg_class c LEFT JOIN pg_policies p ON p.schemaname = 'public' AND p.tablename = c.relname AND p.roles <> '{otto_numbers}'
         WHERE c.relkind IN ('r', 'p', 'm', 'f') AND c.relnamespace = 'public'::regnamespace GROUP BY 1, 2)sql"},
            {}, [&](const pg::Fields& f) {
                auto name = f.text("relname");
                if (!f.boolean("walled"))
                    open.insert(name);
                else if (f.integer("policies") == 0)
                    shut.insert(name);
                else if (!f.boolean("by_company"))
                    services.insert(name);
            });
    std::set<std::string> listed;
    for (const auto& [name, reason] : without) listed.insert(name);
    CHECK(open == listed);
    CHECK(services == by_service);
    CHECK(shut == closed);
    // Whose number it is, is judged over all companies: by functions in the name of a role that nobody logs in as.
    CHECK(count(tx,
                "SELECT count(*) AS v FROM pg_roles WHERE rolname = 'otto_numbers' AND (rolcanlogin OR rolsuper OR rolbypassrls "
                "OR rolcreaterole)") == 0);
    CHECK(
        count(
            tx,
            "SELECT count(*) AS v FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid WHERE r.rolname = 'otto_numbers'") ==
        0);
    CHECK(count(tx,
                "SELECT count(*) AS v FROM pg_policies WHERE roles = '{otto_numbers}' AND tablename NOT IN ('companies', "
                "'company_numbers', 'company_users', 'clerk_users', 'listed_numbers', 'seen_numbers')") == 0);
    CHECK(count(tx,
                "SELECT count(*) AS v FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace AND NOT "
                "coalesce(proconfig[1] LIKE 'search_path=pg_catalog%', false)") == 0);
    auto blind = tx.many<Text>({"blind", R"sql(
        SELECT c.relname || ' ' || r.rolname AS v FROM pg_class c, pg_roles r
         WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND c.relrowsecurity AND r.rolname LIKE 'otto\_%' AND NOT r.rolbypassrls
           AND (has_any_column_privilege(r.oid, c.oid, 'SELECT') OR has_any_column_privilege(r.oid, c.oid, 'INSERT'))
           AND NOT EXISTS (SELECT FROM pg_policies p WHERE p.schemaname = 'public' AND p.tablename = c.relname AND p.roles && ARRAY[r.rolname, 'public'::name]))sql"});
    for (const auto& b : blind) FAIL_CHECK("granted what no policy lets it see: " << b.value);
    auto both = tx.many<Text>({"both", R"sql(
        SELECT p.tablename || ' ' || r AS v FROM pg_policies p, unnest(p.roles) r WHERE r <> 'public' GROUP BY p.tablename, r HAVING count(*) > 1)sql"});
    CHECK(both.empty());  // two policies on one role would be OR-ed
    CHECK(count(tx,
                "SELECT count(*) AS v FROM pg_views v JOIN pg_class c ON c.relname = v.viewname WHERE v.schemaname = 'public' "
                "AND NOT coalesce('security_invoker=true' = ANY (c.reloptions), false)") == 0);
}

TEST_CASE("audit_log is added to: no service changes a line or takes one back, and nobody in between", "[integration]") {
    pg::Connection db(migrated(), "test");
    auto tx = db.begin(pg::Scope::none());
    auto may = tx.many<Text>({"may", R"sql(
        SELECT r.rolname || ' ' || p AS v FROM pg_roles r, unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) p
         WHERE r.rolname LIKE 'otto\_%' AND r.rolname <> 'otto_maintenance' AND NOT r.rolsuper
           AND (has_table_privilege(r.oid, 'audit_log', p) OR (p = 'UPDATE' AND has_any_column_privilege(r.oid, 'audit_log', p))) ORDER BY 1)sql"});
    for (const auto& m : may) FAIL_CHECK("can do to audit_log what only its owner may: " << m.value);
    for (const char* role : {"otto_company_service", "otto_tenant_router", "otto_lead_pipeline", "otto_query_service",
                             "otto_shunya_orchestrator", "otto_appointment_service", "otto_workflow_service"})
        for (const char* statement : {"UPDATE audit_log SET action = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log"}) {
            INFO(role << ": " << statement);
            auto service = as(role);
            auto own = service.begin(pg::Scope::company(CompanyId{"org_a"}));
            own.write({statement, statement});
            try {
                own.commit();
                FAIL_CHECK("was let in");
            } catch (const pg::SqlFailure& e) {
                CHECK(e.sqlstate() == "42501");
            }
        }
}

TEST_CASE("what operators do to a company is on its record", "[integration]") {
    pg::Connection owner(migrated(), "test");
    auto tx = owner.begin(pg::Scope::none());
    tx.write({"acts", R"sql(
        INSERT INTO operator_actions (operator, action, target, company_id, reason, detail) VALUES
          ('ann', 'dead_letter.discard', '0191e0b8-0000-7000-8000-00000000c001', 'org_op', 'a test', '{"value": "private"}'),
          ('ann', 'held.release', '0191e0b8-0000-7000-8000-00000000c002', '', '', '{}'))sql"});
    tx.write({"made", "INSERT INTO companies (id, name) VALUES ('org_op', 'x')"});
    tx.write({"suspended", "UPDATE companies SET status = 'suspended' WHERE id = 'org_op'"});
    tx.write({"named", "UPDATE companies SET name = 'y' WHERE id = 'org_op'"});
    std::string lines;
    tx.each({"lines",
             "SELECT concat_ws(' ', actor, action, target, detail, before, after) AS v FROM audit_log WHERE company_id = "
             "'org_op' ORDER BY id"},
            {}, [&](const pg::Fields& f) { lines += f.text("v") + "\n"; });
    CHECK(lines ==
          "operator dead_letter.discard 0191e0b8-0000-7000-8000-00000000c001 {\"reason\": \"a test\"}\n"
          "operator company.suspend org_op {} {\"status\": \"active\"} {\"status\": \"suspended\"}\n");
    tx.rollback();
}

TEST_CASE("a look-up by key is one by its whole key, also of a company that statistics do not know", "[integration]") {
    auto db = as("otto_lead_pipeline");
    {
        pg::Connection owner(migrated(), "test");
        auto tx = owner.begin(pg::Scope::none());
        tx.write({"old",
                  "INSERT INTO call_aliases SELECT 'org_known' || i % 5, 'callrail', 'CAL' || i, i FROM generate_series(1, 2000) "
                  "i ON CONFLICT DO NOTHING"},
                 {});
        tx.commit();
        owner.execute("ANALYZE call_aliases");
    }
    auto tx = db.begin(pg::Scope::companies({CompanyId{"org_new"}}));
    std::string plan;
    tx.each({"plan",
             "EXPLAIN SELECT a.call_id FROM call_aliases a JOIN unnest(ARRAY['org_new', 'org_new'], ARRAY['callrail', "
             "'callrail'], ARRAY['CAL1', 'CAL2']) AS i (company_id, provider, alias) "
             "USING (company_id, provider, alias)"},
            {}, [&](const pg::Fields& f) { plan += f.text("QUERY PLAN") + "\n"; });
    INFO(plan);
    auto condition = plan.find("Index Cond:");
    REQUIRE(condition != std::string::npos);
    auto line = plan.substr(condition, plan.find('\n', condition) - condition);
    CHECK(line.find("alias = ") != std::string::npos);
    CHECK(line.find("ANY") == std::string::npos);
    CHECK(count(tx,
                "SELECT count(*) AS v FROM pg_policies WHERE qual LIKE '%otto_batch_companies%' AND qual NOT LIKE '%company_id "
                "|| %'") == 0);
}

TEST_CASE("services look up by index in tables that were empty when they were planned for, and compile nothing",
          "[integration]") {
    auto plan_of = [](pg::Connection& db, const char* statement) {
        auto tx = db.begin(pg::Scope::company(CompanyId{"org_a"}));
        std::string plan;
        tx.each({statement, statement}, {}, [&](const pg::Fields& f) { plan += f.text("QUERY PLAN") + "\n"; });
        return plan;
    };
    for (const char* role : {"otto_company_service", "otto_tenant_router", "otto_lead_pipeline", "otto_query_service",
                             "otto_shunya_orchestrator", "otto_appointment_service", "otto_workflow_service"}) {
        auto db = as(role);
        auto tx = db.begin(pg::Scope::none());
        INFO(role);
        CHECK(tx.one<Text>({"jit", "SELECT current_setting('jit') AS v"}).value ==
              "off");  // a plan that counts what is switched off looks dear enough to compile
    }
    {
        auto db = as("otto_query_service");
        auto plan = plan_of(db,
                            "EXPLAIN SELECT c.call_id FROM calls c JOIN LATERAL (SELECT status FROM leads WHERE company_id = "
                            "c.company_id AND id = c.lead_id LIMIT 1) l ON true "
                            "WHERE c.company_id = 'org_a' ORDER BY c.created_at DESC, c.call_id DESC LIMIT 101");
        INFO(plan);
        CHECK(plan.find("Seq Scan") == std::string::npos);
    }
    for (const char* role : {"otto_tenant_router", "otto_lead_pipeline", "otto_company_service"}) {
        auto db = as(role);
        auto plan = plan_of(db,
                            "EXPLAIN SELECT id FROM outbox WHERE lane_topic = 'outbox' AND (not_before IS NULL OR not_before <= "
                            "now()) ORDER BY id LIMIT 500");
        INFO(role << "\n" << plan);
        CHECK(plan.find("outbox_shards") != std::string::npos);
    }
}

TEST_CASE("a company's numbers follow its fields, and two companies cannot own one number", "[integration]") {
    auto db = as("otto_company_service");
    auto create = [&](const char* id, const char* number) {
        auto tx = db.begin(pg::Scope::company(CompanyId{std::string(id)}));
        tx.write({"create", "INSERT INTO companies (id, name, phone_number) VALUES ($1, $1, $2)"}, {id, number});
        tx.commit();
    };
    create("org_a", "(202) 831-3219");
    {
        auto tx = db.begin(pg::Scope::company(CompanyId{"org_a"}));
        CHECK(tx.one<Text>({"n", "SELECT e164 || ' ' || valid_from AS v FROM company_numbers"}).value ==
              "+12028313219 -infinity");
        CHECK(tx.one<Number>({"d", "SELECT version AS v FROM directory_state WHERE company_id = 'org_a' AND dirty"}).value >= 1);
    }
    try {
        create("org_b", "+1 202 831 3219");
        FAIL("the second claimant was let in");
    } catch (const pg::SqlFailure& e) {
        CHECK(e.constraint() == "company_numbers_claimed");  // the first claim stands as long as neither is proven
    }
    {
        auto tx = db.begin(pg::Scope::company(CompanyId{"org_a"}));
        tx.write({"move", "UPDATE companies SET phone_number = '+12025550100' WHERE id = 'org_a'"});
        tx.commit();
    }
    create("org_b", "+1 202 831 3219");  // released: the next one has it from the release on
    auto tx = db.begin(pg::Scope::company(CompanyId{"org_b"}));
    CHECK(count(tx, "SELECT count(*) AS v FROM company_numbers WHERE valid_from > '-infinity' AND valid_from <= now()") == 1);
    CHECK(count(tx, "SELECT count(*) AS v FROM company_numbers") == 1);  // org_a's are not seen
}

TEST_CASE("seed 003's INSERT into user_phone_numbers and seed 002's SELECT from offices work as written", "[integration]") {
    auto db = as("otto_maintenance");
    auto tx = db.begin(pg::Scope::none());
    tx.write({"company", "INSERT INTO companies (id, name) VALUES ('your-workspace-id', 'W')"});
    tx.write(
        {"insert",
         R"sql(INSERT INTO user_phone_numbers (workspace_id, user_id, phone_number, twilio_phone_sid, is_active, voicemail_enabled)
                              VALUES ('your-workspace-id', 'your-user-id', '+15551234567', 'PNxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx', TRUE, TRUE))sql"});
    CHECK(count(tx, "SELECT count(*) AS v FROM user_phone_numbers WHERE phone_number = '+15551234567' AND is_active = TRUE") ==
          1);
    CHECK(count(tx,
                "SELECT count(*) AS v FROM (SELECT tenant_id, workflow_config, callrail_api_key FROM offices WHERE "
                "callrail_company_id IS NULL AND tenant_id = 'your-workspace-id' AND status = 'active') o") == 1);
}

TEST_CASE("a service makes no temporary tables and no large objects, and takes no locks by number but those it needs",
          "[integration]") {
    for (const std::string role : {"otto_company_service", "otto_tenant_router", "otto_lead_pipeline", "otto_query_service",
                                   "otto_shunya_orchestrator", "otto_appointment_service", "otto_workflow_service"}) {
        for (const std::string statement :
             {"CREATE TEMP TABLE t (n int)", "SELECT lo_create(0)", "SELECT lo_from_bytea(0, 'x')", "SELECT pg_advisory_lock(1)",
              "SELECT pg_try_advisory_lock(1)", "SELECT pg_advisory_lock_shared(1, 2)", "SELECT pg_advisory_xact_lock(1)"}) {
            INFO(role << ": " << statement);
            auto db = as(role);
            bool needed = statement == "SELECT pg_try_advisory_lock(1)"
                              ? role != "otto_query_service"
                              : statement == "SELECT pg_advisory_xact_lock(1)" && role == "otto_appointment_service";
            if (needed) {
                CHECK_NOTHROW(db.execute(statement));
                continue;
            }
            try {
                db.execute(statement);
                FAIL("it may");
            } catch (const pg::SqlFailure& e) {
                CHECK(e.sqlstate() == "42501");
            }
        }
    }
    as("otto_maintenance").execute("CREATE TEMP TABLE t (n int)");
}

TEST_CASE("query-service reads, sees one company only, and never a sealed secret", "[integration]") {
    auto db = as("otto_query_service");
    {
        auto tx = db.begin(pg::Scope::company(CompanyId{"org_a"}));
        CHECK_THROWS_AS(tx.many<Text>({"secret", "SELECT callrail_api_key AS v FROM companies"}), pg::SqlFailure);
    }
    auto second = db.begin(pg::Scope::company(CompanyId{"org_a"}));
    CHECK_THROWS_AS(second.write_counted({"write", "UPDATE companies SET name = 'x'"}), pg::SqlFailure);
}

TEST_CASE("a login that a service's migration makes has what every service has, and no more", "[integration]") {
    pg::Connection owner(migrated(), "test");
    owner.execute("SELECT otto_login('otto_texts'), otto_login('otto_texts')");
    {
        auto tx = owner.begin(pg::Scope::none());
        CHECK(count(tx, "SELECT count(*) AS v FROM information_schema.role_table_grants WHERE grantee = 'otto_texts'") > 20);
        CHECK(count(tx, R"sql(
SELECT count(*) AS v FROM (SELECT table_name, privilege_type FROM information_schema.role_table_grants WHERE grantee = 'otto_texts'
                           EXCEPT SELECT table_name, privilege_type FROM information_schema.role_table_grants
                                   WHERE grantee = 'otto_tenant_router') more)sql") == 0);
    }
    as("otto_texts").execute("SELECT count(*) FROM outbox");
    for (const char* setting : {"enable_seqscan", "jit", "plan_cache_mode", "random_page_cost"}) {
        auto read = [&](const char* role) {
            auto session = as(role);
            auto tx = session.begin(pg::Scope::none());
            return tx.one<Text>({"setting", "SELECT current_setting($1) AS v"}, {setting}).value;
        };
        CHECK(read("otto_texts") == read("otto_tenant_router"));
        CHECK(read("otto_texts") != read("postgres"));
    }
    CHECK_THROWS_AS(as("otto_texts").execute("SELECT count(*) FROM calls"), pg::SqlFailure);
    CHECK_THROWS_AS(as("otto_texts").execute("SELECT otto_login('otto_texts')"), pg::SqlFailure);
    CHECK_THROWS_AS(owner.execute("SELECT otto_login('postgres')"), pg::SqlFailure);
    owner.execute("DROP OWNED BY otto_texts");
    owner.execute("DROP ROLE otto_texts");
}
