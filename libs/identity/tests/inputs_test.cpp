#include "identity/inputs.hpp"

#include "base/json.hpp"
#include "identity/api.hpp"
#include "testing/catch.hpp"

using namespace otto;
using identity::Inputs;

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

TEST_CASE("what Postgres has no text for is refused, its escape written out is not") {
    const JsonSchema any(R"({"type":"object"})");
    auto given = [](const std::string& json) { return Inputs::of(asking("", "{\"f\":" + json + "}")); };
    for (auto bad : {R"({"a":"x\u0000y"})", R"({"a\u0000":1})", R"({"a":[{"b":"\u0000"}]})"}) CHECK(refused([&] { (void)given(bad).json("f", any); }) == "f");
    CHECK_NOTHROW(given(R"({"a":"\\u0000 is how NUL is written"})").json("f", any));
}

TEST_CASE("ids, times and words are understood or named") {
    auto in = [](const std::string& json) { return Inputs::of(asking("", json)); };
    CHECK(in(R"({"lead_id":"0191e0b8-0000-7000-8000-000000000001"})").uuid("lead_id")->to_string() == "0191e0b8-0000-7000-8000-000000000001");
    CHECK(refused([&] { (void)in(R"({"lead_id":"7"})").uuid("lead_id"); }) == "lead_id");
    CHECK(in(R"({"at":"2026-03-01T10:00:00-07:00"})").time("at") == in(R"({"at":"2026-03-01T17:00:00Z"})").time("at"));
    CHECK(refused([&] { (void)in(R"({"at":"tomorrow"})").time("at"); }) == "at");
    CHECK(in(R"({"status":"confirmed"})").one_of("status", {"scheduled", "confirmed"}) == "confirmed");
    CHECK(refused([&] { (void)in(R"({"status":"sure"})").one_of("status", {"scheduled", "confirmed"}); }) == "status");
    CHECK(in(R"({"rep":null})").clears("rep"));
    CHECK_FALSE(in(R"({"rep":"user_1"})").clears("rep"));
    CHECK_FALSE(in(R"({})").clears("rep"));
    CHECK(in(R"({"n":"15"})").integer("n", 0, 20) == 15);
    CHECK(refused([&] { (void)in(R"({"n":21})").integer("n", 0, 20); }) == "n");
    CHECK(refused([&] { (void)in(R"({"n":"1x"})").integer("n", 0, 20); }) == "n");
}
