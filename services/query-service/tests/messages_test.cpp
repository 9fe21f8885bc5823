// Texts as people see them: the thread, what came with one, who asked for none.
#include "api/resources.hpp"
#include "world.hpp"

using namespace otto;
using namespace otto::query_service;
using identity::Role;

namespace {

constexpr const char* kCard = "00000000-0000-4000-8000-00000000000c";
constexpr const char* kText = "00000000-0000-4000-8000-000000000001";

constexpr const char* kRows = R"sql(
INSERT INTO companies (id, name, timezone) VALUES ('org_a', 'A', 'America/Phoenix'), ('org_b', 'B', 'America/Phoenix');
INSERT INTO contact_cards (company_id, id, primary_phone, first_name, created_at) VALUES ('org_a', '00000000-0000-4000-8000-00000000000c', '+14802000001', 'Kaylah', '2026-11-01T00:00:00Z'),
       ('org_a', '00000000-0000-4000-8000-00000000000d', '+14802000002', 'Other', '2026-11-01T00:00:00Z');
INSERT INTO leads (company_id, id, contact_card_id, status, pool_status, assigned_rep_id, created_at) VALUES
       ('org_a', '00000000-0000-4000-8000-00000000000e', '00000000-0000-4000-8000-00000000000c', 'closed_lost', 'closed', 'user_rep1', '2026-11-01T00:00:00Z'),
       ('org_a', '00000000-0000-4000-8000-00000000000f', '00000000-0000-4000-8000-00000000000c', 'hot', 'assigned', 'user_rep2', '2026-11-01T00:00:00Z');
INSERT INTO tasks (company_id, id, description, assigned_to, assignee_id, contact_card_id, unique_key) VALUES
       ('org_a', '00000000-0000-4000-8000-00000000000a', 'call her', 'rep', 'user_rep3', '00000000-0000-4000-8000-00000000000c', 'a');
INSERT INTO messages (company_id, id, provider, provider_message_id, direction, from_number, to_number, body, media, segments, status, error_code, error_message, contact_card_id, lead_id, sent_by, sent_at) VALUES
       ('org_a', '00000000-0000-4000-8000-000000000001', 'twilio', 'SM1', 'inbound', '+14802000001', '+15205232772', 'My roof leaks', $$[
         {"n": 0, "state": "stored", "content_type": "image/jpeg", "bytes": 7, "url": "https://api.twilio.example/secret", "object_key": "org_a/messages/00000000-0000-4000-8000-000000000001/0"},
         {"n": 1, "state": "pending", "content_type": "image/png", "url": "https://api.twilio.example/secret"},
         {"n": 2, "state": "too_large", "why": "it is larger than 5 MiB", "url": "https://api.twilio.example/secret"}]$$, 1, 'received', NULL, NULL,
        '00000000-0000-4000-8000-00000000000c', '00000000-0000-4000-8000-00000000000f', NULL, '2026-11-21T08:00:00Z'),
       ('org_a', '00000000-0000-4000-8000-000000000002', 'callrail', 'MSG2', 'outbound', '+12028313219', '+14802000001', 'We come at 9', '[]', NULL, 'undelivered', '30003', 'Unreachable',
        '00000000-0000-4000-8000-00000000000c', '00000000-0000-4000-8000-00000000000f', 'Ann', '2026-11-22T06:59:59Z'),
       ('org_a', '00000000-0000-4000-8000-000000000003', 'twilio', 'SM3', 'outbound', NULL, NULL, NULL, '[]', NULL, 'delivered', NULL, NULL,
        '00000000-0000-4000-8000-00000000000c', NULL, NULL, '2026-11-22T07:00:00Z'),
       ('org_a', '00000000-0000-4000-8000-000000000004', 'twilio', 'SM4', 'inbound', '+14802000002', '+15205232772', 'hello', '[]', NULL, 'received', NULL, NULL,
        '00000000-0000-4000-8000-00000000000d', NULL, NULL, '2026-11-23T08:00:00Z');
INSERT INTO folded_rows (company_id, kind, from_id, into_id) VALUES ('org_a', 'contact', '00000000-0000-4000-8000-0000000000cc', '00000000-0000-4000-8000-00000000000c');
INSERT INTO opt_outs (company_id, id, phone, source, reason, created_by, opted_out_at) VALUES ('org_a', '00000000-0000-4000-8000-000000000011', '+14802000001', 'csr', 'said so', 'user_csr', '2026-11-21T08:00:00Z');
INSERT INTO opt_outs (company_id, id, phone, source, message_id, opted_out_at, revoked_at, revoked_source, revoked_by) VALUES
       ('org_a', '00000000-0000-4000-8000-000000000012', '+14802000002', 'keyword', '00000000-0000-4000-8000-000000000004', '2026-11-20T08:00:00Z', '2026-11-21T08:00:00Z', 'keyword', 'x');
)sql";

