#include "providers/clerk.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::providers::clerk;

TEST_CASE("a page of Clerk's memberships") {
    auto page = read_members(
        R"({"data":[{"role":"org:admin","public_user_data":{"user_id":"user_1","identifier":"ann@example.com","first_name":"Ann","last_name":"Smith"}},
        {"role":"org:csr","public_user_data":{"user_id":"user_2","identifier":"+12025550100","first_name":null,"last_name":"Box"}},{"role":"org:janitor","public_user_data":{"user_id":"user_3"}},7],"total_count":9})");
    REQUIRE(page.ok());
    CHECK(page->read == 4);
    CHECK(page->total == 9);
    REQUIRE(page->members.size() == 3);
    CHECK(page->members[0].role == "org:admin");
    CHECK(page->members[0].email == "ann@example.com");
    CHECK(page->members[0].name == "Ann Smith");
    CHECK(page->members[1].role == "org:csr");
    CHECK_FALSE(page->members[1].email);
    CHECK(page->members[1].name == "Box");
    CHECK(page->whole);
    auto broken = read_members(
        R"({"data":[{"role":"org:admin","public_user_data":{"user_id":"user_1"}},{"role":"org:csr","public_user_data":{"user_id":"user_2","score":NaN}}],"total_count":2.0})");
    REQUIRE(broken.ok());
    CHECK_FALSE(broken->whole);
    CHECK(broken->members.size() == 1);
    CHECK(broken->read == 2);
    CHECK(broken->total == 2);
    CHECK_FALSE(read_members(R"({"data":[{"role":"org:admin","public_user_data":{"user_id":7}}]})")->whole);
    CHECK(read_members(R"({"data":[{"role":"org:admin","public_user_data":null}]})")->whole);  // of somebody who was deleted
    CHECK_FALSE(read_members("{}").ok());
}
