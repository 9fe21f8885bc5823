#include "api/inputs.hpp"

#include <ctime>

#include "api/api.hpp"
#include "base/json.hpp"
#include "base/time.hpp"
#include "testing/catch.hpp"

using namespace otto;
using api::Inputs;

namespace {

http::Request asking(const std::string& query, const std::string& body = "") {
    http::Request r;
    r.query = query;
    r.body = body;
    r.received_at = *parse_time("2026-01-01T00:00:00Z");
    return r;
}

/// What commands of these tests take.
Inputs of(const http::Request& request) {
    return Inputs::of(request, {"api_key", "x", "duration", "name", "phone_number", "is_active", "a", "f", "lead_id", "at",
                                "status", "rep", "n"});
}

std::string refused(const std::function<void()>& f) {
    try {
        f();
        return "";
    } catch (const api::Refusal& r) {
        CHECK(r.problem.status == 422);
        return r.problem.fields.empty() ? "?" : r.problem.fields[0].first;
    }
}

}  // namespace

TEST_CASE("a command is given by query, form or JSON, and by a form that calls itself JSON") {
    CHECK(of(asking("api_key=k")).required("api_key") == "k");
    CHECK(of(asking("", "api_key=k&x=1")).required("api_key") == "k");
    CHECK(of(asking("", "{\"api_key\": \"k\"}")).required("api_key") == "k");
    CHECK(of(asking("", "{\"duration\": 5}")).required("duration") == "5");
    CHECK(of(asking("api_key=query", "{\"api_key\": \"body\"}")).required("api_key") == "body");
    CHECK(of(asking("name=AZ%20Roof%20Demo&phone_number=%2B12028313219")).phone("phone_number") == "+12028313219");
    CHECK(of(asking("phone_number=+12028313219")).phone("phone_number") == "+12028313219");  // a plus that arrived as a space
    CHECK(of(asking("phone_number=+442071838750")).phone("phone_number") == "+442071838750");
    CHECK_FALSE(of(asking("name=%20")).text("name"));
    CHECK_FALSE(of(asking("", "{\"name\": null}")).text("name"));
}

TEST_CASE("what is wrong with it is named") {
    CHECK(refused([] { of(asking("", "{\"a\": ")); }) == "body");
    CHECK(refused([] { of(asking("", "[1]")); }) == "body");
    CHECK(refused([] { of(asking("", "just words")); }) == "body");
    CHECK(refused([] { of(asking("a=%ff")); }) == "query");
    CHECK(refused([] { (void)of(asking("")).required("name"); }) == "name");
    CHECK(refused([] { (void)of(asking("name=" + std::string(600, 'x'))).text("name"); }) == "name");
    CHECK(refused([] { (void)of(asking("name=a%00b")).text("name"); }) == "name");
    CHECK(refused([] { (void)of(asking("", "{\"name\": [1]}")).text("name"); }) == "name");
    CHECK(refused([] { (void)of(asking("phone_number=five")).phone("phone_number"); }) == "phone_number");
    CHECK(refused([] { (void)of(asking("is_active=perhaps")).truth("is_active"); }) == "is_active");
}

TEST_CASE("what Postgres has no text for is refused, its escape written out is not") {
    const JsonSchema any(R"({"type":"object"})");
    auto given = [](const std::string& json) { return of(asking("", "{\"f\":" + json + "}")); };
    for (auto bad : {R"({"a":"x\u0000y"})", R"({"a\u0000":1})", R"({"a":[{"b":"\u0000"}]})"})
        CHECK(refused([&] { (void)given(bad).json("f", any); }) == "f");
    CHECK_NOTHROW(given(R"({"a":"\\u0000 is how NUL is written"})").json("f", any));
}

