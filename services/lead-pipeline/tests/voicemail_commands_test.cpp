// How far people are with voicemails, as the service's own role.
#include "commands/voicemails.hpp"

#include "testing/catch.hpp"
#include "testkit/database.hpp"

using namespace otto;
using lead_pipeline::VoicemailCommands;

namespace {

const std::string kVoicemail = "0191e0b8-0000-7000-8000-00000000c001";

struct World {
    testkit::Database db{"otto_lead_pipeline"};
    pg::Pool pool{db.service_url(), "test", 2};
    World() {
        db.owner.execute(R"sql(
INSERT INTO companies (id, name) VALUES ('org_a', 'x'), ('org_b', 'y');
INSERT INTO contact_cards (company_id, id, first_name) VALUES ('org_a', '0191e0b8-0000-7000-8000-00000000b001', 'Kaylah');
INSERT INTO leads (company_id, id, contact_card_id) VALUES ('org_a', '0191e0b8-0000-7000-8000-00000000b002', '0191e0b8-0000-7000-8000-00000000b001');
INSERT INTO calls (company_id, call_id, provider, provider_call_id, direction, status, missed_call, answered, recording_url, contact_card_id, lead_id, received_at, merge_state)
VALUES ('org_a', 7, 'twilio', 'CA1', 'inbound', 'voicemail', true, false, 'https://api.twilio.example/secret', '0191e0b8-0000-7000-8000-00000000b001', '0191e0b8-0000-7000-8000-00000000b002', now(), '');
INSERT INTO voicemail_messages (company_id, id, call_id, recording_sid, recording_url, duration, transcript)
VALUES ('org_a', '0191e0b8-0000-7000-8000-00000000c001', 7, 'RE1', 'https://api.twilio.example/secret', 12, 'My roof leaks.');
)sql");
    }
    static World& shared() {
        static World world;
        return world;
    }
};

/// The answer's status and body; a refusal as its status and the field it names.
std::string change(const std::string& body, const std::string& id = kVoicemail, const std::string& company = "org_a") {
    http::Request request;
    request.body = body;
    request.received_at = system_clock().now();
    request.path_params = {{"voicemail_id", id}};
    request.trace = tel::TraceContext::fresh();
    identity::Principal who;
    who.user = UserId{"user_office"};
    who.company = CompanyId{company};
    who.role = identity::Role::csr;
    api::Context context(request, who, World::shared().pool, "lead-pipeline");
    try {
        auto answer = VoicemailCommands{}.change(context);
        context.tx().commit();
        return std::to_string(answer.status) + " " + answer.body;
    } catch (const api::Refusal& refusal) {
        return std::to_string(refusal.problem.status) +
               (refusal.problem.fields.empty() ? "" : " " + refusal.problem.fields[0].first);
    }
}

std::string lines(const std::string& sql) { return World::shared().db.lines(sql, {"org_a"}); }

}  // namespace

TEST_CASE("a voicemail is listened to, done, and new again; each is on record once", "[integration]") {
    for (const std::string status : {"listened", "done", "done", "new", "listened"}) {
        auto answer = change(R"({"status":")" + status + "\"}");
        INFO(answer);
        CHECK(answer.starts_with("200 "));
        CHECK(answer.find(R"("status":")" + status + "\"") != std::string::npos);
        CHECK(answer.find(R"("recording_url":"/api/v1/calls/7/recording","duration":12,"transcript":"My roof leaks.")") !=
              std::string::npos);
        CHECK(answer.find(R"("first_name":"Kaylah")") != std::string::npos);
        CHECK(answer.find("secret") == std::string::npos);
    }
    CHECK(lines("SELECT status || ' ' || version AS v FROM voicemail_messages WHERE company_id = $1") == "listened 5\n");
    CHECK(lines("SELECT user_id || ' ' || action || ' ' || (detail ->> 'fields') AS v FROM audit_log WHERE company_id = $1 AND "
                "target = '" +
                kVoicemail + "'") ==
          "user_office voicemail.change [\"status\"]\nuser_office voicemail.change [\"status\"]\nuser_office voicemail.change "
          "[\"status\"]\nuser_office voicemail.change [\"status\"]\n");
    CHECK(lines("SELECT topic AS v FROM outbox WHERE $1 = 'org_a'") ==
          "otto.changes\notto.changes\notto.changes\notto.changes\n");
}

TEST_CASE("of a voicemail nothing else is changed, and none of another company", "[integration]") {
    CHECK(change("{}").starts_with("422"));
    CHECK(change(R"({"status":"heard"})") == "422 status");
    CHECK(change(R"({"status":null})") == "422 status");
    for (const std::string field : {"transcript", "summary", "duration", "recording_url", "call_id", "colour"})
        CHECK(change(R"({"status":"done",")" + field + R"(":"x"})") == "422 " + field);
    CHECK(change(R"({"status":"done"})", "0191e0b8-0000-7000-8000-00000000c002") == "404");
    CHECK(change(R"({"status":"done"})", "x") == "404");
    CHECK(change(R"({"status":"done"})", kVoicemail, "org_b") == "404");
    CHECK(lines("SELECT status AS v FROM voicemail_messages WHERE company_id = $1") == "listened\n");
}
