// Numbers of Twilio's API: what is for sale, what is bought, and where what comes for one goes.
#include "twilio_peer.hpp"

using namespace otto;
using namespace otto::providers::twilio;

namespace {

const NumberWebhooks kHere{"https://otto.example/api/aloha/webhooks/incoming-call", "https://otto.example/sms/twilio-webhook",
                           "https://otto.example/api/aloha/webhooks/call-status"};

std::string number_json(const std::string& number, const std::string& more = "") {
    return R"({"sid":"PN0123456789abcdef0123456789abcdef","account_sid":")" + kSid + R"(","phone_number":")" + number +
           R"(","friendly_name":"x","sms_url":"https://otto.example/sms/twilio-webhook","sms_method":"POST","voice_url":"https://otto.example/v","voice_method":"GET",
    "status_callback":"https://otto.example/s","status_callback_method":"POST","voice_application_sid":null,"sms_application_sid":"","trunk_sid":null,
    "capabilities":{"voice":true,"sms":false,"mms":false,"fax":false})" +
           more + "}";
}
std::string list_json(const std::string& numbers, const std::string& next = "null") {
    return R"({"next_page_uri":)" + next + R"(,"incoming_phone_numbers":[)" + numbers + "]}";
}
/// "bought", "not taken", "not let in", "rejected 21422" or "in doubt".
std::string fate(const BuyOutcome& outcome) {
    if (std::holds_alternative<Bought>(outcome)) return "bought";
    if (const auto* r = std::get_if<Rejected>(&outcome)) return "rejected " + std::to_string(r->code);
    if (std::holds_alternative<InDoubt>(outcome)) return "in doubt";
    return std::get<NotTaken>(outcome).error.not_let_in() ? "not let in" : "not taken";
}
std::string fate(int status, const std::string& body) {
    return fate(read_buying(http::Response::json(status, body), "+15205232772", Instant{}));
}
http::ClientOptions patient(const std::string& place) {
    auto o = once(place);
    o.total_timeout = Millis{30'000};
    return o;
}

}  // namespace

TEST_CASE("a number is bought in one request, which says where its calls and texts go") {
    Peer peer;
    http::Client http(patient(peer.place()));
    Client client("http://" + peer.place(), http);
    peer.answers(201, number_json("+15205232772"));
    auto outcome = client.buy(kAccount, {"+15205232772", kHere, "Roof & gutter"}, {});
    auto asked = peer.asked();
    CHECK(asked.method == http::Method::post);
    CHECK(asked.target == "/2010-04-01/Accounts/" + kSid + "/IncomingPhoneNumbers.json");
    CHECK(asked.content_type() == "application/x-www-form-urlencoded");
    CHECK(asked.headers.get("Authorization").starts_with("Basic "));
    CHECK(parse_form(asked.body) == FormFields{{"PhoneNumber", "+15205232772"},
                                               {"VoiceUrl", kHere.voice_url},
                                               {"SmsUrl", kHere.sms_url},
                                               {"StatusCallback", kHere.status_callback},
                                               {"VoiceMethod", "POST"},
                                               {"SmsMethod", "POST"},
                                               {"StatusCallbackMethod", "POST"},
                                               {"FriendlyName", "Roof & gutter"}});
    REQUIRE(fate(outcome) == "bought");
    const auto& n = std::get<Bought>(outcome).number;
    CHECK(n.sid == "PN0123456789abcdef0123456789abcdef");
    CHECK(n.number == "+15205232772");
    CHECK(n.calls);
    CHECK_FALSE(n.texts);
    CHECK(n.voice_url == "https://otto.example/v");
    CHECK(n.voice_method == "GET");
    CHECK(n.status_callback == "https://otto.example/s");
    CHECK(n.status_callback_method == "POST");
    CHECK((n.calls_to.empty() && n.texts_to.empty()));
    client.buy(kAccount, {"+15205232772", kHere, ""}, {});
    CHECK(peer.asked().body.find("FriendlyName") == std::string::npos);
}

TEST_CASE("what Twilio's answer to a purchase means") {
    const struct {
        int status;
        std::string body;
        const char* fate;
    } vectors[] = {
        {201, number_json("+15205232772"), "bought"},
        {200, number_json("+15205232772"), "bought"},
        {201, number_json("+15205232773"), "in doubt"},
        {201, "", "in doubt"},
        {201, R"({"phone_number":"+15205232772"})", "in doubt"},
        {204, "", "in doubt"},
        {302, "", "in doubt"},
        {408, "", "in doubt"},
        {500, refusal(500, 20500), "in doubt"},
        {503, "<html>", "in doubt"},
        {429, refusal(429, 20429), "not taken"},
        {401, refusal(401, 20003), "not let in"},
        {403, refusal(403, 20005), "not let in"},
        {403, "", "not let in"},
        {404, refusal(404, 20404), "not let in"},
        {400, refusal(400, 21422), "rejected 21422"},  // not for sale any more, or the account's already
        {400, refusal(400, 21421), "rejected 21421"},
        {400, refusal(400, 21404), "rejected 21404"},
        {404, refusal(404, 21452), "rejected 21452"},
        {400, refusal(400, 21649), "rejected 21649"},  // a regulation
        {402, refusal(402, 20006), "rejected 20006"},  // no funds
        {400, "<html>", "rejected 0"},
    };
    for (const auto& v : vectors) {
        INFO(v.status << " " << v.body);
        CHECK(fate(v.status, v.body) == v.fate);
    }
    auto refused =
        read_buying(http::Response::json(400, refusal(400, 21422, "PhoneNumber is not available")), "+15205232772", {});
    CHECK(std::get<Rejected>(refused).why ==
          "PhoneNumber is not available");  // in its own words, and not in those of a text's code
    auto text_code = read_buying(http::Response::json(400, refusal(400, 21211, "Its words")), "+15205232772", {});
    CHECK(std::get<Rejected>(text_code).why == "Its words");
}

