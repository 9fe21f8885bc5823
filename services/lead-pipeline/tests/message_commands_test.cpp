// Texts that people send and cancel, as the service's own role.
#include "commands/messages.hpp"

#include "base/json.hpp"
#include "commands/opt_outs.hpp"
#include "otto/directory/v1/directory.pb.h"
#include "sender/queues.hpp"
#include "sends.hpp"

using namespace otto;
using namespace otto::lead_pipeline;
using namespace otto::lead_pipeline::tests;

namespace {

const std::string kCompany = "org_send", kOlder = "+15205550001", kNewer = "+15205550002", kVoice = "+15205550003",
                  kOfCallRail = "+15205550004", kFormer = "+15205550005";

struct World {
    pg::Pool pool{Db::shared().service_url(), "test", 4};
    directory::Companies companies{
        {"", "", "", KeyRing::parse(Secret("k:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")).value()}};
    MessageCommands texts{companies};
    World() {
        directory::v1::CompanyProfile p;
        p.set_company_id(kCompany);
        p.set_version(1);
        p.set_status("active");
        p.set_timezone("America/Phoenix");
        auto number = [&](const std::string& e164, const std::string& provider, const char* purpose, int from, int to = 0) {
            auto& n = *p.add_numbers();
            n.set_e164(e164);
            n.set_provider(provider);
            n.add_purposes(purpose);
            n.set_valid_from_us(to_micros(at(from)));
            if (to > 0) n.set_valid_to_us(to_micros(at(to)));
        };
        number(kNewer, "twilio", "text", 20);
        number(kOlder, "twilio", "text", 10);
        number(kVoice, "twilio", "voice", 1);
        number(kOfCallRail, "callrail", "text", 2);
        number(kFormer, "twilio", "text", 3, 4);
        companies.apply(kCompany, p.SerializeAsString());
        p.set_company_id("org_send_none");
        p.clear_numbers();
        number(kVoice, "twilio", "voice", 1);
        companies.apply("org_send_none", p.SerializeAsString());
        Db::shared().owner.execute("INSERT INTO companies (id, name) VALUES ('org_send', 'x'), ('org_send_none', 'y')");
    }
    static World& shared() {
        static World world;
        return world;
    }
};

struct Asked {
    std::string user = "user_office", id = "", company = kCompany;
};

/// The answer's status and body; a refusal as its status, its field and, where it has one, its type.
std::string ask(http::Response (MessageCommands::*command)(api::Context&) const, const std::string& body, const Asked& as = {}) {
    auto& world = World::shared();
    http::Request request;
    request.body = body;
    request.received_at = system_clock().now();
    request.path_params = {{"message_id", as.id}};
    request.trace = tel::TraceContext::fresh();
    identity::Principal who;
    who.user = UserId{as.user};
    who.company = CompanyId{as.company};
    who.role = as.user.starts_with("user_rep") ? identity::Role::sales_rep : identity::Role::csr;
    api::Context context(request, who, world.pool, "lead-pipeline");
    try {
        auto answer = (world.texts.*command)(context);
        context.tx().commit();
        return std::to_string(answer.status) + " " + answer.body;
    } catch (const api::Refusal& refusal) {
        const auto& p = refusal.problem;
        return std::to_string(p.status) + (p.fields.empty() ? "" : " " + p.fields[0].first) +
               (p.type == "about:blank" ? "" : " " + p.type);
    }
}
std::string send(const std::string& body, const Asked& as = {}) { return ask(&MessageCommands::send, body, as); }
std::string cancel(const std::string& id, const Asked& as = {}) {
    return ask(&MessageCommands::cancel, "", {as.user, id, as.company});
}
std::string id_in(const std::string& answer) { return answer.substr(answer.find(R"("id":")") + 6, 36); }
bool says(const std::string& answer, const std::string& what) {
    INFO(answer);
    return answer.find(what) != std::string::npos;
}
std::string to(const std::string& number, const std::string& body = "Hello", const std::string& more = "") {
    JsonWriter w;
    w.begin_object().member("to", number).member("body", body);
    auto json = w.end_object().take();
    json.pop_back();
    return json + more + "}";
}
std::string lines(const std::string& sql) { return Db::shared().lines(sql, {kCompany}); }

}  // namespace

TEST_CASE("a text is accepted with its row, and is in its line", "[integration]") {
    auto answer = send(to("(202) 555-0110", "On our way 🚚"));
    CHECK(answer.starts_with("202 "));
    CHECK(says(answer, R"("provider":"twilio","provider_message_id":null,"direction":"outbound","from_number":")" + kOlder +
                           R"(","to_number":"+12025550110","body":"On our way 🚚")"));
    CHECK(says(answer, R"("status":"queued")"));
    CHECK(says(answer, R"("sent_by":"user_office")"));
    auto id = id_in(answer);
    CHECK(lines("SELECT s.state || ' ' || k.primary_phone AS v FROM text_sends s JOIN messages m ON m.company_id = s.company_id "
                "AND m.id = s.message_id JOIN contact_cards k ON k.company_id = m.company_id AND k.id = m.contact_card_id WHERE "
                "s.company_id = $1 AND s.to_number = '+12025550110'") == "waiting +12025550110\n");
    CHECK(lines("SELECT action || ' ' || (detail ->> 'fields') AS v FROM audit_log WHERE company_id = $1 AND target = '" + id +
                "'") == "message.send [\"to\", \"body\"]\n");
    // The same words again are another text: two tabs, two keys. (One key twice is one request to the commands.)
    auto second = send(to("+12025550110", "On our way 🚚"));
    CHECK(id_in(second) != id);
    CHECK(lines("SELECT state AS v FROM text_sends WHERE company_id = $1 AND to_number = '+12025550110' ORDER BY accepted_at") ==
          "waiting\nbehind\n");
}

TEST_CASE("what a text may hold", "[integration]") {
    CHECK(send(R"({"to":"+12025550111"})") == "422 body");
    for (const char* body : {"", "  ", "\\u0000", "a\\tb", "a\\u0007", "a\\u007f", "a\\u0085b", "a\\rb", "\\n"})
        CHECK(send(R"({"to":"+12025550111","body":")" + std::string(body) + "\"}") == "422 body");
    CHECK(send(R"({"to":"+12025550111","body":["a"]})") == "422 body");
    std::string letters;
    for (int i = 0; i < 1'600; ++i) letters += "é";
    CHECK(send(to("+12025550111", letters)).starts_with("202 "));
    CHECK(send(to("+12025550111", letters + "!")) == "422 body");
    auto answer = send(to("+12025550111", "🙂🙂\nsecond line\r\nthird "));
    CHECK(says(answer, R"("body":"🙂🙂\nsecond line\nthird ")"));
    CHECK(send(to("+12025550111", "Hello", R"(,"automatic":true)")) == "422 automatic");
    CHECK(send(to("+12025550111", "Hello", R"(,"reason":"x")")) == "422 reason");
}

TEST_CASE("whom a text may go to", "[integration]") {
    CHECK(send(R"({"body":"x"})") == "422 to");
    CHECK(send(to("72975")) == "422 to");
    CHECK(send(to("Anonymous")) == "422 to");
    CHECK(send(to("+12025550112", "x", R"(,"contact_id":"0191e0b8-0000-7000-8000-00000000b001")")) == "422 to");
    for (const auto& own : {kOlder, kVoice, kOfCallRail}) CHECK(send(to(own)) == "422 to");
    CHECK(send(to(kFormer)).starts_with("202 "));  // somebody else's by now
    CHECK(send(R"({"body":"x","contact_id":"0191e0b8-0000-7000-8000-00000000b001"})") == "404");
    record(kCompany, {text("SMc1", "Hello", 1, "+12025550113"), text("SMc2", "Hello", 1, "72975")});
    auto card = [&](const std::string& sid) {
        return lines("SELECT contact_card_id AS v FROM messages WHERE company_id = $1 AND provider_message_id = '" + sid + "'")
            .substr(0, 36);
    };
    auto of_contact = [&](const std::string& id) { return R"({"body":"x","contact_id":")" + id + "\"}"; };
    CHECK(says(send(of_contact(card("SMc1"))), R"("to_number":"+12025550113")"));
    CHECK(send(of_contact(card("SMc2"))) == "422 contact_id");
    // By the id of a card that went into it.
    Db::shared().owner.execute(
        "INSERT INTO folded_rows (company_id, kind, from_id, into_id) VALUES ('org_send', 'contact', "
        "'0191e0b8-0000-7000-8000-00000000b00f', '" +
        card("SMc1") + "')");
    CHECK(says(send(of_contact("0191e0b8-0000-7000-8000-00000000b00f")), R"("to_number":"+12025550113")"));
}

TEST_CASE("which number a text leaves by", "[integration]") {
    auto from = [](const std::string& number, const std::string& to_number) {
        return send(to(to_number, "x", R"(,"from":")" + number + "\""));
    };
    CHECK(says(send(to("+12025550114")), R"("from_number":")" + kOlder));  // the oldest
    CHECK(says(from(kNewer, "+12025550114"), R"("from_number":")" + kNewer));
    for (const auto& none : {kVoice, kOfCallRail, kFormer, std::string("+15205559999"), std::string("72975")})
        CHECK(from(none, "+12025550114") == "422 from");
    // The one by which the last text with this customer went or came, as long as it is one.
    auto came_in = text("SMf1", "Hello", 1, "+12025550115");
    came_in.report.set_company_number(kNewer);
    record(kCompany, {came_in});
    CHECK(says(send(to("+12025550115")), R"("from_number":")" + kNewer));
    auto lately = text("SMf2", "Hello", 0, "+12025550115");
    lately.report.set_company_number(kFormer);
    lately.received = static_cast<int>((system_clock().now() - at(0)) / std::chrono::seconds(1)) + 60;
    record(kCompany, {lately});
    CHECK(says(send(to("+12025550115")), R"("from_number":")" + kNewer));
    CHECK(send(to("+12025550116"), {.company = "org_send_none"}) == "409 from");
    CHECK(send(to("+12025550116"), {.company = "org_unknown"}).starts_with("503"));  // nothing is known of the companies yet
}

TEST_CASE("who wants no texts is sent none", "[integration]") {
    record(kCompany, {text("SMo1", "STOP", 10, "+12025550117")});
    CHECK(send(to("202-555-0117")) == "409 to /problems/opted-out");
    record(kCompany, {text("SMo2", "START", 20, "+12025550117")});
    auto id = id_in(send(to("202-555-0117")));
    CHECK(id.size() == 36);
    record(kCompany, {text("SMo3", "STOP", 30, "+12025550117")});
    CHECK_FALSE(note(kCompany, *Uuid::parse(id), "+12025550117"));
    CHECK(lines("SELECT status || ': ' || error_message AS v FROM messages WHERE company_id = $1 AND id = '" + id + "'")
              .starts_with("canceled: opted out at 20"));
}

TEST_CASE("a rep writes to contacts of own leads, and makes none", "[integration]") {
    record(kCompany, {text("SMr1", "Hello", 1, "+12025550118"), text("SMr2", "Hello", 1, "+12025550119")});
    Db::shared().owner.execute(
        "UPDATE leads SET assigned_rep_id = 'user_rep1', pool_status = 'assigned' FROM contact_cards k WHERE k.company_id = "
        "'org_send' AND k.id = leads.contact_card_id AND leads.company_id = 'org_send' AND k.primary_phone = '+12025550118'");
    const Asked rep{.user = "user_rep1"};
    auto own = send(to("+12025550118"), rep);
    CHECK(own.starts_with("202 "));
    CHECK(says(own, R"("sent_by":"user_rep1")"));
    CHECK(send(to("+12025550119"), rep) == "404");
    CHECK(send(to("+12025550120"), rep) == "404");
    CHECK(lines("SELECT count(*) AS v FROM contact_cards WHERE company_id = $1 AND primary_phone = '+12025550120'") == "0\n");
    auto card = lines("SELECT id AS v FROM contact_cards WHERE company_id = $1 AND primary_phone = '+12025550119'").substr(0, 36);
    CHECK(send(R"({"body":"x","contact_id":")" + card + "\"}", rep) == "404");
    auto others = id_in(send(to("+12025550119")));
    CHECK(cancel(others, rep) == "404");
    CHECK(cancel(id_in(own), rep).starts_with("200 "));
}

TEST_CASE("what has not left is canceled, and nothing else", "[integration]") {
    auto id = id_in(send(to("+12025550121", "first"))), second = id_in(send(to("+12025550121", "second")));
    auto canceled = cancel(id);
    CHECK(canceled.starts_with("200 "));
    CHECK(says(canceled, R"("status":"canceled")"));
    CHECK(cancel(id).starts_with("200 "));
    CHECK(lines("SELECT action AS v FROM audit_log WHERE company_id = $1 AND target = '" + id + "' ORDER BY id") ==
          "message.send\nmessage.cancel\n");
    CHECK_FALSE(note(kCompany, *Uuid::parse(id), "+12025550121"));
    CHECK(lines("SELECT message_id || ' ' || state AS v FROM text_sends WHERE company_id = $1 AND to_number = '+12025550121'") ==
          second + " waiting\n");
    REQUIRE(note(kCompany, *Uuid::parse(second), "+12025550121"));
    CHECK(cancel(second) == "409 status");
    // What the provider certainly has not taken may be canceled again.
    in_line(kCompany, *Uuid::parse(second), [](SendBook& sends, Send& s) {
        s.state = "waiting";
        sends.save(s);
    });
    CHECK(says(cancel(second), R"("status":"canceled")"));
    record(kCompany, {text("SMx1", "Hello", 1, "+12025550121"), sent_text("SMx2", "by others", 2, 2)});
    for (const char* sid : {"SMx1", "SMx2"})
        CHECK(cancel(
                  lines("SELECT id AS v FROM messages WHERE company_id = $1 AND provider_message_id = '" + std::string(sid) + "'")
                      .substr(0, 36)) == "409 status");
    CHECK(cancel("0191e0b8-0000-7000-8000-00000000b001") == "404");
    CHECK(cancel("x") == "404");
}
