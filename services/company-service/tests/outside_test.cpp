#include "checks.hpp"

#include <utility>

#include "base/wall_clock.hpp"
#include "directory.hpp"
#include "rig.hpp"
#include "signing_key.hpp"

using namespace otto;
using namespace otto::company_service;

namespace {

Rig& rig() { return Rig::shared(); }
Peer& peer() { return Rig::shared().peer; }

Answer set_key(const std::string& company, const std::string& key) {
    return rig().ask(
        company, [](auto& c) { return rig().commands.set_api_key(c); }, R"({"api_key":")" + key + "\"}", company);
}
Answer set_account(const std::string& company, const std::string& account) {
    return rig().ask(
        company, [](auto& c) { return rig().commands.set_account_id(c); }, R"({"account_id":")" + account + "\"}", company);
}
Answer connect(const std::string& company, const std::string& account, const std::string& more = "") {
    return rig().ask(
        company, [](auto& c) { return rig().commands.connect_callrail(c); },
        R"({"api_key":"a key","account_id":")" + account + "\"" + more + "}");
}
Answer create(const std::string& user, const std::string& body) {
    return rig().ask(
        "", [](auto& c) { return rig().creations.create(c); }, body, "", user);
}
std::string problem_of(const std::string& company) {
    return rig().value(
        "SELECT coalesce(callrail_problem || ' ' || callrail_problem_cure, 'none') AS v FROM companies WHERE id = $1", {company});
}
void check(const std::string& company) { CHECK(rig().callrail.check(rig().pool(), CompanyId{company}).again == ""); }
std::string due(const std::string& company, const std::string& what) {
    return rig().value(
        "SELECT (due_at <= clock_timestamp())::text AS v FROM work WHERE company_id = $1 AND queue = 'company-service/' || $2",
        {company, what});
}

}  // namespace

TEST_CASE("a key that CallRail refuses is refused, one that cannot be asked about is taken and looked at later",
          "[integration]") {
    rig().company("org_keys");
    CHECK(set_key("org_keys", "unchecked").status == 200);  // without an account there is nothing to ask
    peer().on("/v3/a/ACCREF/trackers.json", "{}", 401);
    auto refused = connect("org_keys", "ACCREF");
    CHECK(refused.status == 422);
    CHECK(refused.field == "api_key");
    peer().on("/v3/a/ACCNONE/trackers.json", "{}", 403);
    CHECK(connect("org_keys", "ACCNONE").field == "account_id");
    CHECK(rig().value("SELECT onboarding_step AS v FROM companies WHERE id = 'org_keys'") == "company_created");
    // No such list: perhaps no such account. It is kept, and the manager is told.
    CHECK(set_account("org_keys", "ACCLOST").status == 200);
    CHECK(problem_of("org_keys").find("set-callrail-account-id") != std::string::npos);
    // The account alone does not make the key that is set better: it is kept, and the manager is told what is wrong.
    CHECK(set_account("org_keys", "ACCREF").status == 200);
    CHECK(problem_of("org_keys").find("refuses the API key") != std::string::npos);
    CHECK(problem_of("org_keys").find("set-callrail-api-key") != std::string::npos);
    CHECK(set_key("org_keys", "wrong too").field == "api_key");
    peer().on("/v3/a/ACCREF/trackers.json", "{}", 503);
    CHECK(set_key("org_keys", "good perhaps").status == 200);
    CHECK(due("org_keys", "callrail-numbers") == "true");
    peer().account("ACCREF", {});
    check("org_keys");
    CHECK(problem_of("org_keys") == "none");
    CHECK(rig().value("SELECT onboarding_step AS v FROM companies WHERE id = 'org_keys'") == "document_ingestion");
    peer().on("/v3/a/ACCREF/trackers.json", "{}", 401);
    check("org_keys");  // revoked at CallRail meanwhile
    CHECK(problem_of("org_keys").find("refuses the API key") != std::string::npos);
    CHECK(rig().value("SELECT dirty::text AS v FROM directory_state WHERE company_id = 'org_keys'") == "true");
    {
        auto db = rig().connection();
        auto tx = db.begin(pg::Scope::company(CompanyId{"org_keys"}));
        auto told = profile_of(tx, CompanyId{"org_keys"});
        REQUIRE(told.accounts_size() == 1);
        CHECK(told.accounts(0).provider() == "callrail");
        CHECK(told.accounts(0).problem().find("refuses the API key") != std::string::npos);
        CHECK(told.accounts(0).problem_cure().find("set-callrail-api-key") != std::string::npos);
    }
    for (auto id : {"..", ".", "a/b", "a?b", "a b", ""}) CHECK(set_account("org_keys", id).field == "account_id");
    CHECK_THROWS_AS(rig().sql("UPDATE companies SET callrail_account_id = '..' WHERE id = 'org_keys'"), pg::SqlFailure);
}

