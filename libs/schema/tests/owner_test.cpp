// A database whose owner may not make roles, as managed Postgres has it; and one that was migrated by former files.
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/crypto.hpp"
#include "base/text.hpp"
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
    CHECK(value(o.owner, "SELECT count(*)::text AS v FROM pg_class WHERE relrowsecurity AND NOT relforcerowsecurity AND relnamespace = "
                         "'public'::regnamespace") == "0");
}
