// What every list does: pages of any size that hold each row once, texts cut, pages of bounded size.
#include <set>

#include "api/resources.hpp"
#include "base/crypto.hpp"
#include "world.hpp"

using namespace otto;
using namespace otto::query_service;

namespace {

constexpr const char* kRows = R"sql(
INSERT INTO companies (id, name, timezone, phone_number) VALUES ('org_a', 'A', 'America/Phoenix', '+16025550100');
INSERT INTO company_users (company_id, id, role, created_at) SELECT 'org_a', 'user_' || n, 'csr', now() - n / 3 * interval '1 minute' FROM generate_series(1, 7) n;
INSERT INTO company_numbers (company_id, id, e164, purposes, provider, valid_from) SELECT 'org_a', md5(n::text)::uuid, '+160255501' || 10 + n, '{voice}', 'callrail', '-infinity' FROM generate_series(1, 4) n;
INSERT INTO seen_numbers (company_id, e164, provider, first_seen_at, last_seen_at) SELECT 'org_a', '+160255501' || 13 + n, 'callrail', now(), now() FROM generate_series(1, 4) n;
INSERT INTO contact_cards (company_id, id, primary_phone, first_name, address) SELECT 'org_a', md5(n::text)::uuid, '+1480200000' || n, repeat('ä', 2000), repeat('b', 60000) FROM generate_series(1, 7) n;
INSERT INTO leads (company_id, id, contact_card_id, source, assigned_rep_id) SELECT 'org_a', id, id, repeat('s', 64000), 'user_m' FROM contact_cards;
INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, contact_card_id, lead_id, received_at, merge_state, note, source, campaign, keywords, value, lead_status, tags)
SELECT 'org_a', row_number() OVER (), 'callrail', id::text, 'inbound', 'completed', false, true, id, id, now(), '', repeat(E'\u20ac', 21000), repeat('s', 64000), repeat('c', 64000), repeat('k', 64000), repeat('v', 64000),
       repeat('l', 64000), array_fill(repeat('t', 300), ARRAY[200]) FROM leads;
INSERT INTO appointments (company_id, id, lead_id, contact_card_id, scheduled_start, assigned_rep_id, notes, location_address) SELECT 'org_a', id, id, id, now(), 'user_m', repeat('n', 64000), repeat('l', 64000) FROM leads;
INSERT INTO tasks (company_id, id, description, assigned_to, contact_card_id, lead_id, raw_text, unique_key) SELECT 'org_a', id, repeat('d', 64000), 'csr', id, id, repeat('r', 64000), id FROM leads;
INSERT INTO messages (company_id, id, provider, provider_message_id, direction, from_number, to_number, body, media, status, error_message, contact_card_id, lead_id, sent_by, sent_at)
SELECT 'org_a', id, 'twilio', 'SM' || id, 'inbound', '+14802000001', '+16025550100', repeat(E'\u20ac', 21000), '[{"n": 0, "state": "stored", "url": "https://api.example/secret", "object_key": "org_a/messages/1/0"}]', 'received', repeat('e', 5000),
       id, id, 'Ann', now() - row_number() OVER () / 3 * interval '1 minute' FROM leads;
INSERT INTO voicemail_messages (company_id, id, call_id, recording_sid, recording_url, duration, transcript, summary, created_at)
SELECT 'org_a', contact_card_id, call_id, 'RE' || call_id, 'https://api.example/secret', 12, repeat(E'\u20ac', 21000), repeat('s', 5000), now() - call_id / 3 * interval '1 minute' FROM calls;
INSERT INTO opt_outs (company_id, id, phone, source, reason, opted_out_at) SELECT 'org_a', id, '+14802000001', 'csr', repeat('r', 5000), now() FROM leads;
)sql";

struct List {
    const char* name;
    Read read;
    std::string sort = "created_at";
};
const List kLists[] = {{"calls", reading<&Calls::list>},
                       {"leads", reading<&Leads::list>},
                       {"contacts", reading<&Contacts::list>},
                       {"appointments", reading<&Appointments::list>},
                       {"today", reading<&Appointments::today>},
                       {"tasks", reading<&Tasks::list>},
                       {"users", reading<&Company::users>},
                       {"numbers", reading<&Company::numbers>},
                       {"messages", reading<&Messages::list>, "sent_at"},
                       {"voicemails", reading<&Voicemails::list>},
                       {"opt-outs", reading<&Messages::opt_outs>, "opted_out_at"}};

Asking& world() {
    static Asking world(kRows);
    return world;
}

/// No text of it is longer than a list shows.
void brief_all(const JsonView& v) {
    if (auto text = v.string()) CHECK(text->size() <= resources::kBrief);
    for (std::size_t i = 0; v.is_array() && i < v.size(); ++i) brief_all(v.at(i));
    if (!v.is_object()) return;
    for (auto [name, value] : v.members()) brief_all(value);
}

}  // namespace