TEST_CASE("what the list of the account shows is final, and what it shows no more is so no longer", "[integration]") {
    rig().company("org_list");
    auto shown = Rig::fresh_number(), other = Rig::fresh_number();
    REQUIRE(rig().add("org_list", shown).status == 201);
    REQUIRE(rig().add("org_list", other).status == 201);
    peer().account("ACCLIST", {shown});
    REQUIRE(connect("org_list", "ACCLIST").status == 200);
    CHECK(rig().standing("org_list", shown) == "final");
    CHECK(rig().standing("org_list", other) == "unproven");
    peer().account("ACCLIST", {other});
    check("org_list");
    CHECK(rig().standing("org_list", shown) == "proven");
    CHECK(rig().standing("org_list", other) == "final");
    peer().on("/v3/a/ACCLIST/trackers.json", "{}", 500);
    CHECK(rig().callrail.check(rig().pool(), CompanyId{"org_list"}).again != "");
    CHECK(rig().standing("org_list", other) == "final");
}

TEST_CASE("the signing key is looked up at CallRail until it is there, and given up where the account refuses", "[integration]") {
    rig().company("org_lookup");
    peer().account("ACCLOOK", {});
    REQUIRE(connect("org_lookup", "ACCLOOK").status == 200);
    SigningKeyReader reader(rig().settings(), rig().callrail_client());
    rt::WorkQueue queue(rt::work_of<&SigningKeyReader::next>(std::string(kSigningKeys), reader), 2);
    changes::v1::CallRailConnected event;
    event.set_company_id("org_lookup");
    auto want = [&] {
        rt::Envelope meta;
        rt::Sink sink("company-service");
        rt::Out<> out(sink);
        auto tx = rig().pool().begin(pg::Scope::company(CompanyId{"org_lookup"}));
        CHECK(reader.want({event, meta}, tx, out).settled());
        tx.commit();
    };
    auto work = [] {
        return rig().value(
            "SELECT coalesce(string_agg(concat_ws(' ', attempt, error, CASE WHEN given_up_at IS NULL THEN '' ELSE 'given up' "
            "END), ','), 'none') AS v FROM work WHERE queue = 'company-service/signing-keys'");
    };
    auto key = [] {
        return rig().value("SELECT coalesce(callrail_signing_key_last4, 'none') AS v FROM companies WHERE id = 'org_lookup'");
    };
    const std::string path = "/v3/a/ACCLOOK/integrations.json";
    rig().sql("DELETE FROM work");
    want();
    want();
    peer().on(path, "{}", 503);
    CHECK(queue.run_one(rig().pool()));
    CHECK(work() == "1 CallRail answered 503 ");
    CHECK_FALSE(queue.run_one(rig().pool()));  // it waits
    peer().on(path, R"({"integrations":[{"type":"Webhooks","signing_key":"the key 1234"}]})");
    rig().sql("UPDATE work SET due_at = now()");
    CHECK(queue.run_one(rig().pool()));
    CHECK(work() == "none");
    CHECK(key() == "1234");
    peer().on(path, "{}", 401);
    want();
    CHECK(queue.run_one(rig().pool()));
    CHECK(work() == "1 CallRail answered 401: check the API key and the account id, and set them again given up");
    peer().on(path, R"({"integrations":[]})");  // none yet: it is no fault
    want();
    CHECK(queue.run_one(rig().pool()));
    CHECK(work() == "none");
    CHECK(key() == "1234");
}

