#include <fstream>
#include <sstream>

#include "base/json.hpp"
#include "base/text.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/webhook.hpp"
#include "testing/catch.hpp"

using namespace otto;
using providers::Parts;
namespace pb = otto::inbound::v1;

namespace {

const providers::Webhook& callrail() { return *providers::webhook_of("callrail"); }

http::Request post(const std::string& path, const std::string& body, const std::string& type = "application/json") {
    http::Request r;
    r.method = http::Method::post;
    r.received_at = system_clock().now();
    r.path = r.target = path.starts_with("/") ? path : "/api/v1/callrail/" + path;
    r.body = body;
    r.headers.add("Content-Type", type);
    return r;
}
providers::Normalized normalized(const http::Request& request) {
    auto parts = Parts::of(request);
    return callrail().read(parts)->normalize(parts);
}
pb::ProviderEvent said(const std::string& path, const std::string& body, const std::string& type = "application/json") {
    return *normalized(post(path, body, type)).event;
}

std::string published() {
    std::ifstream in(OTTO_SOURCE_DIR "/tests/sandbox/vectors/callrail_post_call.json", std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

}  // namespace

TEST_CASE("the published Post-Call: a voicemail, all its type traps read") {
    auto e = said("call.completed", published());
    CHECK(e.kind() == "call.completed");
    CHECK(e.not_understood().empty());
    CHECK(e.key() == "+12148654559");
    const auto& c = e.call();
    CHECK(c.provider_call_id() == "766970532");
    CHECK(c.stage() == pb::STAGE_POST_CALL);
    CHECK(c.status() == "voicemail");
    CHECK(c.duration_s() == 13);
    CHECK(c.recording_duration_s() == 8);
    CHECK(c.tracking_number() == "+14045558514");
    CHECK(c.recording_url() == "https://app.callrail.com/calls/766970532/recording/redirect?access_key=aaaaccccddddeeee");
    CHECK(to_rfc3339(from_micros(c.started_at_us())) == "2018-02-19T18:41:00.236000Z");
    CHECK(c.customer_name() == "Kaylah Mills");
    CHECK(c.source() == "Google AdWords");
    CHECK(e.addressee().provider_company_ids(0) == "155920786");
    CHECK(e.addressee().number() == "+14045558514");
    CHECK(e.addressee().purpose() == pb::PURPOSE_VOICE);
    CHECK(e.addressee().at_us() == c.started_at_us());
    CHECK_FALSE(c.has_note());
    CHECK_FALSE(c.has_tags());
}

TEST_CASE("the seeds' own examples") {
    auto a =
        said("call.completed", R"({"call_id": "test", "caller_number": "+15551234567", "tracking_number": "(202) 831-3219"})");
    CHECK(a.call().provider_call_id() == "test");
    CHECK(a.call().tracking_number() == "+12028313219");
    CHECK(a.call().status() == "completed");
    auto b = said(
        "webhook",
        R"({"call_id":"CAL123456789","account_id":"AC987654321","company_id":"12345","caller_id":"+15551234567","called_number":"+15559876543","duration":"180",
        "start_time":"2025-09-13T10:30:00Z","end_time":"2025-09-13T10:33:00Z","direction":"inbound","recording_url":"https://api.callrail.com/v3/a/AC987654321/calls/CAL123456789/recording.json",
        "answered":true,"first_call":true,"value":"unknown","good_call":null,"tags":[],"note":"","business_phone_number":"+15559876543","customer_name":"","customer_phone_number":"+15551234567",
        "tenant_id":"tenant_12345","callrail_company_id":"12345","lead_status":"good_lead"})");
    CHECK(b.call().status() == "completed");
    CHECK(b.call().duration_s() == 180);
    CHECK(b.addressee().claimed_company_id() == "tenant_12345");
    CHECK(b.call().tracking_number() == "+15559876543");
    CHECK(b.call().ended_at_us() - b.call().started_at_us() == 180'000'000);
    auto c =
        said("call.completed",
             R"({"call_id":"CAL019a4be69ef4764db2d8ac1d6b21ee00","caller_number":"+15551234567","tracking_number":"+15559876543",
        "recording_url":"https://callrail.com/recordings/abc123.mp3","duration":180,"answered":true,"timestamp":"2025-01-15T10:30:00Z"})");
    CHECK(c.call().recording_url() == "https://callrail.com/recordings/abc123.mp3");
    CHECK(c.call().answered());
}

