// Calls as the Aloha app has them: pages by number, outcomes, searches, one call; and what tells unanswered ones apart.
#include <map>
#include <random>

#include "api/resources.hpp"
#include "world.hpp"

using namespace otto;
using namespace otto::query_service;
using identity::Role;

namespace {

/// Thirty calls, newest last, each a minute behind the former; every status, in both directions.
constexpr const char* kRows = R"sql(
INSERT INTO companies (id, name, timezone) VALUES ('org_a', 'A', 'America/Phoenix'), ('org_b', 'B', 'America/Phoenix');
INSERT INTO contact_cards (company_id, id, primary_phone, first_name, last_name) VALUES ('org_a', md5('1')::uuid, '+14802000001', 'Kaylah', 'Mills'), ('org_a', md5('2')::uuid, '+14802000002', 'María', NULL), ('org_a', md5('3')::uuid, NULL, NULL, NULL);
INSERT INTO leads (company_id, id, contact_card_id) SELECT company_id, id, id FROM contact_cards;
INSERT INTO calls (company_id, call_id, provider, provider_call_id, phone_number, tracking_number, direction, status, missed_call, answered, duration, recording_url, started_at, contact_card_id, lead_id, received_at, merge_state, note)
SELECT 'org_a', n, CASE WHEN n % 2 = 0 THEN 'twilio' ELSE 'callrail' END, 'CA' || n, CASE n % 3 WHEN 0 THEN 'anonymous' ELSE '+1480200000' || n % 3 END, '+15205232772', CASE WHEN n > 24 THEN 'outbound' ELSE 'inbound' END, s,
       n <= 24 AND s IN ('missed', 'voicemail', 'failed'), s = 'completed', CASE WHEN s IN ('ringing', 'in_progress') THEN NULL ELSE n END, CASE WHEN n IN (3, 4) THEN 'https://api.twilio.example/secret' END,
       timestamptz '2026-11-21T08:00:00Z' + n * interval '1 minute', md5(CASE n % 3 WHEN 0 THEN 3 ELSE n % 3 END::text)::uuid, md5(CASE n % 3 WHEN 0 THEN 3 ELSE n % 3 END::text)::uuid, now(), '', CASE n WHEN 7 THEN 'the gutter' END
  FROM generate_series(1, 30) n, LATERAL (SELECT (ARRAY['ringing', 'in_progress', 'completed', 'missed', 'voicemail', 'failed'])[1 + n % 6] AS s) x;
INSERT INTO call_analyses (company_id, call_id, booking_status, sentiment_score, summary, raw, received_at)
SELECT 'org_a', n, 'booked', (ARRAY[0.1, 0.4, 0.5, 0.6, 0.9, NULL])[n / 5 + 1], 'Summary ' || n || repeat(' long', 300), '{}', now() FROM generate_series(0, 25, 5) m (n), LATERAL (SELECT) one WHERE n > 0;
INSERT INTO analysis_corrections (company_id, call_id, field, value, user_id) VALUES ('org_a', 5, 'summary', 'once', 'u'), ('org_a', 5, 'summary', 'A roof.', 'u'), ('org_a', 10, 'summary', NULL, 'u'), ('org_a', 10, 'address', 'x', 'u');
INSERT INTO voicemail_messages (company_id, id, call_id, recording_sid, recording_url, duration, transcript, summary, status, created_at) VALUES
       ('org_a', '00000000-0000-4000-8000-000000000001', 4, 'RE1', 'https://api.twilio.example/secret', 9, 'Call me.', 'Wants a call.', 'new', '2026-11-21T08:04:10Z'),
       ('org_a', '00000000-0000-4000-8000-000000000002', 10, 'RE2', 'https://api.twilio.example/secret', 3, NULL, NULL, 'new', '2026-11-21T08:10:10Z'),
       ('org_a', '00000000-0000-4000-8000-000000000003', 10, 'RE3', NULL, NULL, NULL, NULL, 'listened', '2026-11-21T08:10:20Z');
)sql";

Asking& world() {
    static Asking world(kRows);
    return world;
}

