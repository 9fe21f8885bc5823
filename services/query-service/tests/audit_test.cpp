// What people, operators, Otto and Clerk did, as a manager reads it.
#include "audit.hpp"

#include "words.hpp"
#include "world.hpp"

using namespace otto;
using namespace otto::query_service;

namespace {

constexpr const char* kRows = R"sql(
INSERT INTO companies (id, name, timezone) VALUES ('org_a', 'A', 'America/Phoenix'), ('org_b', 'B', 'America/Phoenix');
INSERT INTO company_users (company_id, id, name, email, role) VALUES ('org_a', 'user_m', 'Maria Lopez', NULL, 'manager'), ('org_a', 'user_b', 'Bob Stone', NULL, 'csr'), ('org_a', 'user_c', NULL, 'c@example.com', 'csr'),
       ('org_b', 'user_m', 'Somebody Else', NULL, 'csr');
INSERT INTO audit_log (company_id, at, actor, user_id, action, target, detail, before, after, client_address, request_id) VALUES
       ('org_a', '2026-11-21T08:00:00Z', 'user', 'user_m', 'user.change', 'user_b', '{}', '{"role": "csr"}', '{"role": "manager"}', '203.0.113.7', 'req-1'),
       ('org_a', '2026-11-21T09:00:00Z', 'clerk', NULL, 'user.change', 'user_c', '{}', '{"status": "active"}', '{"status": "removed"}', NULL, NULL),
       ('org_a', '2026-11-22T06:59:00Z', 'system', NULL, 'number.bought', '0191e0b8-0000-7000-8000-00000000c001', '{"e164": "+15205232772"}', NULL, NULL, NULL, NULL),
       ('org_a', '2026-11-22T07:00:00Z', 'operator', 'ann', 'company.suspend', 'org_a', '{}', '{"status": "active"}', '{"status": "suspended"}', NULL, NULL),
       ('org_a', '2026-11-22T08:00:00Z', 'user', 'user_gone', 'task.create', '7', '{"fields": []}', NULL, NULL, NULL, NULL),
       ('org_b', '2026-11-22T08:00:00Z', 'user', 'user_m', 'task.create', '8', '{"fields": []}', NULL, NULL, NULL, NULL);
)sql";

Asking& world() {
    static Asking world(kRows);
    return world;
}

/// The sentences of a page, in its order.
std::string told(const std::string& query, const std::string& company = "org_a") {
    auto page = Asking::data(world().ask(reading<&Audit::list>, query, "user_m", identity::Role::manager, "", "", company));
    std::string out;
    for (std::size_t i = 0; i < page.root()["items"].size(); ++i)
        out.append(*page.root()["items"].at(i)["sentence"].string()).append("\n");
    return out;
}

std::string said(std::string_view action, const std::string& detail, const std::string& before = "null",
                 const std::string& after = "null") {
    auto d = JsonDocument::parse(detail).value(), b = JsonDocument::parse(before).value(), a = JsonDocument::parse(after).value(),
         n = JsonDocument::parse(R"({"u1":"Ann Bell","u2":"Bo Day"})").value();
    return sentence({"user", "u1", action, "7", d.root(), b.root(), a.root(), n.root()});
}

}  // namespace

TEST_CASE("each line of the record is one sentence, newest first, of one's own company", "[integration]") {
    CHECK(told("") ==
          "user_gone made the task 7\n"
          "The operator ann suspended the company\n"
          "Otto registered, as it was bought after all, the number +15205232772\n"
          "Clerk removed c@example.com from the company\n"
          "Maria Lopez changed the role of Bob Stone from csr to manager\n");
    CHECK(told("", "org_b") == "Somebody Else made the task 8\n");
    auto page = Asking::data(world().ask(reading<&Audit::list>, "sort=at&limit=1"));
    auto line = page.root()["items"].at(0);
    CHECK(line["user_name"].string() == "Maria Lopez");
    CHECK(line["before"].dump() == R"({"role":"csr"})");
    CHECK(line["after"].dump() == R"({"role":"manager"})");
    CHECK(line["detail"].dump() == "{}");
    CHECK(line["client_address"].string() == "203.0.113.7");
    CHECK(line["request_id"].string() == "req-1");
    CHECK(line["at"].string() == "2026-11-21T08:00:00Z");
    CHECK(page.root()["total"].integer() == 5);
    auto cursor = std::string(page.root()["next_cursor"].string().value());
    CHECK(told("limit=1&cursor=" + cursor) == "Clerk removed c@example.com from the company\n");
}

TEST_CASE("the record is narrowed by who, what, to what, by whose hand and when", "[integration]") {
    auto lines = [](const std::string& query) {
        auto text = told(query);
        return std::count(text.begin(), text.end(), '\n');
    };
    CHECK(lines("user_id=user_m") == 1);
    CHECK(lines("action=user.change,task.create") == 3);
    CHECK(lines("target=user_b") == 1);
    CHECK(lines("actor=clerk,system") == 2);
    // Days are the company's: Phoenix is seven hours behind.
    CHECK(lines("date_from=2026-11-21&date_to=2026-11-21") == 3);
    CHECK(lines("date_from=2026-11-22") == 2);
    CHECK(lines("user_id=user_m&action=task.create") == 0);
    for (const std::string bad : {"actor=ghost", "date_from=yesterday", "colour=red", "sort=action"})
        CHECK(world().ask(reading<&Audit::list>, bad).body == bad.substr(0, bad.find('=')));
}

TEST_CASE("a sentence says what changed of what, and what it does not know by the names it has") {
    CHECK(said("task.change", "{}", R"({"status":"open","assignee_id":null,"due_at":"x"})",
               R"({"status":"done","assignee_id":"u2","due_at":null})") ==
          "Ann Bell changed the status of the task 7 from open to done, its assignee from none to Bo Day and its due time from x "
          "to "
          "none");
    CHECK(said("task.change", R"({"fields":["description"]})") == "Ann Bell changed description of the task 7");
    CHECK(said("task.complete", R"({"unchanged":true})") == "Ann Bell completed the task 7; nothing had to be changed");
    CHECK(said("callrail.credentials", R"({"fields":["callrail_api_key"],"impersonated":true})") ==
          "Ann Bell set the CallRail credentials of the company; somebody else was signed in as this person");
    CHECK(said("number.end", "{}") == "Ann Bell gave up the number 7");
    CHECK(said("thing.frob", "{}") == "Ann Bell did thing.frob to 7");
    CHECK(said("thing.frob", "{}", R"({"a":1})", R"({"a":true})") == "Ann Bell changed the a of 7 from 1 to true");
}

TEST_CASE("every write of the contract has words of its own") {
    for (const auto& write : words::writes) {
        INFO(write.route << ": give " << write.action << " its words in audit.cpp");
        CHECK((write.action.empty() || has_words(write.action)));
    }
}