TEST_CASE("nobody there has sold nothing; silence after it was asked is a doubt of a purchase too") {
    for (bool listens : {false, true}) {
        Silence peer(listens);
        http::Client http(once(peer.place()));
        CHECK(fate(Client("http://" + peer.place(), http).buy(kAccount, {"+15205232772", kHere, ""}, {})) ==
              (listens ? "in doubt" : "not taken"));
    }
}

TEST_CASE("whether an account has a number, its list says, and only a whole one that it has not") {
    Peer peer;
    http::Client http(patient(peer.place()));
    Client client("http://" + peer.place(), http);
    auto ask = [&](const std::string& body) {
        peer.answers(200, body);
        auto reply = client.number(kAccount, "+15205232772", {});
        if (std::holds_alternative<ApiError>(reply)) return std::string("unreadable");
        return std::get<0>(reply) ? std::get<0>(reply)->sid : std::string("none");
    };
    CHECK(ask(list_json(number_json("+15205232772"))) == "PN0123456789abcdef0123456789abcdef");
    CHECK(peer.asked().target ==
          "/2010-04-01/Accounts/" + kSid + "/IncomingPhoneNumbers.json?PhoneNumber=%2B15205232772&PageSize=1000");
    CHECK(ask(list_json("")) == "none");
    CHECK(ask(list_json(number_json("+15205232773"))) == "none");  // what it was a part of
    CHECK(ask(list_json("{}")) == "unreadable");
    CHECK(ask(list_json("", "\"/2010-04-01/Accounts/x\"")) == "unreadable");
    CHECK(ask("{}") == "unreadable");
}

TEST_CASE("numbers that are for sale, and what they can") {
    Peer peer;
    http::Client http(patient(peer.place()));
    Client client("http://" + peer.place(), http);
    peer.answers(
        200,
        R"({"available_phone_numbers":[{"friendly_name":"(520) 523-2772","phone_number":"+15205232772","lata":"668","rate_center":"TUCSON","latitude":"32.1","longitude":"-110.9",
        "locality":"Tucson","region":"AZ","postal_code":"85701","iso_country":"US","address_requirements":"none","beta":false,"capabilities":{"voice":true,"SMS":true,"MMS":false}},
        {"phone_number":"none"},7],"uri":"/x"})");
    auto reply = client.available(kAccount, "US", "520", 30, {});
    CHECK(peer.asked().target ==
          "/2010-04-01/Accounts/" + kSid + "/AvailablePhoneNumbers/US/Local.json?PageSize=30&AreaCode=520");
    REQUIRE(std::holds_alternative<std::vector<AvailableNumber>>(reply));
    const auto& list = std::get<0>(reply);
    REQUIRE(list.size() == 1);
    CHECK(list[0].number == "+15205232772");
    CHECK(list[0].friendly_name == "(520) 523-2772");
    CHECK(list[0].locality == "Tucson");
    CHECK(list[0].region == "AZ");
    CHECK(list[0].postal_code == "85701");
    CHECK(list[0].country == "US");
    CHECK(list[0].address_requirements == "none");
    CHECK((list[0].calls && list[0].texts && !list[0].pictures));
    client.available(kAccount, "DE", "", 30, {});
    CHECK(peer.asked().target == "/2010-04-01/Accounts/" + kSid + "/AvailablePhoneNumbers/DE/Local.json?PageSize=30");
    CHECK_FALSE(read_available("{}").ok());
    peer.answers(404, refusal(404, 20404));
    CHECK(std::get<ApiError>(client.available(kAccount, "XX", "", 30, {})).kind == ApiError::Kind::not_found);
}

TEST_CASE("where what comes for a number goes is set, and nothing else of it") {
    Peer peer;
    http::Client http(patient(peer.place()));
    Client client("http://" + peer.place(), http);
    peer.answers(200, number_json("+15205232772"));
    auto reply = client.point(kAccount, "PN1", kHere, {});
    REQUIRE(std::holds_alternative<ListedNumber>(reply));
    CHECK(peer.asked().target == "/2010-04-01/Accounts/" + kSid + "/IncomingPhoneNumbers/PN1.json");
    CHECK(parse_form(peer.asked().body).size() == 6);
    peer.answers(404, refusal(404, 20404));
    CHECK(std::get<ApiError>(client.point(kAccount, "PN1", kHere, {})).kind == ApiError::Kind::not_found);
    CHECK(std::get<ApiError>(client.point(kAccount, "..", kHere, {})).kind == ApiError::Kind::unreadable);
    auto taken = read_number(number_json("+15205232772", R"(,"trunk_sid":"TK1")"));
    REQUIRE(taken.ok());
    auto with = [](std::string member, const std::string& name, const std::string& value) {
        auto json = number_json("+15205232772");
        json.replace(json.find(member), member.size(), "\"" + name + "\":\"" + value + "\"");
        return read_number(json).value();
    };
    CHECK(with(R"("trunk_sid":null)", "trunk_sid", "TK1").calls_to == "TK1");
    CHECK(with(R"("voice_application_sid":null)", "voice_application_sid", "AP1").calls_to == "AP1");
    CHECK(with(R"("sms_application_sid":"")", "sms_application_sid", "AP2").texts_to == "AP2");
}