http::Response ask(const std::string& query, const std::string& company = "org_a") {
    return world().ask(reading<&Aloha::list>, query, "user_csr", Role::csr, "", "", company);
}
/// The ids of a page, in its order, and behind them the total.
std::string listed(const std::string& query, const std::string& company = "org_a") {
    auto page = Asking::data(ask(query, company));
    std::string out;
    for (std::size_t i = 0; i < page.root()["items"].size(); ++i)
        out += std::to_string(*page.root()["items"].at(i)["id"].integer()) + " ";
    return out + "of " + std::to_string(*page.root()["total"].integer());
}
JsonDocument one(const std::string& id) {
    return Asking::data(world().ask(reading<&Aloha::one>, "", "user_csr", Role::csr, "call_id", id));
}

}  // namespace

TEST_CASE("aloha: pages by number, the newest first", "[integration]") {
    CHECK(listed("") == "30 29 28 27 26 25 24 23 22 21 20 19 18 17 16 15 14 13 12 11 of 30");
    CHECK(listed("page=2") == "10 9 8 7 6 5 4 3 2 1 of 30");
    CHECK(listed("page=3") == "of 30");
    CHECK(listed("pageSize=3&page=10") == "3 2 1 of 30");
    CHECK(listed("pageSize=100") == "30 29 28 27 26 25 24 23 22 21 20 19 18 17 16 15 14 13 12 11 10 9 8 7 6 5 4 3 2 1 of 30");
    CHECK(listed("pageSize=100&page=101") == "of 30");
    auto page = Asking::data(ask("pageSize=7&page=2"));
    CHECK(page.root()["page"].integer() == 2);
    CHECK(page.root()["pageSize"].integer() == 7);
    CHECK_FALSE(page.root()["totalIsLowerBound"].exists());
    CHECK(listed("", "org_b") == "of 0");
    for (const std::string bad : {"page=0", "page=x", "page=502", "pageSize=0", "pageSize=101", "outcome=lost",
                                  "outcome=answered,missed", "limit=5", "sort=x", "status=missed"}) {
        INFO(bad);
        auto answer = ask(bad);
        CHECK(answer.status == 422);
        CHECK(answer.body == bad.substr(0, bad.find('=')));
    }
}

TEST_CASE("aloha: outcomes are our statuses, in either direction, and what is not over has none", "[integration]") {
    // n % 6: 0 ringing, 1 in progress, 2 completed, 3 missed, 4 voicemail, 5 failed
    CHECK(listed("outcome=answered") == "26 20 14 8 2 of 5");
    CHECK(listed("outcome=missed") == "29 27 23 21 17 15 11 9 5 3 of 10");
    CHECK(listed("outcome=voicemail") == "28 22 16 10 4 of 5");
    CHECK(listed("outcome=missed&pageSize=4&page=2") == "17 15 11 9 of 10");
    CHECK(listed("outcome=answered&pageSize=2&page=3") == "2 of 5");
    CHECK(listed("outcome=voicemail", "org_b") == "of 0");
    auto page = Asking::data(ask("pageSize=100"));
    std::map<std::string, int> outcomes;
    for (std::size_t i = 0; i < 30; ++i) ++outcomes[page.root()["items"].at(i)["outcome"].dump()];
    CHECK(outcomes == std::map<std::string, int>{{"\"answered\"", 5}, {"\"missed\"", 10}, {"\"voicemail\"", 5}, {"null", 10}});
}

TEST_CASE("aloha: a number's digits or a name's words find the calls of /api/v1/calls", "[integration]") {
    CHECK(listed("search=480-200-0002") == "29 26 23 20 17 14 11 8 5 2 of 10");
    CHECK(listed("search=4802000001&pageSize=3") == "28 25 22 of 10");
    CHECK(listed("search=maria&outcome=missed") == "29 23 17 11 5 of 5");
    CHECK(listed("search=mills%20kaylah&outcome=voicemail") == "28 22 16 10 4 of 5");
    CHECK(listed("search=maria&outcome=answered") == "26 20 14 8 2 of 5");
    CHECK(listed("search=maria&outcome=voicemail") == "of 0");
    CHECK(listed("search=gutter") == "7 of 1");
    CHECK(listed("search=zzzz") == "of 0");
    CHECK(ask("search=" + std::string(101, 'a')).body == "search");
    for (const std::string words : {"maria", "480", "gutter", "anonymous", "2772"}) {
        auto calls = Asking::data(world().ask(reading<&Calls::list>, "limit=100&sort=-started_at&search=" + words));
        std::string ids;
        for (std::size_t i = 0; i < calls.root()["items"].size(); ++i)
            ids += std::to_string(*calls.root()["items"].at(i)["call_id"].integer()) + " ";
        CHECK(listed("pageSize=100&search=" + words) == ids + "of " + std::to_string(*calls.root()["total"].integer()));
    }
}