TEST_CASE("a number that another's key has proven is had at once by whose account lists it", "[integration]") {
    rig().company("org_was");
    rig().company("org_is");
    auto n = Rig::fresh_number();
    REQUIRE(rig().add("org_was", n).status == 201);
    rig().prove("org_was", n);
    peer().account("ACCIS", {});
    REQUIRE(connect("org_is", "ACCIS").status == 200);
    CHECK(rig().add("org_is", n).status == 409);
    peer().account("ACCIS", {n});  // CallRail gave it the number a moment ago
    CHECK(rig().update("org_is", R"({"phone_number":")" + n + "\"}").status == 200);
    CHECK(rig().standing("org_is", n) == "final");
    CHECK(rig().standing("org_was", n) == "proven past");
}

TEST_CASE("one id at CallRail takes sixteen claims on their word alone", "[integration]") {
    for (int i = 0; i < 16; ++i) {
        auto id = "org_claims" + std::to_string(i);
        rig().company(id);
        REQUIRE(set_account(id, "ACCMANY").status == 200);
    }
    rig().company("org_claims_more");
    auto refused = set_account("org_claims_more", "ACCMANY");
    CHECK(refused.status == 409);
    CHECK(refused.field == "account_id");
    CHECK(rig().update("org_claims_more", R"({"callrail_company_id":"ACCMANY"})").field == "callrail_company_id");
    CHECK(set_account("org_claims0", "ACCMANY").status == 200);  // its own again
    peer().account("ACCMANY", {});
    CHECK(connect("org_claims_more", "ACCMANY").status == 200);
}

TEST_CASE("what can be known to fail makes no organisation, and a user makes few companies in an hour", "[integration]") {
    rig().company("org_holder");
    auto taken = Rig::fresh_number();
    REQUIRE(rig().add("org_holder", taken).status == 201);
    peer().on("/v1/organizations", R"({"id":"org_made"})");
    CHECK(create("user_many", R"({"name":"X","timezone":"Nowhere/Bad"})").field == "timezone");
    CHECK(create("user_many", R"({"name":"X","timezone":"Foo5"})").field == "timezone");
    CHECK(create("user_many", R"({"name":"X","phone_number":")" + taken + "\"}").status == 409);
    CHECK(create("user_many", R"({"name":"X","nmae":"Y"})").field == "nmae");
    CHECK(peer().asked("POST /v1/organizations") == 0);
    CHECK(create("user_many", R"({"name":"X"})").status == 200);
    for (int i = 0; i < 19; ++i)
        CHECK(create("user_many", R"({"name":"X"})").status == 409);  // Clerk gives the same id each time
    auto too_many = create("user_many", R"({"name":"X"})");
    CHECK(too_many.status == 429);
    CHECK(peer().asked("POST /v1/organizations") == 20);
    CHECK(create("user_other", R"({"name":"X"})").status == 409);
}

