// What hangs on a detail is what the lists show: for each role, nothing is seen beside something else that is 404 when it is
// asked for alone.
#include <map>
#include <set>

#include "world.hpp"

using namespace otto;
using namespace otto::query_service;
using identity::Role;

namespace {

/// Customers whose leads, calls, appointments and tasks are different people's, in every mixture, each telling whose it is in its
/// words.
constexpr const char* kRows = R"sql(
INSERT INTO companies (id, name, timezone) VALUES ('org_a', 'A', 'America/Phoenix');
INSERT INTO contact_cards (company_id, id, primary_phone, first_name) SELECT 'org_a', md5('card' || n)::uuid, '+1480200000' || n, 'Customer' || n FROM generate_series(1, 4) n;
-- Of each customer a closed lead of one and an open one of another; the last has none that is a rep's.
INSERT INTO leads (company_id, id, contact_card_id, status, pool_status, assigned_rep_id)
SELECT 'org_a', md5('lead' || n || s)::uuid, md5('card' || n)::uuid, CASE s WHEN 1 THEN 'closed_lost' ELSE 'hot' END, 'assigned',
       (ARRAY[['user_rep1', 'user_rep2'], ['user_rep2', 'user_rep1'], ['user_rep2', NULL], [NULL, NULL]])[n][s]
  FROM generate_series(1, 4) n, generate_series(1, 2) s;
INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, contact_card_id, lead_id, received_at, merge_state, note)
SELECT 'org_a', 1000 + row_number() OVER (ORDER BY l.id, n), 'callrail', l.id::text || n, 'inbound', 'completed', false, true, l.contact_card_id, l.id, now(), '', 'note of ' || coalesce(l.assigned_rep_id, 'nobody')
  FROM leads l, generate_series(1, 2) n;
INSERT INTO appointments (company_id, id, lead_id, contact_card_id, call_id, scheduled_start, assigned_rep_id, notes)
SELECT 'org_a', md5(call_id || rep)::uuid, lead_id, contact_card_id, CASE rep WHEN 'user_rep1' THEN call_id END, now(), nullif(rep, ''), 'visit of ' || rep FROM calls, unnest(ARRAY['user_rep1', 'user_rep3', '']) rep;
INSERT INTO tasks (company_id, id, description, assigned_to, assignee_id, contact_card_id, lead_id, call_id, unique_key)
SELECT 'org_a', md5(call_id || rep)::uuid, 'task of ' || rep, 'rep', nullif(rep, ''), contact_card_id, lead_id, call_id, md5(call_id || rep) FROM calls, unnest(ARRAY['user_rep2', 'user_rep3', '']) rep;
INSERT INTO messages (company_id, id, provider, provider_message_id, direction, body, status, contact_card_id, lead_id, sent_at)
SELECT 'org_a', md5('text' || id)::uuid, 'twilio', 'SM' || id, 'inbound', 'text to a lead of ' || coalesce(assigned_rep_id, 'nobody'), 'received', contact_card_id, id, now() FROM leads;
INSERT INTO voicemail_messages (company_id, id, call_id, recording_sid, transcript) SELECT company_id, md5('voicemail' || call_id)::uuid, call_id, 'RE' || call_id, 'said with ' || note FROM calls;
INSERT INTO call_analyses (company_id, call_id, booking_status, lead_quality, raw, received_at) SELECT company_id, call_id, 'booked', 'hot', '{}', now() FROM calls;
)sql";

/// A kind of row: its list, its detail, and what its id is called.
struct Kind {
    const char* name;
    Read list, detail;
    const char *param, *id;
};
const Kind kKinds[] = {{"call", reading<&Calls::list>, reading<&Calls::one>, "call_id", "call_id"},
                       {"lead", reading<&Leads::list>, reading<&Leads::one>, "lead_id", "id"},
                       {"contact", reading<&Contacts::list>, reading<&Contacts::one>, "contact_id", "id"},
                       {"appointment", reading<&Appointments::list>, reading<&Appointments::one>, "appointment_id", "id"},
                       {"task", reading<&Tasks::list>, reading<&Tasks::one>, "task_id", "id"},
                       {"message", reading<&Messages::list>, reading<&Messages::one>, "message_id", "id"},
                       {"voicemail", reading<&Voicemails::list>, reading<&Voicemails::one>, "voicemail_id", "id"}};
/// What an object or the objects of a list are, by the member that holds them.
const std::map<std::string, std::string, std::less<>> kMembers{
    {"calls", "call"},           {"leads", "lead"}, {"appointments", "appointment"}, {"tasks", "task"}, {"messages", "message"},
    {"voicemails", "voicemail"}, {"lead", "lead"},  {"contact", "contact"}};

const Kind& kind(std::string_view name) {
    return *std::find_if(std::begin(kKinds), std::end(kKinds), [&](const Kind& k) { return k.name == name; });
}
std::string id_of(const JsonView& row, const Kind& k) { return row[k.id].loose_text().value_or(""); }

}  // namespace

