// Who asks, and whom one works with: the same for every role, and of one's own company only.
#include <set>

#include "world.hpp"

using namespace otto;
using namespace otto::query_service;
using identity::Role;

namespace {

constexpr const char* kRows = R"sql(
INSERT INTO companies (id, name, timezone, call_flow) VALUES ('org_a', 'Desert Roofing', 'America/Phoenix', '{"hours": {"mon": [["08:00", "17:00"]]}}');
INSERT INTO companies (id, name, timezone, workflow_config, call_flow) VALUES
  ('org_b', 'B', 'America/New_York', '{"clocks": {"hours": {"tue": [["09:00", "18:00"]]}}}', '{"hours": {"mon": [["08:00", "17:00"]]}}'), ('org_c', 'C', 'America/New_York', '{"clocks": "odd"}', NULL);
INSERT INTO company_users (company_id, id, name, email, role, status) VALUES
  ('org_a', 'user_m', 'Dana Ortiz', 'dana@roof.example', 'manager', 'active'), ('org_a', 'user_r', 'bob Stone', 'bob@roof.example', 'sales_rep', 'removed'), ('org_a', 'user_n', NULL, 'ann@roof.example', 'csr', 'invited'),
  ('org_b', 'user_b', 'Other', 'other@b.example', 'manager', 'active');
INSERT INTO company_users (company_id, id, role_unknown) VALUES ('org_a', 'user_u', 'king');
INSERT INTO company_numbers (company_id, e164, purposes, provider, is_active, valid_from, valid_to) VALUES
  ('org_a', '+16025550101', '{voice,text}', 'twilio', true, '-infinity', NULL), ('org_a', '+16025550102', '{text}', 'twilio', true, now() - interval '1 day', now() + interval '1 day'),
  ('org_a', '+16025550103', '{voice}', 'twilio', true, '-infinity', NULL), ('org_a', '+16025550104', '{text}', 'twilio', false, '-infinity', NULL),
  ('org_a', '+16025550105', '{text}', 'twilio', true, now() - interval '2 days', now() - interval '1 day'), ('org_a', '+16025550106', '{text}', 'twilio', true, now() + interval '1 day', NULL),
  ('org_b', '+16025550107', '{text}', 'twilio', true, '-infinity', NULL);
)sql";

Asking& world() {
    static Asking world(kRows);
    return world;
}

}  // namespace

TEST_CASE("me: the same for every role, but for the role", "[integration]") {
    for (auto role : {Role::csr, Role::sales_rep, Role::manager, Role::executive}) {
        auto me = Asking::data(world().ask(reading<&People::me>, "", "user_m", role));
        CHECK(me.root()["user"].dump() == R"({"id":"user_m","name":"Dana Ortiz","email":"dana@roof.example","role":")" +
                                              std::string(to_text(role)) + R"("})");
        CHECK(
            me.root()["company"].dump() ==
            R"({"id":"org_a","name":"Desert Roofing","timezone":"America/Phoenix","hours":{"mon":[["08:00","17:00"]]},"texting_numbers":["+16025550101","+16025550102"]})");
        CHECK(me.root()["features"].dump() == "{}");
    }
}

TEST_CASE("me: somebody of whom no row is there yet, and a company that has said other hours, or none", "[integration]") {
    auto me = Asking::data(world().ask(reading<&People::me>, "", "user_new", Role::csr, "", "", "org_b"));
    CHECK(me.root()["user"].dump() == R"({"id":"user_new","name":null,"email":null,"role":"csr"})");
    CHECK(me.root()["company"]["hours"].dump() == R"({"tue":[["09:00","18:00"]]})");
    me = Asking::data(world().ask(reading<&People::me>, "", "user_new", Role::csr, "", "", "org_c"));
    CHECK(me.root()["company"]["hours"].is_null());
    CHECK(me.root()["company"]["texting_numbers"].dump() == "[]");
    me = Asking::data(world().ask(reading<&People::me>, "", "user_new", Role::csr, "", "", "org_none"));
    CHECK(me.root()["company"].is_null());
}

TEST_CASE("me: somebody without an organisation", "[integration]") {
    http::Request request;
    identity::Principal who;
    who.user = UserId{"user_alone"};
    api::Context context(request, who, world().pool);
    auto me = Asking::data(reading<&People::me>(world().nouns, context));
    CHECK(me.root()["user"].dump() == R"({"id":"user_alone","name":null,"email":null,"role":null})");
    CHECK(me.root()["company"].is_null());
}

TEST_CASE("people: names and roles of one's own company, for every role", "[integration]") {
    for (auto role : {Role::csr, Role::sales_rep, Role::manager, Role::executive}) {
        auto people = Asking::data(world().ask(reading<&People::list>, "", "user_m", role));
        CHECK(
            people.root()["items"].dump() ==
            R"([{"id":"user_n","name":"ann@roof.example","role":"csr","status":"invited"},{"id":"user_r","name":"bob Stone","role":"sales_rep","status":"removed"},)"
            R"({"id":"user_m","name":"Dana Ortiz","role":"manager","status":"active"},{"id":"user_u","name":null,"role":null,"status":"active"}])");
    }
    CHECK(world().ask(reading<&People::me>, "colour=red").body == "colour");
    CHECK(world().ask(reading<&People::list>, "limit=1").body == "limit");
}
