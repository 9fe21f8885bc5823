#include "company-service/sql.hpp"
#include "identity/api.hpp"
#include "inputs.hpp"
#include "openapi.hpp"
#include "pg/migrate.hpp"
#include "schema/schema.hpp"
#include "signing_key.hpp"
#include "testing/catch.hpp"
#include "testkit/postgres.hpp"

using namespace otto;
using namespace otto::company_service;

namespace {

http::Request asking(const std::string& query, const std::string& body = "") {
    http::Request r;
    r.query = query;
    r.body = body;
    return r;
}

std::string refused(const std::function<void()>& f) {
    try {
        f();
        return "";
    } catch (const identity::Refusal& r) {
        CHECK(r.problem.status == 422);
        return r.problem.fields.empty() ? "?" : r.problem.fields[0].first;
    }
}

}  // namespace

TEST_CASE("a command is given by query, form or JSON, and by a form that calls itself JSON") {
    CHECK(Inputs::of(asking("api_key=k")).required("api_key") == "k");
    CHECK(Inputs::of(asking("", "api_key=k&x=1")).required("api_key") == "k");
    CHECK(Inputs::of(asking("", "{\"api_key\": \"k\"}")).required("api_key") == "k");
    CHECK(Inputs::of(asking("", "{\"duration\": 5}")).required("duration") == "5");
    CHECK(Inputs::of(asking("api_key=query", "{\"api_key\": \"body\"}")).required("api_key") == "body");
    CHECK(Inputs::of(asking("name=AZ%20Roof%20Demo&phone_number=%2B12028313219")).phone("phone_number") == "+12028313219");
    CHECK(Inputs::of(asking("phone_number=+12028313219")).phone("phone_number") == "+12028313219");  // a plus that arrived as a space
    CHECK(Inputs::of(asking("phone_number=+442071838750")).phone("phone_number") == "+442071838750");
    CHECK_FALSE(Inputs::of(asking("name=%20")).text("name"));
    CHECK_FALSE(Inputs::of(asking("", "{\"name\": null}")).text("name"));
}

TEST_CASE("what is wrong with it is named") {
    CHECK(refused([] { Inputs::of(asking("", "{\"a\": ")); }) == "body");
    CHECK(refused([] { Inputs::of(asking("", "[1]")); }) == "body");
    CHECK(refused([] { Inputs::of(asking("", "just words")); }) == "body");
    CHECK(refused([] { Inputs::of(asking("a=%ff")); }) == "query");
    CHECK(refused([] { (void)Inputs::of(asking("")).required("name"); }) == "name");
    CHECK(refused([] { (void)Inputs::of(asking("name=" + std::string(600, 'x'))).text("name"); }) == "name");
    CHECK(refused([] { (void)Inputs::of(asking("name=a%00b")).text("name"); }) == "name");
    CHECK(refused([] { (void)Inputs::of(asking("", "{\"name\": [1]}")).text("name"); }) == "name");
    CHECK(refused([] { (void)Inputs::of(asking("phone_number=five")).phone("phone_number"); }) == "phone_number");
    CHECK(refused([] { (void)Inputs::of(asking("is_active=perhaps")).truth("is_active"); }) == "is_active");
}

TEST_CASE("a call flow and a service area must fit their schemas") {
    const JsonSchema flow(openapi_schema("CallFlow")), area(openapi_schema("ServiceArea"));
    auto given = [](const std::string& json) { return Inputs::of(asking("", "{\"f\":" + json + "}")); };
    for (auto good : {R"({})", R"({"consent_notice":"recorded","hours":{"mon":[["08:00","12:00"],["13:00","24:00"]]},"open":[{"dial":["+12025550100"],"timeout_s":20},{"voicemail":{"greeting":"hi","max_s":120}}],"closed":[{"say":"closed"}],"no_answer":[{"stream":"wss://a.example"}],"missed_call_text":{"enabled":false,"body":"x"}})"})
        CHECK_NOTHROW(given(good).json("f", flow));
    for (auto bad : {R"([])", R"({"opne":[]})", R"({"hours":{"monday":[]}})", R"({"hours":{"mon":[["8","12:00"]]}})", R"({"hours":{"mon":[["25:00","26:00"]]}})", R"({"open":[{"fax":"1"}]})", R"({"open":[{"say":"a","dial":["+12025550100"]}]})",
                     R"({"open":[{"dial":[]}]})", R"({"open":[{"stream":"http://a"}]})", R"({"missed_call_text":{}})"}) {
        INFO(bad);
        CHECK(refused([&] { (void)given(bad).json("f", flow); }) == "f");
    }
    CHECK_NOTHROW(given(R"({"states":["AZ"],"cities":["Phoenix"],"postal_codes":["850*"]})").json("f", area));
    for (auto bad : {R"({"states":["Arizona"]})", R"({"states":"AZ"})", R"({"city":["Phoenix"]})"}) CHECK(refused([&] { (void)given(bad).json("f", area); }) == "f");
}

TEST_CASE("what Postgres has no text for is refused, its escape written out is not") {
    const JsonSchema any(R"({"type":"object"})");
    auto given = [](const std::string& json) { return Inputs::of(asking("", "{\"f\":" + json + "}")); };
    for (auto bad : {R"({"a":"x\u0000y"})", R"({"a\u0000":1})", R"({"a":[{"b":"\u0000"}]})"}) CHECK(refused([&] { (void)given(bad).json("f", any); }) == "f");
    CHECK_NOTHROW(given(R"({"a":"\\u0000 is how NUL is written"})").json("f", any));
}

TEST_CASE("the signing key among CallRail's integrations") {
    CHECK(key_among(R"({"integrations":[{"type":"Webhooks","signing_key":"k1","company_id":"COM1"}]})", {}).key == "k1");
    CHECK_FALSE(key_among(R"({"integrations":[]})", {}).key);
    CHECK_FALSE(key_among(R"({"integrations":[{"type":"Slack","signing_key":"k1"}]})", {}).key);
    const char* two = R"({"integrations":[{"type":"Webhooks","signing_key":"k1","company_id":"COM1"},{"type":"Webhooks","signing_key":"k2","company_id":"COM2"}]})";
    CHECK(key_among(two, "COM2").key == "k2");
    CHECK(key_among(two, {}).why.find("set callrail_company_id") != std::string::npos);
    CHECK_FALSE(key_among("<html>", {}).key);
    CHECK_FALSE(key_among("{}", {}).key);
}

TEST_CASE("every query of the service fits the schema and the role's grants", "[integration]") {
    auto url = testkit::TestPostgres::shared().fresh_database();
    pg::Connection owner(url, "test");
    REQUIRE(pg::migrate(owner, schema::all()).ok());
    pg::Connection db(testkit::TestPostgres::as_role(url, "otto_company_service"), "test");
    for (const auto& q : sql::all) {
        INFO(q.name);
        CHECK_NOTHROW(db.execute("PREPARE probe AS " + std::string(q.text)));
        db.execute("DEALLOCATE probe");
    }
}
