#include "base/text.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/twilio_report.hpp"
#include "providers/webhook.hpp"
#include "testing/catch.hpp"

using namespace otto;
using providers::Parts;
namespace pb = otto::inbound::v1;

namespace {

const providers::Webhook& twilio() { return *providers::webhook_of("twilio"); }

struct Said {
    providers::Normalized normalized;
    http::Response answer;
    const pb::ProviderEvent& event() const { return *normalized.event; }
    const pb::MessageReport& message() const { return event().message(); }
};

Said said(const std::string& body, const std::string& target = "/sms/twilio-webhook",
          const std::string& type = "application/x-www-form-urlencoded", const std::string& signature = "") {
    http::Request r;
    r.method = http::Method::post;
    r.target = target;
    r.path = target.substr(0, target.find('?'));
    r.body = body;
    r.headers.add("Content-Type", type);
    if (!signature.empty()) r.headers.add("X-Twilio-Signature", signature);
    auto parts = Parts::of(r);
    auto reading = twilio().read(parts);
    Said out{reading->normalize(parts), {}};
    CHECK(out.event().addressee().SerializeAsString() == reading->addressee().SerializeAsString());
    pb::ProviderEvent back;
    CHECK(back.ParseFromString(out.event().SerializeAsString()));  // whatever bytes came
    CHECK_FALSE(out.event().key().empty());
    CHECK(out.normalized.waits == !out.event().not_understood().empty());
    out.answer = twilio().answer({"id", "authentic", *out.normalized.event});
    return out;
}

const std::string kAccount = "AC0123456789abcdef0123456789abcdef";
const std::string kText = "ToCountry=US&MessageSid=SM1&SmsSid=SM1&SmsMessageSid=SM1&AccountSid=" + kAccount +
                          "&From=%2B16025550123&To=%2B15205232772&Body=How+much+is+a+roof%3F&NumMedia=0&NumSegments=1"
                          "&ApiVersion=2010-04-01&SmsStatus=received";

}  // namespace

TEST_CASE("a text: both ends, what it says, and an answer that says nothing") {
    auto text = said(kText);
    const auto& m = text.message();
    CHECK(text.event().kind() == "message.received");
    CHECK(text.event().key() == "+16025550123");
    CHECK(text.event().not_understood().empty());
    CHECK(m.provider_message_id() == "SM1");
    CHECK(m.direction() == "inbound");
    CHECK(m.customer_phone() == "+16025550123");
    CHECK(m.customer_phone_callable());
    CHECK(m.company_number() == "+15205232772");
    CHECK(m.status() == "received");
    CHECK((m.has_body() && m.body() == "How much is a roof?"));
    CHECK(m.segments() == 1);
    CHECK_FALSE((m.has_sent_at_us() || m.has_error_code() || m.has_error_message() || m.has_agent()));
    CHECK((m.opt_out_type().empty() && m.our_message_id().empty() && m.media_size() == 0));
    const auto& a = text.event().addressee();
    CHECK(a.number() == "+15205232772");
    CHECK(a.purpose() == pb::PURPOSE_TEXT);
    CHECK(a.account_id() == kAccount);
    CHECK_FALSE(a.has_at_us());
    CHECK(text.normalized.identity == "SM1:received");
    CHECK(text.normalized.whole);
    CHECK(text.normalized.customer == "+16025550123");
    CHECK(text.answer.status == 200);
    CHECK(text.answer.headers.get("content-type") == "text/xml");
    CHECK(text.answer.body == "<Response/>");
}

TEST_CASE("the payload decides, not the path: texts, how they stand, calls") {
    for (std::string path : {"/sms/twilio-webhook", "/api/v1/twilio-webhook", "/api/aloha/webhooks/message-status"}) {
        INFO(path);
        CHECK(said(kText, path).event().kind() == "message.received");
        auto status = said("MessageSid=SM1&MessageStatus=delivered&From=%2B15205232772&To=%2B16025550123", path);
        CHECK(status.event().kind() == "message.status");
        CHECK(status.answer.status == 204);
        CHECK(status.answer.body.empty());
        auto call = said("CallSid=CA1&CallStatus=ringing&From=%2B16025550123&To=%2B15205232772&Direction=inbound", path);
        CHECK(call.event().has_call());
    }
    for (std::string ids : {"MessageSid=SM7", "SmsSid=SM7", "SmsMessageSid=SM7", "CallSid=CA1&MessageSid=SM7"})
        for (std::string status :
             {"", "&SmsStatus=received", "&MessageStatus=receiving", "&SmsStatus=", "&MessageStatus=RECEIVED"}) {
            INFO(ids << status);
            auto text = said(ids + status + "&From=%2B16025550123&To=%2B15205232772");
            CHECK(text.event().kind() == "message.received");
            CHECK(text.message().status() == "received");
            CHECK(text.normalized.identity == "SM7:received");
            CHECK((text.message().has_body() && text.message().body().empty()));
        }
}

