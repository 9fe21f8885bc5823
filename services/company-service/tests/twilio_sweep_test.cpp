// Twilio's list of messages held against ours.
#include "directory.hpp"
#include "rig.hpp"
#include "sweep.hpp"
#include "twilio_messages.hpp"

using namespace otto;
using namespace otto::company_service;
namespace pb = otto::inbound::v1;
using namespace std::chrono_literals;

namespace {

Rig& rig() { return Rig::shared(); }
Peer& peer() { return Rig::shared().peer; }

std::string rfc2822(Instant at) {
    auto time = std::chrono::system_clock::to_time_t(at);
    char text[64];
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S +0000", std::gmtime(&time));
    return text;
}

/// A message as Twilio lists it.
std::string listed(const std::string& sid, const std::string& number, const std::string& status, Millis ago = 30min,
                   int media = 0) {
    const bool inbound = status == "received";
    auto sent = rfc2822(system_clock().now() - ago);
    const std::string customer = "+12148654559";
    return R"({"sid":")" + sid + R"(","account_sid":"AC","from":")" + (inbound ? customer : number) + R"(","to":")" +
           (inbound ? number : customer) + R"(","body":"roof leaks","status":")" + status + R"(","direction":")" +
           (inbound ? "inbound" : "outbound-api") + R"(","num_segments":"1","num_media":")" + std::to_string(media) +
           R"(","date_created":")" + sent + R"(","date_sent":")" + sent + "\"}";
}
std::string page(const std::vector<std::string>& messages, const std::string& next = "null") {
    std::string list;
    for (const auto& m : messages) list += (list.empty() ? "" : ",") + m;
    return R"({"next_page_uri":)" + next + R"(,"messages":[)" + list + "]}";
}

/// A process that sweeps, with the companies as the tables have them.
struct Sweeper {
    static directory::Companies::Options options() {
        directory::Companies::Options o;
        o.keys = KeyRing::parse(rig().settings().get(app::kSecretKeys)).value();
        return o;
    }
    directory::Companies companies{options()};
    app::Settings settings = app::Settings::load({app::kSecretKeys.row, kSweepEvery.row, kTwilioAccountSid.row,
                                                  kTwilioAuthToken.row, kTwilioApiKey.row, kTwilioApiSecret.row},
                                                 {},
                                                 {{"OTTO_SECRET_KEYS", "k1:" + base64_encode(std::string(32, 'k'))},
                                                  {"OTTO_TWILIO_ACCOUNT_SID", "AC" + std::string(32, '0')},
                                                  {"OTTO_TWILIO_AUTH_TOKEN", "the deployment's token"}})
                                 .value();
    TwilioMessages texts{settings, rig().twilio_client(), companies, Millis{0}};
    Sweep sweep{settings, texts, companies};
    rt::WorkQueue queue{rt::work_of<&Sweep::next>(std::string(kTwilioSweeps), sweep), 1};

    void know(const std::string& company) {
        static std::int64_t version = 1;
        pg::Connection db(rig().service_url(), "test");
        auto tx = db.begin(pg::Scope::company(CompanyId{company}));
        auto profile = profile_of(tx, CompanyId{company});
        tx.commit();
        profile.set_version(++version);
        companies.apply(company, profile.SerializeAsString());
    }
    void run(const std::string& company, const std::string& sid) {
        rig().sql("SELECT otto_want('company-service/twilio-sweeps', $1, $2, now())", {company, sid});
        while (queue.run_one(rig().pool())) {
        }
    }
    /// Of the events that entered since it was asked last.
    static std::vector<pb::ProviderEvent> entered() {
        std::vector<pb::ProviderEvent> out;
        rig().each("SELECT value FROM outbox WHERE topic = 'otto.inbound' ORDER BY id", [&](const pg::Fields& f) {
            pb::ProviderEvent event;
            REQUIRE(event.ParseFromString(f.bytes("value")));
            out.push_back(event);
        });
        rig().sql("DELETE FROM outbox WHERE topic = 'otto.inbound'");
        return out;
    }
};

