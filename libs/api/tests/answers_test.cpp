// What an Idempotency-Key promises, against the migrated schema and as a service's own role.
#include "src/answers.hpp"

#include <atomic>
#include <future>
#include <thread>

#include "testing/catch.hpp"
#include "testkit/database.hpp"

using namespace otto;
using api::Context;
using identity::Principal;

namespace {

struct Text {
    std::string value;
    static Text from(const pg::Fields& f) { return {f.text("v")}; }
};

struct World {
    testkit::Database db{"otto_company_service"};
    pg::Pool pool{db.service_url(), "test", 8};
    static World& shared() {
        static World world;
        return world;
    }
};

Principal person(const char* company, const char* user = "user_1", const char* issuer = "https://clerk.example") {
    Principal who;
    who.user = UserId{user};
    if (*company) who.company = CompanyId{company};
    who.issuer = issuer;
    return who;
}

http::Response ask(const Principal& who, const std::string& key, const api::Api::Handler& handler, const std::string& body = "{}",
                   Millis patience = Millis{0}) {
    http::Request request;
    request.target = "/api/v1/tasks";
    request.body = body;
    Context context(request, who, World::shared().pool);
    try {
        return api::Answers(World::shared().pool, "company-service", patience).once(context, "POST /api/v1/tasks", key, handler);
    } catch (const api::Refusal& refusal) {
        return api::refused(refusal, request);
    }
}

api::Api::Handler saying(std::string what, int& times) {
    return [what = std::move(what), &times](Context&) {
        ++times;
        return http::Response::json(201, what);
    };
}

void as_owner(const std::string& sql) { World::shared().db.owner.execute(sql); }

}  // namespace

TEST_CASE("the same request again has the same answer, of the same person in the same company", "[integration]") {
    int times = 0;
    CHECK(ask(person("org_a"), "k", saying("a's row", times)).status == 201);
    auto again = ask(person("org_a"), "k", saying("another row", times));
    CHECK((again.body == "a's row" && again.status == 201 && again.headers.get("Idempotent-Replayed") == "true" && times == 1));
    CHECK(ask(person("org_a"), "k", saying("x", times), "{\"other\":1}").status == 409);

    for (const auto& other :
         {person("org_b"), person("org_a", "user_2"), person("org_a", "user_1", "https://operators.example"), person("")}) {
        int own = 0;
        auto answer = ask(other, "k", saying("one's own", own));
        CHECK((own == 1 && answer.body == "one's own" && !answer.headers.has("Idempotent-Replayed")));
        CHECK(ask(other, "k", saying("x", own)).body == "one's own");
    }
}

TEST_CASE("answers stand behind their company's wall", "[integration]") {
    int times = 0;
    ask(person("org_wall"), "wall", saying("kept", times));
    ask(person(""), "wall", saying("kept", times));
    auto seen = [](const pg::Scope& scope) {
        auto tx = World::shared().pool.begin(scope);
        std::string all;
        for (auto& t : tx.many<Text>({"seen", "SELECT company_id AS v FROM idempotency_keys WHERE key = 'wall' ORDER BY 1"}))
            all += t.value + ";";
        return all;
    };
    CHECK(seen(pg::Scope::company(CompanyId{"org_wall"})) == "org_wall;");
    CHECK(seen(pg::Scope::company(CompanyId{"org_other"})).empty());
    CHECK(seen(pg::Scope::none()) == ";");
    as_owner("UPDATE idempotency_keys SET created_at = now() - interval '3 days' WHERE key = 'wall'");
    CHECK(seen(pg::Scope::company(CompanyId{"org_other"})).empty());
    CHECK(seen(pg::Scope::none()) == ";org_wall;");  // for the service that trims them
}

