#include "directory.hpp"
#include "rig.hpp"
#include "testkit/postgres.hpp"

using namespace otto;
using namespace otto::company_service;

namespace {

Rig& rig() { return Rig::shared(); }

/// otto.directory: what company-service published, in order, and who reads it.
struct Topic {
    static directory::Companies::Options options() {
        return {"", "t", "", KeyRing::parse(rig().settings().get(app::kSecretKeys)).value()};
    }
    directory::Companies read_back{options()}, ingress{options()};
    DirectoryPublisher publisher{read_back};
    pg::Connection db{rig().service_url(), "test"};

    void publish() {
        publisher.publish(db);
        rig().each("SELECT key, value FROM outbox WHERE topic = 'otto.directory' ORDER BY id", [&](const pg::Fields& f) {
            read_back.apply(f.text("key"), f.bytes("value"));
            ingress.apply(f.text("key"), f.bytes("value"));
        });
        rig().sql("DELETE FROM outbox WHERE topic = 'otto.directory'");
    }
    void check() { publisher.reconcile(db, read_back.versions()); }
    std::string address_of(const std::string& company) const {
        auto p = ingress.find(CompanyId{company});
        return p ? p->name : "";
    }
};

}  // namespace

TEST_CASE("what is written after the database lost its last versions reaches every reader", "[integration]") {
    rig().company("org_restored");
    Topic topic;
    for (auto name : {"one", "two", "three"}) {
        rig().sql("UPDATE companies SET name = $1 WHERE id = 'org_restored'", {name});
        topic.publish();
    }
    REQUIRE(topic.address_of("org_restored") == "three");
    testkit::until_past(
        std::stoll(rig().value("SELECT version::text AS v FROM directory_state WHERE company_id = 'org_restored'")));
    auto restored = rig().value("SELECT (version - 3)::text AS v FROM directory_state WHERE company_id = 'org_restored'");
    rig().sql("UPDATE directory_state SET version = $1::bigint WHERE company_id = 'org_restored'", {restored});
    rig().sql("UPDATE companies SET name = 'four' WHERE id = 'org_restored'");
    topic.publish();
    CHECK(topic.address_of("org_restored") == "four");
}

TEST_CASE("what a restored database has otherwise is published again, above what the readers know", "[integration]") {
    rig().company("org_back");
    Topic topic;
    rig().sql("UPDATE companies SET name = 'kept' WHERE id = 'org_back'");
    topic.publish();
    auto kept = rig().value("SELECT version::text AS v FROM directory_state WHERE company_id = 'org_back'");
    rig().sql("UPDATE companies SET name = 'lost' WHERE id = 'org_back'");
    topic.publish();
    REQUIRE(topic.address_of("org_back") == "lost");
    // The restore brings rows and versions of before.
    rig().sql("ALTER TABLE companies DISABLE TRIGGER companies_keep_numbers");
    rig().sql("UPDATE companies SET name = 'kept' WHERE id = 'org_back'");
    rig().sql("ALTER TABLE companies ENABLE TRIGGER companies_keep_numbers");
    rig().sql("UPDATE directory_state SET version = $1::bigint, dirty = false WHERE company_id = 'org_back'", {kept});
    topic.check();
    topic.publish();
    CHECK(topic.address_of("org_back") == "kept");
    topic.check();
    CHECK(rig().value("SELECT dirty::text AS v FROM directory_state WHERE company_id = 'org_back'") ==
          "false");  // all agree: nothing is published for nothing
    // A reader whose memory is ahead of the topic itself.
    auto ahead = topic.ingress.find(CompanyId{"org_back"})->version;
    CHECK(ahead < to_micros(system_clock().now()) / 1000 + 1);
    rig().sql("UPDATE companies SET name = 'newest' WHERE id = 'org_back'");
    CHECK(std::stoll(rig().value("SELECT version::text AS v FROM directory_state WHERE company_id = 'org_back'")) > ahead);
}

