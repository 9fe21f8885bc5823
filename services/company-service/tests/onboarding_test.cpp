// Connecting Twilio, and tests of what is connected.
#include "rig.hpp"

using namespace otto;
using namespace otto::company_service;

namespace {

Rig& rig() { return Rig::shared(); }
Peer& peer() { return Rig::shared().peer; }

/// An account that no other test uses.
std::string fresh_sid() {
    static int n = 0;
    return "AC" + std::string(29, 'e') + std::to_string(100 + n++);
}
Answer connect(const std::string& company, const std::string& sid, const std::string& token = "a token of Twilio",
               const std::string& more = "") {
    return rig().ask(
        company, [](auto& c) { return rig().onboarding.connect_twilio(c); },
        R"({"account_sid":")" + sid + R"(","auth_token":")" + token + "\"" + more + "}");
}
Answer test_twilio(const std::string& company) {
    return rig().ask(company, [](auto& c) { return rig().onboarding.test_twilio(c); });
}
Answer test_callrail(const std::string& company) {
    return rig().ask(company, [](auto& c) { return rig().onboarding.test_callrail(c); });
}
/// Of each check its name, and whether it is well.
std::string checks_of(const Answer& answer) {
    auto parsed = JsonDocument::parse(answer.body);
    if (!parsed) return answer.body;
    auto list = parsed->root()["data"]["checks"];
    std::string out;
    for (std::size_t i = 0; i < list.size(); ++i) {
        auto ok = list.at(i)["ok"].boolean().value_or(false);
        CHECK(list.at(i)["cure"].is_string() == !ok);
        out += (out.empty() ? "" : ", ") + std::string(list.at(i)["name"].string().value_or("")) + (ok ? "" : " not");
    }
    CHECK(answer.data("ok") == (out.find(" not") == std::string::npos ? "true" : "false"));
    return out;
}
std::string column(const std::string& company, const std::string& name) {
    return rig().value("SELECT coalesce(" + name + "::text, 'none') AS v FROM companies WHERE id = $1", {company});
}

}  // namespace

TEST_CASE("Twilio is connected in one step, and the former token stays valid for a while", "[integration]") {
    rig().company("org_twilio");
    auto sid = fresh_sid(), number = Rig::fresh_number();
    peer().twilio_account(sid, {number});
    auto connected = connect("org_twilio", sid, "first token 1111", R"(,"primary_tracking_number":")" + number + "\"");
    CHECK(connected.status == 200);
    auto answer = JsonDocument::parse(connected.body);
    REQUIRE(answer.ok());
    CHECK(answer->root()["success"].boolean() == true);
    CHECK(answer->root()["provider"].string() == "twilio");
    CHECK(answer->root()["webhook_url"].string() == "http://localhost:8080/api/v1/twilio-webhook");
    CHECK(answer->root()["webhook_urls"]["message_status"].string() == "http://localhost:8080/api/aloha/webhooks/message-status");
    for (auto name : {"sms", "voice", "call_status", "voicemail"}) CHECK(answer->root()["webhook_urls"][name].is_string());
    CHECK(answer->root()["onboarding_step"].string() == "document_ingestion");
    CHECK(column("org_twilio", "twilio_account_sid") == sid);
    CHECK(column("org_twilio", "twilio_auth_token_last4") == "1111");
    CHECK(column("org_twilio", "twilio_auth_token").starts_with("v1.k1."));
    CHECK(column("org_twilio", "twilio_auth_token_former") == "none");
    CHECK(column("org_twilio", "call_provider") == "twilio");
    CHECK(column("org_twilio", "onboarding_step") == "document_ingestion");
    CHECK(rig().standing("org_twilio", number) == "final");  // the list of its own account has it
    CHECK(rig().value("SELECT provider AS v FROM company_numbers WHERE company_id = 'org_twilio'") == "twilio");
    CHECK(rig()
              .value("SELECT detail::text AS v FROM audit_log WHERE company_id = 'org_twilio' AND action = 'twilio.credentials'")
              .find("first token") == std::string::npos);

    CHECK(connect("org_twilio", sid, "first token 1111").status == 200);  // the same again replaces nothing
    CHECK(column("org_twilio", "twilio_auth_token_former") == "none");
    CHECK(connect("org_twilio", sid, "second token 2222").status == 200);
    CHECK(column("org_twilio", "twilio_auth_token_last4") == "2222");
    CHECK(column("org_twilio", "twilio_auth_token_former").starts_with("v1.k1."));
    CHECK(column("org_twilio", "round(extract(epoch FROM twilio_auth_token_former_until - now()) / 86400)") == "7");
    CHECK(column("org_twilio", "primary_tracking_number") == number);
}