TEST_CASE("a caller's and a company's number is one in every spelling; a hidden caller has none") {
    auto e = [](const std::string& customer, const std::string& tracking) {
        JsonWriter w;
        w.begin_object()
            .member("id", 7)
            .member("answered", true)
            .member("duration", "61")
            .member("customer_phone_number", customer)
            .member("tracking_phone_number", tracking)
            .end_object();
        return said("call.completed", w.text());
    };
    for (auto text :
         {"+16237123456", "16237123456", "6237123456", "(623) 712-3456", " 16237123456", "+1 (623) 712/3456",
          "\u202a+16237123456\u202c", "\u2068(623) 712-3456\u2069", "(623)\u00a0712\u20113456", "+1\ufe0d-623-712-3456",
          "\u200b+16237123456", "623-712-3456 x45", "623-712-3456 ext. 45", "+16237123456;ext=45", "tel:+16237123456;ext=45",
          "0016237123456", "\uff0b\uff11\uff16\uff12\uff13\uff17\uff11\uff12\uff13\uff14\uff15\uff16"}) {
        INFO(text);
        auto read = e(text, text);
        CHECK(read.key() == "+16237123456");
        CHECK(read.call().customer_phone_callable());
        CHECK(read.call().tracking_number() == "+16237123456");
    }
    for (auto text : {"Anonymous", "-1", "+266696687", "+7378742833", "+86282452253", "266696687", "+8656696", "+2562533",
                      "0000000000", "+15555555555"}) {
        INFO(text);
        auto read = e(text, "+16237000001");
        CHECK(read.key() == "7");
        CHECK_FALSE(read.call().customer_phone_callable());
    }
}

TEST_CASE("what carriers and programs write where they have nothing is absent, in every field") {
    auto with = [](const std::string& more) {
        return said(
                   "call.completed",
                   R"({"id":1,"answered":true,"duration":"61","tracking_phone_number":"+12025550101","customer_city":"PHOENIX","customer_state":"AZ",)" +
                       more + "}")
            .call();
    };
    for (auto name : {"WIRELESS CALLER",
                      "UNAVAILABLE",
                      "UNKNOWN CALLER",
                      "NOT AVAILABLE",
                      "NAME UNAVAILABLE",
                      "UNKNOWN NAME",
                      "ANONYMOUS CALLER",
                      "PRIVATE CALLER",
                      "PRIVATE NUMBER",
                      "WIRELESS CALL",
                      "CELL PHONE",
                      "TOLL FREE",
                      "SPAM RISK",
                      "SCAM LIKELY",
                      "PHOENIX      AZ",
                      "Phoenix, AZ",
                      "PHOENIX",
                      "+16235551234",
                      "V60512345678",
                      "N/A",
                      "-",
                      "null",
                      "ＵＮＫＮＯＷＮ"}) {
        INFO(name);
        CHECK_FALSE(with(std::string(R"("customer_name":")") + name + "\"").has_customer_name());
    }
    CHECK(with(R"("customer_name":"UNKNOWN CALLER","callername":"MARIA LOPEZ")").customer_name() == "MARIA LOPEZ");
    CHECK(with(R"("customer_name":"Phoenix Lopez")").customer_name() == "Phoenix Lopez");
    for (std::string nothing :
         {"N/A", "UNKNOWN", "NOT AVAILABLE", "none", "null", "-", "(not set)", "(not provided)", "undefined", "TBD", " "}) {
        INFO(nothing);
        auto e = said("call.completed",
                      R"({"id":1,"answered":true,"duration":"61","tracking_phone_number":"+12025550101","customer_city":")" +
                          nothing + R"(","customer_state":")" + nothing + R"(","customer_country":")" + nothing +
                          R"(","source":")" + nothing + R"(","campaign":")" + nothing + R"(","keywords":")" + nothing +
                          R"(","value":")" + nothing + R"(","lead_status":")" + nothing + R"(","agent_email":")" + nothing +
                          R"(","tags":[")" + nothing + R"("],"note":"none of the gutters drain"})");
        const auto& r = e.call();
        CHECK_FALSE((r.has_customer_city() || r.has_customer_state() || r.has_customer_country() || r.has_source() ||
                     r.has_campaign() || r.has_keywords() || r.has_value() || r.has_lead_status() || r.has_agent_email() ||
                     r.has_tags()));
        CHECK(r.note() == "none of the gutters drain");
    }
    auto tags = with(R"("tags":["roof","N/A","spam","none","Not booked"],"note":"N/A")");
    CHECK(std::vector<std::string>(tags.tags().begin(), tags.tags().end()) ==
          std::vector<std::string>{"roof", "spam", "Not booked"});
    CHECK(tags.note() == "N/A");                                     // a person's
    CHECK(with(R"("changes":["tags"],"tags":["N/A"])").has_tags());  // they were taken away
}