TEST_CASE("how a text stands, in our words: the company is at the other end, and what it says is not told") {
    auto status = said(
        "SmsSid=SM1&SmsStatus=undelivered&MessageStatus=undelivered&To=%2B16025550123&MessageSid=SM1&AccountSid=" + kAccount +
            "&From=%2B15205232772&ApiVersion=2010-04-01&ErrorCode=30003&ErrorMessage=Unreachable+handset",
        "/api/aloha/webhooks/message-status?m=0190aaaa-0000-7000-8000-000000000001&x=1");
    const auto& m = status.message();
    CHECK(m.direction() == "outbound");
    CHECK(m.customer_phone() == "+16025550123");
    CHECK(m.company_number() == "+15205232772");
    CHECK(status.event().addressee().number() == "+15205232772");
    CHECK(m.status() == "undelivered");
    CHECK(m.error_code() == "30003");
    CHECK(m.error_message().starts_with("The phone could not be reached"));  // our words for a code that we know
    CHECK_FALSE(m.has_body());
    CHECK(m.our_message_id() == "0190aaaa-0000-7000-8000-000000000001");
    CHECK(status.normalized.identity == "SM1:undelivered");
    auto unknown =
        said("MessageSid=SM1&MessageStatus=failed&To=%2B16025550123&From=%2B15205232772&ErrorCode=30999&ErrorMessage=Odd");
    CHECK(unknown.message().error_code() == "30999");
    CHECK(unknown.message().error_message() == "Odd");  // Twilio's words for one that we do not
    for (auto [theirs, ours] : std::vector<std::pair<std::string, std::string>>{{"accepted", "queued"},
                                                                                {"scheduled", "scheduled"},
                                                                                {"queued", "queued"},
                                                                                {"sending", "sending"},
                                                                                {"sent", "sent"},
                                                                                {"canceled", "canceled"},
                                                                                {"failed", "failed"},
                                                                                {"partially_delivered", "delivered"},
                                                                                {"Delivered", "delivered"},
                                                                                {"read", "read"}}) {
        INFO(theirs);
        auto one = said("MessageSid=SM1&MessageStatus=" + theirs);
        CHECK(one.message().status() == ours);
        CHECK(one.event().not_understood().empty());
        CHECK(one.normalized.identity == "SM1:" + ours);
        CHECK(one.event().key() == "SM1");  // no number: it is found by its message
    }
    auto strange = said("MessageSid=SM1&MessageStatus=teleported");
    CHECK(strange.event().not_understood() == "status 'teleported' is not known");
    CHECK(strange.answer.status == 204);
    CHECK(said("MessageSid=SM1&MessageStatus=sent&ErrorCode=0").message().has_error_code() == false);
}

TEST_CASE("who writes may be nobody that can be called") {
    for (auto [from, kept] :
         std::vector<std::pair<std::string, std::string>>{{"%2B266696687", "+266696687"},
                                                          {"72727", "72727"},
                                                          {"Anonymous", "anonymous"},
                                                          {"whatsapp%3A%2B16025550123", "whatsapp:+16025550123"}}) {
        INFO(from);
        auto text = said("MessageSid=SM1&From=" + from + "&To=%2B15205232772&Body=hi");
        CHECK(text.message().customer_phone() == kept);
        CHECK_FALSE(text.message().customer_phone_callable());
        CHECK(text.event().key() == "SM1");
    }
    CHECK(said("MessageSid=SM1&From= 16025550123&To=+15205232772").message().customer_phone() ==
          "+16025550123");  // an unencoded plus
}

