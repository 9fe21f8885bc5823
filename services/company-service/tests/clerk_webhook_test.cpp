// Clerk's webhooks: proven before anything is read, once by id, and the same rows in whatever order they come.
#include "clerk_webhook.hpp"

#include <random>
#include <thread>

#include "providers/svix.hpp"
#include "rig.hpp"

using namespace otto;
using namespace otto::company_service;

namespace {

constexpr const char* kWritten = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

Rig& rig() { return Rig::shared(); }
const ClerkWebhook& webhook() {
    static ClerkWebhook made(
        app::Settings::load({kClerkWebhookSecret.row}, {}, {{"OTTO_CLERK_WEBHOOK_SECRET", kWritten}}).value(), rig().pool());
    return made;
}

http::Request request_of(const std::string& body) {
    http::Request r;
    r.method = http::Method::post;
    r.body = body;
    r.received_at = system_clock().now();
    return r;
}

/// What became of a proven one.
std::string take(const std::string& body, const std::string& id = "") {
    static std::atomic<int> n{0};
    auto answer = webhook().take(id.empty() ? "msg_" + std::to_string(++n) : id, request_of(body));
    REQUIRE(answer.status == 200);
    return std::string(JsonDocument::parse(answer.body)->root()["data"]["outcome"].string().value_or(""));
}

struct Person {
    std::string email, first;
};

std::string membership(const std::string& what, const std::string& org, const std::string& user, const std::string& role,
                       std::int64_t at, const Person& p, std::int64_t event_at = 0) {
    JsonWriter w;
    w.begin_object().member("type", "organizationMembership." + what).member("timestamp", event_at ? event_at : at).key("data");
    w.begin_object().member("role", role).member("created_at", 1).member("updated_at", at);
    w.key("organization").begin_object().member("id", org).member("name", "A company").end_object();
    w.key("public_user_data").begin_object().member("user_id", user).member("identifier", p.email);
    w.member("first_name", p.first).member("last_name", "").end_object().end_object().end_object();
    return w.take();
}

std::string user_event(const std::string& what, const std::string& user, std::int64_t at, const Person& p) {
    JsonWriter w;
    w.begin_object().member("type", "user." + what).member("timestamp", at).key("data").begin_object().member("id", user);
    if (what == "deleted") {
        w.member("deleted", true);
    } else {
        w.member("updated_at", at).member("first_name", p.first).member("primary_email_address_id", "idn_2");
        w.key("email_addresses").begin_array();
        w.begin_object().member("id", "idn_1").member("email_address", "old@example.com").end_object();
        w.begin_object().member("id", "idn_2").member("email_address", p.email).end_object().end_array();
    }
    w.end_object().end_object();
    return w.take();
}

std::string organisation(const std::string& what, const std::string& org, const std::string& name, std::int64_t at) {
    JsonWriter w;
    w.begin_object().member("type", "organization." + what).key("data").begin_object().member("id", org);
    if (what == "deleted")
        w.member("deleted", true);
    else
        w.member("name", name).member("updated_at", at);
    w.end_object().end_object();
    return w.take();
}

std::string invitation(const std::string& what, const std::string& org, const std::string& id, const std::string& email,
                       std::int64_t at) {
    JsonWriter w;
    w.begin_object().member("type", "organizationInvitation." + what).key("data").begin_object().member("id", id);
    w.member("organization_id", org).member("email_address", email).member("role", "org:csr");
    w.member("status", what == "created" ? "pending" : what).member("updated_at", at).end_object().end_object();
    return w.take();
}

std::string people(const std::string& org) {
    return rig().value(
        "SELECT coalesce(string_agg(concat_ws(' ', id, coalesce(role, role_unknown || '?'), status, email, name), '; ' ORDER BY "
        "id), '') AS v FROM company_users WHERE company_id = $1",
        {org});
}

}  // namespace

