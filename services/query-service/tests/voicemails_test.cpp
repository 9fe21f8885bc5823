// Voicemails as people see them: the list, one, on the card and on timelines; and the notice that a caller was played.
#include "world.hpp"

using namespace otto;
using namespace otto::query_service;
using identity::Role;

namespace {

constexpr const char* kRows = R"sql(
INSERT INTO companies (id, name, timezone) VALUES ('org_a', 'A', 'America/Phoenix'), ('org_b', 'B', 'America/Phoenix');
INSERT INTO contact_cards (company_id, id, primary_phone, first_name, created_at) VALUES ('org_a', '00000000-0000-4000-8000-00000000000c', '+14802000001', 'Kaylah', '2026-11-01T00:00:00Z'),
       ('org_a', '00000000-0000-4000-8000-00000000000d', '+14802000002', 'Other', '2026-11-01T00:00:00Z');
INSERT INTO leads (company_id, id, contact_card_id, status, pool_status, assigned_rep_id, created_at) VALUES
       ('org_a', '00000000-0000-4000-8000-00000000000e', '00000000-0000-4000-8000-00000000000c', 'closed_lost', 'closed', 'user_rep1', '2026-11-01T00:00:00Z'),
       ('org_a', '00000000-0000-4000-8000-00000000000f', '00000000-0000-4000-8000-00000000000c', 'hot', 'assigned', 'user_rep2', '2026-11-01T00:00:00Z'),
       ('org_a', '00000000-0000-4000-8000-0000000000ff', '00000000-0000-4000-8000-00000000000d', 'hot', 'in_pool', NULL, '2026-11-01T00:00:00Z');
INSERT INTO calls (company_id, call_id, provider, provider_call_id, phone_number, tracking_number, direction, status, missed_call, answered, duration, recording_url, started_at, ended_at, contact_card_id, lead_id, received_at, merge_state,
                   consent_notice_played, consent_notice_sha256) VALUES
       ('org_a', 1, 'twilio', 'CA1', '+14802000001', '+15205232772', 'inbound', 'voicemail', true, false, 30, 'https://api.twilio.example/secret', '2026-11-21T08:00:00Z', '2026-11-21T08:00:30Z', '00000000-0000-4000-8000-00000000000c',
        '00000000-0000-4000-8000-00000000000e', now(), '', true, 'aa11'),
       ('org_a', 2, 'twilio', 'CA2', '+14802000001', '+15205232772', 'inbound', 'voicemail', true, false, 30, NULL, '2026-11-22T06:59:00Z', NULL, '00000000-0000-4000-8000-00000000000c', '00000000-0000-4000-8000-00000000000f', now(), '',
        false, NULL),
       ('org_a', 3, 'callrail', 'CAL3', '+14802000002', '+15205232772', 'inbound', 'completed', false, true, 30, NULL, '2026-11-22T07:00:00Z', NULL, '00000000-0000-4000-8000-00000000000d', '00000000-0000-4000-8000-0000000000ff', now(),
        '', NULL, NULL);
INSERT INTO voicemail_messages (company_id, id, call_id, recording_sid, recording_url, duration, transcript, summary, status, created_at) VALUES
       ('org_a', '00000000-0000-4000-8000-000000000001', 1, 'RE1', 'https://api.twilio.example/secret', 12, 'Hi, my roof leaks.', 'A leaking roof.', 'new', '2026-11-21T08:00:25Z'),
       ('org_a', '00000000-0000-4000-8000-000000000002', 2, 'RE2', NULL, NULL, NULL, NULL, 'listened', '2026-11-22T06:59:59Z'),
       ('org_a', '00000000-0000-4000-8000-000000000003', 3, 'RE3', 'https://api.twilio.example/secret', 5, 'Call me.', NULL, 'done', '2026-11-22T07:00:10Z');
)sql";

Asking& world() {
    static Asking world(kRows);
    return world;
}

/// The ids' last digits of a page, in its order, and its total behind them: "321 of 3".
std::string listed(const std::string& query, const std::string& user = "user_m", Role role = Role::manager,
                   const std::string& company = "org_a") {
    auto page = Asking::data(world().ask(reading<&Voicemails::list>, query, user, role, "", "", company));
    std::string out;
    for (std::size_t i = 0; i < page.root()["items"].size(); ++i) out += page.root()["items"].at(i)["id"].string()->back();
    return out + " of " + std::to_string(*page.root()["total"].integer());
}

