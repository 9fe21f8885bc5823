// What CallRail's API answers, in our words.
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/callrail.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::providers::callrail;
using namespace std::chrono_literals;

namespace {

/// A call as CallRail's API lists it: masked id, numbers as numbers, null for what is absent (providers.md §1.6).
std::string listed(const std::string& changed = "") {
    std::string call =
        R"({"answered":true,"business_phone_number":null,"customer_city":"Phoenix","customer_country":"US","customer_name":"Ann Smith","customer_phone_number":"+12148654559",
        "customer_state":"AZ","direction":"inbound","duration":183,"id":"CAL0190","recording":"https://api.callrail.com/v3/a/ACC1/calls/CAL0190/recording.json","recording_duration":183,
        "recording_player":"https://app.callrail.com/calls/766970532/recording?access_key=aaaa","start_time":"2026-11-20T10:00:00.000-07:00","tracking_phone_number":"+14045558514","voicemail":false,
        "agent_email":"ann@example.com","company_id":"COM1","note":null,"tags":[])";
    return R"({"page":1,"per_page":250,"total_pages":3,"total_records":501,"calls":[)" + call + changed + "}]}";
}

}  // namespace

TEST_CASE("a page of CallRail's list, and what is none") {
    auto page = read_calls(listed());
    REQUIRE(page.ok());
    CHECK(page->pages == 3);
    REQUIRE(page->calls.size() == 1);
    auto call = page->calls.front();
    CHECK(call.id == "CAL0190");
    CHECK(call.other_id == "766970532");  // under which a webhook may have told it
    CHECK(to_rfc3339(*call.started_at) == "2026-11-20T17:00:00Z");
    CHECK(*call.ended_at - *call.started_at == 183s);
    CHECK(call.over);
    CHECK(call.event->call().status() == "completed");
    CHECK(call.event->call().agent_email() == "ann@example.com");
    CHECK_FALSE(call.event->call().has_tags());
    CHECK(read_calls(R"({"calls":[]})")->calls.empty());
    CHECK(read_calls(R"({"calls":[{"answered":true},7,null]})")->calls.empty());
    CHECK_FALSE(read_calls("<html>").ok());
    CHECK_FALSE(read_calls(R"({"error":"HTTP Token: Access denied."})").ok());
    auto begun = read_calls(
        R"({"calls":[{"id":"CAL1","answered":false,"duration":null,"start_time":"2026-11-20T10:00:00Z","voicemail":false,"recording":null}]})");
    CHECK_FALSE(begun->calls.front().over);  // nothing says that it was missed
    CHECK(
        read_calls(
            R"({"calls":[{"id":"CAL1","answered":false,"duration":0,"start_time":"2026-11-20T10:00:00Z","voicemail":false,"recording":null}]})")
            ->calls.front()
            .over);
}

TEST_CASE("one bad note fails no page") {
    const std::string before = R"({"total_pages":2,"calls":[{"id":"CAL1","answered":true},)",
                      after = R"(,{"id":"CAL3","answered":true}]})";
    auto halved = read_calls(before + R"({ "id":"CAL2", "answered":true,"note":"roof leaks \ud83d","duration":61.0})" + after);
    REQUIRE(halved.ok());
    REQUIRE(halved->calls.size() == 3);
    CHECK(halved->unreadable.empty());
    CHECK(halved->calls[1].event->call().note() == "roof leaks \xEF\xBF\xBD");
    CHECK(halved->calls[1].json ==
          R"({ "id":"CAL2", "answered":true,"note":"roof leaks \ud83d","duration":61.0})");  // byte for byte
    for (std::string bad : {R"({"id":"CAL2","value":NaN})", "{\"id\":\"CAL2\",\"note\":\"\xED\xA0\xBD\"}",
                            "{\"id\":\"CAL2\",\"note\":\"a\x02\"}", R"({"id":"CAL2","value":1e999})"}) {
        INFO(bad);
        auto page = read_calls(before + bad + after);
        REQUIRE(page.ok());
        CHECK(page->pages == 2);
        REQUIRE(page->calls.size() == 2);
        CHECK(page->calls[0].id == "CAL1");
        CHECK(page->calls[1].id == "CAL3");
        CHECK(page->unreadable.size() == 1);
    }
    auto strange = read_calls(R"({"calls":[{"id":4711.0,"tags":{"id":7},"note":["x"],"duration":[1]},null,{"id":{"a":1}},"x"]})");
    REQUIRE(strange.ok());
    REQUIRE(strange->calls.size() == 1);
    CHECK(strange->calls[0].id == "4711");
    CHECK_FALSE(strange->calls[0].event->call().has_note());
    for (auto pages : {"3", "\"3\"", "3.0"})
        CHECK(read_calls(R"({"calls":[],"total_pages":)" + std::string(pages) + "}")->pages == 3);
}