std::string swept(const std::string& company, const std::string& sid) {
    return rig().value(
        "SELECT concat_ws(' ', pages, seen, missing, early, differing, unowned, coalesce(error, 'done'), watermark > "
        "now() - interval '1 minute') AS v FROM twilio_sweeps WHERE company_id = $1 AND account_id = $2",
        {company, sid});
}
void have(const std::string& company, const std::string& sid, const std::string& status, bool body = true) {
    rig().sql(
        "INSERT INTO contact_cards (company_id, id, primary_phone) VALUES ($1, md5($1)::uuid, '+12148654559') ON CONFLICT DO "
        "NOTHING",
        {company});
    rig().sql(
        "INSERT INTO messages (company_id, id, provider, provider_message_id, direction, status, body, contact_card_id, sent_at) "
        "VALUES ($1, gen_random_uuid(), 'twilio', $2, 'inbound', $3, CASE WHEN $4::boolean THEN 'roof leaks' END, md5($1)::uuid, "
        "now())",
        {company, sid, status, body});
}

}  // namespace

TEST_CASE("what Twilio knows of a text beyond what we have") {
    auto one = [](const std::string& status) {
        auto read = providers::twilio::read_messages(page({listed("SM1", "+15205232772", status)}));
        REQUIRE(read.ok());
        return read->messages.front();
    };
    using Names = std::vector<std::string>;
    CHECK(differences(one("delivered"), "sent", true) == Names{"status"});
    CHECK(differences(one("sent"), "delivered", true).empty());  // a list that lags undoes nothing
    CHECK(differences(one("undelivered"), "failed", true) == Names{"status"});
    CHECK(differences(one("received"), "received", false) == Names{"body"});
    CHECK(differences(one("received"), "received", true).empty());
    auto e = swept_event(one("received"), "org_a", "AC1", *parse_time("2026-11-30T05:00:00Z"), false);
    CHECK(e.kind() == "message.swept");
    CHECK(e.key() == "+12148654559");
    CHECK(e.receipt().provider() == "twilio");
    CHECK(e.receipt().swept());
    CHECK(e.receipt().verdict() == pb::VERDICT_AUTHENTIC);
    CHECK(e.receipt().proven_company_id() == "org_a");
    CHECK_FALSE(e.receipt().proven_by_deployment());
    CHECK(e.addressee().account_id() == "AC1");
    CHECK(JsonDocument::parse(e.receipt().raw_body())->root()["sid"].string() == "SM1");
    CHECK(e.message().sent_at_us() == e.addressee().at_us());
}