TEST_CASE(
    "what would not fit into otto.directory is refused by the field, and what a person with SQL made too large holds up nobody",
    "[integration]") {
    rig().company("org_large");
    rig().company("org_small");
    auto large =
        R"({"note":")" + std::string(rt::largest_event<otto::directory::v1::CompanyProfile>() + (16u << 10), 'x') + "\"}";
    auto refused = rig().update("org_large", R"({"address":"here","workflow_config":)" + large + "}");
    CHECK(refused.status == 422);
    CHECK(refused.field == "workflow_config");
    CHECK(rig().update("org_large", R"({"workflow_config":{"note":"short"}})").status == 200);
    Topic topic;
    rig().sql("UPDATE companies SET workflow_config = $1::jsonb, name = 'too large' WHERE id = 'org_large'", {large});
    rig().sql("UPDATE companies SET name = 'fits' WHERE id = 'org_small'");
    topic.publish();
    CHECK(topic.address_of("org_small") == "fits");
    CHECK(topic.address_of("org_large") == "");
    CHECK(rig().add("org_large", Rig::fresh_number()).status == 422);
    topic.check();
    rig().sql("UPDATE companies SET workflow_config = NULL WHERE id = 'org_large'");
    topic.publish();
    CHECK(topic.address_of("org_large") == "too large");
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
TEST_CASE("what a company has at a provider is told as an account, and CallRail's for one release as it was", "[integration]") {
    rig().company("org_account");
    auto told = [] {
        pg::Connection db(rig().service_url(), "test");
        auto tx = db.begin(pg::Scope::company(CompanyId{"org_account"}));
        return profile_of(tx, CompanyId{"org_account"});
    };
    CHECK(told().accounts_size() == 0);
    rig().sql(
        "UPDATE companies SET callrail_account_id = 'ACC1', callrail_company_id = 'COM1', callrail_api_key = 'sealed api key', "
        "callrail_signing_key = 'sealed new', "
        "callrail_signing_key_explicit = false, callrail_signing_key_former = 'sealed old', callrail_signing_key_former_explicit "
        "= true, "
        "callrail_signing_key_former_until = '2030-01-01', callrail_problem = 'closed', callrail_problem_cure = 'open it' WHERE "
        "id = 'org_account'");
    auto m = told();
    REQUIRE(m.accounts_size() == 1);
    const auto& account = m.accounts(0);
    CHECK(account.provider() == "callrail");
    CHECK(account.account_id() == "ACC1");
    REQUIRE(account.company_ids_size() == 1);
    CHECK(account.company_ids(0) == "COM1");
    CHECK(account.api_key().sealed() == "sealed api key");
    CHECK(account.api_key().column() == "callrail_api_key");
    REQUIRE(account.signing_keys_size() == 2);
    CHECK(account.signing_keys(0).sealed() == "sealed new");
    CHECK(account.signing_keys(0).from_provider());
    CHECK_FALSE(account.signing_keys(0).has_valid_to_us());
    CHECK(account.signing_keys(1).sealed() == "sealed old");
    CHECK(account.signing_keys(1).column() == "callrail_signing_key");  // the place that it was sealed for
    CHECK_FALSE(account.signing_keys(1).from_provider());
    CHECK(from_micros(account.signing_keys(1).valid_to_us()) == *parse_time("2030-01-01T00:00:00Z"));
    CHECK(account.problem() == "closed");
    CHECK(account.problem_cure() == "open it");
    CHECK(m.callrail_account_id() == "ACC1");
    CHECK(m.callrail_company_ids(0) == "COM1");
    CHECK(m.callrail_api_key().sealed() == "sealed api key");
    CHECK(m.callrail_signing_keys_size() == 2);
    CHECK(m.callrail_problem() == "closed");
}
#pragma GCC diagnostic pop

TEST_CASE("Twilio's account is told beside CallRail's, its token as what signs and what asks; and what a caller meets",
          "[integration]") {
    rig().company("org_texts");
    auto sid = "AC" + std::string(32, '1');
    rig().sql(
        "UPDATE companies SET twilio_account_sid = $1, twilio_auth_token = 'sealed new', twilio_auth_token_former = 'sealed "
        "old', "
        "twilio_auth_token_former_until = '2030-01-01', twilio_problem = 'suspended', twilio_problem_cure = 'pay', "
        "callrail_account_id = 'ACC9', call_flow = '{\"consent_notice\":\"recorded\"}', service_area = '{\"states\":[\"AZ\"]}' "
        "WHERE "
        "id = 'org_texts'",
        {sid});
    auto number = Rig::fresh_number();
    REQUIRE(rig().add("org_texts", number, R"(,"provider":"twilio","voicemail_enabled":false)").status == 201);
    pg::Connection db(rig().service_url(), "test");
    auto tx = db.begin(pg::Scope::company(CompanyId{"org_texts"}));
    auto m = profile_of(tx, CompanyId{"org_texts"});
    REQUIRE(m.accounts_size() == 2);
    CHECK(m.accounts(0).provider() == "callrail");
    const auto& account = m.accounts(1);
    CHECK(account.provider() == "twilio");
    CHECK(account.account_id() == sid);
    CHECK(account.api_key().sealed() == "sealed new");
    CHECK(account.api_key().column() == "twilio_auth_token");
    REQUIRE(account.signing_keys_size() == 2);
    CHECK(account.signing_keys(0).sealed() == "sealed new");
    CHECK_FALSE(account.signing_keys(0).has_valid_to_us());
    CHECK(account.signing_keys(1).sealed() == "sealed old");
    CHECK(account.signing_keys(1).column() == "twilio_auth_token");
    CHECK(from_micros(account.signing_keys(1).valid_to_us()) == *parse_time("2030-01-01T00:00:00Z"));
    CHECK(account.problem() == "suspended");
    CHECK(account.problem_cure() == "pay");
    CHECK(JsonDocument::parse(m.call_flow_json())->root()["consent_notice"].string() == "recorded");
    CHECK(JsonDocument::parse(m.service_area_json())->root()["states"].at(0).string() == "AZ");
    REQUIRE(m.numbers_size() == 1);
    CHECK_FALSE(m.numbers(0).voicemail_enabled());
    CHECK_THROWS_AS(rig().sql("UPDATE companies SET twilio_account_sid = 'AC1' WHERE id = 'org_texts'"), pg::SqlFailure);
}

TEST_CASE("a number that ended is told as long as late webhooks may come", "[integration]") {
    rig().company("org_past");
    rig().sql(
        "INSERT INTO company_numbers (company_id, e164, standing, valid_from, valid_to) VALUES ('org_past', $1, 'proven', "
        "'-infinity', now() - interval '89 days'), "
        "('org_past', $2, 'proven', '-infinity', now() - interval '91 days')",
        {Rig::fresh_number(), Rig::fresh_number()});
    Topic topic;
    topic.publish();
    CHECK(topic.ingress.find(CompanyId{"org_past"})->numbers.size() == 1);
}
