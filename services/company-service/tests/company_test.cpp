#include "api/api.hpp"
#include "api/inputs.hpp"
#include "company-service/sql.hpp"
#include "openapi.hpp"
#include "testing/catch.hpp"
#include "testkit/database.hpp"

using namespace otto;
using namespace otto::company_service;
using api::Inputs;

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
    } catch (const api::Refusal& r) {
        CHECK(r.problem.status == 422);
        return r.problem.fields.empty() ? "?" : r.problem.fields[0].first;
    }
}

}  // namespace

TEST_CASE("a call flow and a service area must fit their schemas") {
    const JsonSchema flow(openapi_schema("CallFlow")), area(openapi_schema("ServiceArea"));
    auto given = [](const std::string& json) { return Inputs::of(asking("", "{\"f\":" + json + "}"), {"f"}); };
    for (
        auto good :
        {R"({})",
         R"({"consent_notice":"recorded","hours":{"mon":[["08:00","12:00"],["13:00","24:00"]]},"open":[{"dial":["+12025550100"],"timeout_s":20},{"voicemail":{"greeting":"hi","max_s":120}}],"closed":[{"say":"closed"}],"no_answer":[{"stream":"wss://a.example"}],"missed_call_text":{"enabled":false,"body":"x"}})"})
        CHECK_NOTHROW(given(good).json("f", flow));
    for (auto bad : {R"([])", R"({"opne":[]})", R"({"hours":{"monday":[]}})", R"({"hours":{"mon":[["8","12:00"]]}})",
                     R"({"hours":{"mon":[["25:00","26:00"]]}})", R"({"open":[{"fax":"1"}]})",
                     R"({"open":[{"say":"a","dial":["+12025550100"]}]})", R"({"open":[{"dial":[]}]})",
                     R"({"open":[{"stream":"http://a"}]})", R"({"missed_call_text":{}})"}) {
        INFO(bad);
        CHECK(refused([&] { (void)given(bad).json("f", flow); }) == "f");
    }
    CHECK_NOTHROW(given(R"({"states":["AZ"],"cities":["Phoenix"],"postal_codes":["850*"]})").json("f", area));
    for (auto bad : {R"({"states":["Arizona"]})", R"({"states":"AZ"})", R"({"city":["Phoenix"]})"})
        CHECK(refused([&] { (void)given(bad).json("f", area); }) == "f");
}

TEST_CASE("every query of the service fits the schema and the role's grants", "[integration]") {
    CHECK(testkit::Database("otto_company_service").prepares_all(sql::all) == "");
}