TEST_CASE("what cannot be a company's Twilio account is 422, by the field", "[integration]") {
    rig().company("org_notwilio");
    for (std::string sid : {"AC1", "your-twilio-account-sid", "SK00000000000000000000000000000000", ""})
        CHECK(connect("org_notwilio", sid).field == "account_sid");
    auto own = connect("org_notwilio", "AC" + std::string(32, '0'));
    CHECK(own.status == 422);
    CHECK(own.field == "account_sid");
    auto sid = fresh_sid();
    peer().on("/2010-04-01/Accounts/" + sid + "/IncomingPhoneNumbers.json",
              R"({"code":20003,"message":"Authenticate","status":401})", 401);
    auto refused = connect("org_notwilio", sid);
    CHECK(refused.status == 422);
    CHECK(refused.field == "auth_token");
    CHECK(column("org_notwilio", "twilio_account_sid") == "none");
    peer().on("/2010-04-01/Accounts/" + sid + "/IncomingPhoneNumbers.json", "{}", 503);
    CHECK(connect("org_notwilio", sid).status == 200);  // silence is no refusal
    CHECK(rig().value("SELECT count(*)::text AS v FROM work WHERE company_id = 'org_notwilio' AND queue = "
                      "'company-service/twilio-numbers' AND due_at <= clock_timestamp()") == "1");
    peer().on("/2010-04-01/Accounts/" + sid + "/IncomingPhoneNumbers.json", R"({"code":20003})", 401);
    CHECK(rig().twilio.check(rig().pool(), CompanyId{"org_notwilio"}).again == "");
    CHECK(column("org_notwilio", "twilio_problem").find("do not fit together") != std::string::npos);
    CHECK(column("org_notwilio", "twilio_problem_cure").find("twilio/connect") != std::string::npos);
    peer().twilio_account(sid, {});
    CHECK(rig().twilio.check(rig().pool(), CompanyId{"org_notwilio"}).again == "");
    CHECK(column("org_notwilio", "twilio_problem") == "none");
}

TEST_CASE("a company has numbers of both providers: connecting one ends nothing of the other", "[integration]") {
    rig().company("org_both");
    auto voice = Rig::fresh_number(), text = Rig::fresh_number(), sid = fresh_sid();
    peer().account("ACCBOTH", {voice});
    REQUIRE(rig()
                .ask(
                    "org_both", [](auto& c) { return rig().commands.connect_callrail(c); },
                    R"({"api_key":"a key","account_id":"ACCBOTH","primary_tracking_number":")" + voice + "\"}")
                .status == 200);
    peer().twilio_account(sid, {text});
    REQUIRE(connect("org_both", sid, "a token of Twilio", R"(,"primary_tracking_number":")" + text + "\"").status == 200);
    CHECK(rig().standing("org_both", voice) == "final");
    CHECK(rig().standing("org_both", text) == "final");
    CHECK(column("org_both", "primary_tracking_number") == text);
    // And back.
    REQUIRE(rig()
                .ask(
                    "org_both", [](auto& c) { return rig().commands.connect_callrail(c); },
                    R"({"api_key":"a key","account_id":"ACCBOTH","primary_tracking_number":")" + voice + "\"}")
                .status == 200);
    CHECK(rig().standing("org_both", text) == "final");
    // Two companies may have one account; whose number it is says who registered it.
    rig().company("org_both2");
    REQUIRE(connect("org_both2", sid).status == 200);
    auto taken = rig().add("org_both2", text, R"(,"provider":"twilio")");
    CHECK(taken.status == 409);
    auto second = Rig::fresh_number();
    peer().twilio_account(sid, {text, second});
    CHECK(rig().add("org_both2", second, R"(,"provider":"twilio")").status == 201);
    CHECK(rig().twilio.check(rig().pool(), CompanyId{"org_both2"}).again == "");
    CHECK(rig().standing("org_both2", second) == "final");
    // What the account lists no more is its by signature only.
    peer().twilio_account(sid, {text});
    CHECK(rig().twilio.check(rig().pool(), CompanyId{"org_both2"}).again == "");
    CHECK(rig().standing("org_both2", second) == "proven");
    CHECK(rig().standing("org_both", text) == "final");
}

