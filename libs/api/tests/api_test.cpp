// Authenticated routes over HTTP, against the migrated schema and as a service's own role.
#include "api/api.hpp"

#include <fstream>
#include <future>

#include "http/client.hpp"
#include "http/server.hpp"
#include "signer.hpp"
#include "testing/catch.hpp"
#include "testkit/database.hpp"

using namespace otto;
using namespace otto::api;
using namespace otto::identity;

namespace {

struct World {
    testing::IssuerKey users, operators;
    testkit::Database db;
    Authenticator authenticator;
    std::shared_ptr<http::Router> router = std::make_shared<http::Router>();
    std::unique_ptr<Api> api;
    std::unique_ptr<http::Server> server;
    std::atomic<int> handled{0};

    explicit World(const char* role = "otto_company_service")
        : db(role),
          authenticator(
              testing::rules("https://users", false), testing::rules("https://operators", true), "https://users/keys",
              "https://operators/keys",
              [this](const std::string& url) -> Result<std::string> {
                  return "{\"keys\":[" + (url == "https://users/keys" ? users : operators).jwk("k1") + "]}";
              },
              system_clock()) {
        db.owner.execute("INSERT INTO companies (id, name) VALUES ('org_a', 'A'), ('org_b', 'B')");
        api = std::make_unique<Api>("company-service", *router, db.service_url(), authenticator, 4);
        auto fine = [this](Context& c) {
            ++handled;
            return c.ok("{}");
        };
        api->write(http::Method::post, "/company", Roles::any_signed_in(), fine);
        api->write(http::Method::post, "/tasks", {Role::manager}, fine);
        api->get("/tasks", {Role::manager}, fine);
        api->get("/company/{id}", {Role::manager}, fine, Api::Suspended::let_in);
    }
    void start() {
        server = std::make_unique<http::Server>(http::ServerOptions{}, router);
        REQUIRE(server->start());
    }
    std::string user(const std::string& company, const std::string& role = "admin", const std::string& id = "user_1") {
        return users.token(R"({"iss":"https://users","sub":")" + id + R"(","exp":9999999999)" +
                           (company.empty() ? "" : R"(,"v":2,"o":{"id":")" + company + R"(","rol":")" + role + "\"}") + "}");
    }
    std::string op() { return operators.token(R"({"iss":"https://operators","sub":"op_1","exp":9999999999})"); }
    http::Response ask(http::Method method, const std::string& path, const std::string& token, const std::string& key = "") {
        http::ClientOptions o;
        o.private_addresses = {"127.0.0.1:" + std::to_string(server->port())};
        o.retries = 0;
        http::ClientRequest r{method, "http://127.0.0.1:" + std::to_string(server->port()) + path, {}, "", {}};
        r.headers.add("Authorization", "Bearer " + token);
        if (!key.empty()) r.headers.add("Idempotency-Key", key);
        return http::Client(o).send(r).value();
    }
    void sql(const std::string& text) { db.owner.execute(text); }
};

}  // namespace

TEST_CASE("token and role are settled before a handler, or a byte of a body, is looked at", "[integration]") {
    World w;
    w.start();
    using http::Method;
    CHECK(w.ask(Method::post, "/tasks", "nonsense").status == 401);
    CHECK(w.ask(Method::post, "/tasks", w.user("org_a", "csr")).status == 403);
    CHECK(w.ask(Method::post, "/tasks", w.user("")).status == 403);
    CHECK(w.handled == 0);
    CHECK(w.ask(Method::post, "/tasks", w.user("org_a")).status == 200);
    CHECK(w.ask(Method::post, "/company", w.user("")).status == 200);
}

TEST_CASE("an organisation without a company is told whose move it is; only who makes the company needs none", "[integration]") {
    World w;
    w.start();
    using http::Method;
    auto refused = w.ask(Method::get, "/tasks", w.user("org_none"));
    CHECK(refused.status == 403);
    CHECK(refused.body.find("/problems/no-company") != std::string::npos);
    CHECK(refused.body.find("POST /api/v1/company/") != std::string::npos);
    CHECK(w.ask(Method::post, "/company", w.user("org_none")).status == 200);
    // At once when there is one.
    w.sql("INSERT INTO companies (id, name) VALUES ('org_none', 'New')");
    CHECK(w.ask(Method::get, "/tasks", w.user("org_none")).status == 200);
    auto unknown = w.ask(Method::get, "/tasks", w.user("org_a", "janitor"));
    CHECK(unknown.status == 403);
    CHECK(unknown.body.find("PATCH /api/v1/users/{id}") != std::string::npos);
}

TEST_CASE("a member who was removed is refused on every route, whatever his token says", "[integration]") {
    World w;
    char folder[] = "/tmp/otto-members-XXXXXX";
    auto file = std::string(::mkdtemp(folder)) + "/members.snapshot";
    std::ofstream(file) << R"({"id":"org_a:user_out","value":"GAI="})"
                        << "\n";  // STATUS_REMOVED
    auto members = std::make_shared<identity::Members>(identity::Members::Options{"127.0.0.1:1", "t", file});
    members->start();
    w.authenticator.mind(members);
    w.start();
    using http::Method;
    for (const auto& [method, path] : std::vector<std::pair<Method, std::string>>{
             {Method::post, "/company"}, {Method::post, "/tasks"}, {Method::get, "/tasks"}, {Method::get, "/company/org_a"}}) {
        INFO(path);
        auto refused = w.ask(method, path, w.user("org_a", "admin", "user_out"));
        CHECK(refused.status == 403);
        CHECK(refused.body.find("removed from this organisation") != std::string::npos);
    }
    CHECK(w.ask(Method::get, "/tasks", w.user("org_a", "admin", "user_in")).status == 200);
    CHECK(w.ask(Method::get, "/tasks", w.user("org_b", "admin", "user_out")).status == 200);  // in another company he may be one
}

TEST_CASE("an operator is nobody's tenant: 403 on every route of theirs, before anything is done", "[integration]") {
    World w;
    w.start();
    using http::Method;
    for (const auto& [method, path] : std::vector<std::pair<Method, std::string>>{
             {Method::post, "/company"}, {Method::post, "/tasks"}, {Method::get, "/tasks"}, {Method::get, "/company/org_a"}}) {
        INFO(path);
        CHECK(w.ask(method, path, w.op()).status == 403);
    }
    CHECK(w.handled == 0);
}

TEST_CASE("a suspended company's people are kept out, but for its manager's look at it, until it is active again",
          "[integration]") {
    for (auto role : {"otto_company_service", "otto_query_service", "otto_lead_pipeline", "otto_appointment_service",
                      "otto_shunya_orchestrator"}) {
        INFO(role);
        World w(role);
        w.sql("UPDATE companies SET status = 'suspended' WHERE id = 'org_a'");
        w.start();
        using http::Method;
        auto refused = w.ask(Method::post, "/tasks", w.user("org_a"));
        CHECK(refused.status == 403);
        CHECK(refused.body.find("suspended") != std::string::npos);
        CHECK(w.ask(Method::get, "/tasks", w.user("org_a")).status == 403);
        CHECK(w.ask(Method::post, "/company", w.user("org_a")).status == 403);
        CHECK(w.handled == 0);
        CHECK(w.ask(Method::get, "/company/org_a", w.user("org_a")).status == 200);
        CHECK(w.ask(Method::get, "/tasks", w.user("org_b")).status == 200);
        CHECK(w.ask(Method::post, "/company", w.user("")).status == 200);
        if (role != std::string("otto_company_service")) continue;
        w.sql("UPDATE companies SET status = 'active' WHERE id = 'org_a'");
        int status = 403;
        for (auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
             status == 403 && std::chrono::steady_clock::now() < end;)
            status = w.ask(Method::post, "/tasks", w.user("org_a")).status;
        CHECK(status == 200);
    }
}

TEST_CASE("a read ends after five seconds with what to narrow; a command may take longer", "[integration]") {
    World w;
    w.api->get("/slow", {Role::manager}, [](Context& c) {
        c.tx().each({"slow", "SELECT pg_sleep(20)"}, {}, [](const pg::Fields&) {});
        return c.ok("{}");
    });
    w.api->write(http::Method::post, "/slow", {Role::manager}, [](Context& c) {
        c.tx().each({"limit", "SELECT current_setting('statement_timeout') AS v"}, {}, [](const pg::Fields& f) {
            if (f.text("v") != "30s") refuse(500, "Odd", f.text("v"));
        });
        return c.ok("{}");
    });
    w.start();
    auto answer = w.ask(http::Method::get, "/slow?search=zz&offset=900", w.user("org_a"));
    CHECK(answer.status == 503);
    CHECK(answer.headers.get("Retry-After") == "5");
    for (auto word : {"5 seconds", "more exact search", "next_cursor", "date_from"})
        CHECK(answer.body.find(word) != std::string::npos);
    CHECK(w.ask(http::Method::post, "/slow", w.user("org_a")).status == 200);
}

TEST_CASE("the statement of a client that is gone is ended", "[integration]") {
    World w;
    w.api->get("/slow", {Role::manager}, [](Context& c) {
        c.tx().each({"slow", "SELECT pg_sleep(4.5), 'of one who left'"}, {}, [](const pg::Fields&) {});
        return c.ok("{}");
    });
    w.start();
    auto& db = w.db.owner;
    auto running = [&] {
        int n = 0;
        auto tx = db.begin(pg::Scope::none());
        tx.each({"running",
                 "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%one who left%' AND pid <> "
                 "pg_backend_pid()"},
                {}, [&](const pg::Fields& f) { n = static_cast<int>(f.integer("n")); });
        tx.commit();
        return n;
    };
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    auto until = [&](int n) {
        while (running() != n)
            if (std::chrono::steady_clock::now() > end) return false;
        return true;
    };
    http::ClientOptions o;
    o.private_addresses = {"127.0.0.1:" + std::to_string(w.server->port())};
    o.retries = 0;
    o.total_timeout = Millis{1'000};
    http::ClientRequest r{http::Method::get, "http://127.0.0.1:" + std::to_string(w.server->port()) + "/slow", {}, "", {}};
    r.headers.add("Authorization", "Bearer " + w.user("org_a"));
    auto begun = std::chrono::steady_clock::now();
    auto gone = std::async(std::launch::async, [&] { return http::Client(o).send(r).ok(); });
    REQUIRE(until(1));
    CHECK_FALSE(gone.get());
    REQUIRE(until(0));
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::milliseconds(4'000));  // it would have gone on for longer
}

TEST_CASE("a write that was answered 2xx has one line on record, whatever its command says; nothing else has one",
          "[integration]") {
    World w;
    auto says = [](Context& c) {
        c.audit("number.add", "one");
        return c.ok("{}", 201);
    };
    auto refuses = [](Context& c) -> http::Response {
        c.audit("number.add", "two");
        refuse(409, "Taken", "It is taken.");
    };
    w.api->write(http::Method::post, "/says", {Role::manager}, says);
    w.api->write(http::Method::post, "/refuses", {Role::manager}, refuses);
    w.api->write(http::Method::post, "/answers/{id}", {Role::manager}, [](Context& c) { return c.ok("{}"); });
    w.api->write(http::Method::post, "/fails", {Role::manager}, [](Context& c) -> http::Response {
        c.audit("number.add", "three");
        return c.ok("{}", 409);
    });
    w.api->write(http::Method::patch, "/api/v1/numbers/{id}", {Role::manager}, [](Context& c) { return c.ok("{}"); });
    w.start();
    auto lines = [&] {
        return w.db.value(
            "SELECT coalesce(string_agg(concat_ws(' ', actor, user_id, action, target, client_address), ', ' ORDER "
            "BY id), '') AS v FROM audit_log");
    };
    const auto token = w.user("org_a");
    using http::Method;
    CHECK(w.ask(Method::post, "/refuses", token).status == 409);
    CHECK(w.ask(Method::post, "/fails", token).status == 409);
    CHECK(w.ask(Method::post, "/says", w.user("org_a", "csr")).status == 403);
    CHECK(w.ask(Method::get, "/tasks", token).status == 200);
    CHECK(lines() == "");
    for (int n = 0; n < 2; ++n) CHECK(w.ask(Method::post, "/says", token, "key").status == 201);
    CHECK(lines() == "user user_1 number.add one 127.0.0.1");
    CHECK(w.ask(Method::post, "/says", token, "key-2").status == 201);
    w.sql("DELETE FROM audit_log");
    // A command that says nothing: what the contract calls its route, else the route itself.
    for (int n = 0; n < 2; ++n) CHECK(w.ask(Method::post, "/answers/7", token, "key").status == 200);
    CHECK(w.ask(Method::patch, "/api/v1/numbers/8", token).status == 200);
    CHECK(w.ask(Method::post, "/company", w.user("")).status == 200);  // of no company, and it has made none
    CHECK(lines() == "user user_1 POST /answers/{id} 7 127.0.0.1, user user_1 number.change 8 127.0.0.1");
}
