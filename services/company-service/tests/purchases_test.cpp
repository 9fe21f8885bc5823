// Numbers that are bought at Twilio, whatever goes wrong there, and where what comes for them is led.
#include "purchases.hpp"

#include <future>

#include "rig.hpp"
#include "seller.hpp"

using namespace otto;
using namespace otto::company_service;

namespace {

using Fault = Seller::Fault;
using Plan = Seller::Plan;

const std::string kDeployment = "AC" + std::string(32, '0');
const std::string kVoice = "http://localhost:8080/api/aloha/webhooks/incoming-call",
                  kStatus = "http://localhost:8080/api/aloha/webhooks/call-status",
                  kSms = "http://localhost:8080/sms/twilio-webhook";

Rig& rig() { return Rig::shared(); }

/// A seller, and who buys of it.
struct Market {
    Seller twilio;
    app::Settings settings_of(const std::string& sharing) {
        return rig().settings({{"OTTO_TWILIO_API", "http://" + twilio.place()},
                               {"OTTO_PRIVATE_ADDRESSES", twilio.place()},
                               {"OTTO_TWILIO_SHARED_PURCHASES", sharing}});
    }
    app::Settings settings = settings_of("false");
    TwilioNumbers numbers{settings, rig().twilio_client()};
    Purchases purchases{settings, rig().pool(), numbers};
    Purchases shared{settings_of("true"), rig().pool(), numbers};
    /// Who waits for a purchase, or for what else is asked, no longer than that.
    Purchases hasty_to_buy{settings, rig().pool(), numbers, {Millis{500}, Millis{5'000}}};
    Purchases hasty_to_look{settings, rig().pool(), numbers, {Millis{15'000}, Millis{500}}};
    rt::WorkQueue queue{rt::work_of<&Purchases::next>(std::string(kPurchases), purchases), 2};

    /// The work of that company as it is due later, and no other.
    bool later(const std::string& company) {
        rig().sql(
            "UPDATE work SET due_at = CASE WHEN company_id = $1 THEN now() ELSE 'infinity' END WHERE queue = "
            "'company-service/purchases'",
            {company});
        return queue.run_one(rig().pool());
    }
};
Market& market() {
    static Market m;
    return m;
}
Seller& twilio() { return market().twilio; }

/// A company with an account of its own at Twilio, which no other test uses; the account.
std::string company(const std::string& id, bool with_account = true) {
    static int n = 0;
    rig().company(id);
    auto sid = "AC" + std::string(29, 'd') + std::to_string(100 + n++);
    if (with_account) {
        auto keys = KeyRing::parse(rig().settings().get(app::kSecretKeys)).value();
        rig().sql("UPDATE companies SET twilio_account_sid = $2, twilio_auth_token = $3 WHERE id = $1",
                  {id, sid, keys.seal(Secret("a token"), seal_place(id, "twilio_auth_token"))});
    }
    return sid;
}
Answer buy(const std::string& of, const std::string& number, const Purchases& at, const std::string& more = "") {
    return rig().ask(
        of, [&](auto& c) { return at.buy(c); }, R"({"phoneNumber":")" + number + "\"" + more + "}");
}
Answer buy(const std::string& of, const std::string& number) { return buy(of, number, market().purchases); }
/// "state, Twilio's code, asks" of each purchase of a number; "open" behind one that is not settled.
std::string purchases(const std::string& of, const std::string& number) {
    return rig().value(
        "SELECT coalesce(string_agg(concat_ws(' ', state, error_code, asks, CASE WHEN settled_at IS NULL THEN 'open' END), ', ' "
        "ORDER BY asked_at, id), 'none') AS v FROM number_purchases WHERE company_id = $1 AND e164 = $2",
        {of, number});
}
std::string waits(const std::string& of) {
    return rig().value("SELECT count(*)::text AS v FROM work WHERE queue = 'company-service/purchases' AND company_id = $1",
                       {of});
}
std::string audit(const std::string& of) {
    return rig().value(
        "SELECT coalesce(string_agg(actor || ' ' || action, ', ' ORDER BY id), 'none') AS v FROM audit_log WHERE company_id = $1",
        {of});
}
/// A purchase that a process noted before it died.
void died_after_asking(const std::string& of, const std::string& account, const std::string& number, bool asking = false) {
    rig().sql(
        "INSERT INTO number_purchases (company_id, e164, account_sid, shared, voice_url, asked_by, asking_until) VALUES ($1, $2, "
        "$3, "
        "false, $4, 'user_m', now() + CASE WHEN $5 THEN interval '1 hour' ELSE interval '-1 second' END)",
        {of, number, account, kVoice, asking});
    rig().sql(
        "INSERT INTO work (queue, company_id, key, due_at) SELECT 'company-service/purchases', company_id, id::text, now() FROM "
        "number_purchases WHERE company_id = $1 AND settled_at IS NULL",
        {of});
}

}  // namespace

TEST_CASE("a number is bought, registered for good and led here by one request, and once", "[integration]") {
    auto account = company("org_p_buy");
    auto number = Rig::fresh_number();
    auto bought = buy("org_p_buy", number, market().purchases, R"(,"friendlyName":"Roof line")");
    REQUIRE(bought.status == 200);
    auto answer = JsonDocument::parse(bought.body);
    REQUIRE(answer.ok());
    CHECK(answer->root()["success"].boolean() == true);
    CHECK(answer->root()["phoneNumber"].string() == number);
    CHECK(answer->root()["webhooks"]["voice_url"].string() == kVoice);
    CHECK(answer->root()["webhooks"]["status_callback_url"].string() == kStatus);
    CHECK(answer->root()["webhooks"]["sms_url"].string() == kSms);
    CHECK(twilio().settings_of(account, number) == std::map<std::string, std::string>{{"voice_url", kVoice},
                                                                                      {"voice_method", "POST"},
                                                                                      {"sms_url", kSms},
                                                                                      {"sms_method", "POST"},
                                                                                      {"status_callback", kStatus},
                                                                                      {"status_callback_method", "POST"},
                                                                                      {"friendly_name", "Roof line"}});
    CHECK(rig().standing("org_p_buy", number) == "final");
    CHECK(rig().value(
              "SELECT concat_ws(' ', id, provider, provider_sid, purposes::text) AS v FROM company_numbers WHERE company_id = "
              "'org_p_buy'") == std::string(*answer->root()["phoneNumberId"].string()) + " twilio PN" + std::string(21, '0') +
                                    number.substr(1) + " {voice,text}");
    CHECK(purchases("org_p_buy", number) == "bought 1");
    CHECK(waits("org_p_buy") == "0");
    CHECK(audit("org_p_buy") == "user number.buy");
    auto again = buy("org_p_buy", number);
    CHECK(again.status == 200);
    CHECK(again.body == bought.body);
    CHECK(twilio().sold(number) == 1);
    CHECK(purchases("org_p_buy", number) == "bought 1");
    // It was given up, and the account has let it go too.
    REQUIRE(rig().end("org_p_buy", std::string(*answer->root()["phoneNumberId"].string())).status == 200);
    auto still = buy("org_p_buy", number);
    CHECK(still.status == 409);
    CHECK(still.body.find("POST /api/v1/numbers") != std::string::npos);
}

TEST_CASE("what goes wrong at Twilio costs no second number, and a repeat tells what came of it", "[integration]") {
    struct Case {
        const char* what;
        Plan buys;
        const char* fate;  ///< of the first request where the account can be asked afterwards
        bool sold;         ///< by the first request
    };
    const std::vector<Case> at_purchase{
        {"500 and nothing done", {.fault = Fault::fails, .does = false}, "503", false},
        {"500 and done", {.fault = Fault::fails}, "200", true},
        {"reset and nothing done", {.fault = Fault::resets, .does = false}, "503", false},
        {"reset and done", {.fault = Fault::resets}, "200", true},
        {"cut in the answer", {.fault = Fault::cuts}, "200", true},
        {"slow and nothing done", {.fault = Fault::hangs, .does = false}, "503", false},
        {"slow and done", {.fault = Fault::hangs}, "200", true},
        {"done once nobody waits", {.fault = Fault::hangs, .late = true}, "", true},
        {"a proxy's page", {.status = 502, .body = "<html>"}, "503", false},
        {"too much at once", {.status = 429, .body = R"({"code":20429})"}, "503 settled", false},
        {"nobody let in", {.status = 401, .body = R"({"code":20003})"}, "409 settled", false},
        {"refused", {.status = 400, .body = R"({"code":21631,"message":"needs an address"})"}, "409 settled", false},
    };
    const std::vector<std::pair<const char*, std::optional<Plan>>> at_look{
        {"the account answers", std::nullopt},
        {"the account fails", Plan{.fault = Fault::fails}},
        {"the account is slow", Plan{.fault = Fault::hangs}},
        {"the account lets nobody in", Plan{.status = 401, .body = R"({"code":20003})"}}};
    int n = 0;
    for (const auto& c : at_purchase)
        for (const auto& [look, plan] : at_look)
            for (bool by_the_job : {false, true}) {
                const bool slow_look = plan && plan->fault == Fault::hangs;
                if (slow_look && c.buys.fault == Fault::hangs) continue;
                INFO(c.what << ", then " << look << (by_the_job ? ", and nobody asks again" : ""));
                const auto of = "org_p_fault" + std::to_string(n++);
                auto account = company(of);
                auto number = Rig::fresh_number();
                std::vector<Plan> looks{{}};  // before the purchase
                if (plan) looks.push_back(*plan);
                twilio().plan("look", looks);
                twilio().plan("buy", {c.buys});
                const auto seen = twilio().asked("buy").size();
                auto first = buy(of, number,
                                 c.buys.fault == Fault::hangs ? market().hasty_to_buy
                                 : slow_look                  ? market().hasty_to_look
                                                              : market().purchases);
                twilio().plan("look", {});
                twilio().after("buy", seen + 1);
                const std::string fate = c.fate;
                const bool settled = fate.ends_with("settled");
                if (settled) {
                    CHECK(first.status == std::stoi(fate));
                    CHECK(purchases(of, number).starts_with("failed"));
                    CHECK(waits(of) == "0");
                } else if (plan) {
                    CHECK(first.status == 503);
                    CHECK(purchases(of, number) == "asked 1 open");
                } else if (!fate.empty() && !plan) {
                    CHECK(first.status == std::stoi(fate));
                }
                CHECK(twilio().sold(number) == (c.sold ? 1 : 0));
                if (by_the_job) {
                    if (first.status == 503 && !settled) {
                        CHECK(waits(of) == "1");
                        CHECK(market().later(of));
                        CHECK(waits(of) == (c.sold ? "0" : "1"));
                    }
                    CHECK(twilio().sold(number) == (c.sold ? 1 : 0));
                    CHECK(rig().standing(of, number) == (c.sold ? "final" : "none"));
                }
                auto again = buy(of, number);
                CHECK(again.status == 200);
                CHECK(twilio().sold(number) == 1);
                CHECK(rig().standing(of, number) == "final");
                CHECK(waits(of) == "0");
                CHECK(rig().value("SELECT count(*)::text AS v FROM company_numbers WHERE company_id = $1", {of}) == "1");
                CHECK(twilio().settings_of(account, number)["voice_url"] == kVoice);
            }
}

TEST_CASE("nothing is asked for while the account does not say what it has", "[integration]") {
    company("org_p_before");
    auto number = Rig::fresh_number();
    const auto asked = twilio().asked("buy").size();
    for (const auto& [plan, status] : std::vector<std::pair<Plan, int>>{{{.fault = Fault::fails}, 503},
                                                                        {{.fault = Fault::resets}, 503},
                                                                        {{.fault = Fault::hangs}, 503},
                                                                        {{.status = 200, .body = "<html>"}, 503},
                                                                        {{.status = 401, .body = R"({"code":20003})"}, 409}}) {
        twilio().plan("look", {plan});
        CHECK(buy("org_p_before", number, plan.fault == Fault::hangs ? market().hasty_to_look : market().purchases).status ==
              status);
    }
    CHECK(twilio().asked("buy").size() == asked);
    CHECK(purchases("org_p_before", number) == "none");
}

TEST_CASE("a process that died left a purchase that is found out, wherever it died", "[integration]") {
    SECTION("before Twilio was asked") {
        auto account = company("org_p_died1");
        auto number = Rig::fresh_number();
        died_after_asking("org_p_died1", account, number);
        CHECK(market().later("org_p_died1"));
        CHECK(purchases("org_p_died1", number) == "asked 1 open");  // the request may still be on its way
        rig().sql("UPDATE number_purchases SET asked_at = now() - interval '11 minutes' WHERE company_id = 'org_p_died1'");
        CHECK(market().later("org_p_died1"));
        CHECK(purchases("org_p_died1", number) == "failed 1");
        CHECK(waits("org_p_died1") == "0");
        CHECK(twilio().sold(number) == 0);
        CHECK(buy("org_p_died1", number).status == 200);
        CHECK(purchases("org_p_died1", number) == "failed 1, bought 1");
    }
    SECTION("after Twilio had sold it") {
        auto account = company("org_p_died2");
        auto number = Rig::fresh_number();
        died_after_asking("org_p_died2", account, number);
        twilio().has(account, number, {{"voice_url", kVoice}});
        CHECK(market().later("org_p_died2"));
        CHECK(purchases("org_p_died2", number) == "bought 1");
        CHECK(rig().standing("org_p_died2", number) == "final");
        CHECK(waits("org_p_died2") == "0");
        CHECK(audit("org_p_died2") == "system number.bought");
        CHECK(buy("org_p_died2", number).status == 200);
        CHECK(twilio().sold(number) == 0);
    }
    SECTION("and the manager asks again before the job does") {
        auto account = company("org_p_died3");
        auto sold = Rig::fresh_number(), unsold = Rig::fresh_number();
        died_after_asking("org_p_died3", account, sold, true);
        auto early = buy("org_p_died3", sold);
        CHECK(early.status == 503);  // for all that is known somebody waits for Twilio's answer
        CHECK(market().later("org_p_died3"));
        CHECK(purchases("org_p_died3", sold) == "asked 1 open");
        twilio().has(account, sold, {{"voice_url", kVoice}});
        CHECK(buy("org_p_died3", sold).status == 200);
        CHECK(rig().standing("org_p_died3", sold) == "final");
        died_after_asking("org_p_died3", account, unsold);
        CHECK(buy("org_p_died3", unsold).status == 200);
        CHECK(purchases("org_p_died3", unsold) == "bought 2");
        CHECK(twilio().sold(unsold) == 1);
    }
    SECTION("an account that is connected no more is asked for a week") {
        auto account = company("org_p_died4");
        auto number = Rig::fresh_number();
        died_after_asking("org_p_died4", account, number);
        rig().sql("UPDATE companies SET twilio_account_sid = $1 WHERE id = 'org_p_died4'", {"AC" + std::string(32, 'f')});
        CHECK(market().later("org_p_died4"));
        CHECK(buy("org_p_died4", number).status == 503);
        CHECK(purchases("org_p_died4", number) == "asked 1 open");
        rig().sql("UPDATE number_purchases SET asked_at = now() - interval '8 days' WHERE company_id = 'org_p_died4'");
        CHECK(market().later("org_p_died4"));
        CHECK(purchases("org_p_died4", number) == "failed 1");
    }
}

TEST_CASE("a first request that comes through late is known by the refusal of the second", "[integration]") {
    company("org_p_late");
    auto number = Rig::fresh_number();
    twilio().plan("buy", {{.fault = Fault::resets, .does = false}});
    REQUIRE(buy("org_p_late", number).status == 503);
    // The second is asked for while the first is done: Twilio has sold the number to this very account.
    twilio().plan("look", {{}, {}});
    twilio().plan("buy", {{.fault = Fault::resets}, {}});
    twilio().plan("look", {{}, {.fault = Fault::fails}});
    REQUIRE(buy("org_p_late", number).status == 503);
    twilio().plan("look", {{.status = 200, .body = R"({"next_page_uri":null,"incoming_phone_numbers":[]})"}});  // the list lags
    CHECK(buy("org_p_late", number).status == 200);
    CHECK(twilio().sold(number) == 1);
    CHECK(purchases("org_p_late", number) == "bought 3");
    // And if the list lags even then, the job finds it.
    auto second = Rig::fresh_number();
    const std::string none = R"({"next_page_uri":null,"incoming_phone_numbers":[]})";
    twilio().plan("buy", {{.fault = Fault::resets}});
    twilio().plan("look", {{}, {.status = 200, .body = none}});
    REQUIRE(buy("org_p_late", second).status == 503);
    twilio().plan("look", {{.status = 200, .body = none}, {.status = 200, .body = none}});
    REQUIRE(buy("org_p_late", second).status == 503);
    CHECK(purchases("org_p_late", second) == "asked 2 open");
    CHECK(market().later("org_p_late"));
    CHECK(purchases("org_p_late", second) == "bought 2");
    CHECK(twilio().sold(second) == 1);
}

TEST_CASE("what is in the account and was not bought here is not taken as bought", "[integration]") {
    auto account = company("org_p_there");
    auto number = Rig::fresh_number();
    twilio().has(account, number, {{"voice_url", kVoice}});
    auto there = buy("org_p_there", number);
    CHECK(there.status == 409);
    CHECK(there.field == "phoneNumber");
    CHECK(rig().standing("org_p_there", number) == "none");
    CHECK(purchases("org_p_there", number) == "none");
    // Bought by somebody at Twilio's console while the answer to our request was lost.
    auto other = Rig::fresh_number();
    twilio().plan("buy", {{.fault = Fault::resets, .does = false}});
    REQUIRE(buy("org_p_there", other).status == 503);
    twilio().has(account, other, {{"voice_url", "https://demo.twilio.com/welcome/voice/"}});
    CHECK(buy("org_p_there", other).status == 409);
    CHECK(purchases("org_p_there", other) == "failed 1");
    CHECK(rig().standing("org_p_there", other) == "none");
    auto third = Rig::fresh_number();
    died_after_asking("org_p_there", account, third);
    twilio().has(account, third);
    CHECK(market().later("org_p_there"));
    CHECK(purchases("org_p_there", third) == "failed 1");
}

TEST_CASE("many requests for one number at once buy it once", "[integration]") {
    company("org_p_many");
    company("org_p_many2");
    auto number = Rig::fresh_number();
    std::vector<std::future<Answer>> asked;
    for (int i = 0; i < 6; ++i)
        asked.push_back(std::async(std::launch::async, [&, i] { return buy(i % 2 ? "org_p_many" : "org_p_many2", number); }));
    int good = 0;
    for (auto& a : asked) {
        auto answer = a.get();
        INFO(answer.status << " " << answer.body);
        CHECK((answer.status == 200 || answer.status == 503 || answer.status == 409));
        good += answer.status == 200;
    }
    CHECK(good >= 1);
    CHECK(twilio().sold(number) == 1);
    CHECK(rig().value("SELECT count(*)::text AS v FROM company_numbers WHERE e164 = $1", {number}) == "1");
}

TEST_CASE("what is another company's is refused before Twilio is asked", "[integration]") {
    company("org_p_mine");
    company("org_p_theirs");
    auto number = Rig::fresh_number();
    REQUIRE(rig().add("org_p_theirs", number).status == 201);
    const auto looks = twilio().asked("look").size(), buys = twilio().asked("buy").size();
    auto taken = buy("org_p_mine", number);
    CHECK(taken.status == 409);
    CHECK(taken.field == "phoneNumber");
    CHECK(buy("org_p_theirs", number).status == 409);  // its own already
    // Another company is just buying it.
    auto account = company("org_p_theirs3");
    auto second = Rig::fresh_number();
    died_after_asking("org_p_theirs3", account, second, true);
    auto being_bought = buy("org_p_mine", second);
    CHECK(being_bought.status == 409);
    CHECK(being_bought.field == "phoneNumber");
    CHECK(being_bought.body.find("org_p_theirs") == std::string::npos);
    CHECK(twilio().asked("look").size() == looks + 1);
    CHECK(twilio().asked("buy").size() == buys);
    for (auto none :
         {R"({})", R"({"phoneNumber":"12"})", R"({"phoneNumber":"+15205232772","number":"1"})",
          R"({"phoneNumber":"+15205232772","friendlyName":"12345678901234567890123456789012345678901234567890123456789012345"})"})
        CHECK(rig()
                  .ask(
                      "org_p_mine", [](auto& c) { return market().purchases.buy(c); }, none)
                  .status == 422);
}

TEST_CASE("bought although another company has become its owner meanwhile: kept, and registered once it is free",
          "[integration]") {
    auto account = company("org_p_lost");
    company("org_p_owner");
    auto number = Rig::fresh_number();
    died_after_asking("org_p_lost", account, number);
    twilio().has(account, number, {{"voice_url", kVoice}});
    REQUIRE(rig().add("org_p_owner", number).status == 201);
    rig().prove("org_p_owner", number, true);
    CHECK(market().later("org_p_lost"));
    CHECK(purchases("org_p_lost", number) == "bought 1 open");
    CHECK(buy("org_p_lost", number).status == 409);
    rig().sql("UPDATE company_numbers SET valid_to = now() WHERE company_id = 'org_p_owner'");
    CHECK(market().later("org_p_lost"));
    CHECK(purchases("org_p_lost", number) == "bought 1");
    CHECK(rig().standing("org_p_lost", number) == "final");
}

TEST_CASE("what Twilio does not sell is refused with its code and words, and may be asked for again", "[integration]") {
    company("org_p_refused");
    auto number = Rig::fresh_number();
    for (auto [status, code] : {std::pair{400, 21422}, {400, 21421}, {404, 21452}, {400, 21404}, {400, 21649}, {402, 20006}}) {
        twilio().plan("buy",
                      {{.status = status, .body = R"({"code":)" + std::to_string(code) + R"(,"message":"Words of Twilio."})"}});
        auto refused = buy("org_p_refused", number);
        CHECK(refused.status == 409);
        CHECK(refused.field == "phoneNumber");
        CHECK(refused.body.find(std::to_string(code)) != std::string::npos);
        CHECK(refused.body.find("Words of Twilio.") != std::string::npos);
    }
    CHECK(waits("org_p_refused") == "0");
    CHECK(rig().standing("org_p_refused", number) == "none");
    CHECK(buy("org_p_refused", number).status == 200);
}

TEST_CASE("without an account of its own a company buys of the deployment's only if that is allowed", "[integration]") {
    company("org_p_none", false);
    auto number = Rig::fresh_number();
    auto refused = buy("org_p_none", number);
    CHECK(refused.status == 409);
    CHECK(refused.body.find("POST /api/v1/onboarding/twilio/connect") != std::string::npos);
    auto read = rig().read(
        "org_p_none", [](auto& c) { return market().purchases.available(c); }, "");
    CHECK(read.status == 409);
    CHECK(twilio().sold(number) == 0);
    CHECK(buy("org_p_none", number, market().shared).status == 200);
    CHECK(twilio().settings_of(kDeployment, number)["voice_url"] == kVoice);
    CHECK(rig().standing("org_p_none", number) == "final");
    CHECK(rig().value("SELECT count(*)::text AS v FROM listed_numbers WHERE company_id = 'org_p_none'") == "0");
    // What the deployment's account has is nobody's to take.
    auto of_deployment = Rig::fresh_number();
    twilio().has(kDeployment, of_deployment);
    CHECK(buy("org_p_none", of_deployment, market().shared).status == 409);
    CHECK(rig().standing("org_p_none", of_deployment) == "none");
}

TEST_CASE("numbers that are for sale are asked for once in half a minute", "[integration]") {
    company("org_p_search");
    company("org_p_search2");
    twilio().sells(
        R"({"available_phone_numbers":[{"friendly_name":"(520) 523-2772","phone_number":"+15205232772","locality":"Tucson","region":"AZ","postal_code":null,"iso_country":"US",
        "address_requirements":"none","capabilities":{"voice":true,"SMS":true,"MMS":false}}]})");
    auto search = [](const std::string& of, const std::string& query) {
        return rig().read(
            of, [](auto& c) { return market().purchases.available(c); }, query);
    };
    const auto asked = twilio().asked("search").size();
    auto found = search("org_p_search", "country=us&areaCode=520");
    REQUIRE(found.status == 200);
    CHECK(
        found.body.find(
            R"("items":[{"phoneNumber":"+15205232772","friendlyName":"(520) 523-2772","locality":"Tucson","region":"AZ","postalCode":null,"country":"US",)"
            R"("addressRequirements":"none","capabilities":{"voice":true,"sms":true,"mms":false}}])") != std::string::npos);
    CHECK(twilio().asked("search").back().target.ends_with("/AvailablePhoneNumbers/US/Local.json?PageSize=30&AreaCode=520"));
    CHECK(search("org_p_search", "areaCode=520").status == 200);
    CHECK(twilio().asked("search").size() == asked + 1);
    CHECK(search("org_p_search2", "areaCode=520").status == 200);  // each company its own
    CHECK(search("org_p_search", "").status == 200);
    CHECK(search("org_p_search", "country=DE").status == 200);
    CHECK(twilio().asked("search").size() == asked + 4);
    for (auto [query, field] : {std::pair{"country=USA", "country"},
                                {"country=1a", "country"},
                                {"areaCode=52", "areaCode"},
                                {"areaCode=120", "areaCode"},
                                {"areaCode=5a0", "areaCode"},
                                {"country=DE&areaCode=520", "areaCode"},
                                {"limit=5", "limit"}}) {
        auto refused = search("org_p_search", query);
        CHECK(refused.status == 422);
        CHECK(refused.field == field);
    }
    for (const auto& [plan, status] : std::vector<std::pair<Plan, int>>{{{.fault = Fault::fails}, 503},
                                                                        {{.fault = Fault::resets}, 503},
                                                                        {{.status = 429, .body = "{}"}, 503},
                                                                        {{.status = 401, .body = R"({"code":20003})"}, 409},
                                                                        {{.status = 404, .body = R"({"code":20404})"}, 422}}) {
        twilio().plan("search", {plan});
        CHECK(search("org_p_search", "country=FR").status == status);
    }
    // What was bought is for sale no longer.
    REQUIRE(buy("org_p_search", Rig::fresh_number()).status == 200);
    CHECK(search("org_p_search", "areaCode=520").status == 200);
    CHECK(twilio().asked("search").size() == asked + 10);
}

TEST_CASE("a number's webhooks are led here, and what they were is on record", "[integration]") {
    auto account = company("org_p_lead");
    company("org_p_lead_other");
    auto number = Rig::fresh_number();
    auto lead = [](const std::string& of, const std::string& id, const Purchases& at = market().purchases) {
        return rig().ask(
            of, [&](auto& c) { return at.configure(c); }, R"({"phoneNumberId":")" + id + "\"}");
    };
    auto added = rig().add("org_p_lead", number, R"(,"provider":"twilio")");
    REQUIRE(added.status == 201);
    auto id = added.data("id");
    auto unlisted = lead("org_p_lead", id);
    CHECK(unlisted.status == 409);
    CHECK(unlisted.field == "phoneNumberId");
    twilio().has(
        account, number,
        {{"voice_url", "https://elsewhere.example/v"}, {"voice_method", "GET"}, {"voice_fallback_url", "https://kept.example"}});
    rig().sql(
        "UPDATE company_numbers SET webhooks_problem = 'its voice URL', webhooks_problem_cure = 'set it' WHERE id = $1::uuid",
        {id});
    CHECK(lead("org_p_lead_other", id).status == 404);
    CHECK(lead("org_p_lead", "00000000-0000-0000-0000-000000000000").status == 404);
    CHECK(lead("org_p_lead", "x").status == 422);
    CHECK(twilio().settings_of(account, number)["voice_url"] == "https://elsewhere.example/v");
    auto led = lead("org_p_lead", id);
    REQUIRE(led.status == 200);
    CHECK(JsonDocument::parse(led.body)->root()["webhooks"]["voice_url"].string() == kVoice);
    auto now = twilio().settings_of(account, number);
    CHECK(now["voice_url"] == kVoice);
    CHECK(now["voice_method"] == "POST");
    CHECK(now["sms_url"] == kSms);
    CHECK(now["status_callback"] == kStatus);
    CHECK(now["voice_fallback_url"] == "https://kept.example");
    CHECK(rig().value("SELECT concat_ws(' ', provider_sid, webhooks_problem) AS v FROM company_numbers WHERE id = $1::uuid",
                      {id}) == "PN" + std::string(21, '0') + number.substr(1));
    CHECK(rig().value(
              "SELECT concat_ws(' ', target = $1, detail->'former'->>'voice_url', detail->'former'->>'voice_method') AS v FROM "
              "audit_log WHERE company_id = 'org_p_lead' AND action = 'number.webhooks'",
              {id}) == "t https://elsewhere.example/v GET");
    for (const auto& [plan, status] : std::vector<std::pair<Plan, int>>{{{.fault = Fault::resets}, 503},
                                                                        {{.fault = Fault::fails}, 503},
                                                                        {{.status = 400, .body = R"({"code":21502})"}, 409}}) {
        twilio().plan("point", {plan});
        CHECK(lead("org_p_lead", id).status == status);
    }
    twilio().has(account, number, {{"voice_application_sid", "AP1"}});
    CHECK(lead("org_p_lead", id).body.find("AP1") != std::string::npos);
    auto of_callrail = rig().add("org_p_lead", Rig::fresh_number(), R"(,"provider":"callrail")");
    CHECK(lead("org_p_lead", of_callrail.data("id")).status == 409);
    REQUIRE(rig().end("org_p_lead", id).status == 200);
    CHECK(lead("org_p_lead", id).status == 409);