TEST_CASE("each list takes limit, offset, cursor and sort, and its pages hold each row once", "[integration]") {
    for (const auto& list : kLists)
        for (const auto& sort : {"-" + list.sort, list.sort}) {
            INFO(list.name << " by " << sort);
            std::set<std::string> seen;
            std::string cursor, last;
            int pages = 0;
            auto total = Asking::data(world().ask(list.read)).root()["total"].integer().value();
            CHECK(total ==
                  (std::string(list.name) == "numbers"
                       ? 8
                       : 7));  // one of the company's own, four registered, of four that were seen three are none of these
            do {
                auto page =
                    Asking::data(world().ask(list.read, "limit=1" + (cursor.empty() ? "&sort=" + sort : "&cursor=" + cursor)));
                REQUIRE(page.root()["items"].size() == 1);
                CHECK(page.root()["total"].integer() == total);
                CHECK(page.root()["limit"].integer() == 1);
                CHECK(seen.insert(page.root()["items"].at(0).dump()).second);
                auto at = std::string(page.root()["items"].at(0)[list.sort].string().value());
                if (!last.empty()) CHECK((sort[0] == '-' ? at <= last : at >= last));
                last = at;
                cursor = page.root()["next_cursor"].string().value_or("");
                REQUIRE(++pages <= total);
            } while (!cursor.empty());
            CHECK(pages == total);
            CHECK(Asking::data(world().ask(list.read, "limit=2&offset=" + std::to_string(total - 1))).root()["items"].size() ==
                  1);
            for (const std::string bad :
                 {"limit=0", "limit=201", "limit=abc", "offset=-4", "offset=10001", "sort=nope", "cursor=zzz", "colour=red"}) {
                auto answer = world().ask(list.read, bad);
                INFO(bad);
                CHECK(answer.status == 422);
                CHECK(answer.body == bad.substr(0, bad.find('=')));
            }
        }
}

TEST_CASE("a cursor that nobody gave is 422, whatever stands in it", "[integration]") {
    for (const auto& list : kLists)
        for (const std::string place : {"1,\"a\\u0000b\"]", "999999999999999999,\"1\"]", "1,\"\"]", "{}", "[]"}) {
            auto text = place.size() == 2 ? place : "[\"-" + list.sort + "\"," + place;
            INFO(list.name << text);
            CHECK(world().ask(list.read, "cursor=" + base64url_encode(text)).status == 422);
        }
}

TEST_CASE("texts are cut in lists and whole in the detail", "[integration]") {
    for (const auto& list : kLists) {
        INFO(list.name);
        auto answer = world().ask(list.read);
        brief_all(Asking::data(answer).root());
        CHECK(answer.body.size() < 7 * 16 * resources::kBrief);
    }
    auto call = Asking::data(world().ask(reading<&Calls::one>, "", "user_m", identity::Role::manager, "call_id", "1"));
    CHECK(call.root()["note"].string()->size() == 63'000);
    CHECK(call.root()["tags"].size() == 200);
    auto listed = Asking::data(world().ask(reading<&Calls::list>));
    CHECK(listed.root()["items"].at(0)["note"].string()->size() == 1'023);  // no letter is cut in two
    CHECK(listed.root()["items"].at(0)["tags"].size() == 3);
    auto id = std::string(call.root()["lead_id"].string().value());
    CHECK(Asking::data(world().ask(reading<&Tasks::one>, "", "user_m", identity::Role::manager, "task_id", id))
              .root()["description"]
              .string()
              ->size() == 64'000);
    CHECK(Asking::data(world().ask(reading<&Appointments::one>, "", "user_m", identity::Role::manager, "appointment_id", id))
              .root()["notes"]
              .string()
              ->size() == 64'000);
    auto message = Asking::data(world().ask(reading<&Messages::one>, "", "user_m", identity::Role::manager, "message_id", id));
    CHECK(message.root()["body"].string()->size() == 63'000);
    auto card = Asking::data(world().ask(reading<&Contacts::one>, "", "user_m", identity::Role::manager, "contact_id", id));
    CHECK(card.root()["address"].string()->size() == 60'000);
    for (auto hanging : {"leads", "calls", "messages", "voicemails", "appointments", "tasks", "timeline"})
        brief_all(card.root()[hanging]);
    auto lead = Asking::data(world().ask(reading<&Leads::one>, "", "user_m", identity::Role::manager, "lead_id", id));
    CHECK(lead.root()["source"].string()->size() == 64'000);
    for (auto hanging : {"calls", "appointments", "tasks"}) brief_all(lead.root()[hanging]);
    brief_all(Asking::data(world().ask(reading<&Calls::timeline>, "", "user_m", identity::Role::manager, "call_id", "1")).root());
}

TEST_CASE("a page of long rows ends before its limit, and its cursor leads on", "[integration]") {
    // Each of 200 notes becomes six bytes a letter in JSON.
    Asking heavy(R"sql(
INSERT INTO companies (id, name) VALUES ('org_a', 'A');
INSERT INTO contact_cards (company_id, id) VALUES ('org_a', md5('1')::uuid);
INSERT INTO leads (company_id, id, contact_card_id) VALUES ('org_a', md5('1')::uuid, md5('1')::uuid);
INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, contact_card_id, lead_id, received_at, merge_state, note, source, campaign, keywords, value, lead_status)
SELECT 'org_a', n, 'callrail', n::text, 'inbound', 'completed', false, true, md5('1')::uuid, md5('1')::uuid, now(), '', t, t, t, t, t, t FROM generate_series(1, 200) n, repeat(E'\x01', 2000) t;
)sql");
    std::set<std::int64_t> seen;
    std::string cursor;
    int pages = 0;
    do {
        auto answer = heavy.ask(reading<&Calls::list>, "limit=200" + (cursor.empty() ? "" : "&cursor=" + cursor));
        CHECK(answer.body.size() < (4 << 20) + 100'000);
        auto page = Asking::data(answer);
        CHECK(page.root()["total"].integer() == 200);
        for (std::size_t i = 0; i < page.root()["items"].size(); ++i)
            CHECK(seen.insert(page.root()["items"].at(i)["call_id"].integer().value()).second);
        cursor = page.root()["next_cursor"].string().value_or("");
        ++pages;
    } while (!cursor.empty());
    CHECK(seen.size() == 200);
    CHECK(pages == 2);
    CHECK(heavy
              .ask(reading<&Contacts::one>, "", "user_m", identity::Role::manager, "contact_id",
                   "c4ca4238-a0b9-2382-0dcc-509a6f75849b")
              .body.size() < (5 << 20));
}
