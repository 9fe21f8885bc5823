#include "reads.hpp"

#include "base/crypto.hpp"
#include "pg/migrate.hpp"
#include "query-service/sql.hpp"
#include "schema/schema.hpp"
#include "testing/catch.hpp"
#include "testkit/postgres.hpp"

using namespace otto;
using namespace otto::query_service;

namespace {

http::Request asking(const std::string& query) {
    http::Request r;
    r.query = query;
    return r;
}

/// The field that a list's parameters are refused for; "" if they are fine.
std::string refused(const std::string& query) {
    try {
        auto request = asking(query);
        Asked asked(request, {"status", "date_from", "missed_call", "lead_id", "search"});
        Page::of(asked, {"created_at", "started_at"}, false);
        asked.any_of("status", {"missed"});
        asked.date("date_from");
        asked.truth("missed_call");
        asked.uuid("lead_id");
        return "";
    } catch (const identity::Refusal& r) {
        CHECK(r.problem.status == 422);
        REQUIRE(r.problem.fields.size() == 1);
        return r.problem.fields[0].first;
    }
}

}  // namespace

TEST_CASE("what a list does not know is 422 and names the parameter") {
    CHECK(refused("limit=200&offset=10000&sort=-started_at&status=missed&date_from=2026-02-28&missed_call=true") == "");
    CHECK(refused("colour=red") == "colour");
    CHECK(refused("limit=0") == "limit");
    CHECK(refused("limit=201") == "limit");
    CHECK(refused("limit=ten") == "limit");
    CHECK(refused("offset=10001") == "offset");
    CHECK(refused("offset=-1") == "offset");
    CHECK(refused("sort=name") == "sort");
    CHECK(refused("cursor=abc") == "cursor");
    CHECK(refused("cursor=" + base64url_encode("[\"-created_at\",1,\"x'; DROP TABLE calls\"]")) == "cursor");
    CHECK(refused("cursor=" + base64url_encode("[\"-created_at\",1,\"5\"]") + "&sort=created_at") == "cursor");
    CHECK(refused("cursor=" + base64url_encode("[\"-created_at\",1,\"5\"]") + "&offset=1") == "cursor");
    CHECK(refused("status=missed,late") == "status");
    CHECK(refused("date_from=2026-02-30") == "date_from");
    CHECK(refused("date_from=yesterday") == "date_from");
    CHECK(refused("missed_call=perhaps") == "missed_call");
    CHECK(refused("lead_id=5") == "lead_id");
    CHECK(refused("limit=1&limit=2") == "limit");
    CHECK(refused("search=%ff") == "search");
}

TEST_CASE("a cursor remembers place and order") {
    Page p;
    p.sort = "started_at";
    p.descending = false;
    auto request = asking("cursor=" + p.cursor(from_micros(1234567), "42"));
    auto back = Page::of(Asked(request, {}), {"created_at", "started_at"}, false);
    CHECK(back.sort == "started_at");
    CHECK_FALSE(back.descending);
    CHECK(back.after == from_micros(1234567));
    CHECK(back.after_id == "42");
}

TEST_CASE("a search's own wildcards are letters") {
    auto request = asking("search=50%25_a%5C");
    CHECK(Asked(request, {"search"}).search() == "%50\\%\\_a\\\\%");
}

TEST_CASE("every query of the service fits the schema and the role's grants", "[integration]") {
    auto url = testkit::TestPostgres::shared().fresh_database();
    pg::Connection owner(url, "test");
    REQUIRE(pg::migrate(owner, schema::all()).ok());
    pg::Connection db(testkit::TestPostgres::as_role(url, "otto_query_service"), "test");
    auto check = [&](const pg::Query& q) {
        INFO(q.name);
        CHECK_NOTHROW(db.execute("PREPARE probe AS " + std::string(q.text)));
        db.execute("DEALLOCATE probe");
    };
    for (const auto& q : sql::all) check(q);
    Reads reads;
    for (const auto& q : reads.ordered_queries()) {
        CHECK(q.text.find("/*sort*/") == std::string_view::npos);
        check(q);
    }
}