TEST_CASE("an organisation whose company was not committed is what the user's next try takes", "[integration]") {
    peer().on("/v1/organizations", R"({"id":"org_left"})");
    peer().on("/v1/organizations/org_left", R"({"id":"org_left"})");
    auto made = peer().asked("POST /v1/organizations");
    auto create_as = [&](const std::string& user, const std::string& name) {
        http::Request request;
        request.body = R"({"name":")" + name + "\"}";
        request.received_at = system_clock().now();
        identity::Principal who;
        who.user = UserId{user};
        who.role = identity::Role::manager;
        pg::Pool pool(rig().service_url(), "test", 4);
        api::Context context(request, who, pool);
        try {
            auto answer = rig().creations.create(context);
            context.tx_as(CompanyId{"org_left"}).commit();
            return std::to_string(answer.status);
        } catch (const pg::SqlFailure&) {
            return std::string("not committed");
        } catch (const api::Refusal& r) {
            return std::to_string(r.problem.status);
        }
    };
    auto unused = [&] {
        return rig().value(
            "SELECT coalesce(string_agg(user_id || ' ' || organisation_id, ','), '') AS v FROM unused_organisations");
    };
    rig().sql(
        "CREATE FUNCTION refuse_late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.name = 'Late' THEN RAISE EXCEPTION "
        "'not at the commit'; END IF; RETURN NULL; END $$");
    rig().sql(
        "CREATE CONSTRAINT TRIGGER refuse_late AFTER INSERT ON companies DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE "
        "FUNCTION refuse_late()");
    CHECK(create_as("user_left", "Late") == "not committed");
    CHECK(unused() == "user_left org_left");
    CHECK(peer().asked("DELETE /v1/organizations/org_left") == 0);
    CHECK(create_as("user_left", "Late") == "not committed");
    CHECK(create_as("user_left", "In time") == "200");
    CHECK(unused() == "");
    CHECK(peer().asked("POST /v1/organizations") == made + 1);
    CHECK(peer().asked("PATCH /v1/organizations/org_left") == 2);  // it has the name that was asked for last
    CHECK(rig().value("SELECT name AS v FROM companies WHERE id = 'org_left'") == "In time");

    // One that could not be dropped waits likewise; one that is gone at Clerk is made anew.
    rig().sql(
        "CREATE FUNCTION refuse_early() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.name = 'Early' THEN RAISE EXCEPTION "
        "'at once'; END IF; RETURN NEW; END $$");
    rig().sql("CREATE TRIGGER refuse_early BEFORE INSERT ON companies FOR EACH ROW EXECUTE FUNCTION refuse_early()");
    peer().on("/v1/organizations", R"({"id":"org_dropped"})");
    peer().on("/v1/organizations/org_dropped", "{}", 500);
    CHECK(create_as("user_left", "Early") == "not committed");
    CHECK(unused() == "user_left org_dropped");
    CHECK(create_as("user_left", "Second") == "502");
    peer().on("/v1/organizations/org_dropped", "{}", 404);
    peer().on("/v1/organizations", R"({"id":"org_right"})");
    CHECK(create_as("user_left", "Second") == "200");
    CHECK(unused() == "");
    // One that has a company by now is nobody's to drop.
    auto dropped = peer().asked("DELETE /v1/organizations/org_left");
    peer().on("/v1/organizations", R"({"id":"org_left"})");
    CHECK(create_as("user_another", "Second") == "409");
    CHECK(unused() == "");
    CHECK(peer().asked("DELETE /v1/organizations/org_left") == dropped);
    rig().sql("DROP TRIGGER refuse_early ON companies");
    rig().sql("DROP TRIGGER refuse_late ON companies");
    rig().sql("DELETE FROM unused_organisations");
}

TEST_CASE("an organisation of which Clerk's answer was lost is found by its creator, and no second one is made",
          "[integration]") {
    const std::string path = "/v1/users/user_lost/organization_memberships";
    auto list = [&](const std::string& id, const std::string& by, Instant at) {
        peer().on(path, R"({"data":[{"organization":{"id":")" + id + R"(","name":"Lost","created_by":")" + by +
                            R"(","created_at":)" + std::to_string(to_micros(at) / 1'000) + "}}]}");
    };
    auto companies = [] { return rig().value("SELECT count(*)::text AS v FROM companies WHERE name = 'Lost'"); };
    auto unused = [] {
        return rig().value(
            "SELECT coalesce(string_agg(organisation_id, ','), '') AS v FROM unused_organisations WHERE user_id = "
            "'user_lost'");
    };
    const auto now = system_clock().now();
    peer().on("/v1/organizations", "{}", 500);
    auto made = peer().asked("POST /v1/organizations");
    list("org_before", "user_lost", now - std::chrono::hours(1));  // of before
    CHECK(create("user_lost", R"({"name":"Lost"})").status == 502);
    CHECK(unused() == "?");
    list("org_of_another", "user_x", now);
    CHECK(create("user_lost", R"({"name":"Lost"})").status == 502);
    CHECK(peer().asked("POST /v1/organizations") == made + 2);  // nothing was made by the first
    // The answer is lost, and so is the look that follows: the next try finds it.
    peer().on(path, "{}", 500);
    CHECK(create("user_lost", R"({"name":"Lost"})").status == 502);
    CHECK(peer().asked("POST /v1/organizations") == made + 2);  // not before it is known
    list("org_lost_once", "user_lost", system_clock().now());
    peer().on("/v1/organizations/org_lost_once", R"({"id":"org_lost_once"})");
    CHECK(create("user_lost", R"({"name":"Lost"})").status == 200);
    CHECK(peer().asked("POST /v1/organizations") == made + 2);
    CHECK(rig().value("SELECT id AS v FROM companies WHERE name = 'Lost'") == "org_lost_once");
    CHECK(companies() == "1");
    CHECK(unused() == "");
}