TEST_CASE("what hangs on a detail is seen exactly by whom it is seen alone", "[integration]") {
    Asking world(kRows);
    const std::pair<std::string, Role> people[] = {{"user_rep1", Role::sales_rep}, {"user_rep2", Role::sales_rep},
                                                   {"user_rep3", Role::sales_rep}, {"user_rep4", Role::sales_rep},
                                                   {"user_csr", Role::csr},        {"user_m", Role::manager},
                                                   {"user_x", Role::executive}};
    std::map<std::string, std::set<std::string>> everything;
    for (const auto& k : kKinds) {
        auto page = Asking::data(world.ask(k.list, "limit=200"));
        for (std::size_t i = 0; i < page.root()["items"].size(); ++i)
            everything[k.name].insert(id_of(page.root()["items"].at(i), k));
    }
    REQUIRE(everything["call"].size() == 16);
    REQUIRE(everything["task"].size() == 48);
    REQUIRE(everything["voicemail"].size() == 16);
    for (const auto& [user, role] : people) {
        std::map<std::string, std::set<std::string>> seen;
        for (const auto& k : kKinds) {
            auto page = Asking::data(world.ask(k.list, "limit=200", user, role));
            for (std::size_t i = 0; i < page.root()["items"].size(); ++i)
                seen[k.name].insert(id_of(page.root()["items"].at(i), k));
            CHECK(page.root()["total"].integer() == static_cast<std::int64_t>(seen[k.name].size()));
            CHECK((role == Role::sales_rep || seen[k.name] == everything[k.name]));
        }
        CHECK(seen["call"].empty() ==
              (user == "user_rep3" || user == "user_rep4"));  // one of them has appointments and tasks alone, the other nothing
        CHECK(seen["contact"].empty() == (user == "user_rep4"));
        // A list inside of a detail: its rows, and how many of them the list itself has of this.
        auto nested = [&](const Kind& outer, const std::string& id, const JsonView& detail) {
            for (auto [member, value] : detail.members()) {
                auto is = kMembers.find(member);
                if (is == kMembers.end()) continue;
                const auto& inner = kind(is->second);
                INFO(user << ": " << outer.name << " " << id << ", " << member << ": " << value.dump());
                if (value.is_object()) CHECK(seen[inner.name].contains(id_of(value, inner)));
                if (!value.is_array()) continue;
                std::set<std::string> here;
                for (std::size_t i = 0; i < value.size(); ++i) here.insert(id_of(value.at(i), inner));
                std::set<std::string> there;
                auto filter = std::string(outer.name) == "contact" ? "contact_card_id" : "lead_id";
                auto page = Asking::data(world.ask(
                    inner.list, std::string(inner.name) == "lead" ? "limit=200" : "limit=200&" + std::string(filter) + "=" + id,
                    user, role));
                for (std::size_t i = 0; i < page.root()["items"].size(); ++i) {
                    auto row = page.root()["items"].at(i);
                    if (std::string(inner.name) != "lead" || row["contact_card_id"].string() == id)
                        there.insert(id_of(row, inner));
                }
                CHECK(here == there);
            }
        };
        for (const auto& k : kKinds) {
            auto page = Asking::data(world.ask(k.list, "limit=200", user, role));
            for (std::size_t i = 0; i < page.root()["items"].size(); ++i) nested(k, "of a list", page.root()["items"].at(i));
            for (const auto& id : everything[k.name]) {
                auto answer = world.ask(k.detail, "", user, role, k.param, id);
                INFO(user << " asks for " << k.name << " " << id);
                CHECK(answer.status == (seen[k.name].contains(id) ? 200 : 404));
                if (answer.status == 200) nested(k, id, Asking::data(answer).root());
            }
        }
        // What is told of a call without being a row: its parts, its timeline and the card's hold no words of what is another's.
        auto others = [&](const std::string& text) {
            if (role != Role::sales_rep) return false;
            for (std::string other : {"user_rep1", "user_rep2", "user_rep3", "nobody"})
                for (std::string what : {"note of ", "visit of "})
                    if (other != user && text.find(what + other) != std::string::npos) return true;
            return false;
        };
        for (const auto& id : everything["call"])
            for (auto part : {reading<&Analyses::analysis>, reading<&Calls::timeline>}) {
                auto answer = world.ask(part, "", user, role, "call_id", id);
                CHECK(answer.status == (seen["call"].contains(id) ? 200 : 404));
                CHECK_FALSE(others(answer.body));
            }
        for (const auto& id : seen["contact"])
            CHECK_FALSE(others(world.ask(reading<&Contacts::one>, "", user, role, "contact_id", id).body));
    }
}

TEST_CASE("an appointment of a rep's counts the tasks that the rep sees", "[integration]") {
    Asking world(kRows);
    for (std::string user : {"user_rep1", "user_rep3"}) {
        auto page = Asking::data(world.ask(reading<&Appointments::list>, "", user, Role::sales_rep));
        REQUIRE(page.root()["items"].size() > 0);
        for (std::size_t i = 0; i < page.root()["items"].size(); ++i) {
            auto row = page.root()["items"].at(i);
            auto tasks = Asking::data(
                world.ask(reading<&Tasks::list>, "lead_id=" + std::string(*row["lead_id"].string()), user, Role::sales_rep));
            CHECK(row["pending_tasks_count"].integer() == tasks.root()["total"].integer());
            CHECK(Asking::data(world.ask(reading<&Appointments::one>, "", user, Role::sales_rep, "appointment_id",
                                         std::string(*row["id"].string())))
                      .root()["pending_tasks_count"]
                      .integer() == row["pending_tasks_count"].integer());
        }
    }
}
