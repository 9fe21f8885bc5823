#include "directory.hpp"
#include "rig.hpp"

using namespace otto;
using namespace otto::company_service;

namespace {

Rig& rig() { return Rig::shared(); }

/// otto.directory: what company-service published, in order, and who reads it.
struct Topic {
    static directory::Companies::Options options() { return {"", "t", "", KeyRing::parse(rig().settings().get(app::kSecretKeys)).value()}; }
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
    testkit::until_past(std::stoll(rig().value("SELECT version::text AS v FROM directory_state WHERE company_id = 'org_restored'")));
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
    CHECK(rig().value("SELECT dirty::text AS v FROM directory_state WHERE company_id = 'org_back'") == "false");  // all agree: nothing is published for nothing
    // A reader whose memory is ahead of the topic itself.
    auto ahead = topic.ingress.find(CompanyId{"org_back"})->version;
    CHECK(ahead < to_micros(system_clock().now()) / 1000 + 1);
    rig().sql("UPDATE companies SET name = 'newest' WHERE id = 'org_back'");
    CHECK(std::stoll(rig().value("SELECT version::text AS v FROM directory_state WHERE company_id = 'org_back'")) > ahead);
}

TEST_CASE("what would not fit into otto.directory is refused by the field, and what a person with SQL made too large holds up nobody", "[integration]") {
    rig().company("org_large");
    rig().company("org_small");
    auto large = R"({"note":")" + std::string(rt::largest_event<otto::directory::v1::CompanyProfile>() + (16u << 10), 'x') + "\"}";
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

TEST_CASE("a number that ended is told as long as late webhooks may come", "[integration]") {
    rig().company("org_past");
    rig().sql("INSERT INTO company_numbers (company_id, e164, standing, valid_from, valid_to) VALUES ('org_past', $1, 'proven', '-infinity', now() - interval '89 days'), "
              "('org_past', $2, 'proven', '-infinity', now() - interval '91 days')", {Rig::fresh_number(), Rig::fresh_number()});
    Topic topic;
    topic.publish();
    CHECK(topic.ingress.find(CompanyId{"org_past"})->numbers.size() == 1);
}