    // The deployment's account: what is used elsewhere is not taken by who merely claims it.
    company("org_p_lead_none", false);
    auto claimed = Rig::fresh_number();
    auto claim = rig().add("org_p_lead_none", claimed, R"(,"provider":"twilio")").data("id");
    twilio().has(kDeployment, claimed, {{"voice_url", "https://alarm.example/v"}});
    CHECK(lead("org_p_lead_none", claim).status == 409);
    CHECK(twilio().settings_of(kDeployment, claimed)["voice_url"] == "https://alarm.example/v");
    twilio().has(kDeployment, claimed, {{"voice_url", "https://demo.twilio.com/welcome/voice/"}});
    CHECK(lead("org_p_lead_none", claim).status == 200);
    CHECK(twilio().settings_of(kDeployment, claimed)["voice_url"] == kVoice);
}

TEST_CASE("of the deployment's numbers too it is told what keeps calls away", "[integration]") {
    company("org_p_away", false);
    auto number = Rig::fresh_number();
    rig().sql(
        "INSERT INTO user_phone_numbers (workspace_id, user_id, phone_number, twilio_phone_sid, is_active, voicemail_enabled) "
        "VALUES ('org_p_away', 'user_m', $1, 'PNx', TRUE, TRUE)",
        {number});
    http::ClientOptions o;
    o.private_addresses = {twilio().place()};
    http::Client http(o);
    providers::twilio::Client client("http://" + twilio().place(), http);
    TwilioNumbers numbers(market().settings, client);
    auto problem = [] {
        return rig().value("SELECT coalesce(webhooks_problem, 'none') AS v FROM company_numbers WHERE company_id = 'org_p_away'");
    };
    CHECK(rig().value("SELECT count(*)::text AS v FROM work WHERE queue = 'company-service/twilio-numbers' AND company_id = "
                      "'org_p_away'") == "1");
    CHECK(numbers.check_all(rig().pool(), CompanyId{"org_p_away"}).again.empty());
    CHECK(problem().find("this Otto's own does not have the number") != std::string::npos);
    twilio().has(kDeployment, number, {{"voice_url", "https://typo.example/v"}, {"sms_url", kSms}});
    CHECK(numbers.check_all(rig().pool(), CompanyId{"org_p_away"}).again.empty());
    CHECK(problem() == "its voice URL at Twilio is https://typo.example/v, and not " + kVoice);
    twilio().has(kDeployment, number, {{"voice_url", kVoice}, {"sms_url", kSms}, {"status_callback", kStatus}});
    CHECK(numbers.check_all(rig().pool(), CompanyId{"org_p_away"}).again.empty());
    CHECK(problem() == "none");
    twilio().plan("look",
                  {{.fault = Fault::resets}, {.fault = Fault::resets}, {.fault = Fault::resets}, {.fault = Fault::resets}});
    CHECK_FALSE(numbers.check_all(rig().pool(), CompanyId{"org_p_away"}).again.empty());
    twilio().plan("look", {});
}
