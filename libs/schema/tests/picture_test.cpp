// The picture of the schema, and the wall that each table of tenants' rows asks for.
#include <fstream>
#include <sstream>

#include "testing/catch.hpp"
#include "testkit/database.hpp"
#include "testkit/golden.hpp"

using namespace otto;

TEST_CASE("schema.sql is what the migrations come to", "[integration]") {
    std::ifstream file(OTTO_SOURCE_DIR "/libs/schema/tests/picture.sql");
    std::stringstream statement;
    statement << file.rdbuf();
    testkit::Database db("otto_lead_pipeline");
    auto picture =
        "-- The schema as the migrations have made it, in the order of names: tables with their indexes, policies, grants and "
        "triggers. Not to be run, but to be read; it is generated, and a test compares.\n" +
        db.lines(statement.str());
    CHECK(picture.size() > 10'000);
    CHECK(testkit::differs_from("libs/schema/schema.sql", picture) == "");
}

TEST_CASE("otto_wall() lets a writer reach its transaction's companies, a reader its request's company, and nobody else anything",
          "[integration]") {
    testkit::Database db("otto_lead_pipeline");
    db.owner.execute(
        "CREATE TABLE papers (company_id text NOT NULL, id bigint NOT NULL, PRIMARY KEY (company_id, id)); SELECT "
        "otto_wall('papers', 'otto_lead_pipeline', '{otto_query_service,otto_company_service}')");
    auto count = [](pg::Connection& as, const pg::Scope& scope) {
        struct Number {
            std::int64_t n;
            static Number from(const pg::Fields& f) { return {f.integer("n")}; }
        };
        auto tx = as.begin(scope);
        return tx.one<Number>({"papers", "SELECT count(*) AS n FROM papers"}).n;
    };
    auto add = [](pg::Connection& as, const pg::Scope& scope, const char* company) {
        auto tx = as.begin(scope);
        tx.write({"add", "INSERT INTO papers VALUES ($1, 1)"}, {company});
        tx.commit();
    };
    const CompanyId a{"org_a"}, b{"org_b"};
    const auto none = pg::Scope::none(), both = pg::Scope::companies({a, b}), only_a = pg::Scope::company(a),
               only_b = pg::Scope::company(b);
    add(db.service, both, "org_a");
    add(db.service, only_b, "org_b");
    CHECK_THROWS_AS(add(db.service, only_a, "org_c"), pg::SqlFailure);
    CHECK(count(db.service, both) == 2);
    CHECK(count(db.service, only_a) == 1);
    CHECK(count(db.service, none) == 0);
    for (auto role : {"otto_query_service", "otto_company_service"}) {
        INFO(role);
        pg::Connection reader(db.as(role), "test");
        CHECK(count(reader, only_b) == 1);
        CHECK(count(reader, both) == 0);  // a reader has a request
        CHECK(count(reader, none) == 0);
        CHECK_THROWS_AS(add(reader, only_b, "org_b"), pg::SqlFailure);
    }
    pg::Connection stranger(db.as("otto_tenant_router"), "test");
    CHECK_THROWS_AS(count(stranger, both), pg::SqlFailure);
    CHECK_THROWS_AS(stranger.execute("SELECT otto_wall('papers', 'otto_tenant_router')"), pg::SqlFailure);
    // Of its owner too, who is no superuser in production.
    CHECK(db.value("SELECT relrowsecurity AND relforcerowsecurity AS v FROM pg_class WHERE relname = 'papers'") == "t");
}
