#include <memory>

#include "http/server.hpp"
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

namespace {

/// Clerk: answers everything alike, and keeps what it was asked.
struct Peer {
    Peer() {
        auto router = std::make_shared<http::Router>();
        auto answer = [this](const http::Request& r) {
            asked = std::string(http::to_text(r.method)) + " " + r.path + (r.query.empty() ? "" : "?" + r.query) + " " + r.body;
            auto response = http::Response::json(status, body);
            if (status == 429) response.headers.add("Retry-After", "7");
            return response;
        };
        using http::Method;
        for (auto path : {"/v1/organizations/{o}/memberships", "/v1/organizations/{o}/invitations"}) {
            router->add(Method::get, path, answer);
            router->add(Method::post, path, answer);
        }
        router->add(Method::patch, "/v1/organizations/{o}/memberships/{u}", answer);
        router->add(Method::del, "/v1/organizations/{o}/memberships/{u}", answer);
        router->add(Method::post, "/v1/organizations/{o}/invitations/{i}/revoke", answer);
        router->add(Method::get, "/v1/users/{u}/organization_memberships", answer);
        server = std::make_unique<http::Server>(http::ServerOptions{}, router);
        server->start().value();
        http::ClientOptions o;
        o.retries = 0;
        o.private_addresses = {"127.0.0.1:" + std::to_string(server->port())};
        http = std::make_unique<http::Client>(o);
        client = std::make_unique<Client>("http://" + o.private_addresses[0], Secret("sk_test"), *http);
    }
    ~Peer() { server->drain(Millis{1'000}); }
    int status = 200;
    std::string body, asked;
    std::unique_ptr<http::Server> server;
    std::unique_ptr<http::Client> http;
    std::unique_ptr<Client> client;
};

template <class T>
ApiError::Kind kind_of(const Reply<T>& reply) {
    REQUIRE(std::holds_alternative<ApiError>(reply));
    return std::get<ApiError>(reply).kind;
}

const auto no_trace = tel::TraceContext::fresh();

}  // namespace

TEST_CASE("memberships and invitations are asked for as Clerk's API has them") {
    Peer clerk;
    clerk.body =
        R"({"id":"orgmem_1","role":"org:csr","updated_at":1700000000123,"public_user_data":{"user_id":"user_1","identifier":"a@example.com"}})";
    auto changed = clerk.client->set_role("org_1", "user_1", "org:csr", no_trace);
    CHECK(clerk.asked == R"(PATCH /v1/organizations/org_1/memberships/user_1 {"role":"org:csr"})");
    REQUIRE(std::holds_alternative<Member>(changed));
    CHECK(std::get<Member>(changed).updated_at == 1700000000123);
    CHECK(std::holds_alternative<Member>(clerk.client->add_member("org_1", "user_1", "org:csr", no_trace)));
    CHECK(std::get<std::optional<Member>>(clerk.client->remove_member("org_1", "user_1", no_trace))->updated_at == 1700000000123);
    clerk.body =
        R"({"data":[{"id":"orginv_2","email_address":"b@example.com","role":"org:csr","status":"pending","updated_at":5},{"id":"orginv_1","email_address":"A@example.com","role":"org:csr","status":"pending"}],"total_count":2})";
    auto pending = clerk.client->pending_invitation("org_1", "a@Example.com", no_trace);
    CHECK(clerk.asked.starts_with("GET /v1/organizations/org_1/invitations?status=pending&limit=500&offset=0"));
    REQUIRE(std::get<std::optional<Invitation>>(pending));
    CHECK(std::get<std::optional<Invitation>>(pending)->id == "orginv_1");
    CHECK_FALSE(std::get<std::optional<Invitation>>(clerk.client->pending_invitation("org_1", "c@example.com", no_trace)));
    clerk.body = R"({"id":"orginv_1","email_address":"a@example.com","role":"org:csr","status":"pending"})";
    CHECK(std::holds_alternative<Invitation>(clerk.client->invite("org_1", "a@example.com", "org:csr", "user_1", no_trace)));
    CHECK(
        clerk.asked ==
        R"(POST /v1/organizations/org_1/invitations {"email_address":"a@example.com","role":"org:csr","inviter_user_id":"user_1"})");
    CHECK(std::holds_alternative<Invitation>(clerk.client->revoke("org_1", "orginv_1", "user_1", no_trace)));
    clerk.body = R"({"data":[],"total_count":0})";
    CHECK_FALSE(std::get<std::optional<Member>>(clerk.client->membership("org_1", "user_1", no_trace)));
    CHECK(clerk.asked.find("user_id=user_1") != std::string::npos);
    clerk.body =
        R"({"data":[{"organization":{"id":"org_1","name":"A","created_by":"user_1","created_at":9}},{"organization":null}]})";
    auto organizations = std::get<std::vector<Organization>>(clerk.client->organizations_of("user_1", no_trace));
    REQUIRE(organizations.size() == 1);
    CHECK(organizations[0].created_by == "user_1");
    CHECK(organizations[0].created_at == 9);
}

TEST_CASE("why Clerk did not do it is told apart, and whether it may have") {
    using Kind = ApiError::Kind;
    Peer clerk;
    auto kind = [&](int status, const std::string& error) {
        clerk.status = status;
        clerk.body = error.empty() ? "" : "{\"errors\":[" + error + "]}";
        return kind_of(clerk.client->invite("org_1", "a@example.com", "org:csr", "user_1", no_trace));
    };
    CHECK(kind(200, "") == Kind::lost);
    CHECK(kind(500, "") == Kind::lost);
    CHECK(kind(429, "") == Kind::busy);
    CHECK(kind(401, R"({"code":"clerk_key_invalid"})") == Kind::not_let_in);
    CHECK(kind(404, R"({"code":"resource_not_found","message":"not found"})") == Kind::not_found);
    CHECK(kind(404, R"({"code":"resource_not_found","long_message":"No organization role was found with key org:csr"})") ==
          Kind::no_role);
    CHECK(kind(422, R"({"code":"form_param_value_invalid","meta":{"param_name":"role"}})") == Kind::no_role);
    CHECK(kind(400, R"({"code":"duplicate_record","message":"duplicate"})") == Kind::already);
    CHECK(kind(400, R"({"code":"already_a_member_in_organization"})") == Kind::already);
    CHECK(kind(422, R"({"code":"form_param_format_invalid","meta":{"param_name":"email_address"}})") == Kind::refused);
    clerk.status = 429;
    auto busy = clerk.client->set_role("org_1", "user_1", "org:csr", no_trace);
    CHECK(std::get<ApiError>(busy).after == Millis{7'000});
    clerk.status = 404;
    CHECK_FALSE(std::get<std::optional<Member>>(clerk.client->remove_member("org_1", "user_1", no_trace)));
    clerk.server->drain(Millis{1'000});
    CHECK(kind_of(clerk.client->set_role("org_1", "user_1", "org:csr", no_trace)) != Kind::refused);
}