TEST_CASE("a zone that is none cannot be stored, by whomever", "[integration]") {
    rig().company("org_zone");
    for (std::string zone : {"Nowhere/Bad", "Foo5", "Nowhere/Bad5", "PDT", "america/phoenix", "", "localtime", "posixrules",
                             "Factory", "posix/America/Phoenix", "EST5EDT", "GMT+7", "UTC"}) {
        INFO(zone);
        CHECK_THROWS_AS(rig().sql("UPDATE companies SET timezone = $1 WHERE id = 'org_zone'", {zone}), pg::SqlFailure);
    }
    CHECK_THROWS_AS(rig().sql("INSERT INTO companies (id, name, timezone) VALUES ('org_nozone', 'x', 'Nowhere/Bad')"),
                    pg::SqlFailure);
    CHECK(rig().update("org_zone", R"({"timezone":"Nowhere/Bad"})").field == "timezone");
    for (std::string zone : {"Europe/Zurich", "US/Arizona", "Asia/Calcutta"})
        CHECK(rig().update("org_zone", R"({"timezone":")" + zone + "\"}").status == 200);
}

TEST_CASE("a clock on a wall shows what Postgres says, in every place that a company can be", "[integration]") {
    std::size_t shown = 0;
    rig().each(
        "WITH places AS MATERIALIZED (SELECT name FROM pg_timezone_names WHERE name ~ "
        "'^(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Brazil|Canada|Chile|Europe|Indian|Mexico|Pacific|US)/') "
        "SELECT name, at, extract(dow FROM wall)::bigint AS day, "
        "(extract(hour FROM wall) * 60 + extract(minute FROM wall))::bigint AS minute "
        "FROM places, generate_series('2026-01-01'::timestamptz, '2027-12-31', '11 days 01:30') AS m (at), "
        "LATERAL (SELECT at AT TIME ZONE name AS wall) AS clock",
        [&](const pg::Fields& f) {
            ++shown;
            const auto at = f.time("at").value();
            const auto wall = wall_clock(f.text("name"), at);
            const bool same = wall && wall->day.c_encoding() == f.integer("day") && wall->minute == f.integer("minute");
            if (!same) FAIL_CHECK(f.text("name") << " " << to_rfc3339(at));
        });
    CHECK(shown > 10'000);
}

TEST_CASE("a change says and records what it changed, and clears what may be empty", "[integration]") {
    rig().company("org_change");
    auto n = Rig::fresh_number();
    auto audits = [] {
        return rig().value(
            "SELECT count(*)::text || ' ' || coalesce((array_agg(detail::text ORDER BY id DESC))[1], '') AS v FROM audit_log "
            "WHERE company_id = 'org_change'");
    };
    auto full =
        R"({"phone_number":")" + n +
        R"(","address":"1 Main St","callrail_company_id":"COM7","service_area":{"states":["AZ"]},"call_flow":{"consent_notice":"x"},"workflow_config":{"a":1}})";
    CHECK(rig().update("org_change", full).status == 200);
    CHECK(audits() ==
          R"(1 {"fields": ["phone_number", "address", "callrail_company_id", "service_area", "call_flow", "workflow_config"]})");
    auto again = rig().update("org_change", full);
    CHECK(again.body.find(R"("changed":[])") != std::string::npos);
    CHECK(audits()[0] == '1');
    CHECK(
        rig()
            .update(
                "org_change",
                R"({"phone_number":null,"primary_tracking_number":"","address":"","callrail_company_id":null,"service_area":null,"call_flow":null,"workflow_config":null})")
            .status == 200);
    CHECK(audits() ==
          R"(2 {"fields": ["phone_number", "address", "callrail_company_id", "service_area", "call_flow", "workflow_config"]})");
    CHECK(rig().value("SELECT concat(phone_number, address, callrail_company_id, service_area, call_flow, workflow_config) AS v "
                      "FROM companies WHERE id = 'org_change'") == "");
    CHECK(rig().standing("org_change", n) == "unproven past");
    for (auto field : {"name", "timezone"})
        for (auto empty : {"null", "\"\""})
            CHECK(rig().update("org_change", std::string("{\"") + field + "\":" + empty + "}").field == field);
    CHECK(rig().update("org_change", R"({"adress":"2 Main St"})").field == "adress");
    CHECK(rig().update("org_change", R"({"callrail_account_id":"ACC1"})").field == "callrail_account_id");
}