http::Response one(const std::string& id, const std::string& user = "user_m", Role role = Role::manager,
                   const std::string& company = "org_a") {
    return world().ask(reading<&Voicemails::one>, "", user, role, "voicemail_id", "00000000-0000-4000-8000-" + id, company);
}

/// What a timeline tells of voicemails.
std::string told(const JsonView& timeline) {
    std::string out;
    for (std::size_t i = 0; i < timeline.size(); ++i)
        if (auto entry = timeline.at(i); entry["kind"].string() == "voicemail")
            out.append(*entry["title"].string()).append(": ").append(*entry["detail"].string()).append("\n");
    return out;
}

}  // namespace

TEST_CASE("voicemails: the newest first, narrowed by what is asked", "[integration]") {
    CHECK(listed("") == "321 of 3");
    CHECK(listed("sort=created_at") == "123 of 3");
    CHECK(listed("status=new,done") == "31 of 2");
    // Days are the company's: Phoenix is seven hours behind.
    CHECK(listed("date_from=2026-11-21&date_to=2026-11-21") == "21 of 2");
    CHECK(listed("date_from=2026-11-22") == "3 of 1");
    CHECK(listed("contact_card_id=00000000-0000-4000-8000-00000000000c") == "21 of 2");
    CHECK(world().ask(reading<&Voicemails::list>, "status=heard").body == "status");
    CHECK(world().ask(reading<&Voicemails::list>, "search=roof").body == "search");
    CHECK(listed("", "user_m", Role::manager, "org_b") == " of 0");
}

TEST_CASE("voicemails: a rep sees those of calls of own leads", "[integration]") {
    CHECK(listed("", "user_rep1", Role::sales_rep) == "1 of 1");
    CHECK(listed("", "user_rep2", Role::sales_rep) == "2 of 1");
    CHECK(listed("", "user_rep3", Role::sales_rep) == " of 0");
    CHECK(one("000000000001", "user_rep1", Role::sales_rep).status == 200);
    CHECK(one("000000000001", "user_rep2", Role::sales_rep).status == 404);
}

TEST_CASE("voicemails: one, with its call's people and without the provider's address", "[integration]") {
    auto answer = one("000000000001");
    CHECK(answer.body.find("secret") == std::string::npos);
    auto voicemail = Asking::data(answer);
    CHECK(voicemail.root()["call_id"].integer() == 1);
    CHECK(voicemail.root()["recording_sid"].string() == "RE1");
    CHECK(voicemail.root()["recording_url"].string() == "/api/v1/calls/1/recording");
    CHECK(voicemail.root()["duration"].integer() == 12);
    CHECK(voicemail.root()["transcript"].string() == "Hi, my roof leaks.");
    CHECK(voicemail.root()["summary"].string() == "A leaking roof.");
    CHECK(voicemail.root()["status"].string() == "new");
    CHECK(voicemail.root()["created_at"].string() == "2026-11-21T08:00:25Z");
    CHECK(voicemail.root()["contact"]["first_name"].string() == "Kaylah");
    CHECK(voicemail.root()["lead"]["status"].string() == "closed_lost");
    CHECK(Asking::data(world().ask(reading<&Voicemails::list>)).root()["items"].at(2).dump() == voicemail.root().dump());
    auto bare = Asking::data(one("000000000002"));
    for (auto unknown : {"recording_url", "duration", "transcript", "summary"}) CHECK(bare.root()[unknown].is_null());
    // A call with another recording: what the caller left is none that is stored.
    CHECK(Asking::data(one("000000000003")).root()["recording_url"].is_null());
    for (auto none : {"00000000000c", "x"}) CHECK(one(none).status == 404);
    CHECK(one("000000000001", "user_m", Role::manager, "org_b").status == 404);
}

