// Sending by Twilio's API: what it is asked, and what its answers and its silence mean.
#include "otto/inbound/v1/inbound.pb.h"
#include "twilio_peer.hpp"

using namespace otto;
using namespace otto::providers::twilio;

namespace {

/// The message as Twilio's documentation shows it (Messages resource, "Create a Message"); one that was queued has no date_sent.
const std::string kQueued =
    R"({"account_sid":")" + kSid +
    R"(","api_version":"2010-04-01","body":"Hi there","date_created":"Thu, 24 Aug 2023 05:01:45 +0000","date_sent":null,"date_updated":"Thu, 24 Aug 2023 05:01:45 +0000",
    "direction":"outbound-api","error_code":null,"error_message":null,"from":"+15205232772","num_media":"0","num_segments":"1","price":null,"price_unit":"USD","messaging_service_sid":null,
    "sid":"SM0123456789abcdef0123456789abcdef","status":"queued","subresource_uris":{"media":"/2010-04-01/Accounts/x/Messages/y/Media.json"},"to":"+16025550123","uri":"/2010-04-01/x.json"})";

SendOutcome after(int status, const std::string& body, const std::string& retry_after = "") {
    auto answer = http::Response::json(status, body);
    if (!retry_after.empty()) answer.headers.add("Retry-After", retry_after);
    return read_sending(answer, Instant{});
}
/// "taken", "not taken", "not let in", "rejected 21610" or "in doubt".
std::string fate(const SendOutcome& outcome) {
    if (std::holds_alternative<Taken>(outcome)) return "taken";
    if (const auto* r = std::get_if<Rejected>(&outcome)) return "rejected " + std::to_string(r->code);
    if (std::holds_alternative<InDoubt>(outcome)) return "in doubt";
    return std::get<NotTaken>(outcome).error.not_let_in() ? "not let in" : "not taken";
}

}  // namespace