TEST_CASE("a recording's path takes no id that would lead elsewhere") {
    CHECK(recording_path("ACC1", "CAL1") == "/v3/a/ACC1/calls/CAL1/recording.json");
    CHECK(recording_path("ACC1", "a/b") == "/v3/a/ACC1/calls/a%2Fb/recording.json");
    for (auto odd : {"", ".", ".."}) {
        CHECK_FALSE(recording_path(odd, "CAL1"));
        CHECK_FALSE(recording_path("ACC1", odd));
    }
}

TEST_CASE("a page of CallRail's trackers") {
    auto page = read_trackers(
        R"({"page":1,"total_pages":3,"trackers":[{"status":"active","tracking_numbers":["+12025550101","202-555-0102"],"company":{"id":"COM1"}},
        {"status":"disabled","tracking_numbers":["+12025550103"],"company":{"id":"COM1"}},{"tracking_numbers":["+12025550104","55555"],"company":{"id":"COM2"}},{"tracking_numbers":null}]})",
        {});
    REQUIRE(page.ok());
    CHECK(page->pages == 3);
    CHECK(page->numbers == std::vector<std::string>{"+12025550101", "+12025550102", "+12025550104"});
    CHECK(
        read_trackers(
            R"({"trackers":[{"tracking_numbers":["+12025550101"],"company":{"id":"COM1"}},{"tracking_numbers":["+12025550104"],"company":{"id":"COM2"}}]})",
            "COM2")
            ->numbers == std::vector<std::string>{"+12025550104"});
    CHECK(page->whole);
    for (auto pages : {"3", "\"3\"", "3.0"})
        CHECK(read_trackers(R"({"trackers":[],"total_pages":)" + std::string(pages) + "}", {})->pages == 3);
    // What cannot be understood is not taken for absent.
    for (auto strange : {R"([{"tracking_numbers":"+12025550101"}])", R"([{"tracking_numbers":[{"number":"+12025550101"}]}])",
                         R"([7])", R"([{"name":NaN}])", R"([{"tracking_numbers":[true]}])"}) {
        INFO(strange);
        auto odd = read_trackers(R"({"trackers":)" + std::string(strange) + "}", {});
        REQUIRE(odd.ok());
        CHECK_FALSE(odd->whole);
        CHECK(odd->numbers.empty());
    }
    CHECK_FALSE(read_trackers(R"({"trackers":[],"total_pages":{}})", {})->whole);
    CHECK(
        read_trackers(R"({"trackers":[{"tracking_numbers":[12025550101,"+12025550102"],"company":{"id":7.0}}]})", "7")->numbers ==
        std::vector<std::string>{"+12025550101", "+12025550102"});
    CHECK_FALSE(read_trackers("<html>", {}).ok());
    CHECK_FALSE(read_trackers(R"({"error":"x"})", {}).ok());
}

TEST_CASE("the signing key among CallRail's integrations") {
    CHECK(key_among(R"({"integrations":[{"type":"Webhooks","signing_key":"k1","company_id":"COM1"}]})", {}).key == "k1");
    CHECK_FALSE(key_among(R"({"integrations":[]})", {}).key);
    CHECK_FALSE(key_among(R"({"integrations":[{"type":"Slack","signing_key":"k1"}]})", {}).key);
    const char* two =
        R"({"integrations":[{"type":"Webhooks","signing_key":"k1","company_id":"COM1"},{"type":"Webhooks","signing_key":"k2","company_id":"COM2"}]})";
    CHECK(key_among(two, "COM2").key == "k2");
    CHECK(key_among(two, {}).why.find("set callrail_company_id") != std::string::npos);
    CHECK_FALSE(key_among("<html>", {}).key);
    CHECK_FALSE(key_among("{}", {}).key);
}
