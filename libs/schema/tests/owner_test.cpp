// A database whose owner may not make roles, as managed Postgres has it; and one that was migrated by former files.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "pg/background.hpp"
#include "pg/migrate.hpp"
#include "schema/roles.hpp"
#include "schema/schema.hpp"
#include "testing/catch.hpp"
#include "testkit/postgres.hpp"

using namespace otto;
using testkit::TestPostgres;

namespace {

std::string read(const std::filesystem::path& path) {
    std::ifstream file(path);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
}

std::vector<std::string> lines(pg::Connection& db, const std::string& statement) {
    auto tx = db.begin(pg::Scope::none());
    auto out = tx.values<std::string>({statement, statement});
    tx.commit();
    return out;
}
std::string value(pg::Connection& db, const std::string& statement) { return lines(db, statement).front(); }

std::string database_of(const Secret& url) { return url.reveal().substr(url.reveal().rfind('/') + 1); }

/// An empty database of an owner that is nothing but that. Roles are the whole cluster's, so what the owner became a member of
/// goes with it.
struct Owned {
    Secret admin_url = TestPostgres::shared().fresh_database();
    Secret url = TestPostgres::as_role(admin_url, "plain_owner");
    pg::Connection admin{admin_url, "admin"}, owner{url, "owner"};
    Owned() {
        TestPostgres::shared().migrated_database();  // all roles are there
        admin.execute("CREATE ROLE plain_owner LOGIN NOSUPERUSER NOCREATEROLE NOCREATEDB NOBYPASSRLS; ALTER DATABASE " +
                      database_of(admin_url) + " OWNER TO plain_owner");
    }
    ~Owned() {
        owner.close();
        admin.execute("DROP OWNED BY plain_owner CASCADE");
        admin.execute("ALTER DATABASE " + database_of(admin_url) + " OWNER TO postgres; DROP ROLE plain_owner");
    }
};

std::string described(const schema::RolePlan& plan, bool advised) {
    std::string out;
    for (const auto& s : plan.steps)
        if ((s.need == schema::RoleStep::Need::advised) == advised) out += s.sql + "\n";
    return out;
}

/// What the migrations come to, but for who owns it and, if it is not asked for, what only a superuser can take from everybody.
std::vector<std::string> picture(pg::Connection& db, bool whole) {
    auto out = lines(db, read(OTTO_SOURCE_DIR "/libs/schema/tests/picture.sql"));
    std::erase_if(out, [&](const std::string& line) {
        return line.find("plain_owner") != std::string::npos || (!whole && line.find("pg_catalog.") != std::string::npos);
    });
    return out;
}

void check_same(const std::vector<std::string>& is, const std::vector<std::string>& should_be) {
    for (const auto& line : should_be)
        if (std::find(is.begin(), is.end(), line) == is.end()) FAIL_CHECK("lacks: " << line);
    for (const auto& line : is)
        if (std::find(should_be.begin(), should_be.end(), line) == should_be.end()) FAIL_CHECK("has besides: " << line);
}

}  // namespace

TEST_CASE("an owner without CREATEROLE migrates once an administrator has done what the plan says", "[integration]") {
    Owned o;
    auto before = schema::plan_roles(o.owner);
    CHECK(before.owner == "plain_owner");
    CHECK(described(before, false) ==
          "GRANT otto_company_service TO plain_owner\nGRANT otto_maintenance TO plain_owner\nGRANT otto_numbers TO plain_owner\n"
          "GRANT otto_search TO plain_owner\n");
    CHECK(described(before, true).find("REVOKE EXECUTE ON FUNCTION lo_create(oid) FROM PUBLIC") != std::string::npos);
    bool whole = false;
    SECTION("with what is advised") {
        whole = true;
        CHECK(schema::apply_roles(o.admin, schema::plan_roles(o.admin)).empty());
        auto after = schema::plan_roles(o.owner);
        CHECK(described(after, false) + described(after, true) == "");
    }
    SECTION("without") {
        auto plan = schema::plan_roles(o.admin);
        std::erase_if(plan.steps, [](const auto& s) { return s.need == schema::RoleStep::Need::advised; });
        schema::apply_roles(o.admin, plan);
    }
    auto done = pg::migrate(o.owner, schema::all());
    INFO((done ? "" : done.error().describe()));
    REQUIRE(done.ok());
    CHECK(*done == static_cast<int>(schema::all().size()));
    CHECK(pg::migrate(o.owner, schema::all()).value() == 0);
    auto after = schema::plan_roles(o.owner);
    CHECK(described(after, false) == "");
    pg::Connection superusers(TestPostgres::shared().migrated_database(), "test");
    check_same(picture(o.owner, whole), picture(superusers, whole));
    // All walls are up again, also for the owner.
    CHECK(value(o.owner,
                "SELECT count(*)::text AS v FROM pg_class WHERE relrowsecurity AND NOT relforcerowsecurity AND relnamespace = "
                "'public'::regnamespace") == "0");
}