TEST_CASE("aloha: what an item says", "[integration]") {
    auto page = Asking::data(ask("pageSize=100"));
    auto item = [&](std::size_t n) { return page.root()["items"].at(30 - n); };
    CHECK(item(5).dump() == R"({"id":5,"callerName":"María","callerNumber":"+14802000002","startedAt":"2026-11-21T08:05:00Z",)"
                            R"("durationSeconds":5,"outcome":"missed","sentiment":"neutral","summary":"A roof."})");
    CHECK(item(10)["callerName"].string() == "Kaylah Mills");
    CHECK(item(10)["sentiment"].string() == "neutral");
    CHECK(item(10)["summary"].is_null());  // a person said that there is none
    CHECK(item(15)["callerName"].is_null());
    CHECK(item(15)["callerNumber"].string() == "anonymous");
    CHECK(item(15)["summary"].string()->size() == resources::kBrief);
    CHECK(item(20)["sentiment"].string() == "positive");
    CHECK(item(25)["sentiment"].is_null());
    CHECK(item(6)["durationSeconds"].is_null());
    CHECK(item(6)["outcome"].is_null());
}

TEST_CASE("aloha: one call, with its recording and the newest voicemail", "[integration]") {
    CHECK(one("3").root()["recordingUrl"].string() == "/api/v1/calls/3/recording");
    CHECK(one("3").root()["voicemail"].is_null());
    CHECK(one("4").root()["recordingUrl"].string() == "/api/v1/calls/4/recording");
    CHECK(one("5").root()["recordingUrl"].is_null());
    CHECK(
        one("4").root()["voicemail"].dump() ==
        R"({"id":"00000000-0000-4000-8000-000000000001","recordingUrl":"/api/v1/calls/4/recording","recordingDurationSeconds":9,)"
        R"("transcript":"Call me.","summary":"Wants a call.","status":"new","isRead":false,"createdAt":"2026-11-21T08:04:10Z"})");
    CHECK(one("10").root()["voicemail"]["id"].string() == "00000000-0000-4000-8000-000000000003");
    CHECK(one("10").root()["voicemail"]["recordingUrl"].is_null());
    CHECK(one("10").root()["voicemail"]["isRead"].boolean() == true);
    CHECK(one("15").root()["summary"].string()->size() > resources::kBrief);
    CHECK(one("5").root()["sentiment"].string() == "neutral");
    for (const std::string none : {"31", "x", "0"})
        CHECK(world().ask(reading<&Aloha::one>, "", "user_csr", Role::csr, "call_id", none).status == 404);
    CHECK(world().ask(reading<&Aloha::one>, "", "user_csr", Role::csr, "call_id", "3", "org_b").status == 404);
}

TEST_CASE("aloha: a call that proved to be another is that one", "[integration]") {
    Asking folded(R"sql(
INSERT INTO companies (id, name) VALUES ('org_a', 'A');
INSERT INTO contact_cards (company_id, id) VALUES ('org_a', md5('1')::uuid);
INSERT INTO leads (company_id, id, contact_card_id) SELECT company_id, id, id FROM contact_cards;
INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, contact_card_id, lead_id, received_at, merge_state) VALUES ('org_a', 1, 'twilio', 'CA1', 'inbound', 'voicemail', true, false, md5('1')::uuid, md5('1')::uuid, now(), '');
INSERT INTO folded_calls (company_id, from_id, into_id) VALUES ('org_a', 2, 1);
INSERT INTO voicemail_messages (company_id, id, call_id, recording_sid) VALUES ('org_a', md5('1')::uuid, 1, 'RE1');
)sql");
    auto call = Asking::data(folded.ask(reading<&Aloha::one>, "", "user_csr", Role::csr, "call_id", "2"));
    CHECK(call.root()["id"].integer() == 1);
    CHECK(call.root()["voicemail"].is_object());
}

