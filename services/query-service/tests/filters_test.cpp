// Each filter of a list leaves what plain SQL says that it leaves; people are called by their names.
#include <deque>
#include <set>

#include "world.hpp"

using namespace otto;
using namespace otto::query_service;

namespace {

constexpr const char* kRows = R"sql(
SELECT setseed(0.26);
INSERT INTO companies (id, name, timezone) VALUES ('org_a', 'A', 'America/Phoenix'), ('org_b', 'B', 'America/Phoenix');
INSERT INTO company_users (company_id, id, name, email, role, status) VALUES ('org_a', 'user_ann', 'Ann', 'ann@a.example', 'csr', 'active'), ('org_a', 'user_ben', NULL, 'ben@a.example', 'sales_rep', 'removed'),
  ('org_b', 'user_cleo', 'Cleo', 'cleo@b.example', 'csr', 'active');
INSERT INTO contact_cards (company_id, id, first_name) SELECT 'org_a', md5(n::text)::uuid, 'N' || n FROM generate_series(1, 40) n;
INSERT INTO leads (company_id, id, contact_card_id, source, assigned_rep_id) SELECT company_id, id, id, 'Google', (ARRAY['user_ben', 'user_cleo', NULL])[1 + get_byte(uuid_send(id), 1) % 3] FROM contact_cards;
INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, contact_card_id, lead_id, owner_id, received_at, merge_state, source, campaign, tags, duration)
SELECT 'org_a', n, 'callrail', n::text, 'inbound', 'completed', false, true, md5((1 + n % 40)::text)::uuid, md5((1 + n % 40)::text)::uuid, (ARRAY['user_ann', 'user_gone', NULL])[1 + n % 3], now(), '',
       (ARRAY['Google', 'Yelp', NULL])[1 + floor(random() * 3)::int], (ARRAY['Spring', 'Fall', NULL])[1 + floor(random() * 3)::int],
       (ARRAY['{}', '{roof}', '{roof,urgent}', '{urgent}'])[1 + floor(random() * 4)::int]::text[], CASE WHEN random() < 0.9 THEN floor(random() * 600)::int END
  FROM generate_series(1, 300) n;
INSERT INTO call_analyses (company_id, call_id, booking_status, lead_quality, call_outcome_category, objections, raw, received_at)
SELECT company_id, call_id, 'not_booked', (ARRAY['hot', 'cold', 'unqualified', 'lukewarm', NULL])[1 + floor(random() * 5)::int],
       (ARRAY['qualified_and_booked', 'qualified_but_unbooked', 'something_else', NULL])[1 + floor(random() * 4)::int],
       (SELECT coalesce(jsonb_agg(jsonb_build_object('key', k, 'label', initcap(k))), '[]') FROM unnest(ARRAY['price', 'price_later', 'pricexlater', '100%', E'back\\slash']) WITH ORDINALITY AS o (k, i) WHERE (call_id * 7 + i * 13) % 5 < 2),
       '{}', now()
  FROM calls WHERE call_id % 10 < 8;
INSERT INTO analysis_corrections (company_id, call_id, field, value, user_id)
SELECT company_id, call_id, f, CASE f WHEN 'lead_quality' THEN 'hot' ELSE 'qualified_and_booked' END, 'user_m' FROM call_analyses, unnest(ARRAY['lead_quality', 'call_outcome_category']) f WHERE call_id % 9 = 0;
INSERT INTO appointments (company_id, id, lead_id, contact_card_id, assigned_rep_id, needs_time) SELECT company_id, id, id, id, assigned_rep_id, true FROM leads;
INSERT INTO tasks (company_id, id, description, assignee_id, source, contact_card_id, lead_id, unique_key)
SELECT company_id, id, 'd', assigned_rep_id, (ARRAY['otto', 'shunya', 'manual'])[1 + get_byte(uuid_send(id), 2) % 3], id, id, id::text FROM leads;
)sql";

Asking& world() {
    static Asking world(kRows);
    return world;
}

/// Ids of the rows that plain SQL finds, as one text each.
std::set<std::string> plain(const std::string& sql) {
    static std::deque<std::string> kept;  // a prepared statement is known by the places of its name and text
    auto tx = world().owner.begin(pg::Scope::none());
    std::set<std::string> ids;
    tx.each({kept.emplace_back("plain" + std::to_string(kept.size())), kept.emplace_back(sql)}, {},
            [&](const pg::Fields& f) { ids.insert(f.text("id")); });
    return ids;
}

std::set<std::string> listed(Read read, const std::string& query, const char* id) {
    auto list = Asking::data(world().ask(read, query + (query.empty() ? "limit=200" : "&limit=200")));
    std::set<std::string> ids;
    for (std::size_t i = 0; i < list.root()["items"].size(); ++i)
        ids.insert(list.root()["items"].at(i)[id].loose_text().value_or(""));
    CHECK(list.root()["total"].integer() == static_cast<std::int64_t>(ids.size()));
    return ids;
}

}  // namespace