TEST_CASE("an owner that sees only some rows migrates all of them, and its walls are up afterwards", "[integration]") {
    Owned o;
    schema::apply_roles(o.admin, schema::plan_roles(o.admin));
    // As far as the numbers, then rows as a service writes them, then the migrations that rewrite them.
    auto all = schema::all();
    auto phone = std::find_if(all.begin(), all.end(), [](const auto& m) { return m.version == "20261129175610"; });
    REQUIRE(pg::migrate(o.owner, {all.begin(), phone}).ok());
    o.admin.execute(
        "INSERT INTO seen_numbers (company_id, e164, provider, first_seen_at, last_seen_at) VALUES ('org_a', "
        "'+00441234567890', 'callrail', now(), now())");
    REQUIRE(pg::migrate(o.owner, all).ok());
    CHECK(lines(o.admin, "SELECT e164 AS v FROM seen_numbers") != std::vector<std::string>{"+00441234567890"});
    CHECK(value(o.owner, "SELECT relforcerowsecurity::text AS v FROM pg_class WHERE relname = 'seen_numbers'") == "true");

    // Likewise a migration that makes a table, fills it and walls it; and one that calls a function in another role's name.
    std::vector<pg::Migration> next(all.begin(), all.end());
    next.push_back({"20991231000000", "copy",
                    "CREATE TABLE seen_copy AS SELECT * FROM seen_numbers; SELECT otto_wall('seen_copy', writer => "
                    "'otto_company_service'); UPDATE seen_numbers SET provider = 'twilio'"});
    next.push_back({"20991231000001", "claim",
                    "SELECT claim_number('org_a', '+14155550100', ARRAY['voice'], NULL, now(), NULL); UPDATE "
                    "seen_numbers SET provider = 'callrail'"});
    auto done = pg::migrate(o.owner, next);
    INFO((done ? "" : done.error().describe()));
    REQUIRE(done.ok());
    CHECK(value(o.admin, "SELECT count(*)::text AS v FROM seen_copy") == "1");
    CHECK(value(o.admin, "SELECT provider AS v FROM seen_numbers") == "callrail");
    CHECK(value(o.owner,
                "SELECT count(*)::text AS v FROM pg_class WHERE relrowsecurity AND NOT relforcerowsecurity AND relnamespace = "
                "'public'::regnamespace") == "0");
}

TEST_CASE("a database that was migrated with the former files goes on with the new ones", "[integration]") {
    std::vector<std::string> texts;
    std::vector<pg::Migration> former(schema::all().begin(), schema::all().end());
    std::erase_if(former, [](const auto& m) { return m.version >= "20261130213000"; });
    for (auto& m : former) {
        auto file = std::filesystem::path(OTTO_SOURCE_DIR "/libs/schema/tests/former") /
                    (std::string(m.version) + "_" + std::string(m.name) + ".sql");
        if (std::filesystem::exists(file)) texts.push_back(read(file));
    }
    std::size_t replaced = 0;
    for (auto& m : former) {
        auto checksums = split_list(m.former, ' ');
        if (checksums.empty()) continue;
        for (const auto& text : texts)
            if (hex_encode(sha256(text)) == checksums.front()) m.sql = text, ++replaced;
    }
    CHECK(replaced == texts.size());
    CHECK(replaced == 8);
    auto url = TestPostgres::shared().fresh_database();
    pg::Connection db(url, "test");
    REQUIRE(pg::migrate(db, former).value() == static_cast<int>(former.size()));
    // What ALTER ROLE … SET has left stays; a session's own start counts for more, and says the same.
    CHECK(
        value(
            db,
            "SELECT (count(*) > 0)::text AS v FROM pg_db_role_setting JOIN pg_database d ON d.oid = setdatabase WHERE datname = "
            "current_database()") == "true");
    CHECK(pg::migrate(db, schema::all()).value() == static_cast<int>(schema::all().size() - former.size()));
    CHECK(pg::schema_state(db, schema::all()).changed.empty());
    auto is = lines(db, read(OTTO_SOURCE_DIR "/libs/schema/tests/picture.sql"));
    std::erase_if(is, [](const std::string& line) { return line.starts_with("ALTER ROLE "); });
    pg::Connection fresh(TestPostgres::shared().migrated_database(), "test");
    check_same(is, lines(fresh, read(OTTO_SOURCE_DIR "/libs/schema/tests/picture.sql")));
}