Asking& world() {
    static Asking world(kRows);
    return world;
}

/// The ids' last digits of a page, in its order, and its total behind them: "321 of 3".
std::string seen(const http::Response& answer) {
    auto page = Asking::data(answer);
    std::string out;
    for (std::size_t i = 0; i < page.root()["items"].size(); ++i) out += page.root()["items"].at(i)["id"].string()->back();
    return out + " of " + std::to_string(*page.root()["total"].integer());
}
std::string listed(const std::string& query, const std::string& user = "user_m", Role role = Role::manager) {
    return seen(world().ask(reading<&Messages::list>, query, user, role));
}
http::Response thread(const std::string& query, const std::string& user = "user_m", Role role = Role::manager,
                      const std::string& id = kCard) {
    return world().ask(reading<&Messages::thread>, query, user, role, "contact_id", id);
}

}  // namespace

TEST_CASE("messages: the newest first, narrowed by what is asked", "[integration]") {
    CHECK(listed("") == "4321 of 4");
    CHECK(listed("sort=sent_at") == "1234 of 4");
    CHECK(listed(std::string("contact_card_id=") + kCard) == "321 of 3");
    CHECK(listed("direction=inbound") == "41 of 2");
    CHECK(listed("status=undelivered,delivered") == "32 of 2");
    // Days are the company's: Phoenix is seven hours behind.
    CHECK(listed("date_from=2026-11-21&date_to=2026-11-21") == "21 of 2");
    CHECK(listed("date_from=2026-11-22") == "43 of 2");
    CHECK(world().ask(reading<&Messages::list>, "direction=up").status == 422);
    CHECK(world().ask(reading<&Messages::list>, "status=gone").body == "status");
    CHECK(seen(world().ask(reading<&Messages::list>, "", "user_m", Role::manager, "", "", "org_b")) == " of 0");
}

TEST_CASE("messages: a rep sees the texts of own leads' contacts, whichever lead a text belongs to", "[integration]") {
    for (std::string rep : {"user_rep1", "user_rep2"}) CHECK(listed("", rep, Role::sales_rep) == "321 of 3");
    CHECK(listed("", "user_rep3", Role::sales_rep) == " of 0");
    CHECK(seen(thread("", "user_rep3", Role::sales_rep)) == " of 0");  // a task shows the card, not what was written
    CHECK(thread("", "user_rep4", Role::sales_rep).status == 404);
    auto one = [](const std::string& user) {
        return world().ask(reading<&Messages::one>, "", user, Role::sales_rep, "message_id", kText);
    };
    CHECK(Asking::data(one("user_rep2")).root()["lead"]["status"].string() == "hot");
    CHECK(Asking::data(one("user_rep1")).root()["lead"].is_null());  // it is another's
    CHECK(one("user_rep3").status == 404);
}

TEST_CASE("messages: a thread is read from its beginning, page by page, also under a card's former id", "[integration]") {
    CHECK(seen(thread("")) == "123 of 3");
    CHECK(seen(thread("sort=-sent_at")) == "321 of 3");
    CHECK(seen(thread("", "user_m", Role::manager, "00000000-0000-4000-8000-0000000000cc")) == "123 of 3");
    auto first = Asking::data(thread("limit=2"));
    CHECK(first.root()["items"].at(0)["id"].string() == kText);
    CHECK(seen(thread("limit=2&cursor=" + std::string(*first.root()["next_cursor"].string()))) == "3 of 3");
    CHECK(thread("direction=inbound").body == "direction");
    CHECK(thread("", "user_m", Role::manager, "x").status == 404);
}

TEST_CASE("messages: one, whole, and its attachments without the provider's addresses", "[integration]") {
    auto answer = world().ask(reading<&Messages::one>, "", "user_m", Role::manager, "message_id", kText);
    CHECK(answer.body.find("secret") == std::string::npos);
    auto text = Asking::data(answer);
    CHECK(text.root()["body"].string() == "My roof leaks");
    CHECK(text.root()["from_number"].string() == "+14802000001");
    CHECK(text.root()["segments"].integer() == 1);
    CHECK(text.root()["contact"]["first_name"].string() == "Kaylah");
    auto media = text.root()["media"];
    REQUIRE(media.size() == 3);
    CHECK(media.at(0)["url"].string() == "/api/v1/messages/" + std::string(kText) + "/media/0");
    CHECK(media.at(0)["bytes"].integer() == 7);
    CHECK(media.at(1)["state"].string() == "pending");
    CHECK(media.at(1)["url"].is_null());
    CHECK(media.at(2)["why"].string() == "it is larger than 5 MiB");
    CHECK(world().ask(reading<&Messages::one>, "", "user_m", Role::manager, "message_id", kCard).status == 404);
    CHECK(world().ask(reading<&Messages::one>, "", "user_m", Role::manager, "message_id", kText, "org_b").status == 404);
}

