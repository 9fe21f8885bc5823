#include "routing.hpp"

#include "base/crypto.hpp"
#include "otto/directory/v1/directory.pb.h"
#include "pg/migrate.hpp"
#include "schema/schema.hpp"
#include "tenant-router/sql.hpp"
#include "testing/catch.hpp"
#include "testkit/postgres.hpp"

using namespace otto;
using namespace otto::tenant_router;
namespace pb = otto::inbound::v1;

namespace {

KeyRing ring() { return *KeyRing::parse(Secret("k1:" + base64_encode(std::string(32, 'k')))); }

struct Known {
    directory::Companies all{{"", "t", "", ring()}};
    void add(const std::string& id, std::int64_t version, const std::string& number, const std::string& key, std::optional<Instant> from = {}, const std::string& status = "active") {
        otto::directory::v1::CompanyProfile m;
        m.set_company_id(id);
        m.set_version(version);
        m.set_status(status);
        if (!number.empty()) {
            auto* n = m.add_numbers();
            n->set_e164(number);
            n->add_purposes("voice");
            if (from) n->set_valid_from_us(to_micros(*from));
        }
        if (!key.empty()) {
            auto* k = m.add_callrail_signing_keys();
            k->set_column("callrail_signing_key");
            k->set_sealed(ring().seal(Secret(key), seal_place(id, "callrail_signing_key")));
        }
        all.apply(id, m.SerializeAsString());
    }
};

pb::ProviderEvent event(const std::string& number, pb::Verdict verdict, const std::string& proven, const std::string& key = "") {
    pb::ProviderEvent e;
    e.set_kind("call.completed");
    auto& r = *e.mutable_receipt();
    r.set_provider("callrail");
    r.set_raw_body("{}");
    r.set_received_at_us(to_micros(system_clock().now()));
    r.set_verdict(verdict);
    r.set_proven_company_id(proven);
    if (!key.empty()) {
        auto* h = r.add_headers();
        h->set_name("signature");
        h->set_value(base64_encode(hmac_sha1(key, "{}")));
    }
    e.mutable_call()->set_tracking_number(number);
    e.mutable_call()->set_provider_call_id("c1");
    return e;
}

std::string reason(const Decision& d) { return std::holds_alternative<Held>(d) ? std::get<Held>(d).reason : "-> " + std::get<CompanyId>(d).value(); }

}  // namespace

TEST_CASE("who owns the number at the time of the call, and proves it, gets the event") {
    Known known;
    known.add("org_a", 1, "+12025550101", "key a");
    known.add("org_b", 1, "+12025550102", "");
    auto decide = [&](const pb::ProviderEvent& e, std::vector<std::string> allowed = {}) { return reason(route(e, known.all, allowed)); };
    CHECK(decide(event("+12025550101", pb::VERDICT_AUTHENTIC, "org_a")) == "-> org_a");
    CHECK(decide(event("+12025550199", pb::VERDICT_AUTHENTIC, "org_a")) == "-> org_a");  // a pool number that is not registered yet
    CHECK(decide(event("", pb::VERDICT_AUTHENTIC, "org_a")) == "-> org_a");
    CHECK(decide(event("+12025550102", pb::VERDICT_AUTHENTIC, "org_a")) == "Tracking number +12025550102 belongs to another company than the one whose key signed");
    CHECK(decide(event("+12025550199", pb::VERDICT_OPEN, "")) == "No company found for tracking number +12025550199");
    CHECK(decide(event("", pb::VERDICT_OPEN, "")) == "No company found for tracking number (none)");
    CHECK(decide(event("+12025550102", pb::VERDICT_OPEN, "")) == "The owner of tracking number +12025550102 has set no signing key");
    CHECK(decide(event("+12025550102", pb::VERDICT_OPEN, ""), {"callrail"}) == "-> org_b");
    CHECK(decide(event("+12025550101", pb::VERDICT_OPEN, "", "key a")) == "-> org_a");  // checked here, once there is an owner with a key
    CHECK(decide(event("+12025550101", pb::VERDICT_OPEN, "", "other")).starts_with("The signature does not match"));
    CHECK(decide(event("+12025550101", pb::VERDICT_OPEN, "")).starts_with("The signature does not match"));
    auto odd = event("+12025550101", pb::VERDICT_AUTHENTIC, "org_a");
    odd.set_not_understood("the body names no call");
    CHECK(decide(odd) == "Not understood: the body names no call");
    known.add("org_a", 2, "+12025550101", "key a", {}, "suspended");
    CHECK(decide(event("+12025550101", pb::VERDICT_AUTHENTIC, "org_a")) == "The company is suspended");
}

TEST_CASE("a number that changed hands: the owner at the start of the call counts") {
    Known known;
    auto moved = system_clock().now() - std::chrono::hours(1);
    known.add("org_b", 1, "+12025550101", "key b", moved);
    auto late = event("+12025550101", pb::VERDICT_OPEN, "", "key b");
    late.mutable_call()->set_started_at_us(to_micros(moved - std::chrono::hours(1)));
    CHECK(reason(route(late, known.all, {})) == "No company found for tracking number +12025550101");
    late.mutable_call()->set_started_at_us(to_micros(moved + std::chrono::minutes(1)));
    CHECK(reason(route(late, known.all, {})) == "-> org_b");
}

TEST_CASE("what goes on is keyed by company and customer, and says who proved it") {
    auto e = event("+12025550101", pb::VERDICT_OPEN, "");
    e.mutable_call()->set_customer_phone("anonymous");
    auto r = tenant_router::routed(e, CompanyId{"org_a"});
    CHECK(r.phone() == "c1");
    CHECK(r.receipt().verdict() == pb::VERDICT_AUTHENTIC);
    CHECK(r.receipt().proven_company_id() == "org_a");
    e.mutable_call()->set_customer_phone("+12025550100");
    e.mutable_call()->set_customer_phone_callable(true);
    CHECK(tenant_router::routed(e, CompanyId{"org_a"}).phone() == "+12025550100");
}

TEST_CASE("every query of the service fits the schema and the role's grants", "[integration]") {
    auto url = testkit::TestPostgres::shared().fresh_database();
    pg::Connection owner(url, "test");
    REQUIRE(pg::migrate(owner, schema::all()).ok());
    pg::Connection db(testkit::TestPostgres::as_role(url, "otto_tenant_router"), "test");
    for (const auto& q : sql::all) {
        INFO(q.name);
        CHECK_NOTHROW(db.execute("PREPARE probe AS " + std::string(q.text)));
        db.execute("DEALLOCATE probe");
    }
}