TEST_CASE("texts whose webhooks never came enter from Twilio's list, and what it knows better", "[integration]") {
    rig().company("org_sweep");
    auto sid = "AC" + std::string(32, '7'), number = Rig::fresh_number();
    auto base = "/2010-04-01/Accounts/" + sid;
    peer().twilio_account(sid, {number});
    REQUIRE(rig()
                .ask(
                    "org_sweep", [](auto& c) { return rig().onboarding.connect_twilio(c); },
                    R"({"account_sid":")" + sid + R"(","auth_token":"a token of Twilio","primary_tracking_number":")" + number +
                        "\"}")
                .status == 200);
    Sweeper s;
    s.know("org_sweep");
    Sweeper::entered();
    have("org_sweep", "SMknown", "received");
    have("org_sweep", "SMlate", "sent");
    have("org_sweep", "SMstatus", "received", false);
    peer().on(
        base + "/Messages.json",
        page({listed("SMgone", number, "received"), listed("SMknown", number, "received"), listed("SMlate", number, "delivered"),
              listed("SMstatus", number, "received"), listed("SMnew", number, "received", 10s),
              listed("SMqueued", number, "queued"), listed("SMother", "+12025550111", "received"),
              listed("SMthere", "+12025550111", "received"), listed("SMothers", "+12025550111", "delivered"),
              listed("SMyoung", "+12025550111", "received", 10s), listed("SMpicture", number, "received", 30min, 1)}));
    peer().on(base + "/Messages/SMpicture/Media.json", R"({"media_list":[{"sid":"ME1","content_type":"image/jpeg","uri":")" +
                                                           base + R"(/Messages/SMpicture/Media/ME1.json"}]})");
    s.run("org_sweep", sid);
    std::map<std::string, pb::ProviderEvent> in;
    for (auto& e : Sweeper::entered()) in[e.message().provider_message_id()] = e;
    CHECK(in.size() == 7);
    CHECK(in["SMgone"].message().body() == "roof leaks");
    CHECK(in["SMgone"].receipt().proven_company_id() == "org_sweep");
    CHECK(in["SMlate"].message().status() == "delivered");
    CHECK(in["SMlate"].message().direction() == "outbound");
    CHECK(in["SMstatus"].message().has_body());
    CHECK(in["SMnew"].receipt().swept());
    REQUIRE(in["SMpicture"].message().media_size() == 1);
    CHECK(in["SMpicture"].message().media(0).url() == "http://" + peer().place() + base + "/Messages/SMpicture/Media/ME1");
    // Of a number that nobody registered: what somebody wrote to it, once its webhook can come no more.
    for (auto nobodys : {"SMother", "SMthere"}) {
        CHECK(in[nobodys].receipt().swept());
        CHECK(in[nobodys].receipt().proven_company_id() == "org_sweep");
        CHECK(in[nobodys].addressee().number() == "+12025550111");
    }
    // Two are not settled: one that was sent a moment ago, and one that waits. The watermark stays before them.
    CHECK(swept("org_sweep", sid) == "1 6 2 1 2 4 done f");
    CHECK(
        rig().value(
            "SELECT (watermark < now() - interval '20 minutes')::text AS v FROM twilio_sweeps WHERE company_id = 'org_sweep'") ==
        "true");

    // All is known: nothing enters twice, nor what waits or went to another company.
    rig().sql(
        "INSERT INTO held_events (event_id, provider, kind, reason, cure, verdict, request_target, content_type, "
        "signature_headers, raw_body, record, received_at, concerns) VALUES (gen_random_uuid(), 'twilio', 'message.received', "
        "'', '', 'authentic', '', '', '[]', '', '', now(), ARRAY['number:+12025550111', 'message:SMother'])");
    rig().sql(
        "INSERT INTO provider_calls (provider, provider_call_id, company_id, phone) VALUES ('twilio', 'message:SMthere', "
        "'org_x', '')");
    for (auto known : {"SMgone", "SMnew", "SMpicture"}) have("org_sweep", known, "received");
    rig().sql("UPDATE messages SET status = 'delivered' WHERE provider_message_id = 'SMlate'");
    rig().sql("UPDATE messages SET body = 'roof leaks' WHERE provider_message_id = 'SMstatus'");
    s.run("org_sweep", sid);  // not due again yet
    CHECK(swept("org_sweep", sid) == "1 6 2 1 2 4 done f");
    rig().sql("UPDATE twilio_sweeps SET asked_at = now()");
    s.run("org_sweep", sid);
    CHECK(Sweeper::entered().empty());
    CHECK(swept("org_sweep", sid) == "1 6 0 0 0 4 done f");
    CHECK(rig().value(
              "SELECT missing_total::text || ' ' || differing_total AS v FROM twilio_sweeps WHERE company_id = 'org_sweep'") ==
          "2 2");

    // Too much waits on the company's account: what would wait there too does not enter.
    rig().sql("DELETE FROM provider_calls WHERE provider_call_id = 'message:SMthere'");
    for (bool limited : {true, false}) {
        rig().sql("UPDATE companies SET held_limited = $1::boolean WHERE id = 'org_sweep'", {limited});
        s.know("org_sweep");
        rig().sql("UPDATE twilio_sweeps SET asked_at = now()");
        s.run("org_sweep", sid);
        CHECK(Sweeper::entered().size() == (limited ? 0 : 1));
    }
}

