// What Twilio's API answers, in our words.
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/settings.hpp"
#include "providers/twilio.hpp"
#include "providers/twilio_report.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::providers::twilio;

namespace {

const std::string kSid = "AC" + std::string(32, 'a');

std::string listed(const std::string& members) {
    return R"({"page":0,"page_size":1000,"next_page_uri":null,"messages":[{)" + members + "}]}";
}

}  // namespace

TEST_CASE("a page of Twilio's messages, and what is none") {
    auto page = read_messages(
        R"({"page":0,"next_page_uri":"/2010-04-01/Accounts/AC1/Messages.json?PageSize=1000&Page=1&PageToken=PASM1","messages":[
        {"sid":"SM1","account_sid":"AC1","from":"+12148654559","to":"+15205232772","body":"roof leaks","status":"received","direction":"inbound","num_segments":"1","num_media":"2",
         "error_code":null,"error_message":null,"date_created":"Mon, 30 Nov 2026 04:00:00 +0000","date_sent":"Mon, 30 Nov 2026 04:00:01 +0000","price":null,"messaging_service_sid":null},
        {"sid":"SM2","account_sid":"AC1","from":"+15205232772","to":"+12148654559","body":"","status":"undelivered","direction":"outbound-api","num_segments":"2","num_media":"0","error_code":30003,
         "error_message":"Unreachable","date_created":"Mon, 30 Nov 2026 04:00:00 +0000","date_sent":null},
        {"body":"no id"},7,null]})");
    REQUIRE(page.ok());
    CHECK(page->next == "/2010-04-01/Accounts/AC1/Messages.json?PageSize=1000&Page=1&PageToken=PASM1");
    REQUIRE(page->messages.size() == 2);
    const auto& in = page->messages[0];
    CHECK(in.sid == "SM1");
    CHECK(in.status == "received");
    CHECK(in.media == 2);
    CHECK(to_rfc3339(*in.at) == "2026-11-30T04:00:01Z");
    CHECK(in.json.starts_with(R"({"sid":"SM1")"));
    const auto& report = in.event->message();
    CHECK(report.provider_message_id() == "SM1");
    CHECK(report.direction() == "inbound");
    CHECK(report.customer_phone() == "+12148654559");
    CHECK(report.customer_phone_callable());
    CHECK(report.company_number() == "+15205232772");
    CHECK(report.has_body());
    CHECK(report.body() == "roof leaks");
    CHECK(report.segments() == 1);
    CHECK_FALSE(report.has_error_code());
    CHECK(in.event->key() == "+12148654559");
    CHECK(in.event->addressee().number() == "+15205232772");
    CHECK(in.event->addressee().purpose() == inbound::v1::PURPOSE_TEXT);
    CHECK(in.event->addressee().account_id() == "AC1");
    CHECK(in.event->addressee().at_us() == report.sent_at_us());
    const auto& out = page->messages[1].event->message();
    CHECK(out.direction() == "outbound");
    CHECK(out.customer_phone() == "+12148654559");
    CHECK(out.company_number() == "+15205232772");
    CHECK(out.status() == "undelivered");
    CHECK(out.has_body());
    CHECK(out.error_code() == "30003");
    CHECK(out.error_message() == explain(30003));
    CHECK(in.created == read_time("Mon, 30 Nov 2026 04:00:00 +0000"));
    CHECK(to_rfc3339(*page->messages[1].at) == "2026-11-30T04:00:00Z");  // not sent: when it was made
    CHECK(read_messages(R"({"messages":[]})")->messages.empty());
    CHECK_FALSE(read_messages("<html>").ok());
    CHECK_FALSE(read_messages(R"({"code":20003,"message":"Authenticate","status":401})").ok());
    auto mixed = read_messages(
        R"({"messages":[{"sid":"SM3","body":NaN},{"sid":"SM4","from":"Anonymous","to":"+15205232772","direction":"inbound","status":"receiving"}]})");
    REQUIRE(mixed.ok());
    CHECK(mixed->unreadable.size() == 1);
    REQUIRE(mixed->messages.size() == 1);
    CHECK(mixed->messages[0].event->key() == "SM4");
    CHECK_FALSE(mixed->messages[0].event->message().customer_phone_callable());
    CHECK(mixed->messages[0].event->message().customer_phone() == "anonymous");
}

TEST_CASE("a list goes on in Twilio's own API only") {
    auto next = [](const std::string& uri) { return read_messages(R"({"next_page_uri":")" + uri + R"(","messages":[]})")->next; };
    CHECK(next("/2010-04-01/Accounts/AC1/Messages.json?Page=1") == "/2010-04-01/Accounts/AC1/Messages.json?Page=1");
    CHECK(next("https://elsewhere.example/2010-04-01/Accounts").empty());
    CHECK(next("@elsewhere.example/2010-04-01/").empty());
    http::Client http{http::ClientOptions{}};
    Client client("https://api.twilio.com", http);
    auto reply = client.messages(Account::with_token(kSid, Secret("token")), Instant{}, Instant{},
                                 "/2010-04-01/Accounts/" + kSid + "x/Messages.json?Page=1", {});
    REQUIRE(std::holds_alternative<ApiError>(reply));
    CHECK(std::get<ApiError>(reply).kind == ApiError::Kind::unreadable);
}