TEST_CASE("aloha: of many calls a total is a lower bound", "[integration]") {
    Asking many(R"sql(
INSERT INTO companies (id, name) VALUES ('org_a', 'A');
INSERT INTO contact_cards (company_id, id) VALUES ('org_a', md5('1')::uuid);
INSERT INTO leads (company_id, id, contact_card_id) SELECT company_id, id, id FROM contact_cards;
INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, contact_card_id, lead_id, received_at, merge_state)
SELECT 'org_a', n, 'twilio', 'CA' || n, 'inbound', CASE n % 2 WHEN 0 THEN 'completed' ELSE 'missed' END, n % 2 = 1, n % 2 = 0, md5('1')::uuid, md5('1')::uuid, now(), '' FROM generate_series(1, 20100) n;
ANALYZE)sql");
    for (const std::string query : {"", "outcome=answered", "outcome=missed", "outcome=answered&page=501"}) {
        INFO(query);
        auto page = Asking::data(many.ask(reading<&Aloha::list>, query, "user_csr", Role::csr));
        CHECK(page.root()["items"].size() == 20);
        CHECK(page.root()["total"].integer() == 10'000);
        CHECK(page.root()["totalIsLowerBound"].boolean() == true);
    }
}

TEST_CASE("aloha: unanswered calls are found, and counted, by an index in their order", "[integration]") {
    const api::Viewer viewer{CompanyId{"org_a"}, "user_csr"};
    const sql::lists::UnansweredCalls::Filters voicemails{.unanswered = "voicemail"};
    const auto page = world().nouns.lists.unanswered_calls.page(viewer, api::Page::newest("started_at", 20), voicemails);
    const auto count = world().nouns.lists.unanswered_calls.count(viewer, voicemails);
    for (const auto* statement : {&page, &count}) {
        std::string plan, name = "explained " + std::string(statement->query->name),
                          text = "EXPLAIN (COSTS OFF) " + std::string(statement->query->text);
        auto tx = world().service.begin(pg::Scope::company(CompanyId{"org_a"}));
        tx.each({name, text}, statement->params, [&](const pg::Fields& f) { plan += f.text("QUERY PLAN") + "\n"; });
        INFO(plan);
        CHECK(plan.find("using call_facts_unanswered") != std::string::npos);
        CHECK(plan.find("on call_facts f\n") != std::string::npos);
    }
}

TEST_CASE("facts say of each call how it ended unanswered, whatever becomes of it", "[integration]") {
    testkit::Database db("otto_lead_pipeline");
    db.owner.execute(R"sql(
INSERT INTO contact_cards (company_id, id) SELECT 'org_f', md5(n::text)::uuid FROM generate_series(1, 3) n;
INSERT INTO leads (company_id, id, contact_card_id) SELECT company_id, id, id FROM contact_cards;)sql");
    auto wrong = [&] {
        return db.lines(
            "SELECT f.call_id || ' is ' || coalesce(f.unanswered, 'null') || ' and ' || c.status AS v FROM call_facts f FULL "
            "JOIN calls c USING "
            "(company_id, call_id) WHERE $1 = 'org_f' AND (f.unanswered IS DISTINCT FROM CASE c.status WHEN 'missed' THEN "
            "'missed' WHEN 'failed' "
            "THEN 'missed' WHEN 'voicemail' THEN 'voicemail' END OR c.call_id IS NULL OR f.call_id IS NULL)",
            {"org_f"});
    };
    std::mt19937 random(7);
    const std::vector<std::string> statuses{"ringing", "in_progress", "completed", "missed", "voicemail", "failed"};
    for (int step = 0; step < 120; ++step) {
        auto call = std::to_string(1 + random() % 12), status = statuses[random() % statuses.size()];
        auto missed = random() % 2 == 0 ? "true" : "false";
        if (random() % 8 == 0)
            db.owner.execute("DELETE FROM calls WHERE company_id = 'org_f' AND call_id = " + call);
        else
            db.owner.execute(
                "INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, "
                "contact_card_id, "
                "lead_id, received_at, merge_state) VALUES ('org_f', " +
                call + ", 'twilio', 'CA" + call + "', 'inbound', '" + status + "', " + missed +
                ", false, md5('1')::uuid, md5('1')::uuid, now(), '') ON CONFLICT (company_id, call_id) DO UPDATE SET status = "
                "excluded.status, "
                "missed_call = excluded.missed_call");
        if (step % 10 == 0) CHECK(wrong() == "");
    }
    db.owner.execute("SELECT call_facts_rebuild()");
    CHECK(wrong() == "");
}
