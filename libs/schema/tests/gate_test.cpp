#include "schema/gate.hpp"

#include "schema/schema.hpp"
#include "testing/catch.hpp"
#include "testkit/postgres.hpp"

using namespace otto;

TEST_CASE("the gate of a start tells a database that is away from a schema that is behind", "[integration]") {
    schema::Gate away(Secret("postgresql://nobody@127.0.0.1:1/otto"), "test");
    auto missing = away.look();
    REQUIRE(missing);
    CHECK(missing->postgres);
    CHECK(missing->why.find("cannot be reached") != std::string::npos);

    schema::Gate empty(testkit::TestPostgres::shared().fresh_database(), "test");
    missing = empty.look();
    REQUIRE(missing);
    CHECK_FALSE(missing->postgres);
    CHECK(missing->why.find("ottoctl migrate") != std::string::npos);

    auto url = testkit::TestPostgres::shared().migrated_database();
    schema::Gate there(url, "test");
    CHECK_FALSE(there.look());
    pg::Connection owner(url, "test");
    owner.execute("DELETE FROM schema_migrations WHERE version = '" + std::string(schema::latest()) + "'");
    missing = there.look();  // as before the migration of a release
    REQUIRE(missing);
    CHECK_FALSE(missing->postgres);
    CHECK(missing->why.find("this build needs " + std::string(schema::latest())) != std::string::npos);
    // What a newer release has added is nobody's trouble.
    owner.execute("INSERT INTO schema_migrations (version, name, checksum) VALUES ('99990101000000', 'later', '')");
    CHECK_FALSE(there.look());
}

TEST_CASE("a URL that is none ends the start, and is not shown") {
    for (const char* wrong : {"", "postgresql//role:hunter2@host/otto", "postgresql://role:hunter2%zz@host/otto"}) {
        try {
            schema::Gate gate(Secret(wrong), "test");
            FAIL("it was taken: " << wrong);
        } catch (const std::exception& e) {
            CHECK(std::string(e.what()).find("the URL of Postgres is") != std::string::npos);
            CHECK(std::string(e.what()).find("hunter2") == std::string::npos);
        }
    }
}