TEST_CASE("while a request is worked on the same again waits for its answer, for a while, and effects happen once",
          "[integration]") {
    for (const char* company : {"org_at_once", ""}) {
        std::atomic<int> effects{0};
        std::promise<void> entered, go_on;
        auto may = go_on.get_future().share();
        auto slow = [&](Context&) {
            if (++effects == 1) {
                entered.set_value();
                may.wait();
            }
            return http::Response::json(200, "made");
        };
        auto first = std::async(std::launch::async, [&] { return ask(person(company), "at once", slow); });
        entered.get_future().wait();
        auto second = ask(person(company), "at once", slow);
        CHECK((second.status == 409 && second.headers.get("Retry-After") == "1"));
        auto patient =
            std::async(std::launch::async, [&] { return ask(person(company), "at once", slow, "{}", Millis{60'000}); });
        go_on.set_value();
        CHECK(first.get().body == "made");
        CHECK(patient.get().body == "made");
        auto third = ask(person(company), "at once", slow);
        CHECK((third.body == "made" && effects == 1));
    }
}

TEST_CASE("who makes a company keeps the answer with it, and outside of it", "[integration]") {
    auto make = [](Context& c) {
        c.tx_as(CompanyId{"org_made"}).write({"row", "INSERT INTO companies (id, name) VALUES ('org_made', 'x')"});
        return http::Response::json(200, "made");
    };
    CHECK(ask(person(""), "make", make).body == "made");
    auto again = ask(person(""), "make", make);
    CHECK((again.body == "made" && again.headers.has("Idempotent-Replayed")));
    CHECK(ask(person("", "user_2"), "make", [](Context&) { return http::Response::json(200, "theirs"); }).body == "theirs");
}

TEST_CASE("what may be otherwise in a moment is not kept, a refusal is", "[integration]") {
    int times = 0;
    for (int status : {429, 500, 502, 503}) {
        CHECK(ask(person("org_c"), "later", [&](Context&) -> http::Response {
                  api::refuse(status, "Not now", "Later.");
              }).status == status);
        CHECK_THROWS_AS(ask(person("org_c"), "later", [&](Context&) -> http::Response { throw std::runtime_error("broke"); }),
                        std::runtime_error);
    }
    CHECK(ask(person("org_c"), "later", saying("now", times)).body == "now");
    auto wrong = [&](Context&) -> http::Response {
        ++times;
        api::refuse_field("name", "is missing");
    };
    CHECK(ask(person("org_c"), "wrong", wrong).status == 422);
    CHECK(ask(person("org_c"), "wrong", wrong).headers.get("Idempotent-Replayed") == "true");
    CHECK(times == 2);
}

TEST_CASE("the claim of a process that died is free after its time, and not before", "[integration]") {
    int times = 0;
    as_owner(
        "INSERT INTO idempotency_keys (consumer, company_id, issuer, user_id, route, key, request_hash, claim, claimed_until) "
        "VALUES "
        "('company-service', 'org_d', 'https://clerk.example', 'user_1', 'POST /api/v1/tasks', 'died', 'h', gen_random_uuid(), "
        "now() + interval '1 minute')");
    CHECK(ask(person("org_d"), "died", saying("x", times)).status == 409);
    as_owner("UPDATE idempotency_keys SET claimed_until = now() - interval '1 second' WHERE key = 'died'");
    CHECK(ask(person("org_d"), "died", saying("anew", times)).body == "anew");

    // Who was so slow that another was let in commits nothing.
    auto overtaken = ask(person("org_d"), "slow", [](Context& c) {
        c.tx().write({"late_row", "INSERT INTO companies (id, name) VALUES ('org_d', 'x')"});
        as_owner("UPDATE idempotency_keys SET claim = gen_random_uuid() WHERE key = 'slow'");
        return http::Response::json(201, "late");
    });
    CHECK(overtaken.status == 409);
    auto tx = World::shared().pool.begin(pg::Scope::company(CompanyId{"org_d"}));
    CHECK(tx.many<Text>({"rows", "SELECT id AS v FROM companies"}).empty());
}