TEST_CASE("Twilio is asked to send a text as its API has it") {
    Peer peer;
    auto options = once(peer.place());
    options.total_timeout = Millis{30'000};
    http::Client http(options);
    Client client("http://" + peer.place() + "/", http);
    peer.answers(201, kQueued);
    auto outcome = client.send(kAccount,
                               {"+15205232772", "+16025550123", "Ja & nein = 100%\n🏠 +1",
                                "https://otto.example/api/aloha/webhooks/message-status?m=0190aaaa-0000-7000-8000-000000000001"},
                               {});
    REQUIRE(fate(outcome) == "taken");
    auto asked = peer.asked();
    CHECK(asked.method == http::Method::post);
    CHECK(asked.target == "/2010-04-01/Accounts/" + kSid + "/Messages.json");
    CHECK(asked.content_type() == "application/x-www-form-urlencoded");
    CHECK(asked.headers.get("Authorization").starts_with("Basic "));
    CHECK(parse_form(asked.body) ==
          FormFields{{"To", "+16025550123"},
                     {"From", "+15205232772"},
                     {"Body", "Ja & nein = 100%\n🏠 +1"},
                     {"StatusCallback",
                      "https://otto.example/api/aloha/webhooks/message-status?m=0190aaaa-0000-7000-8000-000000000001"}});
    const auto& taken = std::get<Taken>(outcome).message;
    CHECK(taken.sid == "SM0123456789abcdef0123456789abcdef");
    CHECK(taken.status == "queued");
    CHECK(taken.json == kQueued);
    CHECK(taken.created == taken.at);  // not sent yet
    CHECK(to_rfc3339(*taken.created) == "2023-08-24T05:01:45Z");
    const auto& report = taken.event->message();
    CHECK(report.provider_message_id() == taken.sid);
    CHECK(report.direction() == "outbound");
    CHECK(report.customer_phone() == "+16025550123");
    CHECK(report.company_number() == "+15205232772");
    CHECK(report.body() == "Hi there");
    CHECK(report.segments() == 1);
    CHECK_FALSE((report.has_error_code() || report.has_error_message()));

    client.send(kAccount, {"+15205232772", "+16025550123", "a", ""}, {});
    CHECK(peer.asked().body == "To=%2B16025550123&From=%2B15205232772&Body=a");
}

TEST_CASE("one pair's texts are listed, and one text is looked up") {
    Peer peer;
    auto options = once(peer.place());
    options.total_timeout = Millis{30'000};
    http::Client http(options);
    Client client("http://" + peer.place(), http);
    peer.answers(200,
                 R"({"next_page_uri":"/2010-04-01/Accounts/)" + kSid + R"(/Messages.json?Page=1","messages":[)" + kQueued + "]}");
    auto pair = client.messages_of_pair(kAccount, "+15205232772", "+16025550123", "", {});
    CHECK(peer.asked().target ==
          "/2010-04-01/Accounts/" + kSid + "/Messages.json?PageSize=1000&From=%2B15205232772&To=%2B16025550123");
    REQUIRE(std::holds_alternative<MessagePage>(pair));
    auto& page = std::get<MessagePage>(pair);
    REQUIRE(page.messages.size() == 1);
    CHECK(page.messages[0].created.has_value());
    client.messages_of_pair(kAccount, "+15205232772", "+16025550123", page.next, {});
    CHECK(peer.asked().target == page.next);

    peer.answers(200, kQueued);
    auto one = client.message(kAccount, "SM0123456789abcdef0123456789abcdef", {});
    CHECK(peer.asked().target == "/2010-04-01/Accounts/" + kSid + "/Messages/SM0123456789abcdef0123456789abcdef.json");
    REQUIRE(std::holds_alternative<ListedMessage>(one));
    CHECK(std::get<ListedMessage>(one).status == "queued");
    for (std::string none : {"{}", "[]", "<html>", R"({"sid":null})", ""}) {
        peer.answers(200, none);
        auto reply = client.message(kAccount, "SM1", {});
        REQUIRE(std::holds_alternative<ApiError>(reply));
        CHECK(std::get<ApiError>(reply).kind == ApiError::Kind::unreadable);
    }
    peer.answers(404, "");
    CHECK(std::get<ApiError>(client.message(kAccount, "SM1", {})).kind == ApiError::Kind::not_found);
    CHECK(std::get<ApiError>(client.message(kAccount, "..", {})).kind == ApiError::Kind::unreadable);
}

TEST_CASE("what Twilio's answer to a text means") {
    const struct {
        int status;
        std::string body;
        const char* fate;
    } vectors[] = {
        {201, kQueued, "taken"},
        {200, kQueued, "taken"},
        {201, "", "in doubt"},
        {201, "<html>", "in doubt"},
        {201, "{}", "in doubt"},
        {202, R"({"messages":[]})", "in doubt"},
        {204, "", "in doubt"},
        {302, "", "in doubt"},
        {408, "", "in doubt"},
        {500, refusal(500, 20500), "in doubt"},
        {502, "<html>", "in doubt"},
        {503, refusal(503, 20503), "in doubt"},
        {504, "", "in doubt"},
        {429, refusal(429, 20429), "not taken"},
        {429, "", "not taken"},
        {429, refusal(429, 21611), "not taken"},  // never processed, whatever the code
        {400, refusal(400, 20429), "not taken"},
        {401, refusal(401, 20003, "Authenticate"), "not let in"},
        {401, "", "not let in"},
        {403, refusal(403, 20003), "not let in"},
        {400, refusal(400, 20003), "not let in"},
        {403, refusal(403, 20005, "Account not active"), "not let in"},
        {400, refusal(400, 10001, "Account is not active"), "not let in"},
        {403, refusal(403, 70051), "not let in"},  // a restricted key without the permission
        {403, "", "not let in"},
        {404, refusal(404, 20404), "not let in"},  // no such account
        {403, refusal(403, 21610), "rejected 21610"},
        {404, refusal(404, 21617), "rejected 21617"},
        {400, refusal(400, 21211), "rejected 21211"},
        {400, refusal(400, 21408), "rejected 21408"},
        {400, refusal(400, 21606), "rejected 21606"},
        {400, refusal(400, 21608), "rejected 21608"},
        {400, refusal(400, 21610), "rejected 21610"},
        {400, refusal(400, 21611), "rejected 21611"},
        {400, refusal(400, 21614), "rejected 21614"},
        {400, refusal(400, 21635), "rejected 21635"},
        {400, refusal(400, 30034), "rejected 30034"},
        {400, refusal(400, 63038), "rejected 63038"},
        {400, "<html>", "rejected 0"},
        {413, "", "rejected 0"},
    };
    for (const auto& v : vectors) {
        INFO(v.status << " " << v.body);
        CHECK(fate(after(v.status, v.body)) == v.fate);
    }
    auto why = [](const SendOutcome& outcome) { return std::get<Rejected>(outcome).why; };
    CHECK(why(after(400, refusal(400, 21610))) == explain(21610));
    CHECK(why(after(400, refusal(400, 63038, "  Account exceeded the daily limit  "))) == "Account exceeded the daily limit");
    CHECK(why(after(400, "<html>")) == "Twilio answered 400.");
    CHECK(why(after(400, R"({"code":63038,"message":"a\u0000b"})")) == "ab");
    auto busy = std::get<NotTaken>(after(429, refusal(429, 20429), "30")).error;
    CHECK(busy.kind == ApiError::Kind::busy);
    CHECK(busy.after == Millis{30'000});
    // A text that Twilio takes and fails at once is taken: its status says the rest.
    auto failed = kQueued;
    failed.replace(failed.find(R"("status":"queued")"), 17, R"("status":"failed")");
    failed.replace(failed.find(R"("error_code":null)"), 17, R"("error_code":30034)");
    auto outcome = after(201, failed);
    REQUIRE(fate(outcome) == "taken");
    const auto& report = std::get<Taken>(outcome).message.event->message();
    CHECK(report.status() == "failed");
    CHECK(report.error_code() == "30034");
    CHECK(report.error_message() == explain(30034));
}

TEST_CASE("nobody there has not taken it; silence after it was asked is a doubt") {
    for (bool listens : {false, true}) {
        Silence peer(listens);
        http::Client http(once(peer.place()));
        auto outcome = Client("http://" + peer.place(), http).send(kAccount, {"+15205232772", "+16025550123", "a", ""}, {});
        CHECK(fate(outcome) == (listens ? "in doubt" : "not taken"));
        if (!listens) CHECK(std::get<NotTaken>(outcome).error.kind == ApiError::Kind::no_answer);
    }
    Silence peer(true);  // what is no TLS breaks off before anything was asked
    http::Client http(once(peer.place()));
    CHECK(fate(Client("https://" + peer.place(), http).send(kAccount, {"+15205232772", "+16025550123", "a", ""}, {})) ==
          "not taken");
}

TEST_CASE("each known code has its sentence, with what to do") {
    for (int code : {21211, 21408, 21606, 21608, 21610, 21611, 21614, 21635, 30001, 30003, 30005, 30006, 30007, 30022, 30034}) {
        INFO(code);
        CHECK(explain(code).ends_with("."));
        CHECK(explain(code).find(". ") != std::string_view::npos);  // what is wrong, and what to do
    }
    for (int code : {0, -1, 20003, 21212, 30008}) CHECK(explain(code).empty());
}