TEST_CASE("a list of pages is read to its end, and one that breaks off is read again", "[integration]") {
    rig().company("org_pages");
    auto sid = "AC" + std::string(32, '8'), number = Rig::fresh_number();
    auto base = "/2010-04-01/Accounts/" + sid;
    peer().twilio_account(sid, {number});
    REQUIRE(rig()
                .ask(
                    "org_pages", [](auto& c) { return rig().onboarding.connect_twilio(c); },
                    R"({"account_sid":")" + sid + R"(","auth_token":"a token of Twilio","primary_tracking_number":")" + number +
                        "\"}")
                .status == 200);
    Sweeper s;
    s.know("org_pages");
    Sweeper::entered();
    peer().on(base + "/Messages.json", page({listed("SMa", number, "received")}, "\"" + base + "/Messages/further/Media.json\""));
    peer().on(base + "/Messages/further/Media.json", R"({"code":20429})", 429);
    s.run("org_pages", sid);
    CHECK(Sweeper::entered().size() == 1);
    CHECK(swept("org_pages", sid).find("1 1 1 0 0 0 Twilio answered 429") == 0);
    CHECK(rig().value("SELECT (not_before > now())::text || ' ' || (watermark < now() - interval '23 hours') AS v FROM "
                      "twilio_sweeps WHERE company_id = 'org_pages'") == "true true");
    peer().on(base + "/Messages/further/Media.json", page({listed("SMb", number, "received", 2h)}));
    rig().sql("UPDATE twilio_sweeps SET asked_at = now(), not_before = NULL");
    have("org_pages", "SMa", "received");
    s.run("org_pages", sid);
    CHECK(Sweeper::entered().size() == 1);
    CHECK(swept("org_pages", sid) == "2 2 1 0 0 0 done t");
    // What came with a text and cannot be had now keeps the text back, and the watermark with it.
    peer().on(base + "/Messages.json", page({listed("SMc", number, "received", 40min, 2)}));
    peer().on(base + "/Messages/SMc/Media.json", "{}", 503);
    rig().sql("UPDATE twilio_sweeps SET asked_at = now(), watermark = now() - interval '2 hours'");
    s.run("org_pages", sid);
    CHECK(Sweeper::entered().empty());
    CHECK(swept("org_pages", sid) == "1 1 0 0 0 0 done f");
    peer().on(base + "/Messages.json", R"({"code":20003})", 401);
    rig().sql("UPDATE twilio_sweeps SET asked_at = now()");
    s.run("org_pages", sid);
    CHECK(swept("org_pages", sid).find("connect Twilio again") != std::string::npos);
}

TEST_CASE("the deployment's account is swept for the companies that have numbers in it", "[integration]") {
    rig().company("org_guest1");
    rig().company("org_guest2");
    rig().company("org_no_guest");
    auto one = Rig::fresh_number(), two = Rig::fresh_number(), three = Rig::fresh_number();
    REQUIRE(rig().add("org_guest1", one, R"(,"provider":"twilio")").status == 201);
    REQUIRE(rig().add("org_guest2", two, R"(,"provider":"twilio")").status == 201);
    REQUIRE(rig().add("org_no_guest", three).status == 201);
    Sweeper s;
    for (auto id : {"org_guest1", "org_guest2", "org_no_guest"}) s.know(id);
    Sweeper::entered();
    auto sid = "AC" + std::string(32, '0');
    peer().on("/2010-04-01/Accounts/" + sid + "/Messages.json",
              page({listed("SM1", one, "received"), listed("SM2", two, "received"), listed("SM3", three, "received")}));
    auto db = rig().connection();
    s.run("org_guest1", sid);
    std::string whose;
    for (const auto& e : Sweeper::entered()) {
        whose += e.message().provider_message_id() + " " + e.receipt().proven_company_id() + ", ";
        CHECK(e.receipt().proven_by_deployment());
    }
    // The third's number is told to be another provider's, or is nobody's: whose it is tenant-router finds.
    CHECK(whose == "SM1 org_guest1, SM2 org_guest2, SM3 , ");
    CHECK(swept("org_guest1", sid) == "1 1 1 0 0 1 done t");
    CHECK(swept("org_guest2", sid) == "1 1 1 0 0 1 done t");
    CHECK(rig().value("SELECT count(*)::text AS v FROM twilio_sweeps WHERE company_id = 'org_no_guest'") == "0");
}