TEST_CASE("what is connected at Twilio is tested, and what is wrong has its cure", "[integration]") {
    rig().company("org_test");
    CHECK(checks_of(test_twilio("org_test")) == "credentials not");
    auto sid = fresh_sid(), number = Rig::fresh_number();
    peer().twilio_account(sid, {number});
    REQUIRE(connect("org_test", sid).status == 200);
    CHECK(checks_of(test_twilio("org_test")) == "credentials, account, numbers not, webhooks not");  // nothing is registered
    REQUIRE(rig().add("org_test", number, R"(,"provider":"twilio")").status == 201);
    CHECK(checks_of(test_twilio("org_test")) == "credentials, account, numbers, webhooks, voice");
    peer().twilio_account(sid, {number}, "https://elsewhere.example/sms");
    auto astray = test_twilio("org_test");
    CHECK(checks_of(astray) == "credentials, account, numbers, webhooks not, voice");
    CHECK(astray.body.find(number) != std::string::npos);
    CHECK(astray.body.find("http://localhost:8080/api/v1/twilio-webhook") != std::string::npos);
    auto problem = [] {
        return rig().value(
            "SELECT coalesce(webhooks_problem || ' Cure: ' || webhooks_problem_cure, 'none') AS v FROM company_numbers WHERE "
            "company_id = 'org_test'");
    };
    CHECK(problem().starts_with("its message URL at Twilio is https://elsewhere.example/sms, and not "));
    CHECK(problem().find("configure-webhooks") != std::string::npos);
    const std::string here = "http://localhost:8080";
    peer().twilio_account(sid, {number}, here + "/sms/twilio-webhook", "https://elsewhere.example/voice");
    auto lost = test_twilio("org_test");
    CHECK(checks_of(lost) == "credentials, account, numbers, webhooks, voice not");
    CHECK(lost.body.find("its voice URL at Twilio is https://elsewhere.example/voice, and not " + here +
                         "/api/aloha/webhooks/incoming-call") != std::string::npos);
    CHECK(lost.body.find("POST /api/aloha/configure-webhooks") != std::string::npos);
    CHECK(problem().starts_with("its voice URL at Twilio is https://elsewhere.example/voice"));
    peer().twilio_account(sid, {number}, here + "/sms/twilio-webhook", here + "/api/v1/twilio-webhook", "");
    CHECK(rig().twilio.check_all(rig().pool(), CompanyId{"org_test"}).again.empty());
    CHECK(problem().starts_with("its status callback URL at Twilio is not set, and not "));
    peer().twilio_account(sid, {number}, here + "/sms/twilio-webhook#rc=2");
    CHECK(rig().twilio.check_all(rig().pool(), CompanyId{"org_test"}).again.empty());
    CHECK(problem() == "none");
    peer().twilio_account(sid, {});
    CHECK(rig().twilio.check_all(rig().pool(), CompanyId{"org_test"}).again.empty());
    CHECK(problem().starts_with("your Twilio account does not list it"));
    rig().sql("DELETE FROM provider_tests WHERE company_id = 'org_test'");
    peer().twilio_account(sid, {number}, "https://elsewhere.example/sms");
    peer().on("/2010-04-01/Accounts/" + sid + ".json", R"({"code":20003,"message":"Authenticate","status":401})", 401);
    auto apart = test_twilio("org_test");
    CHECK(checks_of(apart) == "credentials not");
    CHECK(apart.body.find("account SID and auth token do not fit together") != std::string::npos);
    peer().on("/2010-04-01/Accounts/" + sid + ".json", R"({"sid":")" + sid + R"(","status":"suspended"})");
    CHECK(checks_of(test_twilio("org_test")) == "credentials, account not, numbers, webhooks not, voice");
    for (int i = 0; i < 4; ++i) test_twilio("org_test");
    auto too_many = test_twilio("org_test");
    CHECK(too_many.status == 429);
    CHECK(test_callrail("org_test").status == 429);  // six a minute for both
    rig().sql("UPDATE provider_tests SET at = at - interval '1 minute' WHERE company_id = 'org_test'");
    CHECK(checks_of(test_callrail("org_test")) == "credentials not");
}