TEST_CASE("messages: an attachment is a link that lasts, or a 404 that says why", "[integration]") {
    auto media = [](const std::string& n, const std::string& user = "user_m", Role role = Role::manager) {
        http::Request request;
        request.received_at = system_clock().now();
        request.path_params = {{"message_id", kText}, {"n", n}};
        identity::Principal who;
        who.user = UserId{user};
        who.company = CompanyId{"org_a"};
        who.role = role;
        api::Context context(request, who, world().pool);
        try {
            return world().nouns.messages.media(context);
        } catch (const api::Refusal& refusal) {
            return http::Response::text(refusal.problem.status, refusal.problem.detail);
        }
    };
    auto there = media("0");
    CHECK(there.status == 302);
    CHECK(there.headers.get("cache-control") == "no-store");
    auto url = std::string(there.headers.get("location"));
    REQUIRE(url.starts_with("http://127.0.0.1:1/media/"));
    auto target = world().nouns.links.made()->open(url.substr(url.rfind('/') + 1), system_clock().now());
    REQUIRE(target);
    CHECK(target->object_key == "org_a/messages/" + std::string(kText) + "/0");
    CHECK(media("0", "user_rep1", Role::sales_rep).status == 302);
    CHECK(media("0", "user_rep3", Role::sales_rep).status == 404);
    CHECK(media("1").body.find("is being fetched") != std::string::npos);
    CHECK(media("2").body.find("larger than 5 MiB") != std::string::npos);
    for (auto n : {"3", "-1", "x", ""}) CHECK(media(n).status == 404);
}

TEST_CASE("messages: a card holds its texts, and its timeline tells of them", "[integration]") {
    auto card = Asking::data(world().ask(reading<&Contacts::one>, "", "user_m", Role::manager, "contact_id", kCard));
    CHECK(card.root()["messages"].size() == 3);
    std::string told;
    for (std::size_t i = 0; i < card.root()["timeline"].size(); ++i) {
        auto entry = card.root()["timeline"].at(i);
        if (entry["kind"].string() == "message")
            told.append(*entry["title"].string()).append(": ").append(*entry["detail"].string()).append("\n");
    }
    CHECK(told ==
          "Text from the customer: My roof leaks (with attachments)\n"
          "Text to the customer, which did not arrive: We come at 9 (Unreachable)\n"
          "Text to the customer: What was written is not known; its delivery is: delivered\n");
    auto rep = Asking::data(world().ask(reading<&Contacts::one>, "", "user_rep3", Role::sales_rep, "contact_id", kCard));
    CHECK(rep.root()["messages"].size() == 0);
}

