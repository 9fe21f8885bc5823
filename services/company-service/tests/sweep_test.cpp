#include "sweep.hpp"

#include "base/json.hpp"
#include "listed_call.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::company_service;
namespace pb = otto::inbound::v1;
using namespace std::chrono_literals;

namespace {

/// A call as CallRail's API lists it: masked id, numbers as numbers, null for what is absent (providers.md §1.6).
std::string listed(const std::string& changed = "") {
    std::string call = R"({"answered":true,"business_phone_number":null,"customer_city":"Phoenix","customer_country":"US","customer_name":"Ann Smith","customer_phone_number":"+12148654559",
        "customer_state":"AZ","direction":"inbound","duration":183,"id":"CAL0190","recording":"https://api.callrail.com/v3/a/ACC1/calls/CAL0190/recording.json","recording_duration":183,
        "recording_player":"https://app.callrail.com/calls/766970532/recording?access_key=aaaa","start_time":"2026-11-20T10:00:00.000-07:00","tracking_phone_number":"+14045558514","voicemail":false,
        "agent_email":"ann@example.com","company_id":"COM1","note":null,"tags":[])";
    return R"({"page":1,"per_page":250,"total_pages":3,"total_records":501,"calls":[)" + call + changed + "}]}";
}
ListedCall one(const std::string& changed = "") {
    auto page = read_page(listed(changed));
    REQUIRE(page.ok());
    REQUIRE(page->calls.size() == 1);
    return page->calls.front();
}
const Instant kAsked = *parse_time("2026-11-21T12:00:00Z");

}  // namespace

TEST_CASE("a page of CallRail's list, and what is none") {
    auto page = read_page(listed());
    REQUIRE(page.ok());
    CHECK(page->pages == 3);
    auto call = one();
    CHECK(call.id == "CAL0190");
    CHECK(call.other_id == "766970532");  // under which a webhook may have told it
    CHECK(to_rfc3339(*call.started_at) == "2026-11-20T17:00:00Z");
    CHECK(*call.ended_at - *call.started_at == 183s);
    CHECK(call.over);
    CHECK(call.event.call().status() == "completed");
    CHECK(call.event.call().agent_email() == "ann@example.com");
    CHECK_FALSE(call.event.call().has_tags());
    CHECK(read_page(R"({"calls":[]})")->calls.empty());
    CHECK(read_page(R"({"calls":[{"answered":true},7,null]})")->calls.empty());
    CHECK_FALSE(read_page("<html>").ok());
    CHECK_FALSE(read_page(R"({"error":"HTTP Token: Access denied."})").ok());
    auto begun = read_page(R"({"calls":[{"id":"CAL1","answered":false,"duration":null,"start_time":"2026-11-20T10:00:00Z","voicemail":false,"recording":null}]})");
    CHECK_FALSE(begun->calls.front().over);  // nothing says that it was missed
    CHECK(read_page(R"({"calls":[{"id":"CAL1","answered":false,"duration":0,"start_time":"2026-11-20T10:00:00Z","voicemail":false,"recording":null}]})")->calls.front().over);
}

TEST_CASE("one bad note fails no page") {
    const std::string before = R"({"total_pages":2,"calls":[{"id":"CAL1","answered":true},)", after = R"(,{"id":"CAL3","answered":true}]})";
    auto halved = read_page(before + R"({ "id":"CAL2", "answered":true,"note":"roof leaks \ud83d","duration":61.0})" + after);
    REQUIRE(halved.ok());
    REQUIRE(halved->calls.size() == 3);
    CHECK(halved->unreadable.empty());
    CHECK(halved->calls[1].event.call().note() == "roof leaks \xEF\xBF\xBD");
    CHECK(halved->calls[1].json == R"({ "id":"CAL2", "answered":true,"note":"roof leaks \ud83d","duration":61.0})");  // byte for byte
    CHECK(swept_event(halved->calls[1], "org_a", "ACC1", kAsked).receipt().raw_body() == halved->calls[1].json);
    for (std::string bad : {R"({"id":"CAL2","value":NaN})", "{\"id\":\"CAL2\",\"note\":\"\xED\xA0\xBD\"}", "{\"id\":\"CAL2\",\"note\":\"a\x02\"}", R"({"id":"CAL2","value":1e999})"}) {
        INFO(bad);
        auto page = read_page(before + bad + after);
        REQUIRE(page.ok());
        CHECK(page->pages == 2);
        REQUIRE(page->calls.size() == 2);
        CHECK(page->calls[0].id == "CAL1");
        CHECK(page->calls[1].id == "CAL3");
        CHECK(page->unreadable.size() == 1);
    }
    auto strange = read_page(R"({"calls":[{"id":4711.0,"tags":{"id":7},"note":["x"],"duration":[1]},null,{"id":{"a":1}},"x"]})");
    REQUIRE(strange.ok());
    REQUIRE(strange->calls.size() == 1);
    CHECK(strange->calls[0].id == "4711");
    CHECK_FALSE(strange->calls[0].event.call().has_note());
    for (auto pages : {"3", "\"3\"", "3.0"}) CHECK(read_page(R"({"calls":[],"total_pages":)" + std::string(pages) + "}")->pages == 3);
}