TEST_CASE("voicemails: a card holds them, and timelines tell of them", "[integration]") {
    auto card = Asking::data(
        world().ask(reading<&Contacts::one>, "", "user_m", Role::manager, "contact_id", "00000000-0000-4000-8000-00000000000c"));
    REQUIRE(card.root()["voicemails"].size() == 2);
    CHECK(card.root()["voicemails"].at(1)["recording_url"].string() == "/api/v1/calls/1/recording");
    CHECK(told(card.root()["timeline"]) == "The customer's voicemail, 12 s: A leaking roof.\nThe customer's voicemail: \n");
    auto of_call = [](const std::string& call) {
        return Asking::data(world().ask(reading<&Calls::timeline>, "", "user_m", Role::manager, "call_id", call));
    };
    CHECK(told(of_call("1").root()["items"]) == "The customer's voicemail, 12 s: A leaking roof.\n");
    CHECK(told(of_call("3").root()["items"]) == "The customer's voicemail, 5 s: Call me.\n");
}

TEST_CASE("a call says which notice its caller was played", "[integration]") {
    auto call = [](const std::string& id) {
        return Asking::data(world().ask(reading<&Calls::one>, "", "user_m", Role::manager, "call_id", id));
    };
    CHECK(call("1").root()["consent_notice_played"].boolean() == true);
    CHECK(call("1").root()["consent_notice_sha256"].string() == "aa11");
    CHECK(call("2").root()["consent_notice_played"].boolean() == false);
    CHECK(call("2").root()["consent_notice_sha256"].is_null());
    CHECK(call("3").root()["consent_notice_played"].is_null());
}

TEST_CASE("seed 003's SELECTs run as they are written", "[integration]") {
    auto tx = world().service.begin(pg::Scope::company(CompanyId{"org_a"}));
    std::string ids;
    tx.each({"seed 003, call_logs",
             R"sql(-- Check call_logs
SELECT * FROM call_logs 
WHERE to_number = '+15205232772'
ORDER BY started_at DESC
LIMIT 5;)sql"},
            {}, [&](const pg::Fields& f) { ids += f.text("id"); });
    CHECK(ids == "321");
    tx.each({"seed 003, voicemail_messages",
             R"sql(-- Check voicemail_messages (if voicemail was left)
SELECT * FROM voicemail_messages
ORDER BY created_at DESC
LIMIT 5;)sql"},
            {}, [&](const pg::Fields& f) { ids += f.text("call_id"); });
    CHECK(ids == "321321");
}

TEST_CASE("voicemails: a customer's are found by the customer's calls, a rep's by what is the rep's", "[integration]") {
    Asking many(R"sql(
INSERT INTO companies (id, name) VALUES ('org_a', 'A');
INSERT INTO contact_cards (company_id, id) SELECT 'org_a', md5(n::text)::uuid FROM generate_series(1, 3000) n;
INSERT INTO leads (company_id, id, contact_card_id, assigned_rep_id) SELECT company_id, id, id, CASE id WHEN md5('7')::uuid THEN 'user_few' ELSE 'user_many' END FROM contact_cards;
INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, contact_card_id, lead_id, received_at, merge_state)
SELECT company_id, nextval('call_id_seq'), 'twilio', id::text, 'inbound', 'voicemail', true, false, id, id, now(), '{}' FROM contact_cards;
INSERT INTO voicemail_messages (company_id, id, call_id, recording_sid) SELECT company_id, contact_card_id, call_id, 'RE' || call_id FROM calls;
ANALYZE)sql");
    const sql::lists::Voicemails::Filters whole, of_customer{.contact_card_id = "8f14e45f-ceea-167a-5a36-dedd4bea2543"};
    for (const auto& [viewer, filters] : {std::pair{api::Viewer{CompanyId{"org_a"}, "user_m"}, of_customer},
                                          std::pair{api::Viewer{CompanyId{"org_a"}, "user_few", true}, whole}}) {
        const auto statement = many.nouns.lists.voicemails.page(viewer, api::Page::newest("created_at"), filters);
        std::string plan, name = "explained for " + viewer.user,
                          text = "EXPLAIN (COSTS OFF) " + std::string(statement.query->text);
        auto tx = many.service.begin(pg::Scope::company(CompanyId{"org_a"}));
        tx.each({"anew", "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"}, {}, [](const pg::Fields&) {});
        tx.each({name, text}, statement.params, [&](const pg::Fields& f) { plan += f.text("QUERY PLAN") + "\n"; });
        INFO(plan);
        CHECK(plan.find("using voicemail_messages_call on voicemail_messages v") != std::string::npos);
    }
}