TEST_CASE("a call flow that would record in secret, call itself or say too much is not taken, by the place in it",
          "[integration]") {
    rig().company("org_flow");
    rig().company("org_flow_other");
    const auto own = Rig::fresh_number(), silent = Rig::fresh_number(), tracked = Rig::fresh_number(),
               ended = Rig::fresh_number(), others = Rig::fresh_number();
    auto number = [](const char* company, const std::string& e164, const char* provider, const char* purposes, bool active) {
        rig().sql(
            "INSERT INTO company_numbers (company_id, e164, provider, purposes, is_active, valid_from) "
            "VALUES ($1, $2, $3, $4::text[], $5, now() - interval '1 hour')",
            {company, e164, provider, purposes, active});
    };
    number("org_flow", own, "twilio", "{voice,text}", true);
    number("org_flow", silent, "twilio", "{text}", true);
    number("org_flow", tracked, "callrail", "{voice}", true);
    number("org_flow", ended, "twilio", "{voice}", false);
    number("org_flow_other", others, "twilio", "{voice}", true);
    auto put = [](const std::string& flow) { return rig().update("org_flow", R"({"call_flow":)" + flow + "}"); };
    auto dial = [](const std::string& e164) { return R"({"open":[{"say":"x"},{"dial":[")" + e164 + R"("]}]})"; };
    for (const auto& good :
         {dial(silent), dial(tracked), dial(ended), dial(others), std::string(R"({"record":true,"consent_notice":"Recorded."})"),
          std::string(R"({"open":[]})"), std::string("null")}) {
        INFO(good);
        CHECK(put(good).status == 200);
    }
    CHECK(put(dial(own)).field == "call_flow.open[1].dial[0]");
    CHECK(put(R"({"record":true})").field == "call_flow.record");
    CHECK(put(R"({"record":true})").status == 422);
    CHECK(put(R"({"record":"yes","consent_notice":"x"})").field == "call_flow");
    CHECK(put(R"({"closed":[{"say":")" + std::string(64'000, '&') + R"("}]})").field == "call_flow.closed");
}