TEST_CASE("what enters for a call whose webhooks never came") {
    auto e = swept_event(one(), "org_a", "ACC1", kAsked);
    CHECK(e.kind() == "call.swept");
    CHECK(e.key() == "+12148654559");
    CHECK(e.receipt().swept());
    CHECK(e.receipt().verdict() == pb::VERDICT_AUTHENTIC);
    CHECK(e.receipt().proven_company_id() == "org_a");
    CHECK(e.receipt().received_at_us() == to_micros(kAsked));
    CHECK(JsonDocument::parse(e.receipt().raw_body())->root()["id"].string() == "CAL0190");
    CHECK(e.call().stage() == pb::STAGE_POST_CALL);  // a change that a webhook told wins, whenever it came
    CHECK(e.call().status() == "completed");
    CHECK(e.call().duration_s() == 183);
    CHECK(e.call().aliases_size() == 2);
    CHECK(e.call().provider_call_id() == "CAL0190");
    CHECK(swept_event(one(R"(,"changes":["note"],"tenant_id":"org_b")"), "org_a", "ACC1", kAsked).call().stage() == pb::STAGE_POST_CALL);
    CHECK(swept_event(one(R"(,"changes":["note"],"tenant_id":"org_b")"), "org_a", "ACC1", kAsked).addressee().claimed_company_id().empty());
    CHECK(e.addressee().account_id() == "ACC1");
    CHECK(e.addressee().number() == e.call().tracking_number());
}

TEST_CASE("what CallRail knows otherwise, and only that, enters for a call that we have") {
    using Names = std::vector<std::string>;
    KnownCall same{"766970532", "completed", 183, true, "user_1", "user_1"};
    CHECK(differences(one(), same).empty());
    auto with = [&](auto change) {
        auto k = same;
        change(k);
        return differences(one(), k);
    };
    CHECK(with([](auto& k) { k.status = "in_progress"; }) == Names{"status"});
    CHECK(with([](auto& k) { k.duration_s = 0; }) == Names{"duration"});
    CHECK(with([](auto& k) { k.duration_s.reset(); }) == Names{"duration"});
    CHECK(with([](auto& k) { k.has_recording = false; }) == Names{"recording"});
    CHECK(with([](auto& k) { k.owner_id.reset(); }) == Names{"agent"});
    CHECK(with([](auto& k) { k.agent_id.reset(); }).empty());  // nobody's e-mail
    CHECK(differences(*[] {
        static auto bare = read_page(R"({"calls":[{"id":"CAL1","start_time":"2026-11-20T10:00:00Z","duration":null,"recording":"","agent_email":null,"answered":true}]})");
        return &bare->calls.front();
    }(), same).empty());  // CallRail's silence is no difference

    auto known = same;
    known.status = "ringing";
    auto e = swept_event(one(), "org_a", "ACC1", kAsked, known, {"status"});
    CHECK(e.call().status() == "completed");
    CHECK(e.call().answered());
    CHECK_FALSE(e.call().has_duration_s());
    CHECK_FALSE(e.call().has_recording_url());
    CHECK_FALSE(e.call().has_agent_email());
    CHECK_FALSE(e.call().has_customer_name());
    CHECK(e.receipt().swept());
    CHECK(e.key() == "+12148654559");
    known.provider_call_id = "under another id";
    auto f = swept_event(one(), "org_a", "ACC1", kAsked, known, {"recording", "duration", "agent"});
    CHECK(f.call().status().empty());
    CHECK(f.call().has_recording_url());
    CHECK(f.call().duration_s() == 183);
    CHECK(f.call().agent_email() == "ann@example.com");
    CHECK(std::count(f.call().aliases().begin(), f.call().aliases().end(), "under another id") == 1);
}

TEST_CASE("when a sweep is due, and from where") {
    auto now = kAsked;
    CHECK(sweep_due({}, {}, {}, now, 10min));
    CHECK_FALSE(sweep_due(now - 5min, {}, {}, now, 10min));
    CHECK(sweep_due(now - 10min, {}, {}, now, 10min));
    CHECK(sweep_due(now - 10min + 2s, {}, {}, now, 10min));
    CHECK(sweep_due(now - 1min, now - 1s, {}, now, 10min));        // an operator asks
    CHECK_FALSE(sweep_due(now - 1h, now, now + 1min, now, 10min));  // CallRail asked to wait
    CHECK(sweep_due(now - 1h, {}, now - 1s, now, 10min));
    CHECK(sweep_from({}, {}, now) == now - 24h);
    CHECK(sweep_from(now - 10min, now + 1min, now + 11min) == now - 70min);
    // A call is listed when it is over: once an hour what began as long ago as a call may last is looked at again.
    CHECK(sweep_from(now - 10min, now - 1min, now + 9min) == now - 10min - 6h);
    CHECK(sweep_from(now - 10min, {}, now) == now - 10min - 6h);
    CHECK(sweep_from(now - std::chrono::days(3'000), now, now) == now - std::chrono::days(730));
}

TEST_CASE("a sweep waits as CallRail asks, a second to an hour") {
    auto now = kAsked;
    CHECK(retry_at("120", now) == now + 120s);
    CHECK(retry_at("", now) == now + 60s);
    CHECK(retry_at("soon", now) == now + 60s);
    CHECK(retry_at("0", now) == now + 1s);
    CHECK(retry_at("999999", now) == now + 1h);
}