TEST_CASE("a test of Twilio says that texts wait while it does not let the account in", "[integration]") {
    rig().company("org_waits");
    rig().company("org_waits_not");
    auto sid = fresh_sid(), number = Rig::fresh_number();
    peer().twilio_account(sid, {number});
    REQUIRE(connect("org_waits", sid, "a token of Twilio", R"(,"primary_tracking_number":")" + number + "\"").status == 200);
    rig().sql(
        "INSERT INTO text_sends (company_id, message_id, from_number, to_number, automatic, segments, state) SELECT 'org_waits', "
        "gen_random_uuid(), $1, '+1602555010' || i, false, 1, 'waiting' FROM generate_series(0, 2) i",
        {number});
    CHECK(checks_of(test_twilio("org_waits")) == "credentials, account, numbers, webhooks, voice");
    rig().sql(
        "INSERT INTO text_pauses (company_id, why, credentials, until) VALUES ('org_waits', 'Twilio lets nobody in.', 'x', "
        "'2026-12-01T00:00:00Z'), ('org_waits_not', 'Another''s.', 'x', now())");
    auto waiting = test_twilio("org_waits");
    CHECK(checks_of(waiting) == "credentials, account, numbers, webhooks, voice, texts not");
    CHECK(waiting.body.find("3 texts wait: Twilio lets nobody in.") != std::string::npos);
    CHECK(waiting.body.find("2026-12-01T00:00:00Z") != std::string::npos);
    peer().on("/2010-04-01/Accounts/" + sid + ".json", R"({"code":20003,"message":"Authenticate","status":401})", 401);
    CHECK(checks_of(test_twilio("org_waits")) == "credentials not, texts not");
    CHECK(checks_of(test_twilio("org_waits_not")) == "credentials not");  // of which none wait
    rig().sql("DELETE FROM text_pauses WHERE company_id LIKE 'org_waits%'");
}

TEST_CASE("what is connected at CallRail is tested likewise", "[integration]") {
    rig().company("org_testrail");
    auto number = Rig::fresh_number(), other = Rig::fresh_number();
    peer().account("ACCTEST", {number});
    REQUIRE(rig()
                .ask(
                    "org_testrail", [](auto& c) { return rig().commands.connect_callrail(c); },
                    R"({"api_key":"a key","account_id":"ACCTEST","primary_tracking_number":")" + number + "\"}")
                .status == 200);
    CHECK(checks_of(test_callrail("org_testrail")) == "credentials, account, numbers, signing_key not");
    rig().sql("UPDATE companies SET callrail_signing_key = 'sealed' WHERE id = 'org_testrail'");
    CHECK(checks_of(test_callrail("org_testrail")) == "credentials, account, numbers, signing_key");
    REQUIRE(rig().add("org_testrail", other).status == 201);
    auto unlisted = test_callrail("org_testrail");
    CHECK(checks_of(unlisted) == "credentials, account, numbers not, signing_key");
    CHECK(unlisted.body.find(other) != std::string::npos);
    peer().on("/v3/a/ACCTEST/trackers.json", "{}", 401);
    CHECK(checks_of(test_callrail("org_testrail")) == "credentials not");
    peer().on("/v3/a/ACCTEST/trackers.json", "{}", 403);
    CHECK(checks_of(test_callrail("org_testrail")) == "credentials, account not");
}