TEST_CASE("of workflow_config what Otto reads is checked by its name, and the rest is the company's own", "[integration]") {
    rig().company("org_config");
    auto put = [](const std::string& config) { return rig().update("org_config", R"({"workflow_config":)" + config + "}"); };
    for (std::string good :
         {R"({"text_rate_per_second":0.1})", R"({"text_rate_per_second":100})", R"({"text_rate_per_second":1.5})",
          R"({"quiet_hours":["21:00","08:00"]})", R"({"quiet_hours":["00:00","23:59"],"appointment_minutes":90})",
          R"({"clocks":{"a":[1]}})", "{}", "null"}) {
        INFO(good);
        CHECK(put(good).status == 200);
    }
    for (std::string bad : {"0", "0.09", "100.1", "-1", "\"1\"", "null", "true", "[]", "1e9"}) {
        INFO(bad);
        auto refused = put(R"({"text_rate_per_second":)" + bad + "}");
        CHECK(refused.status == 422);
        CHECK(refused.field == "workflow_config.text_rate_per_second");
    }
    for (std::string bad :
         {R"(["21:00"])", R"(["21:00","08:00","09:00"])", R"(["9:00","08:00"])", R"(["21:00","24:00"])", R"(["21:60","08:00"])",
          R"(["21:00",8])", R"(["21:00","08:00 "])", R"(["08:00","08:00"])", R"("21:00-08:00")", R"({"from":"21:00"})", "null"}) {
        INFO(bad);
        auto refused = put(R"({"appointment_minutes":60,"quiet_hours":)" + bad + "}");
        CHECK(refused.status == 422);
        CHECK(refused.field == "workflow_config.quiet_hours");
    }
    for (std::string none : {"[]", "[1]", "\"x\"", "7"}) CHECK(put(none).field == "workflow_config");
    CHECK(rig().value("SELECT coalesce(workflow_config::text, 'none') AS v FROM companies WHERE id = 'org_config'") == "none");
}

TEST_CASE("company_users follows Clerk's memberships", "[integration]") {
    rig().company("org_people");
    rig().sql(
        "INSERT INTO company_users (company_id, id, role) VALUES ('org_people', 'user_m', 'manager'), ('org_people', "
        "'user_by_sql', 'csr')");
    auto people = [] {
        return rig().value(
            "SELECT string_agg(concat_ws(' ', id, role, status, name, email), '; ' ORDER BY id) AS v FROM company_users WHERE "
            "company_id = 'org_people'");
    };
    auto look = [] { return rig().members.check(rig().pool(), CompanyId{"org_people"}).again; };
    CHECK(due("org_people", "members") == "true");  // at once when a company is made
    CHECK(look() == "");                            // Clerk has no such organisation
    auto member = [](const char* user, const char* role, const char* name) {
        return std::string(R"({"updated_at":1700000000000,"role":"org:)") + role + R"(","public_user_data":{"user_id":")" + user +
               R"(","identifier":")" + user + R"(@example.com","first_name":")" + name + R"(","last_name":""}})";
    };
    peer().on("/v1/organizations/org_people/memberships", "{\"data\":[" + member("user_m", "admin", "Ann") + "," +
                                                              member("user_j", "janitor", "Jo") + "," +
                                                              member("user_r", "sales_rep", "Rob") + "],\"total_count\":3}");
    CHECK(look() == "");
    const std::string first =
        "user_by_sql csr active; user_j active Jo user_j@example.com; user_m manager active Ann user_m@example.com; user_r "
        "sales_rep active Rob user_r@example.com";
    CHECK(people() == first);
    // What would remove more than half of those whom Clerk told of is not believed, nor an empty list.
    for (auto list : {"{\"data\":[" + member("user_m", "admin", "Ann") + "],\"total_count\":1}",
                      std::string(R"({"data":[],"total_count":0})")}) {
        peer().on("/v1/organizations/org_people/memberships", list);
        CHECK(look() == "");
        CHECK(people() == first);
    }
    // What is no newer than what is known changes no role; who is not on the list is gone.
    auto newer = member("user_j", "executive", "Jo");
    newer.replace(newer.find("1700000000000"), 13, "1700000000001");
    peer().on("/v1/organizations/org_people/memberships",
              "{\"data\":[" + member("user_m", "executive", "Ann") + "," + newer + "],\"total_count\":2}");
    CHECK(look() == "");
    CHECK(people() ==
          "user_by_sql csr active; user_j executive active Jo user_j@example.com; user_m manager active Ann user_m@example.com; "
          "user_r sales_rep removed Rob user_r@example.com");
    peer().on("/v1/organizations/org_people/memberships", "{}", 500);
    CHECK(look() != "");
}

namespace {

/// Who is due of the members' queue, as a process has it done.
void run_all(const Checks& checks) {
    rt::WorkQueue queue(rt::work_of<&Checks::next>(std::string(kMemberChecks), checks), 1);
    while (queue.run_one(rig().pool())) {
    }
}

}  // namespace