TEST_CASE("a filter of calls leaves what plain SQL says", "[integration]") {
    const std::pair<const char*, const char*> filters[] = {
        {"ids=3,5,9,77777", "c.call_id IN (3, 5, 9)"},
        {"ids=3,5,9&qualified=true", "c.call_id IN (3, 5, 9) AND q.v IN ('hot', 'warm', 'cold')"},
        {"qualified=true", "q.v IN ('hot', 'warm', 'cold')"},
        {"qualified=false&tag=roof", "q.v IN ('hot', 'warm', 'cold') IS NOT TRUE AND 'roof' = ANY (tags)"},
        {"lead_quality=hot", "q.v = 'hot'"},
        {"call_outcome_category=qualified_and_booked", "o.v = 'qualified_and_booked'"},
        {"call_outcome_category=qualified_and_booked,qualified_but_unbooked&source=Yelp",
         "o.v IN ('qualified_and_booked', 'qualified_but_unbooked') AND source = 'Yelp'"},
        {"objection=price", "objections @> '[{\"key\": \"price\"}]'"},
        {"objection=price_later", "objections @> '[{\"key\": \"price_later\"}]'"},
        {"objection=100%25", "objections @> '[{\"key\": \"100%\"}]'"},
        {"objection=back%5Cslash", "objections @> '[{\"key\": \"back\\\\slash\"}]'"},
        {"objection=price,price_later&source=Google",
         "(objections @> '[{\"key\": \"price\"}]' OR objections @> '[{\"key\": "
         "\"price_later\"}]') AND source = 'Google'"},
        {"objection=trust", "false"},
        {"analysed=false", "a.call_id IS NULL"},
        {"source=Google", "source = 'Google'"},
        {"source=Google,Yelp&campaign=Fall", "source IN ('Google', 'Yelp') AND campaign = 'Fall'"},
        {"tag=roof", "'roof' = ANY (tags)"},
        {"tag=roof,urgent&duration_min=300", "tags && '{roof,urgent}' AND duration >= 300"},
        {"duration_min=300", "duration >= 300"}};
    for (auto [query, condition] : filters) {
        INFO(query);
        auto rows = plain(
            "SELECT c.call_id::text AS id FROM calls c LEFT JOIN call_analyses a ON a.call_id = c.call_id "
            "CROSS JOIN LATERAL (SELECT CASE WHEN a.call_id IS NULL THEN NULL WHEN c.call_id % 9 = 0 THEN 'hot' ELSE "
            "a.lead_quality END AS v) q "
            "CROSS JOIN LATERAL (SELECT CASE WHEN a.call_id IS NULL THEN NULL WHEN c.call_id % 9 = 0 THEN 'qualified_and_booked' "
            "ELSE "
            "a.call_outcome_category END AS v) o WHERE " +
            std::string(condition));
        CHECK(rows.size() < 200);
        CHECK((rows.empty() == (std::string(condition) == "false")));
        CHECK(listed(reading<&Calls::list>, query, "call_id") == rows);
    }
}

TEST_CASE("any list is asked for the rows with some ids", "[integration]") {
    const auto some = plain("SELECT id::text FROM leads ORDER BY id LIMIT 3");
    std::string ids;
    for (const auto& id : some) ids += (ids.empty() ? "" : ",") + id;
    for (auto read : {reading<&Leads::list>, reading<&Contacts::list>, reading<&Appointments::list>, reading<&Tasks::list>})
        CHECK(listed(read, "ids=" + ids + ",00000000-0000-0000-0000-000000000000", "id") == some);
    CHECK(listed(reading<&Messages::list>, "ids=" + ids, "id").empty());
    CHECK(listed(reading<&Voicemails::list>, "ids=" + ids, "id").empty());
    CHECK(listed(reading<&Tasks::list>, "source=otto", "id") == plain("SELECT id::text FROM tasks WHERE source = 'otto'"));
}

TEST_CASE("an id that is none, and more than a page may hold, are 422", "[integration]") {
    std::string many;
    for (int n = 0; n < 101; ++n) many += (n ? "," : "") + std::to_string(n);
    for (auto [query, field] : {std::pair<std::string, const char*>{"ids=abc", "ids"},
                                {"ids=,", "ids"},
                                {"ids=" + many, "ids"},
                                {"duration_min=-1", "duration_min"},
                                {"call_outcome_category=good", "call_outcome_category"},
                                {"qualified=perhaps", "qualified"}}) {
        auto answer = world().ask(reading<&Calls::list>, query);
        CHECK(answer.status == 422);
        CHECK(answer.body == field);
    }
    CHECK(world().ask(reading<&Leads::list>, "ids=3").status == 422);
}

TEST_CASE("people are called by their names, in lists and details", "[integration]") {
    auto call = [](const char* id) {
        return Asking::data(world().ask(reading<&Calls::one>, "", "user_m", identity::Role::manager, "call_id", id))
            .root()["owner"]
            .dump();
    };
    CHECK(call("3") == R"({"id":"user_ann","name":"Ann"})");
    CHECK(call("1") == R"({"id":"user_gone","name":null})");  // whom the company does not know
    CHECK(call("2") == "null");
    const std::set<std::string> reps{R"({"id":"user_ben","name":"ben@a.example"})",  // removed, and without a name
                                     R"({"id":"user_cleo","name":null})",            // another company's
                                     "null"};
    for (auto [read, member] : {std::pair{reading<&Leads::list>, "assigned_rep"},
                                {reading<&Appointments::list>, "assigned_rep"},
                                {reading<&Tasks::list>, "assignee"}}) {
        auto list = Asking::data(world().ask(read, "limit=100"));
        std::set<std::string> seen;
        for (std::size_t i = 0; i < list.root()["items"].size(); ++i) seen.insert(list.root()["items"].at(i)[member].dump());
        CHECK(seen == reps);
    }
    auto lead = *plain("SELECT id::text FROM leads WHERE assigned_rep_id = 'user_ben' LIMIT 1").begin();
    auto card = Asking::data(world().ask(reading<&Contacts::one>, "", "user_m", identity::Role::manager, "contact_id", lead));
    for (auto [hanging, member] : {std::pair{"leads", "assigned_rep"}, {"appointments", "assigned_rep"}, {"tasks", "assignee"}})
        CHECK(card.root()[hanging].at(0)[member]["name"].string() == "ben@a.example");
    CHECK(card.root()["calls"].at(0)["owner"].exists());
}