TEST_CASE("Twilio's states and times in our words") {
    CHECK(message_status("accepted") == "queued");
    CHECK(message_status("partially_delivered") == "delivered");
    CHECK(message_status("receiving") == "received");
    CHECK(message_status("canceled") == "canceled");
    CHECK(message_status("read") == "read");
    CHECK(message_status("initiated").empty());
    CHECK(message_status("").empty());
    CHECK(to_rfc3339(*read_time("Fri, 24 May 2019 17:18:27 +0000")) == "2019-05-24T17:18:27Z");
    CHECK(to_rfc3339(*read_time("Wed, 01 May 2019 10:00:00 -0700")) == "2019-05-01T17:00:00Z");
    CHECK(to_rfc3339(*read_time("1 May 2019 10:00:00 GMT")) == "2019-05-01T10:00:00Z");
    for (auto none : {"", "soon", "Fri, 24 Mai 2019 17:18:27 +0000", "Fri, 32 May 2019 17:18:27 +0000", "Fri, 24 May 2019"})
        CHECK_FALSE(read_time(none));
    CHECK(read_messages(listed(R"("sid":"SM1","date_sent":"yesterday")"))->messages.front().at == std::nullopt);
}

TEST_CASE("a page of Twilio's numbers: what they can and where they lead") {
    auto page = read_numbers(
        R"({"next_page_uri":null,"incoming_phone_numbers":[{"sid":"PN1","phone_number":"+15205232772","sms_url":"https://otto.example/api/v1/twilio-webhook","sms_method":"POST","voice_url":"",
        "capabilities":{"sms":true,"voice":false,"mms":true}},{"sid":"PN2","phone_number":"12345"}]})");
    REQUIRE(page.ok());
    CHECK(page->whole);  // a short code is no number of ours, and hides none
    CHECK(page->next.empty());
    REQUIRE(page->numbers.size() == 1);
    CHECK(page->numbers[0].number == "+15205232772");
    CHECK(page->numbers[0].texts);
    CHECK_FALSE(page->numbers[0].calls);
    CHECK(page->numbers[0].sms_url == "https://otto.example/api/v1/twilio-webhook");
    CHECK_FALSE(read_numbers(R"({"incoming_phone_numbers":[{"sid":"PN1"}]})")->whole);
    CHECK_FALSE(read_numbers(R"({"incoming_phone_numbers":[],"next_page_uri":"https://elsewhere.example/"})")->whole);
    CHECK_FALSE(read_numbers("{}").ok());
    CHECK(read_account(R"({"sid":"AC1","friendly_name":"Arizona","status":"suspended","type":"Full"})")->status == "suspended");
    CHECK_FALSE(read_account(R"({"code":20003})").ok());
    auto media = read_media(
        R"({"media_list":[{"sid":"ME1","content_type":"image/jpeg","uri":"/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1.json"},{"sid":"ME2","uri":"https://elsewhere.example/x"}]})",
        "https://api.twilio.com");
    REQUIRE(media.ok());
    REQUIRE(media->size() == 1);
    CHECK(media->front().url == "https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1");
}

TEST_CASE("whose account is asked, and as whom") {
    CHECK(is_account_sid(kSid));
    CHECK_FALSE(is_account_sid("AC" + std::string(32, 'A')));
    CHECK_FALSE(is_account_sid("AC" + std::string(31, 'a')));
    CHECK_FALSE(is_account_sid("SK" + std::string(32, 'a')));
    auto with = [](std::map<std::string, std::string> set) {
        return deployment_account(app::Settings::load({providers::kTwilioAccountSid.row, providers::kTwilioAuthToken.row,
                                                       providers::kTwilioApiKey.row, providers::kTwilioApiSecret.row},
                                                      {}, set)
                                      .value());
    };
    CHECK_FALSE(with({}));
    CHECK_FALSE(with({{"OTTO_TWILIO_ACCOUNT_SID", kSid}}));
    auto token = with({{"OTTO_TWILIO_ACCOUNT_SID", kSid}, {"OTTO_TWILIO_AUTH_TOKEN", "new, old"}});
    REQUIRE(token);
    CHECK(token->user == kSid);
    CHECK(token->password.reveal() == "new");
    auto key = with({{"OTTO_TWILIO_ACCOUNT_SID", kSid},
                     {"OTTO_TWILIO_AUTH_TOKEN", "new"},
                     {"OTTO_TWILIO_API_KEY", "SK1"},
                     {"OTTO_TWILIO_API_SECRET", "secret"}});
    REQUIRE(key);
    CHECK(key->sid == kSid);
    http::Headers headers;
    authorize(headers, *key);
    CHECK(headers.get("Authorization") == "Basic U0sxOnNlY3JldA==");
}