TEST_CASE("classified by payload, the path only where it cannot tell") {
    const std::string pre =
        R"({"id":1,"customer_phone_number":"+12025550100","tracking_phone_number":"+12025550101","answered":false,"duration":0,"call_type":"missed","voicemail":false})";
    CHECK(said("call.incoming", pre).call().status() == "ringing");
    CHECK_FALSE(said("call.incoming", pre).call().has_answered());  // a Pre-Call's "answered: false" says nothing
    CHECK(said("call.answered", pre).call().status() == "in_progress");
    CHECK(said("call.completed", pre).call().status() == "missed");
    CHECK(said("call.missed", pre).call().status() == "missed");
    CHECK(said("call.modified", pre).call().status() == "missed");
    CHECK(said("webhook", pre).call().status() == "missed");
    const std::string done = R"({"id":1,"answered":true,"duration":"61","tracking_phone_number":"+12025550101"})";
    for (const char* path : {"call.incoming", "call.answered", "call.completed", "call.missed", "webhook"}) {
        INFO(path);
        CHECK(said(path, done).call().status() == "completed");
        CHECK(said(path, done).call().stage() == pb::STAGE_POST_CALL);
    }
    CHECK(said("call.missed", done).kind() == "call.missed");
    CHECK(said("call.completed", R"({"id":1,"changes":["note","tags"],"note":"","tags":[]})").call().stage() ==
          pb::STAGE_MODIFIED);
    auto changed = said("call.modified", R"({"id":1,"changes":["note","tags","recording"],"note":"","tags":[]})").call();
    CHECK(changed.changed_size() == 3);
    CHECK(changed.has_tags());
    CHECK(changed.status().empty());
}

TEST_CASE("a call's type in the words of whoever speaks, where no flag says it") {
    const std::vector<std::pair<std::string, std::string>> words{{"voicemail", "voicemail"},
                                                                 {"voicemails", "voicemail"},
                                                                 {"Voice Mail", "voicemail"},
                                                                 {"left_voicemail", "voicemail"},
                                                                 {"VM", "voicemail"},
                                                                 {"voicemail_transcription", "voicemail"},
                                                                 {"missed", "missed"},
                                                                 {"Missed Call", "missed"},
                                                                 {"missed_calls", "missed"},
                                                                 {"abandoned", "missed"},
                                                                 {"Abandoned Calls", "missed"},
                                                                 {"unanswered", "missed"},
                                                                 {"not answered", "missed"},
                                                                 {"no-answer", "missed"},
                                                                 {"BUSY", "missed"},
                                                                 {"hang-up", "missed"},
                                                                 {"canceled", "missed"},
                                                                 {"cancelled", "missed"},
                                                                 {"outbound_missed", "missed"},
                                                                 {"failed", "failed"},
                                                                 {"Failed Call", "failed"},
                                                                 {"answered", "completed"},
                                                                 {"answered_calls", "completed"},
                                                                 {"first_call", "completed"},
                                                                 {"inbound", "completed"},
                                                                 {"", "completed"},
                                                                 {"in time", "completed"}};
    for (const auto& [word, status] : words) {
        INFO(word);
        CHECK(said("call.completed", R"({"id":1,"answered":null,"duration":"20","call_type":")" + word + "\"}").call().status() ==
              status);
    }
    CHECK(said("call.completed", R"({"id":1,"answered":true,"call_type":"missed_calls"})").call().status() ==
          "completed");  // a flag that is stated says more
    CHECK(said("call.completed", R"({"id":1,"call_type":"Outbound Calls"})").call().direction() == "outbound");
}