TEST_CASE("what roles lack is said as SQL and done; a role that may more than it should is cut down", "[integration]") {
    Owned o;
    // The list here is who the migrations make.
    std::vector<std::string> listed;
    for (const auto& r : schema::roles()) listed.emplace_back(r.name);
    CHECK(
        lines(o.admin, "SELECT rolname::text AS v FROM pg_roles WHERE rolname LIKE 'otto\\_%' ORDER BY rolname COLLATE \"C\"") ==
        listed);
    pg::Connection superusers(TestPostgres::shared().migrated_database(), "test");
    CHECK(schema::plan_roles(superusers).steps.empty());

    REQUIRE_FALSE(schema::may_migrate(o.owner));
    struct Restore {
        pg::Connection& admin;
        ~Restore() {
            admin.execute(
                "ALTER ROLE otto_workflow_service LOGIN NOCREATEDB NOBYPASSRLS VALID UNTIL 'infinity'; REVOKE "
                "pg_read_all_data FROM otto_workflow_service; DROP ROLE IF EXISTS otto_gone");
        }
    } restore{o.admin};
    o.admin.execute(
        "ALTER ROLE otto_workflow_service NOLOGIN CREATEDB BYPASSRLS VALID UNTIL '2020-01-01'; GRANT pg_read_all_data TO "
        "otto_workflow_service; REVOKE CONNECT ON DATABASE " +
        database_of(o.admin_url) + " FROM PUBLIC");
    auto plan = schema::plan_roles(o.admin);
    auto sql = described(plan, false);
    for (const char* one :
         {"ALTER ROLE otto_workflow_service LOGIN\n", "ALTER ROLE otto_workflow_service NOCREATEDB\n",
          "ALTER ROLE otto_workflow_service NOBYPASSRLS\n", "ALTER ROLE otto_workflow_service VALID UNTIL 'infinity'\n",
          "REVOKE pg_read_all_data FROM otto_workflow_service\n", "TO otto_query_service\n"}) {
        INFO(sql);
        CHECK(sql.find(one) != std::string::npos);
    }
    // Who may not do it changes nothing, not even in part.
    CHECK_THROWS_AS(schema::apply_roles(o.owner, plan), pg::SqlFailure);
    schema::apply_roles(o.admin, plan);
    CHECK(described(schema::plan_roles(o.admin), false) == "");
    CHECK(schema::may_migrate(o.owner).ok());
    // A role is missing: the owner is told who makes it.
    o.admin.execute("ALTER ROLE otto_search RENAME TO otto_gone");
    auto missing = schema::may_migrate(o.owner);
    o.admin.execute("ALTER ROLE otto_gone RENAME TO otto_search");
    REQUIRE_FALSE(missing);
    CHECK(missing.error().message.find("the role otto_search is missing") != std::string::npos);
    CHECK(missing.error().hint.find("ottoctl roles plan") != std::string::npos);
    // Others than the owner cannot migrate.
    pg::Connection stranger(TestPostgres::as_role(o.admin_url, "otto_query_service"), "test");
    CHECK(schema::may_migrate(stranger).error().message.find("does not own the database") != std::string::npos);
    // A password reaches the server as its verifier alone.
    schema::set_password(o.admin, "otto_workflow_service", Secret("it's \"me\""));
    CHECK(value(o.admin, "SELECT left(rolpassword, 14) AS v FROM pg_authid WHERE rolname = 'otto_workflow_service'") ==
          "SCRAM-SHA-256$");
    o.admin.execute("ALTER ROLE otto_workflow_service PASSWORD NULL");
}