TEST_CASE("messages: one of ours shows where it stands, and why", "[integration]") {
    Asking ours(R"sql(
INSERT INTO companies (id, name) VALUES ('org_a', 'A'), ('org_b', 'B');
INSERT INTO contact_cards (company_id, id, primary_phone) SELECT c, '00000000-0000-4000-8000-00000000000c', '+14802000001' FROM unnest('{org_a,org_b}'::text[]) c;
INSERT INTO messages (company_id, id, provider, provider_message_id, direction, body, status, error_code, error_message, automatic, reason, scheduled_at, asked_at, status_unknown, contact_card_id, sent_at)
SELECT company_id, ('00000000-0000-4000-8000-00000000000' || n)::uuid, 'twilio', sid, 'outbound', 'We come at ' || n, status, code, why, reason IS NOT NULL, reason, planned, asked, silent, id, timestamptz '2026-11-30T08:00:00Z' + n * interval '1 minute'
  FROM contact_cards, (VALUES (1, NULL, 'queued', NULL, NULL, NULL, NULL, NULL, false),
                              (2, NULL, 'scheduled', NULL, NULL, 'the visit is tomorrow', timestamptz '2026-11-30T15:00:00Z', NULL, false),
                              (3, NULL, 'sending', NULL, NULL, NULL, NULL, timestamptz '2026-11-30T08:03:00Z', false),
                              (4, NULL, 'canceled', NULL, 'opted out at 2026-11-30T08:00:00Z', NULL, NULL, NULL, false),
                              (5, NULL, 'failed', '21211', 'It is no number', NULL, NULL, timestamptz '2026-11-30T08:05:00Z', false),
                              (6, 'SM6', 'sent', NULL, NULL, NULL, NULL, timestamptz '2026-11-30T08:06:00Z', true),
                              (7, 'SM7', 'queued', NULL, NULL, NULL, NULL, timestamptz '2026-11-30T08:07:00Z', false)) v (n, sid, status, code, why, reason, planned, asked, silent);
INSERT INTO text_pauses (company_id, why, credentials, until) VALUES ('org_a', 'Twilio does not let the account in. Connect it anew.', 'x', now());
)sql");
    auto one = [&](int n, const std::string& company = "org_a") {
        return Asking::data(ours.ask(reading<&Messages::one>, "", "user_m", Role::manager, "message_id",
                                     "00000000-0000-4000-8000-00000000000" + std::to_string(n), company));
    };
    auto listed = Asking::data(ours.ask(reading<&Messages::list>, "sort=sent_at"));
    auto card = Asking::data(
        ours.ask(reading<&Contacts::one>, "", "user_m", Role::manager, "contact_id", "00000000-0000-4000-8000-00000000000c"));
    for (int n = 1; n <= 7; ++n) {
        auto whole = one(n);
        auto item = listed.root()["items"].at(static_cast<std::size_t>(n - 1));
        CHECK(item.dump() == whole.root().dump());
        // What is still to leave says why it does not; what Twilio has is none of these.
        CHECK(item["paused_why"].is_null() == (n > 3));
        CHECK(one(n, "org_b").root()["paused_why"].is_null());
        CHECK(item["automatic"].boolean() == (n == 2));
        CHECK(item["status_unknown"].boolean() == (n == 6));
        CHECK(item["provider_message_id"].is_null() == (n < 6));
    }
    CHECK(listed.root()["items"].at(1)["reason"].string() == "the visit is tomorrow");
    CHECK(listed.root()["items"].at(1)["scheduled_at"].string() == "2026-11-30T15:00:00Z");
    CHECK(listed.root()["items"].at(0)["asked_at"].is_null());
    CHECK(listed.root()["items"].at(2)["asked_at"].string() == "2026-11-30T08:03:00Z");
    CHECK(listed.root()["items"].at(4)["error_message"].string() == "It is no number");
    CHECK(card.root()["messages"].at(6)["paused_why"].string() == "Twilio does not let the account in. Connect it anew.");
    std::string told;
    for (std::size_t i = 0; i < card.root()["timeline"].size(); ++i) {
        auto entry = card.root()["timeline"].at(i);
        if (entry["kind"].string() == "message")
            told.append(*entry["title"].string()).append(": ").append(*entry["detail"].string()).append("\n");
    }
    CHECK(
        told ==
        "Text to the customer, which is on its way: We come at 1 (Twilio does not let the account in. Connect it anew.)\n"
        "Automatic text to the customer, which waits for its time: We come at 2 (the visit is tomorrow; Twilio does not let the "
        "account in. Connect it anew.)\n"
        "Text to the customer, which is on its way: We come at 3 (Twilio does not let the account in. Connect it anew.)\n"
        "Text to the customer, which was cancelled: We come at 4 (opted out at 2026-11-30T08:00:00Z)\n"
        "Text to the customer, which did not arrive: We come at 5 (It is no number)\n"
        "Text to the customer, of which nobody says whether it arrived: We come at 6\n"
        "Text to the customer, which is on its way: We come at 7\n");
}

TEST_CASE("opt-outs: who asked for no texts, and whether it was taken back", "[integration]") {
    auto asked = [](const std::string& query) { return seen(world().ask(reading<&Messages::opt_outs>, query)); };
    CHECK(asked("") == "12 of 2");
    CHECK(asked("revoked=true") == "2 of 1");
    CHECK(asked("revoked=false") == "1 of 1");
    CHECK(asked("phone=(480)%20200-0002") == "2 of 1");
    auto page = Asking::data(world().ask(reading<&Messages::opt_outs>));
    auto first = page.root()["items"].at(0), second = page.root()["items"].at(1);
    CHECK(first["reason"].string() == "said so");
    CHECK(first["revoked_at"].is_null());
    CHECK(second["revoked_source"].string() == "keyword");
    CHECK(second["message_id"].string() == "00000000-0000-4000-8000-000000000004");
    CHECK(seen(world().ask(reading<&Messages::opt_outs>, "", "user_m", Role::manager, "", "", "org_b")) == " of 0");
}