TEST_CASE("form bodies, and JSON under a form's content type") {
    auto f = said(
        "call.completed",
        "id=77&customer_phone_number=%2B12025550100&tracking_phone_number=2025550101&duration=12&answered=true&tags=roof,%20leak",
        "application/x-www-form-urlencoded");
    CHECK(f.call().duration_s() == 12);
    CHECK(f.call().tags_size() == 2);
    CHECK(f.call().tracking_number() == "+12025550101");
    CHECK(said("call.completed", R"({"id":5})", "application/x-www-form-urlencoded").call().provider_call_id() == "5");
}

TEST_CASE("what cannot be understood says why and is never refused") {
    for (const char* body :
         {"", "   ", "{", "[1,2]", "\"text\"", "{\"id\": 1} trailing", "{\"a\":\"\xff\xfe\"}", "{}", "{\"duration\": 5}"}) {
        INFO(body);
        auto e = said("call.completed", body);
        CHECK_FALSE(e.not_understood().empty());
        CHECK_FALSE(e.key().empty());
    }
    CHECK_FALSE(said("call.completed", std::string(200'000, '[')).not_understood().empty());
    CHECK_FALSE(said("call.completed", "a=\xff", "application/x-www-form-urlencoded").not_understood().empty());
}

TEST_CASE("odd values are dropped or kept as text, never trusted") {
    auto c = [](const std::string& fields) {
        return said("call.completed", "{\"id\":1,\"answered\":true," + fields + "}").call();
    };
    CHECK_FALSE(c(R"("duration":-5)").has_duration_s());
    CHECK_FALSE(c(R"("duration":99999999999999)").has_duration_s());
    CHECK_FALSE(c(R"("duration":"soon")").has_duration_s());
    CHECK(c(R"("duration":12,"duration":99)").duration_s() == 12);
    for (auto none : {"yesterday", "20261129", "2026-11-29", "5", "2026", "20261129100000"})
        CHECK_FALSE(c("\"start_time\":\"" + std::string(none) + "\"").has_started_at_us());
    CHECK(c(R"("start_time":"20261129","datetime":"2026-11-29 10:00:00")").started_at_us() ==
          to_micros(*parse_time("2026-11-29T10:00:00Z")));
    CHECK(c(R"("start_time":1795953600)").started_at_us() == 1'795'953'600'000'000);
    CHECK(c(R"("datetime":"2018-02-19 18:41:00")").started_at_us() ==
          c(R"("start_time":"2018-02-19T13:41:00-05:00")").started_at_us());
    CHECK_FALSE(c(R"j("recording":"javascript:alert(1)")j").has_recording_url());
    for (const char* caller : {"Anonymous", "sip:bob@example.com", "74483", "Restricted"}) {
        INFO(caller);
        auto r = c("\"customer_phone_number\":\"" + std::string(caller) + "\"");
        CHECK_FALSE(r.customer_phone_callable());
        CHECK(r.customer_phone() == lower(caller));
    }
    CHECK(c(R"("customer_phone_number":"+442071838750")").customer_phone_callable());
    CHECK(said("call.completed", R"({"id":1,"customer_phone_number":"Anonymous"})").key() == "1");
}

TEST_CASE("a NUL, which no row can hold, is left out of every text") {
    const std::string nul("\0", 1);
    auto e = said(
        "call.completed",
        R"({"id":"CAL\u00001","customer_name":"An\u0000n","note":"\u0000","tags":["a\u0000b","\u0000"],"changes":["no\u0000te"],"customer_phone_number":"anon\u0000"})");
    CHECK(e.SerializeAsString().find(nul) == std::string::npos);
    CHECK(e.call().provider_call_id() == "CAL1");
    CHECK(e.call().customer_name() == "Ann");
    CHECK_FALSE(e.call().has_note());
    REQUIRE(e.call().tags_size() == 1);
    CHECK(e.call().tags(0) == "ab");
    CHECK(e.call().changed(0) == "note");
    CHECK(e.key() == "CAL1");
    auto f = said("call.completed", "id=7%00&customer_name=A%00", "application/x-www-form-urlencoded");
    CHECK(f.call().provider_call_id() == "7");
    CHECK(f.call().customer_name() == "A");
}

TEST_CASE("texts, as CallRail tells them") {
    const std::string path = "/sms/callrail-webhook";
    auto take = [&](const std::string& body) { return normalized(post(path, body)); };
    auto n = take(
        R"({"id":5,"resource_id":"SCI5","source_number":"(202) 555-0177","destination_number":"+12025550101","content":" How much is a roof? 🏠\u0000\n","message_type":"mms","media_urls":["https://media.example/1.jpg","ftp://media.example/2","https://media.example/3"],"agent":null,"timestamp":"2026-01-02T03:04:05Z"})");
    CHECK_FALSE(n.waits);
    CHECK(n.identity == "SCI5");
    CHECK(n.customer == "+12025550177");
    CHECK(n.event->kind() == "message.received");
    CHECK(n.event->key() == "+12025550177");
    const auto& m = n.event->message();
    CHECK(m.provider_message_id() == "SCI5");
    CHECK(m.company_number() == "+12025550101");
    CHECK(m.customer_phone() == "+12025550177");
    CHECK(m.customer_phone_callable());
    CHECK(m.direction() == "inbound");
    CHECK(m.status() == "received");
    CHECK(m.has_body());
    CHECK(m.body() == " How much is a roof? 🏠\n");
    REQUIRE(m.media_size() == 2);
    CHECK(m.media(0).url() == "https://media.example/1.jpg");
    CHECK(m.media(1).url() == "https://media.example/3");
    CHECK_FALSE(m.has_agent());
    CHECK(to_rfc3339(from_micros(m.sent_at_us())) == "2026-01-02T03:04:05Z");
    CHECK(n.event->addressee().number() == "+12025550101");
    CHECK(n.event->addressee().other_number() == "+12025550177");
    CHECK(n.event->addressee().purpose() == pb::PURPOSE_TEXT);
    CHECK(n.event->addressee().at_us() == m.sent_at_us());

    auto sent =
        take(R"({"id":6,"source_number":"+12025550101","destination_number":"+12025550177","content":"","agent":"Ann Lee"})");
    CHECK(sent.event->kind() == "message.sent");
    CHECK(sent.event->key() == "+12025550177");
    CHECK(sent.event->message().company_number() == "+12025550101");
    CHECK(sent.event->message().direction() == "outbound");
    CHECK(sent.event->message().status() == "sent");
    CHECK(sent.event->message().has_body());
    CHECK(sent.event->message().body() == "");
    CHECK(sent.event->message().agent() == "Ann Lee");
    CHECK(sent.event->addressee().number() == "+12025550101");
    CHECK_FALSE(take("no json").event->not_understood().empty());
    CHECK_FALSE(take("{}").event->not_understood().empty());
    CHECK(take("{}").waits);
    auto all_paths = callrail().paths();
    CHECK(std::find(all_paths.begin(), all_paths.end(), path) != all_paths.end());
}

TEST_CASE("texts in the names of seed 001, as JSON and as a form") {
    auto take = [&](const std::string& body, const std::string& type = "application/json") {
        return *normalized(post("/sms/callrail-webhook", body, type)).event;
    };
    for (auto [from, to, text, id] : {std::tuple{"from_number", "to_number", "message", "message_id"},
                                      {"caller_number", "tracking_number", "text", "id"},
                                      {"from_number", "tracking_number", "message", "id"}}) {
        INFO(from << " " << to);
        for (bool form : {false, true}) {
            auto body = form ? std::string(from) + "=%2B12025550177&" + to + "=2025550101&" + text + "=A%20roof%3F&" + id + "=77"
                             : std::string(R"({")") + from + R"(":"+12025550177",")" + to + R"(":"2025550101",")" + text +
                                   R"(":"A roof?",")" + id + R"(":77})";
            auto e = take(body, form ? "application/x-www-form-urlencoded" : "application/json");
            CHECK(e.not_understood().empty());
            CHECK(e.kind() == "message.received");
            CHECK(e.message().provider_message_id() == "77");
            CHECK(e.message().customer_phone() == "+12025550177");
            CHECK(e.message().company_number() == "+12025550101");
            CHECK(e.message().body() == "A roof?");
        }
    }
    // These names say themselves which end is ours.
    auto sent = take(
        R"({"id":1,"caller_number":"+12025550177","tracking_number":"+12025550101","message":"Ours","direction":"outbound"})");
    CHECK(sent.kind() == "message.sent");
    CHECK(sent.message().company_number() == "+12025550101");
    CHECK(sent.message().customer_phone() == "+12025550177");
}

TEST_CASE("a text without a callable other end, and one with twenty pictures") {
    auto take = [&](const std::string& body) { return *normalized(post("/sms/callrail-webhook", body)).event; };
    for (auto from : {"Anonymous", "74483", "+266696687"}) {
        INFO(from);
        auto e = take(R"({"resource_id":"SCI1","source_number":")" + std::string(from) +
                      R"(","destination_number":"+12025550101","content":"Hi"})");
        CHECK_FALSE(e.message().customer_phone_callable());
        CHECK(e.message().customer_phone() == lower(from));
        CHECK(e.addressee().other_number().empty());
        CHECK(e.key() == "SCI1");
    }
    std::string urls, long_url = "https://media.example/" + std::string(3'900, 'x');
    for (int i = 0; i < 20; ++i) urls += ",\"https://media.example/" + std::to_string(i) + "\"";
    auto e = take(R"({"id":1,"destination_number":"+12025550101","media_urls":[")" + long_url + "\",\"https://media.example/" +
                  std::string(4'000, 'y') + "\"" + urls + "]}");
    REQUIRE(e.message().media_size() == 21);
    CHECK(e.message().media(0).url() == long_url);  // and none that is cut
    CHECK(e.message().has_body());
}

TEST_CASE("a body of more than a thousand fields is not understood, and names nobody") {
    std::string form = "id=1&tracking_phone_number=2025550101", json = R"({"id":1,"tracking_phone_number":"+12025550101")";
    for (int i = 0; i < 998; ++i) {
        form += "&a=";
        json += ",\"a" + std::to_string(i) + "\":1";
    }
    CHECK(said("call.completed", form, "application/x-www-form-urlencoded").not_understood().empty());
    CHECK(said("call.completed", json + "}").not_understood().empty());
    form += "&b=";
    json += ",\"b\":1";
    CHECK(said("call.completed", form, "application/x-www-form-urlencoded").not_understood() ==
          "the form has more than 1000 fields");
    CHECK(said("call.completed", json + "}").not_understood() == "the body has more than 1000 fields");
    auto request = post("call.completed", form, "application/x-www-form-urlencoded");
    CHECK(callrail().read(Parts::of(request))->addressee().number().empty());
    std::string tags = "id=1&tags=", changes = R"({"id":1,"changes":{)";
    for (int i = 0; i < 5'000; ++i) {
        tags += "t,";
        changes += (i ? ",\"c" : "\"c") + std::to_string(i) + "\":1";
    }
    CHECK(said("call.completed", tags, "application/x-www-form-urlencoded").call().tags_size() == 200);
    CHECK(said("call.modified", changes + "}}").call().changed_size() <= 100);
}