TEST_CASE("media, keywords and odd texts are kept as rows can keep them") {
    std::string body = kText;
    for (int i = 0; i < 20; ++i)
        body += "&MediaUrl" + std::to_string(i) + "=https%3A%2F%2Fapi.twilio.com%2Fmedia%2F" + std::to_string(i) +
                "&MediaContentType" + std::to_string(i) + "=image%2Fjpeg";
    auto media = said(body);
    REQUIRE(media.message().media_size() == 20);
    CHECK(media.message().media(19).url() == "https://api.twilio.com/media/19");
    CHECK(media.message().media(19).content_type() == "image/jpeg");
    CHECK(said("MessageSid=MM1&Body=&NumMedia=1&MediaUrl0=javascript%3Ax").message().media_size() == 0);
    CHECK(said("MessageSid=SM1&OptOutType=STOP&Body=bitte+nicht").message().opt_out_type() == "STOP");
    CHECK(said("MessageSid=SM1&OptOutType=start").message().opt_out_type() == "START");
    CHECK(said("MessageSid=SM1&OptOutType=whatever").message().opt_out_type().empty());
    CHECK(said("MessageSid=SM1&Body=a%00b%F0%9F%8F%A0").message().body() == "ab\xf0\x9f\x8f\xa0");
    CHECK(said("MessageSid=SM1&Body=a%FFb").message().body() ==
          "a\xef\xbf\xbd"
          "b");
    CHECK(said("MessageSid=SM1&Body=+two+words+").message().body() == " two words ");
    CHECK(said("MessageSid=SM1&Body=" + std::string(1'600, 'x')).message().body().size() == 1'600);
    CHECK(said("MessageSid=SM1&Body=" + std::string(100'000, 'x')).message().body().size() == 64u << 10);
    CHECK_FALSE(said("MessageSid=SM1&NumSegments=many").message().has_segments());
    CHECK(said("MessageSid=SM1&MessageSid=SM2&Body=one&Body=two").message().body() == "one");  // the first of a name counts
    // What of a signed text can be cut anew, still signed, is no other text.
    const std::string sid = "SM" + std::string(32, 'a'), form = "application/x-www-form-urlencoded";
    CHECK(said("Body=STOP&MessageSid=" + sid + "&NumMedia=0").event().not_understood().empty());
    auto cut = said("Body=STOP&To=%2B15205232772&MessageSid=" + sid + "NumMedia0", "/sms/twilio-webhook", form, "kvajT1Pt=");
    CHECK(cut.event().not_understood() == "it names a text by more than a SID");
    CHECK_FALSE(cut.event().has_message());
    CHECK(cut.event().addressee().number() == "+15205232772");
    CHECK(cut.normalized.identity == " kvajT1Pt=");
}

TEST_CASE("what is neither is taken and says why; nobody is addressed by what cannot be read") {
    auto why = [](const std::string& body, const std::string& type = "application/x-www-form-urlencoded") {
        auto one = said(body, "/sms/twilio-webhook", type);
        CHECK(one.answer.status == 200);
        CHECK(one.answer.body == "<Response/>");
        CHECK_FALSE(one.normalized.whole);
        return one.event().not_understood();
    };
    CHECK(why("") == "it names no text (MessageSid) and no call (CallSid)");
    CHECK(said("Digits=12", "/sms/twilio-webhook", "application/x-www-form-urlencoded", "x=").normalized.identity == " x=");
    CHECK(why("AccountSid=AC1&Sid=SM1") == "it names no text (MessageSid) and no call (CallSid)");
    CHECK(why("MessageSid=%00") == "it names no text (MessageSid)");
    CHECK(why("MessageSid=+&CallSid=%20") == "it names no text (MessageSid) and no call (CallSid)");
    CHECK(why("<xml/>", "text/xml").starts_with("the body is no form and no JSON: "));
    CHECK(why("[1]", "application/json") == "the body is no form and no JSON object");
    std::string many;
    for (int i = 0; i < 1'001; ++i) many += "a" + std::to_string(i) + "=&";
    CHECK(why(many + "MessageSid=SM1") == "the form has more than 1000 fields");
    // JSON is read by the same names.
    auto json = said(R"({"MessageSid":"SM1","From":"+16025550123","To":"+15205232772","Body":"hi","NumSegments":1})",
                     "/sms/twilio-webhook", "application/json");
    CHECK(json.message().body() == "hi");
    CHECK(json.message().segments() == 1);
}

TEST_CASE("what the API's list says of a text is the event that its webhook was") {
    using providers::twilio::MessageFacts, providers::twilio::tell;
    pb::ProviderEvent listed;
    MessageFacts facts;
    facts.sid = "SM1";
    facts.account_sid = kAccount;
    facts.from = "+16025550123";
    facts.to = "+15205232772";
    facts.status = "received";
    facts.direction = "inbound";
    facts.body = "How much is a roof?";
    facts.segments = 1;
    facts.sent_at = from_micros(1'767'225'600'000'000);
    auto hook = said(kText);
    CHECK(tell(facts, listed) == hook.normalized.identity);
    CHECK(listed.kind() == hook.event().kind());
    CHECK(listed.message().sent_at_us() == 1'767'225'600'000'000);
    CHECK(listed.addressee().at_us() == 1'767'225'600'000'000);
    listed.mutable_message()->clear_sent_at_us();
    listed.mutable_addressee()->clear_at_us();
    CHECK(listed.SerializeAsString() == hook.event().SerializeAsString());
    // A text that was sent: the list knows what it says, and so it is no bare status.
    pb::ProviderEvent sent;
    facts.direction = "outbound-api";
    facts.status = "delivered";
    std::swap(facts.from, facts.to);
    CHECK(tell(facts, sent) == "SM1:delivered");
    CHECK(sent.kind() == "message.sent");
    CHECK(sent.message().body() == "How much is a roof?");
    CHECK(sent.message().customer_phone() == "+16025550123");
    CHECK(sent.addressee().number() == "+15205232772");
}

TEST_CASE("Twilio signs addresses, and its numbers are registered") {
    CHECK(twilio().signs_address());
    CHECK(twilio().numbers_are_registered());
    CHECK(twilio().title() == "Twilio");
    CHECK(twilio().body_limit() == 2u << 20);
    for (auto name : {"callrail", "shunya"}) {
        CHECK_FALSE(providers::webhook_of(name)->signs_address());
        CHECK_FALSE(providers::webhook_of(name)->numbers_are_registered());
    }
}