TEST_CASE("a company over which a look fails holds up none that is due after it", "[integration]") {
    for (auto id : {"org_fails_1", "org_fails_2", "org_behind"}) rig().company(id);
    rig().sql(
        "UPDATE work SET due_at = now() + interval '1 day' WHERE queue = 'company-service/members' AND company_id NOT IN "
        "('org_fails_1', 'org_fails_2', 'org_behind')");
    rig().sql(
        "UPDATE work SET due_at = now() - interval '1 minute' WHERE queue = 'company-service/members' AND company_id LIKE "
        "'org_fails_%'");
    std::string seen;
    run_all(Checks(std::chrono::hours(1), [&](const CompanyId& company) -> CheckResult {
        seen += company.value() + " ";
        if (company.value() == "org_fails_1") throw std::runtime_error("what nobody thought of");
        auto tx = rig().pool().begin(pg::Scope::company(company));
        if (company.value() == "org_fails_2") tx.each({"test.divide", "SELECT 1 / 0 AS n"}, {}, [](const pg::Fields&) {});
        tx.commit();
        return {};
    }));
    CHECK((seen == "org_fails_1 org_fails_2 org_behind " || seen == "org_fails_2 org_fails_1 org_behind "));
    CHECK(rig().value(
              "SELECT string_agg(company_id || ' ' || attempt || ' ' || (due_at > now()), ', ' ORDER BY company_id) AS v FROM "
              "work WHERE queue = 'company-service/members' AND company_id IN ('org_fails_1', 'org_fails_2', 'org_behind')") ==
          "org_behind 0 true, org_fails_1 1 true, org_fails_2 1 true");
}

TEST_CASE("checks run for who is due, again soon after a failure, and once more if they were asked for meanwhile",
          "[integration]") {
    rig().company("org_due");
    std::vector<std::string> seen;
    bool fail = true, ask = false;
    Checks checks(std::chrono::hours(1), [&](const CompanyId& company) -> CheckResult {
        if (company.value() == "org_due") seen.push_back(company.value());
        if (company.value() == "org_due" && std::exchange(ask, false)) rig().sql("SELECT check_company('org_due', 'members')");
        return {fail && company.value() == "org_due" ? "not now" : ""};
    });
    auto minutes = [] {
        return rig().value(
            "SELECT round(extract(epoch FROM due_at - now()) / 60)::text || ' ' || attempt AS v FROM work WHERE company_id = "
            "'org_due' AND queue = 'company-service/members'");
    };
    run_all(checks);
    CHECK(seen.size() == 1);
    CHECK((minutes() == "0 1" || minutes() == "1 1"));
    run_all(checks);
    CHECK(seen.size() == 1);
    rig().sql("UPDATE work SET due_at = now() WHERE company_id = 'org_due'");
    fail = false;
    ask = true;
    run_all(checks);
    CHECK(seen.size() == 3);
    CHECK(minutes() == "60 0");
}

TEST_CASE("a company's members are wanted before their time once a second, and the look that follows is told from those before",
          "[integration]") {
    rig().company("org_asked");
    rig().sql("UPDATE work SET due_at = now() + interval '1 day' WHERE queue = 'company-service/members'");
    auto wanted = [](const std::string& since) {
        pg::Connection db(rig().as("otto_lead_pipeline"), "asks");
        auto tx = db.begin(pg::Scope::company(CompanyId{"org_asked"}));
        bool pending = false;
        tx.each({"test.wanted", "SELECT members_wanted($1::timestamptz) AS v"}, {since},
                [&](const pg::Fields& f) { pending = f.boolean("v"); });
        tx.commit();
        return pending;
    };
    auto since = rig().value("SELECT clock_timestamp() AS v");
    CHECK(wanted(since));
    CHECK(due("org_asked", "members") == "true");
    CHECK(wanted(since));  // it is still to come
    run_all(Checks(std::chrono::hours(1), [](const CompanyId&) { return CheckResult{}; }));
    CHECK_FALSE(wanted(since));
    CHECK(rig().value("SELECT wanted AS v FROM work WHERE queue = 'company-service/members' AND company_id = 'org_asked'") ==
          "1");
}
