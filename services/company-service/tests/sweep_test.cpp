#include "sweep.hpp"

#include "base/json.hpp"
#include "callrail_calls.hpp"
#include "listed_call.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::company_service;
namespace pb = otto::inbound::v1;
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
ListedCall one(const std::string& changed = "") {
    auto page = providers::callrail::read_calls(listed(changed));
    REQUIRE(page.ok());
    REQUIRE(page->calls.size() == 1);
    return page->calls.front();
}
const Instant kAsked = *parse_time("2026-11-21T12:00:00Z");

}  // namespace

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
    CHECK(swept_event(one(R"(,"changes":["note"],"tenant_id":"org_b")"), "org_a", "ACC1", kAsked).call().stage() ==
          pb::STAGE_POST_CALL);
    CHECK(swept_event(one(R"(,"changes":["note"],"tenant_id":"org_b")"), "org_a", "ACC1", kAsked)
              .addressee()
              .claimed_company_id()
              .empty());
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
    CHECK(
        differences(
            *[] {
                static auto bare = providers::callrail::read_calls(
                    R"({"calls":[{"id":"CAL1","start_time":"2026-11-20T10:00:00Z","duration":null,"recording":"","agent_email":null,"answered":true}]})");
                return &bare->calls.front();
            }(),
            same)
            .empty());  // CallRail's silence is no difference

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
    CHECK(sweep_due(now - 1min, now - 1s, {}, now, 10min));         // an operator asks
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
    CHECK(retry_at(120s, now) == now + 120s);
    CHECK(retry_at({}, now) == now + 60s);
    CHECK(retry_at(0s, now) == now + 1s);
    CHECK(retry_at(999'999s, now) == now + 1h);
}