TEST_CASE("only what Svix signed is read", "[integration]") {
    auto router = std::make_shared<http::Router>();
    webhook().add_routes(*router);
    http::Server server({}, router);
    server.start().value();
    http::ClientOptions options;
    options.private_addresses = {"127.0.0.1:" + std::to_string(server.port())};
    http::Client client(options);
    auto key = providers::svix::key_of(Secret(kWritten)).value();
    auto post = [&](const std::string& body, const std::string& signed_body, const Secret& by, std::int64_t ahead = 0,
                    const char* path = "/api/v1/clerk/webhook") {
        auto time = std::to_string(to_micros(system_clock().now()) / 1'000'000 + ahead);
        http::ClientRequest r{http::Method::post, "http://127.0.0.1:" + std::to_string(server.port()) + path, {}, body, {}};
        r.headers.add("svix-id", "msg_http");
        r.headers.add("svix-timestamp", time);
        r.headers.add("svix-signature", providers::svix::sign("msg_http", time, signed_body, by));
        auto answer = client.send(r);
        REQUIRE(answer);
        return std::pair(answer->status, answer->body);
    };
    auto body = membership("created", "org_http", "user_http", "org:csr", 100, {"h@example.com", "Hal"});
    CHECK(post(body, body + " ", key).first == 401);
    CHECK(post(body, body, Secret(std::string(24, 'x'))).second.find("no signature of version v1") != std::string::npos);
    CHECK(post(body, body, key, -400).second.find("more than five minutes old") != std::string::npos);
    CHECK(post(body, body, key, 400).first == 401);
    CHECK(people("org_http").empty());
    CHECK(post(body, body, key).first == 200);
    CHECK(people("org_http") == "user_http csr active h@example.com Hal");
    // The same id again has no effect, whatever its body.
    auto other = membership("deleted", "org_http", "user_http", "org:csr", 200, {"h@example.com", "Hal"});
    auto again = post(other, other, key, 0, "/user/clerk-webhook");
    CHECK(again.first == 200);
    CHECK(again.second.find("repeated") != std::string::npos);
    CHECK(people("org_http") == "user_http csr active h@example.com Hal");
    server.drain(Millis{1'000});
}

TEST_CASE("a tombstone is not undone by what is older, and is by a newer membership", "[integration]") {
    Person ann{"ann@example.com", "Ann"};
    CHECK(take(membership("deleted", "org_tomb", "user_t", "org:csr", 200, ann, 250)) == "taken");
    CHECK(people("org_tomb") == "user_t csr removed ann@example.com Ann");
    CHECK(take(membership("created", "org_tomb", "user_t", "org:admin", 100, ann)) == "older");
    CHECK(take(membership("updated", "org_tomb", "user_t", "org:admin", 200, ann)) == "older");
    // Who came back before the removal was told is in.
    CHECK(take(membership("created", "org_tomb", "user_t", "org:admin", 201, ann)) == "taken");
    CHECK(people("org_tomb") == "user_t manager active ann@example.com Ann");
    CHECK(take(membership("deleted", "org_tomb", "user_t", "org:csr", 200, ann, 250)) == "older");
    // A removal that is older than the membership is none, though it knows the person better.
    rig().sql("UPDATE company_users SET profile_updated_at = 0 WHERE id = 'user_t'");
    take(user_event("updated", "user_t", 240, ann));
    rig().sql("UPDATE company_users SET profile_updated_at = 0 WHERE id = 'user_t'");
    take(membership("deleted", "org_tomb", "user_t", "org:csr", 200, ann, 260));
    CHECK(people("org_tomb") == "user_t manager active ann@example.com Ann");
    CHECK(rig().value("SELECT (removed_at IS NULL)::text AS v FROM company_users WHERE id = 'user_t'") == "true");
}

TEST_CASE("a user who is deleted at Clerk is out of all companies, also of those told of later", "[integration]") {
    Person bob{"bob@example.com", "Bob"};
    take(membership("created", "org_u1", "user_gone", "org:csr", 100, bob));
    take(membership("created", "org_u2", "user_gone", "org:exec", 100, bob));
    CHECK(take(user_event("updated", "user_gone", 150, {"robert@example.com", "Robert"})) == "taken");
    CHECK(people("org_u2") == "user_gone executive active robert@example.com Robert");
    CHECK(take(user_event("updated", "user_gone", 140, bob)) == "older");
    CHECK(take(user_event("deleted", "user_gone", 200, {})) == "taken");
    take(membership("created", "org_u3", "user_gone", "org:csr", 190, bob));
    for (auto org : {"org_u1", "org_u2", "org_u3"}) CHECK(people(org).find("removed") != std::string::npos);
}

TEST_CASE("what Clerk changes of a company is on its record as Clerk's deed, once", "[integration]") {
    rig().company("org_rec");
    rig().company("org_rec2");
    Person eve{"eve@example.com", "Eve"};
    for (auto org : {"org_rec", "org_rec2"}) take(membership("created", org, "user_rec", "org:csr", 100, eve));
    for (int n = 0; n < 2; ++n) take(membership("updated", "org_rec", "user_rec", "org:admin", 110, eve));
    take(membership("deleted", "org_rec", "user_rec", "org:admin", 120, eve));
    take(membership("deleted", "org_rec", "user_never", "org:admin", 120, eve));
    take(membership("created", "org_rec", "user_rec", "org:csr", 130, eve));
    take(invitation("created", "org_rec", "orginv_rec", "rec@example.com", 100));
    take(invitation("revoked", "org_rec", "orginv_rec", "rec@example.com", 110));
    take(user_event("updated", "user_rec", 150, {"eva@example.com", "Eva"}));
    take(user_event("deleted", "user_rec", 200, {}));
    take(organisation("deleted", "org_rec", "", 0));
    auto record = [](const std::string& org) {
        return rig().value(
            "SELECT coalesce(string_agg(concat_ws(' ', actor, user_id, action, target, before, after), '; ' ORDER BY id), '') AS "
            "v FROM audit_log WHERE company_id = $1",
            {org});
    };
    const std::string added = R"(user.add user_rec {"role": null, "status": null} {"role": "csr", "status": "active"}; )";
    CHECK(record("org_rec") ==
          "clerk " + added +
              R"(clerk user.change user_rec {"role": "csr"} {"role": "manager"}; )"
              R"(clerk user.remove user_rec {"status": "active"} {"status": "removed"}; )"
              R"(clerk user.add user_rec {"role": "manager", "status": "removed"} {"role": "csr", "status": "active"}; )"
              "clerk user.invite orginv_rec; clerk user.revoke orginv_rec; clerk user.remove user_rec; "
              "clerk company.suspend org_rec");
    CHECK(record("org_rec2") == "clerk " + added + "clerk user.remove user_rec");
}

TEST_CASE("what Clerk calls a role may be none of ours, and is told", "[integration]") {
    Person jo{"jo@example.com", "Jo"};
    take(membership("created", "org_roles", "user_x", "org:janitor", 100, jo));
    CHECK(people("org_roles") == "user_x org:janitor? active jo@example.com Jo");
    take(membership("updated", "org_roles", "user_x", "basic_member", 101, jo));
    CHECK(people("org_roles") == "user_x sales_rep active jo@example.com Jo");
}

TEST_CASE("an organisation that is deleted suspends its company, once and for ever", "[integration]") {
    rig().company("org_deleted");
    CHECK(take(organisation("updated", "org_deleted", "org_deleted", 50)) == "taken");
    CHECK(take(organisation("updated", "org_deleted", "Another name", 60)) == "taken");
    auto company = [] { return rig().value("SELECT name || ' ' || status AS v FROM companies WHERE id = 'org_deleted'"); };
    CHECK(company() == "Another name active");  // it was called as the organisation
    rig().sql("UPDATE companies SET name = 'Ours' WHERE id = 'org_deleted'");
    take(organisation("updated", "org_deleted", "Theirs", 70));
    CHECK(company() == "Ours active");
    CHECK(take(organisation("deleted", "org_deleted", "", 0)) == "taken");
    CHECK(take(organisation("created", "org_deleted", "org_deleted", 80)) == "older");
    CHECK(company() == "Ours suspended");
    // Nor is a company made for one that is over.
    take(organisation("deleted", "org_over", "", 0));
    auto refused = rig().ask(
        "org_over", [](auto& c) { return rig().creations.create(c); }, R"({"name":"Too late"})");
    CHECK(refused.status == 409);
    CHECK(refused.body.find("deleted at the identity provider") != std::string::npos);
}

TEST_CASE("an invitation is a row until it is taken or revoked, in any order", "[integration]") {
    CHECK(take(invitation("created", "org_inv", "orginv_hook1", "new@example.com", 100)) == "taken");
    CHECK(people("org_inv") == "orginv_hook1 csr invited new@example.com");
    take(membership("created", "org_inv", "user_new", "org:csr", 200, {"New@example.com", "New"}));
    CHECK(people("org_inv") == "user_new csr active New@example.com New");
    CHECK(take(invitation("created", "org_inv", "orginv_hook1", "new@example.com", 100)) == "older");
    CHECK(take(invitation("accepted", "org_inv", "orginv_hook2", "second@example.com", 300)) == "older");
    CHECK(take(invitation("created", "org_inv", "orginv_hook2", "second@example.com", 250)) == "older");
    take(invitation("created", "org_inv", "orginv_hook3", "third@example.com", 100));
    CHECK(take(invitation("revoked", "org_inv", "orginv_hook3", "third@example.com", 110)) == "taken");
    CHECK(people("org_inv") == "orginv_hook3 csr removed third@example.com; user_new csr active New@example.com New");
}

TEST_CASE("what is proven and cannot be understood is answered 200 and changes nothing", "[integration]") {
    for (std::string bad :
         {"", "[]", "{}", R"({"type":1})", R"({"type":"user.created","data":7})",
          R"({"type":"organizationMembership.created","data":{"organization":{"id":"org,x"}}})",
          R"({"type":"organizationMembership.created","data":{"organization":{"id":"org_bad"}}})",
          R"({"type":"organizationInvitation.created","data":{"organization_id":"org_bad","id":"orginv_hook9"}})"}) {
        INFO(bad);
        CHECK(take(bad) == "malformed");
    }
    CHECK(take(R"({"type":"session.created","data":{"id":"sess_1"}})") == "other");
    CHECK(people("org_bad").empty());
    Person long_name{"long@example.com", "<script>" + std::string(10'000, 'x')};
    take(membership("created", "org_names", "user_long", "org:csr", 1, long_name));
    CHECK(rig().value("SELECT length(name)::text AS v FROM company_users WHERE id = 'user_long'") == "200");
}

TEST_CASE("ten thousand events, shuffled and repeated, end in the same rows as in order", "[integration]") {
    const auto seed = std::random_device{}();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    const std::vector<std::string> roles{"org:admin", "org:csr", "org:sales_rep", "org:executive", "org:plumber"};
    const std::vector<std::string> words{"manager", "csr", "sales_rep", "executive", "org:plumber?"};
    struct Row {
        std::int64_t at = 0;
        int role = 0;
        bool member = false, ever = false;
    };
    constexpr int kUsers = 200, kCompanies = 20;
    auto user = [](int u) { return "user_s" + std::to_string(u); };
    auto org = [](int c) { return "org_s" + std::to_string(c); };
    std::map<std::pair<int, int>, Row> rows;
    std::vector<Person> persons(kUsers);
    std::vector<bool> gone(kUsers);
    for (int u = 0; u < kUsers; ++u) persons[static_cast<std::size_t>(u)] = {user(u) + "@example.com", "First"};
    std::vector<std::pair<std::string, std::string>> events;  // id, body
    for (std::int64_t at = 1'000; events.size() < 8'000; at += 1 + below(3)) {
        int u = below(kUsers), c = below(kCompanies);
        auto at_u = static_cast<std::size_t>(u);
        if (gone[at_u]) continue;
        auto& row = rows[{c, u}];
        std::string body;
        if (below(10) == 0) {
            persons[at_u] = {user(u) + std::to_string(at) + "@example.com", "Name" + std::to_string(at)};
            body = user_event("updated", user(u), at, persons[at_u]);
        } else if (below(1'000) == 0) {
            gone[at_u] = true;
            body = user_event("deleted", user(u), at, {});
        } else if (row.member && below(3) == 0) {
            row.member = false;
            body = membership("deleted", org(c), user(u), roles[static_cast<std::size_t>(row.role)], row.at, persons[at_u], at);
            row.at = at;
        } else {
            row.role = below(static_cast<int>(roles.size()));
            body = membership(row.member ? "updated" : "created", org(c), user(u), roles[static_cast<std::size_t>(row.role)], at,
                              persons[at_u]);
            row.member = row.ever = true;
            row.at = at;
        }
        events.emplace_back("msg_s" + std::to_string(events.size()), std::move(body));
    }
    for (int i = 0; i < 2'000; ++i) events.push_back(events[random() % 8'000]);
    std::shuffle(events.begin(), events.end(), random);
    std::atomic<std::size_t> next{0};
    std::vector<std::thread> threads;
    std::atomic<int> failed{0};
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&] {
            for (std::size_t i; (i = next++) < events.size();)
                if (webhook().take(events[i].first, request_of(events[i].second)).status != 200) ++failed;
        });
    for (auto& t : threads) t.join();
    CHECK(failed == 0);
    std::map<std::string, std::string> expected, found;
    for (const auto& [key, row] : rows) {
        if (!row.ever) continue;
        auto at_u = static_cast<std::size_t>(key.second);
        // How somebody was called who is gone from Clerk is not told any more.
        expected[org(key.first) + " " + user(key.second)] =
            words[static_cast<std::size_t>(row.role)] +
            (gone[at_u] ? " removed" : (row.member ? " active " : " removed ") + persons[at_u].email + " " + persons[at_u].first);
    }
    rig().each(
        "SELECT company_id || ' ' || u.id AS k, concat_ws(' ', coalesce(role, role_unknown || '?'), status, CASE WHEN NOT gone "
        "THEN u.email END, CASE WHEN NOT gone THEN u.name END) AS v FROM company_users u JOIN clerk_users k USING (id) WHERE "
        "company_id LIKE 'org\\_s%' AND u.id LIKE 'user\\_s%'",
        [&](const pg::Fields& f) { found[f.text("k")] = f.text("v"); });
    CHECK(found.size() == expected.size());
    int shown = 0;
    for (const auto& [key, row] : expected)
        if (found[key] != row && ++shown < 10) FAIL_CHECK(key << ": " << found[key] << ", and in order " << row);
    CHECK(shown == 0);
}

namespace {

/// otto.members as it is read back: what was put into the outbox since.
std::string read_back(identity::Members& topic) {
    std::string told;
    rig().each("SELECT key, value FROM outbox WHERE topic = 'otto.members' ORDER BY id", [&](const pg::Fields& f) {
        members::v1::Member m;
        REQUIRE(m.ParseFromString(f.bytes("value")));
        topic.apply(f.text("key"), f.bytes("value"));
        told += f.text("key") + " " + m.role() + " " + members::v1::Status_Name(m.status()) + " " +
                std::to_string(m.changed_at_us() / 1'000'000) + "; ";
    });
    rig().sql("DELETE FROM outbox WHERE topic = 'otto.members'");
    return told;
}

std::shared_ptr<identity::Members> nothing_read() {
    return std::make_shared<identity::Members>(identity::Members::Options{"127.0.0.1:1", "t", ""});
}

}  // namespace

TEST_CASE("each change of a member is told once, in order, under versions that rise with the clock", "[integration]") {
    Person ann{"ann@example.com", "Ann"};
    auto db = rig().connection();
    auto topic = nothing_read();
    MemberPublisher publisher(topic);
    publisher.publish(db);
    read_back(*topic);
    const auto before = to_micros(system_clock().now()) / 1'000;
    take(membership("created", "org_told", "user_1", "org:csr", 1'700'000'000'000, ann));
    publisher.publish(db);
    publisher.publish(db);
    CHECK(read_back(*topic) == "org_told:user_1 csr STATUS_ACTIVE 1700000000; ");
    const auto first = topic->version_of("org_told", "user_1");
    CHECK(first >= before);
    take(membership("updated", "org_told", "user_1", "org:admin", 1'700'000'001'000, ann));
    take(membership("deleted", "org_told", "user_1", "org:admin", 1'700'000'002'000, ann));
    publisher.publish(db);
    CHECK(read_back(*topic) == "org_told:user_1 manager STATUS_REMOVED 1700000002; ");
    CHECK(topic->version_of("org_told", "user_1") > first);
}

TEST_CASE("what the topic has otherwise is told again: a topic that was lost, a database that was taken back", "[integration]") {
    Person ann{"ann@example.com", "Ann"};
    auto db = rig().connection();
    auto topic = nothing_read();
    MemberPublisher publisher(topic);
    take(membership("created", "org_again", "user_in", "org:csr", 1'700'000'000'000, ann));
    take(membership("deleted", "org_again", "user_out", "org:csr", 1'700'000'000'000, ann));
    publisher.publish(db);
    read_back(*topic);
    auto reconcile = [&](const identity::Members& there) {
        // As if all had been said long ago.
        rig().sql("ALTER TABLE company_users DISABLE TRIGGER company_users_touch");
        rig().sql("UPDATE company_users SET updated_at = now() - interval '1 hour' WHERE company_id = 'org_again'");
        rig().sql("ALTER TABLE company_users ENABLE TRIGGER company_users_touch");
        MemberPublisher::reconcile(db, there);
        publisher.publish(db);
    };
    auto of_this = [](const std::string& told) { return told.find("org_again") != std::string::npos; };
    reconcile(*topic);
    CHECK_FALSE(of_this(read_back(*topic)));
    auto lost = nothing_read();
    reconcile(*lost);
    read_back(*lost);
    CHECK(lost->find("org_again", "user_out")->removed);
    CHECK_FALSE(lost->find("org_again", "user_in")->removed);

    // The topic has what the database has forgotten: under a far higher version.
    members::v1::Member ahead;
    ahead.set_status(members::v1::STATUS_ACTIVE);
    ahead.set_role("csr");
    const auto version = to_micros(system_clock().now()) / 1'000 + 1'000'000'000;
    ahead.set_version(version);
    lost->apply("org_again:user_out", ahead.SerializeAsString());
    CHECK_FALSE(lost->find("org_again", "user_out")->removed);
    rig().sql("UPDATE work SET due_at = now() + interval '1 day' WHERE queue = 'company-service/members'");
    rig().company("org_again");
    reconcile(*lost);
    read_back(*lost);
    CHECK(lost->find("org_again", "user_out")->removed);
    CHECK(lost->version_of("org_again", "user_out") > version);
    reconcile(*lost);
    CHECK_FALSE(of_this(read_back(*lost)));
}
