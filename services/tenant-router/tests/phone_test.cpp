// Numbers that a former version read otherwise: on their way, held, and seen.
#include "handlers.hpp"
#include "routing.hpp"

#include "base/crypto.hpp"
#include "otto/directory/v1/directory.pb.h"
#include "pg/migrate.hpp"
#include "schema/schema.hpp"
#include "testing/catch.hpp"
#include "testkit/postgres.hpp"

using namespace otto;
using namespace otto::tenant_router;
namespace pb = otto::inbound::v1;

namespace {

void know(directory::Companies& all, const std::string& id, const std::string& number) {
    otto::directory::v1::CompanyProfile m;
    m.set_company_id(id);
    m.set_version(1);
    m.set_status("active");
    m.add_numbers()->set_e164(number);
    m.mutable_numbers(0)->add_purposes("voice");
    m.mutable_numbers(0)->set_standing(otto::directory::v1::STANDING_FINAL);
    all.apply(id, m.SerializeAsString());
}

pb::ProviderEvent event(const std::string& tracking, const std::string& customer, bool callable) {
    pb::ProviderEvent e;
    e.mutable_receipt()->set_provider("callrail");
    e.mutable_receipt()->set_raw_body("{}");
    e.mutable_receipt()->set_received_at_us(to_micros(system_clock().now()));
    e.mutable_receipt()->set_verdict(pb::VERDICT_AUTHENTIC);
    e.mutable_receipt()->set_proven_company_id("org_a");
    e.mutable_call()->set_tracking_number(tracking);
    e.mutable_call()->set_customer_phone(customer);
    e.mutable_call()->set_customer_phone_callable(callable);
    e.mutable_call()->set_provider_call_id("c1");
    return e;
}

KeyRing ring() { return *KeyRing::parse(Secret("k1:" + base64_encode(std::string(32, 'k')))); }

}  // namespace

TEST_CASE("an owner is found by a number that was read the former way, and what goes on has it as it is read now") {
    directory::Companies all{{"", "t", "", ring()}};
    know(all, "org_b", "+12025550102");
    auto now = system_clock().now();
    for (auto tracking :
         {"+12025550102", "\u202a+12025550102\u202c", "+0012025550102", "202-555-0102 x45", "tel:+12025550102;ext=45",
          "(202)\u00a0555\u20110102", "\u0662\u0660\u0662\u0665\u0665\u0665\u0660\u0661\u0660\u0662"}) {
        auto e = event(tracking, "\u202a+14805550100\u202c", false);
        INFO(tracking);
        CHECK(addressee_of(e).number() == "+12025550102");
        auto decision = route(e, all, {}, now);
        REQUIRE(std::holds_alternative<Held>(decision));
        CHECK(std::get<Held>(decision).reason ==
              "Tracking number +12025550102 belongs to another company than the one whose key signed");
        auto out = tenant_router::handed_over<tenant_router::CallKind>(e, Owner{CompanyId{"org_b"}});
        CHECK(out.phone() == "+14805550100");
        CHECK(out.call().customer_phone() == "+14805550100");
        CHECK(out.call().customer_phone_callable());
        CHECK(out.call().tracking_number() == "+12025550102");
    }
}

TEST_CASE("what was a number and is none any more goes on as the call's own") {
    for (auto hidden :
         {"+266696687", "+7378742833", "+86282452253", "+8656696", "+2562533", "+15555555555", "+11235550100", "+12025550"}) {
        auto out =
            tenant_router::handed_over<tenant_router::CallKind>(event("+12025550101", hidden, true), Owner{CompanyId{"org_a"}});
        INFO(hidden);
        CHECK(out.phone() == "c1");
        CHECK_FALSE(out.call().customer_phone_callable());
        CHECK(out.call().customer_phone() == hidden);
    }
}

TEST_CASE("seen numbers are folded into the one that is meant; what waits for one is looked at anew", "[integration]") {
    auto url = testkit::TestPostgres::shared().fresh_database();
    pg::Connection owner(url, "test");
    auto all = schema::all();
    auto former = std::find_if(all.begin(), all.end(), [](const auto& m) { return m.version >= "20261129175600"; });
    REQUIRE(pg::migrate(owner, {all.begin(), former}).ok());
    owner.execute(R"sql(
INSERT INTO seen_numbers (company_id, e164, provider, first_seen_at, last_seen_at) VALUES
  ('org_a', '+12025550101', 'callrail', '2026-01-02', '2026-01-03'), ('org_a', '+0012025550101', 'callrail', '2026-01-01', '2026-01-05'), ('org_a', '+12025550101;ext=4', 'callrail', '2026-01-04', '2026-01-04'),
  ('org_a', '+0012025550102', 'callrail', '2026-01-01', '2026-01-05'), ('org_a', '+266696687', 'callrail', '2026-01-01', '2026-01-05'), ('org_b', '+0012025550101', 'callrail', '2026-01-01', '2026-01-05');
INSERT INTO held_events (event_id, provider, kind, reason, cure, number, verdict, request_target, content_type, signature_headers, raw_body, record, received_at, concerns, released_at)
SELECT md5(n)::uuid, 'callrail', 'call.completed', 'r', 'c', n, 'open', '/', 'application/json', '[]', '{}', '', now(), ARRAY['number:' || n], released
  FROM (VALUES ('+0012025550101', NULL), ('+12025550103', NULL), ('anonymous', NULL), ('+0012025550104', now())) AS h (n, released);
)sql");
    REQUIRE(pg::migrate(owner, all).ok());
    auto texts = [&](const char* name, const char* text) {
        std::vector<std::string> out;
        auto tx = owner.begin(pg::Scope::none());
        tx.each({name, text}, {}, [&](const pg::Fields& f) { out.push_back(f.text("v")); });
        return out;
    };
    CHECK(texts("seen",
                "SELECT concat_ws(' ', company_id, e164, first_seen_at::date, last_seen_at::date) AS v FROM seen_numbers ORDER "
                "BY 1") == std::vector<std::string>{"org_a +12025550101 2026-01-01 2026-01-05",
                                                    "org_a +12025550102 2026-01-01 2026-01-05",
                                                    "org_b +12025550101 2026-01-01 2026-01-05"});
    CHECK(texts("held", "SELECT concat_ws(' ', number, coalesce(concerns[1], 'to be told')) AS v FROM held_events ORDER BY 1") ==
          std::vector<std::string>{"+0012025550104 number:+0012025550104", "+12025550101 to be told",
                                   "+12025550103 number:+12025550103", "anonymous number:anonymous"});
}