TEST_CASE("a background step goes along a large table in batches, and on after a kill where it was", "[integration]") {
    Owned o;
    schema::apply_roles(o.admin, schema::plan_roles(o.admin));
    REQUIRE(pg::migrate(o.owner, schema::all()).ok());
    o.owner.execute(
        "CREATE TABLE papers (company_id text NOT NULL, id bigint NOT NULL, words text NOT NULL, folded text, PRIMARY KEY "
        "(company_id, id)); GRANT ALL ON papers TO otto_maintenance");
    o.admin.execute("INSERT INTO papers SELECT 'org ' || i % 7, i, 'Número ' || i FROM generate_series(1, 100000) i");
    o.owner.execute("SELECT otto_wall('papers', writer => 'otto_lead_pipeline'); ANALYZE papers");
    const std::vector<pg::Migration> steps{{"20991231000000", "fold_papers",
                                            "-- otto: background papers (company_id, id) 5000\n-- Small letters.\nUPDATE papers "
                                            "p SET folded = otto_fold(p.words) FROM batch "
                                            "b WHERE p.company_id = b.company_id AND p.id = b.id AND p.folded IS NULL;\n"}};
    CHECK(pg::background_progress(o.owner, steps).front().percent() == 0);
    // Killed in its midst: the lock of a row in the way holds it there.
    pg::Connection holder(o.admin_url, "holder");
    auto held = std::make_unique<pg::Tx>(holder.begin(pg::Scope::none()));
    held->write({"hold", "SELECT 1 FROM papers WHERE company_id = 'org 3' AND id = 3 FOR UPDATE"});
    held->flush();
    pg::BackgroundOptions options;
    options.rest = false;
    options.pause = Backoff{Millis{1}, Millis{5}};
    std::vector<std::string> said;
    options.say = [&](const std::string& what) {
        said.push_back(what);
        if (what.find("does not get its locks") != std::string::npos)
            o.admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'background'");
    };
    pg::SessionLimits quick;
    quick.lock = Millis{50};
    pg::Connection background(o.url, "background", quick);
    auto killed = [&] {
        try {
            return !pg::run_background(background, steps, options).ok();
        } catch (const pg::SqlFailure&) {
            return true;
        }
    };
    CHECK(killed());
    auto half = pg::background_progress(o.owner, steps).front();
    CHECK((half.done > 0 && half.done < 100'000 && half.done % 5'000 == 0 && !half.finished));
    CHECK((half.percent() > 30 && half.percent() < 60));
    CHECK(value(o.admin, "SELECT count(*)::text AS v FROM papers WHERE folded IS NOT NULL") == std::to_string(half.done));
    held.reset();
    options.say = [&](const std::string& what) { said.push_back(what); };
    CHECK(pg::run_background(background, steps, options).value() == 1);
    CHECK(value(o.admin, "SELECT count(*)::text AS v FROM papers WHERE folded = otto_fold(words)") == "100000");
    auto whole = pg::background_progress(o.owner, steps).front();
    CHECK((whole.done == 100'000 && whole.percent() == 100 && whole.finished && whole.error.empty()));
    CHECK(said.back().find("fold_papers: 100000 of about 100000 rows (100 %), finished") != std::string::npos);
    CHECK(pg::run_background(background, steps, options).value() == 0);

    auto other = steps;
    other[0].version = "20991231000001";
    other[0].sql = "-- otto: background papers\nUPDATE papers SET folded = ''";
    CHECK(pg::run_background(o.owner, other).error().hint.find("background calls (company_id, call_id) 2000") !=
          std::string::npos);
    other[0].sql = "-- otto: background papers (company_id, number) 10\nUPDATE papers SET folded = ''";
    CHECK(pg::run_background(o.owner, other).error().message.find("papers.number") != std::string::npos);
    auto changed = steps;
    changed[0].sql = "-- otto: background papers (company_id, id) 10\nUPDATE papers SET folded = ''";
    o.owner.execute("UPDATE background_steps SET finished_at = NULL");
    CHECK(pg::run_background(o.owner, changed).error().message.find("was changed after it began") != std::string::npos);
    o.owner.execute("DROP TABLE papers");
}