TEST_CASE("ids, times and words are understood or named") {
    auto in = [](const std::string& json) { return of(asking("", json)); };
    CHECK(in(R"({"lead_id":"0191e0b8-0000-7000-8000-000000000001"})").uuid("lead_id")->to_string() ==
          "0191e0b8-0000-7000-8000-000000000001");
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

TEST_CASE("a name that a command does not take is refused by it, with what it takes") {
    auto given = [](const std::string& query, const std::string& body) {
        return Inputs::of(asking(query, body), {"name", "phone_number"});
    };
    CHECK(given("name=a", R"({"phone_number":"+12025550100"})").phone("phone_number") == "+12025550100");
    CHECK(refused([&] { (void)given("", R"({"name":"a","phone_nubmer":"+12025550100"})"); }) == "phone_nubmer");
    CHECK(refused([&] { (void)given("nane=a", ""); }) == "nane");
    CHECK(refused([&] { (void)given("", "name=a&x=1"); }) == "x");
    CHECK(refused([&] { (void)given("", R"({"":1})"); }).empty());
    try {
        (void)given("", R"({"fone":1})");
        FAIL("an unknown member was taken");
    } catch (const api::Refusal& r) {
        CHECK(r.problem.fields.at(0).second == "is nothing that this takes; it takes name and phone_number");
    }
    CHECK(refused([&] { (void)given("", "{\"" + std::string(5'000, 'x') + "\":1}"); }).size() == 100);
    CHECK_THROWS_AS(given("", "").text("address"), std::logic_error);
}

TEST_CASE("null and \"\" take away what can be taken away, and nothing else") {
    auto change = [](const std::string& body) {
        return Inputs::change(asking("", body), {.lasting = {"status"},
                                                 .clearable = {"due_at", "note", "remark"},
                                                 .besides = {"force"},
                                                 .fixed = {{{"call_id", "lead_id"}, "stays what it is"}}});
    };
    for (auto empty : {R"({"due_at":null})", R"({"due_at":""})", R"({"due_at":"  "})", "due_at="}) {
        auto in = change(empty);
        auto due = in.change("due_at", in.time("due_at"));
        CHECK(due.clears());
        CHECK_FALSE(due.after(from_micros(7)));
        CHECK(in.changed() == std::vector<std::string>{"due_at"});
    }
    for (auto empty : {R"({"status":null})", R"({"status":""})", "status="}) CHECK(refused([&] { change(empty); }) == "status");
    CHECK(refused([&] { change(R"({"status":"open","lead_id":null})"); }) == "lead_id");
    CHECK(refused([&] { change("{}"); }) == "body");
    CHECK(refused([&] { change(R"({"force":true})"); }) == "body");

    auto in = change(R"({"status":"open","note":"n","force":true})");
    CHECK(in.change("note", in.text("note")).after("before") == "n");
    CHECK(in.change("due_at", in.time("due_at")).after(from_micros(7)) == from_micros(7));
    CHECK(in.changed() == std::vector<std::string>{"status", "note"});

    auto other = change(R"({"remark":""})");
    other.alias("remark", "note");
    CHECK(other.change("note", other.text("note")).clears());
    CHECK(other.changed() == std::vector<std::string>{"note"});
    auto both = change(R"({"remark":"a","note":"b"})");
    CHECK(refused([&] { both.alias("remark", "note"); }) == "remark");
}

TEST_CASE("a time without a zone is not guessed") {
    auto at = [](const std::string& text) { return Inputs::of(asking("", "{\"at\":\"" + text + "\"}"), {"at"}).time("at"); };
    for (auto bare : {"2026-03-01T10:00:00", "2026-03-01 10:00", "2026-03-01", "2026-03-01T10:00:00.5"})
        CHECK(refused([&] { (void)at(bare); }) == "at");
    CHECK(to_rfc3339(at("2026-03-01T10:00:00-07:00").value()) == "2026-03-01T17:00:00Z");
    for (auto utc : {"2026-03-01T17:00:00Z", "2026-03-01 17:00:00 UTC", "2026-03-01T10:00-0700", "1772384400", "1772384400000"})
        CHECK(at(utc) == at("2026-03-01T17:00:00Z"));
    for (auto name : {"2026-03-01T10:00:00 MST", "2026-03-01 10:00 ET", "2026-03-01 10:00 America/Phoenix"})
        CHECK(refused([&] { (void)at(name); }) == "at");
}

TEST_CASE("digits are no time but for seconds and milliseconds, and nothing is meant for 1970 or for the next century") {
    auto at = [](const std::string& text) { return Inputs::of(asking("", "{\"at\":\"" + text + "\"}"), {"at"}).time("at"); };
    for (auto digits : {"20261220", "2026", "5", "20261220100000", "202612", "999999999", "4000000001"})
        CHECK(refused([&] { (void)at(digits); }) == "at");
    for (auto never :
         {"1970-08-23T12:00:00Z", "1999-12-31T23:59:59Z", "2036-01-01T00:00:01Z", "2099-01-01T00:00:00Z", "3000000000"})
        CHECK(refused([&] { (void)at(never); }) == "at");
    for (auto good : {"2000-01-01T00:00:00Z", "2036-01-01T00:00:00Z"}) CHECK(to_rfc3339(at(good).value()) == good);
}

TEST_CASE("how long reading takes grows with the body and not with its square") {
    auto body = [](std::size_t members, const std::string& tail) {
        std::string json = "{\"f\":{";
        for (std::size_t i = 0; i < members; ++i)
            json += (i ? ",\"member number " : "\"member number ") + std::to_string(i) + "\":\"x\"";
        return json + "}" + tail + "}";
    };
    auto cpu = [] {
        timespec t{};
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return double(t.tv_sec) * 1e9 + double(t.tv_nsec);
    };
    const JsonSchema any(R"({"type":"object"})");
    auto least = [&](const std::string& json) {
        auto request = asking("", json);
        double best = 1e18;
        for (int i = 0; i < 9; ++i) {
            auto before = cpu();
            CHECK(Inputs::of(request, {"f"}).json("f", any));
            best = std::min(best, cpu() - before);
        }
        return best;
    };
    auto few = least(body(900, "")), many = least(body(9'000, ""));
    INFO("900 members take " << few << " ns, ten times as many " << many);
    CHECK(many < 25 * few);  // a hundred times if it were quadratic

    CHECK(refused([&] { (void)Inputs::of(asking("", body(10'001, "")), {"f"}); }) == "body");
    CHECK(refused([&] { (void)Inputs::of(asking("", body(6'000, ",\"g\":[" + body(6'000, "") + "]")), {"f", "g"}); }) == "body");
    std::string fields;
    for (int i = 0; i < 1'001; ++i) fields += "f=1&";
    CHECK(refused([&] { (void)Inputs::of(asking("", fields), {"f"}); }) == "body");
}
