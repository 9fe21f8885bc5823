// Calls of Twilio: what each of their webhooks says, under which id, and what answers it.
#include <algorithm>
#include <map>
#include <set>

#include "base/text.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/webhook.hpp"
#include "testing/catch.hpp"

using namespace otto;
using providers::Parts;
namespace pb = otto::inbound::v1;

namespace {

using Fields = std::map<std::string, std::string>;
const providers::Webhook& twilio() { return *providers::webhook_of("twilio"); }
const std::string kAloha = "/api/aloha/webhooks/", kAccount = "AC0123456789abcdef0123456789abcdef";
const std::string kCall = "CA" + std::string(32, '1'), kLeg = "CA" + std::string(32, '2'),
                  kRecording = "RE" + std::string(32, '3');
const std::string kTheirs = "+16025550123", kOurs = "+15205232772";

std::string form(const Fields& fields) {
    std::string out;
    for (const auto& [name, value] : fields) out += (out.empty() ? "" : "&") + name + "=" + percent_encode(value);
    return out;
}

struct Said {
    providers::Normalized normalized;
    const pb::ProviderEvent& event() const { return *normalized.event; }
    const pb::CallReport& call() const { return event().call(); }
    /// As the ingress has it answered.
    http::Response answer(const providers::Callee* callee = nullptr) const {
        const auto* moment = normalized.moment ? &*normalized.moment : nullptr;
        return twilio().answer({"id", "authentic", *normalized.event, moment, callee, system_clock().now()});
    }
};

Said said(const std::string& target, const std::string& body, const std::string& signature = "") {
    http::Request r;
    r.method = http::Method::post;
    r.target = target;
    r.path = target.substr(0, target.find('?'));
    r.body = body;
    r.headers.add("Content-Type", "application/x-www-form-urlencoded");
    if (!signature.empty()) r.headers.add("X-Twilio-Signature", signature);
    auto parts = Parts::of(r);
    auto reading = twilio().read(parts);
    Said out{reading->normalize(parts)};
    CHECK(out.event().addressee().SerializeAsString() == reading->addressee().SerializeAsString());
    pb::ProviderEvent back;
    CHECK(back.ParseFromString(out.event().SerializeAsString()));  // whatever bytes came
    CHECK_FALSE(out.event().key().empty());
    CHECK(out.normalized.waits == !out.event().not_understood().empty());
    return out;
}
Said said(const std::string& hook, const Fields& fields) { return said(kAloha + hook, form(fields)); }

Fields call(Fields more = {}) {
    Fields out{{"CallSid", kCall},       {"AccountSid", kAccount},  {"From", kTheirs},           {"To", kOurs},
               {"Direction", "inbound"}, {"CallStatus", "ringing"}, {"ApiVersion", "2010-04-01"}};
    for (auto& [name, value] : more) out[name] = value;
    return out;
}
Fields leg(Fields more = {}) {
    Fields out = call(
        {{"CallSid", kLeg}, {"ParentCallSid", kCall}, {"From", kOurs}, {"To", "+16025550199"}, {"Direction", "outbound-dial"}});
    for (auto& [name, value] : more) out[name] = value;
    return out;
}
Fields recording(Fields more = {}) {
    Fields out{{"CallSid", kCall},
               {"AccountSid", kAccount},
               {"RecordingSid", kRecording},
               {"RecordingUrl", "https://api.twilio.com/2010-04-01/Accounts/" + kAccount + "/Recordings/" + kRecording},
               {"RecordingStatus", "completed"},
               {"RecordingDuration", "17"},
               {"RecordingChannels", "1"},
               {"RecordingSource", "RecordVerb"},
               {"RecordingStartTime", "Mon, 30 Nov 2026 10:00:00 +0000"},
               {"ErrorCode", "0"}};
    for (auto& [name, value] : more) out[name] = value;
    return out;
}
Fields without(Fields fields, const std::string& name) {
    fields.erase(name);
    return fields;
}

constexpr std::int64_t kTen = 1'796'032'800'000'000;  // 2026-11-30T10:00:00Z

}  // namespace

TEST_CASE("a call that comes in: both ends, who calls and from where, and no more than is known") {
    auto in = said("incoming-call", call({{"FromCity", "PHOENIX"},
                                          {"FromState", "AZ"},
                                          {"FromCountry", "US"},
                                          {"ToCity", "TUCSON"},
                                          {"CallerName", "JANE DOE"}}));
    const auto& c = in.call();
    CHECK(in.event().kind() == "call.incoming");
    CHECK(in.event().key() == kTheirs);
    CHECK(c.provider_call_id() == kCall);
    CHECK((c.aliases_size() == 1 && c.aliases(0) == kCall));
    CHECK(c.stage() == pb::STAGE_PROGRESS);
    CHECK(c.customer_phone() == kTheirs);
    CHECK(c.customer_phone_callable());
    CHECK(c.tracking_number() == kOurs);
    CHECK(c.direction() == "inbound");
    CHECK(c.status() == "ringing");
    CHECK(c.customer_name() == "JANE DOE");
    CHECK((c.customer_city() == "PHOENIX" && c.customer_state() == "AZ" && c.customer_country() == "US"));
    CHECK_FALSE((c.has_answered() || c.has_duration_s() || c.has_sequence() || c.has_started_at_us() || c.has_ended_at_us()));
    CHECK_FALSE((c.has_recording() || c.has_consent_notice_sha256() || c.has_recording_url()));
    const auto& a = in.event().addressee();
    CHECK((a.number() == kOurs && a.purpose() == pb::PURPOSE_VOICE && a.account_id() == kAccount));
    CHECK((a.provider_call_id().empty() && !a.has_at_us()));
    CHECK(in.normalized.customer == kTheirs);
    REQUIRE(in.normalized.moment);
    CHECK(in.normalized.moment->kind == providers::CallMoment::Kind::incoming);
    CHECK((in.normalized.moment->call_sid == kCall && in.normalized.moment->from == kTheirs && !in.normalized.moment->over));
    // Carriers name the place, or nothing.
    for (std::string name : {"PHOENIX      AZ", "WIRELESS CALLER", "Anonymous", "unknown", " "})
        CHECK_FALSE(said("incoming-call", call({{"FromCity", "PHOENIX"}, {"FromState", "AZ"}, {"CallerName", name}}))
                        .call()
                        .has_customer_name());
    // Of a call that goes out the customer is at the other end, and the name is the company's.
    auto out = said("call-status", call({{"From", kOurs},
                                         {"To", kTheirs},
                                         {"Direction", "outbound-api"},
                                         {"ToCity", "MESA"},
                                         {"FromCity", "TUCSON"},
                                         {"CallerName", "ACE ROOFING"}}));
    CHECK((out.call().customer_phone() == kTheirs && out.call().tracking_number() == kOurs));
    CHECK((out.call().direction() == "outbound" && out.call().customer_city() == "MESA" && !out.call().has_customer_name()));
    CHECK(out.event().addressee().number() == kOurs);
}

TEST_CASE("the path tells a call's webhooks apart, and what came the payload alone") {
    for (auto [path, kind] :
         std::vector<std::pair<std::string, std::string>>{{kAloha + "incoming-call", "call.incoming"},
                                                          {"/api/v1/twilio-webhook", "call.incoming"},
                                                          {"/sms/twilio-webhook", "call.incoming"},
                                                          {kAloha + "call-status", "call.status"},
                                                          {kAloha + "message-status", "call.status"},
                                                          {kAloha + "next-step?flow=f&step=1", "call.step"},
                                                          {kAloha + "voicemail-recorded", "call.recording"}}) {
        INFO(path);
        CHECK(
            said(path, form(call({{"RecordingUrl", "https://api.twilio.com/x"}, {"RecordingSid", kRecording}}))).event().kind() ==
            kind);
        CHECK(said(path, form(recording())).event().kind() == "call.recording");
        CHECK(said(path, "MessageSid=SM1&CallSid=" + kCall).event().kind() == "message.received");
        CHECK(said(path, form(call({{"RecordingSid", kRecording}}))).answer().status ==
              (kind == "call.status" || kind == "call.recording" ? 204 : 200));
        CHECK(said(path, form(recording())).answer().status == 204);
    }
}

TEST_CASE("how a call stands, in our words, by one table; it is taken at its number and at its time") {
    for (auto [theirs, ours] : std::vector<std::pair<std::string, std::string>>{{"queued", "ringing"},
                                                                                {"initiated", "ringing"},
                                                                                {"ringing", "ringing"},
                                                                                {"in-progress", "in_progress"},
                                                                                {"completed", "ended"},
                                                                                {"Completed", "ended"},
                                                                                {"busy", "missed"},
                                                                                {"no-answer", "missed"},
                                                                                {"canceled", "missed"},
                                                                                {"failed", "failed"}}) {
        INFO(theirs);
        for (std::string hook : {"call-status", "next-step", "incoming-call"}) {
            auto one = said(hook, call({{"CallStatus", theirs}}));
            CHECK(one.call().status() == ours);
            CHECK_FALSE(one.call().has_answered());
            CHECK(one.event().not_understood().empty());
        }
    }
    auto strange = said("call-status", call({{"CallStatus", "teleported"}}));
    CHECK(strange.event().not_understood() == "status 'teleported' is not known");
    CHECK(strange.answer().status == 204);
    auto answered = said("incoming-call", call({{"CallStatus", "teleported"}}));  // whoever calls is answered all the same
    CHECK((answered.event().not_understood().empty() && answered.call().status().empty() && answered.normalized.moment));

    const std::string at_end = "Mon, 30 Nov 2026 10:00:49 +0000";
    auto ended = said("call-status", call({{"CallStatus", "completed"},
                                           {"Timestamp", at_end},
                                           {"SequenceNumber", "3"},
                                           {"CallDuration", "49"},
                                           {"Duration", "1"},
                                           {"CallbackSource", "call-progress-events"}}));
    CHECK(ended.call().duration_s() == 49);
    CHECK(ended.call().sequence() == 3);
    CHECK(ended.call().ended_at_us() == kTen + 49'000'000);
    CHECK(ended.call().started_at_us() == kTen);
    CHECK(ended.event().addressee().at_us() == kTen);  // whose the number was when it began
    CHECK_FALSE(ended.call().has_answered());
    auto began = said("call-status", call({{"CallStatus", "initiated"}, {"Timestamp", at_end}, {"SequenceNumber", "0"}}));
    CHECK((began.call().started_at_us() == kTen + 49'000'000 && !began.call().has_ended_at_us() && began.call().sequence() == 0));
    auto taken = said("call-status", call({{"CallStatus", "in-progress"}, {"Timestamp", at_end}}));
    CHECK_FALSE((taken.call().has_started_at_us() || taken.call().has_ended_at_us()));
    for (std::string odd : {"-1", "1.5", "many", "99999999999999999999", "604801", "", " "}) {
        INFO(odd);
        CHECK_FALSE(said("call-status", call({{"CallDuration", odd}, {"Duration", "7"}})).call().has_duration_s());
        if (odd != "604801") CHECK_FALSE(said("call-status", call({{"SequenceNumber", odd}})).call().has_sequence());
    }
    CHECK_FALSE(said("call-status", call({{"Timestamp", "yesterday"}})).call().has_started_at_us());
}

TEST_CASE("somebody was spoken to where a dialled number took the call, or the stream began") {
    auto answered = [](const Fields& more) { return said("next-step", call(more)).call().answered(); };
    for (std::string status : {"completed", "answered"})
        CHECK(answered({{"DialCallStatus", status}, {"CallStatus", "in-progress"}}));
    for (std::string status : {"busy", "no-answer", "failed", "canceled", ""}) {
        auto one = said("next-step", call({{"DialCallStatus", status}}));
        CHECK_FALSE(one.call().has_answered());
    }
    const Fields stream{{"CallSid", kCall}, {"AccountSid", kAccount}, {"StreamSid", "MZ1"}, {"StreamEvent", "stream-started"}};
    auto started = said("next-step", stream);
    CHECK((started.call().answered() && started.call().status().empty()));
    CHECK((started.call().customer_phone().empty() && started.call().tracking_number().empty()));
    CHECK(started.event().addressee().provider_call_id() == kCall);
    CHECK(started.answer().body == "<Response/>");  // nobody reads it
    for (std::string event : {"stream-stopped", "stream-error"}) {
        auto other = stream;
        other["StreamEvent"] = event;
        CHECK_FALSE(said("next-step", other).call().has_answered());
    }
}

TEST_CASE("a leg is part of the call that dialled it: it proves that somebody answered, and nothing else") {
    for (auto [status, takes] : std::vector<std::pair<std::string, bool>>{{"initiated", false},
                                                                          {"ringing", false},
                                                                          {"in-progress", true},
                                                                          {"completed", false},
                                                                          {"busy", false},
                                                                          {"no-answer", false},
                                                                          {"canceled", false},
                                                                          {"failed", false},
                                                                          {"teleported", false}}) {
        INFO(status);
        auto one = said("call-status", leg({{"CallStatus", status},
                                            {"SequenceNumber", "2"},
                                            {"Timestamp", "Mon, 30 Nov 2026 10:00:00 +0000"},
                                            {"CallDuration", "0"},
                                            {"CallerName", "JANE"},
                                            {"ToCity", "MESA"}}));
        const auto& c = one.call();
        CHECK(one.event().not_understood().empty());
        CHECK(c.provider_call_id() == kCall);
        CHECK((c.aliases_size() == 2 && c.aliases(0) == kCall && c.aliases(1) == kLeg));
        CHECK(c.has_answered() == takes);
        CHECK((c.status().empty() && c.customer_phone().empty() && c.tracking_number().empty() && !c.has_direction()));
        CHECK_FALSE(
            (c.has_sequence() || c.has_duration_s() || c.has_started_at_us() || c.has_ended_at_us() || c.has_customer_city()));
        CHECK(one.event().key() == kCall);
        const auto& a = one.event().addressee();
        CHECK((a.number().empty() && a.provider_call_id() == kCall && a.account_id() == kAccount));
        CHECK(one.normalized.identity == kLeg + ":" + status + ":2");
        CHECK(one.answer().status == 204);
    }
    CHECK(said("call-status", leg({{"CallStatus", "completed"}, {"CallDuration", "12"}})).call().answered());
    for (std::string machine : {"machine_start", "machine_end_beep", "fax"})
        CHECK_FALSE(said("call-status", leg({{"CallStatus", "in-progress"}, {"AnsweredBy", machine}})).call().has_answered());
    CHECK(said("call-status", leg({{"CallStatus", "in-progress"}, {"AnsweredBy", "human"}})).call().answered());
    // One that dials another company's number is a call there, whoever dialled.
    auto in = said("incoming-call", leg({{"Direction", "inbound"}}));
    CHECK((in.call().provider_call_id() == kLeg && in.event().addressee().number() == "+16025550199" && in.normalized.moment));
}

TEST_CASE("a recording names its call alone; one that is not there is told too") {
    auto voicemail = said("voicemail-recorded", recording());
    const auto& r = voicemail.call().recording();
    CHECK(voicemail.event().kind() == "call.recording");
    CHECK(voicemail.event().key() == kCall);
    CHECK((voicemail.call().provider_call_id() == kCall && voicemail.call().aliases(0) == kCall));
    CHECK((voicemail.call().status().empty() && !voicemail.call().has_answered() && !voicemail.call().has_duration_s()));
    CHECK(r.sid() == kRecording);
    CHECK(r.url() == "https://api.twilio.com/2010-04-01/Accounts/" + kAccount + "/Recordings/" + kRecording);
    CHECK((r.status() == "completed" && r.duration_s() == 17 && r.voicemail() && r.started_at_us() == kTen));
    const auto& a = voicemail.event().addressee();
    CHECK(
        (a.number().empty() && a.provider_call_id() == kCall && a.account_id() == kAccount && a.purpose() == pb::PURPOSE_VOICE));
    CHECK(voicemail.normalized.identity == kRecording + ":completed");
    CHECK(voicemail.normalized.whole);
    for (std::string source : {"DialVerb", "Conference", "OutboundAPI", "Trunking", "StartCallRecordingAPI", ""})
        CHECK_FALSE(said("voicemail-recorded", recording({{"RecordingSource", source}})).call().recording().voicemail());
    for (auto [theirs, ours] : std::vector<std::pair<std::string, std::string>>{
             {"in-progress", "in_progress"}, {"completed", "completed"}, {"absent", "absent"}, {"failed", "failed"}}) {
        auto one = said("voicemail-recorded", recording({{"RecordingStatus", theirs}}));
        CHECK(one.call().recording().status() == ours);
        CHECK(one.normalized.identity == kRecording + ":" + ours);
        CHECK(one.event().not_understood().empty());
    }
    // A number in it is nobody's word for whose call it is.
    auto named = said("voicemail-recorded", recording({{"To", kOurs}, {"From", kTheirs}, {"CallStatus", "completed"}}));
    CHECK(
        (named.event().addressee().number().empty() && named.call().tracking_number().empty() && named.call().status().empty()));
    auto why = [](const Fields& fields) {
        auto one = said("voicemail-recorded", fields);
        CHECK(one.answer().status == 204);
        return one.event().not_understood();
    };
    CHECK(why(recording({{"RecordingStatus", "deleted"}})) == "status 'deleted' of a recording is not known");
    CHECK(why(without(recording(), "RecordingSid")) == "it names no recording (RecordingSid)");
    CHECK(why(without(recording(), "RecordingStatus")) == "it says of no recording how it stands (RecordingStatus)");
    for (std::string none : {"absent", "failed"})
        CHECK(why(without(recording({{"RecordingStatus", none}}), "RecordingSid")).empty());
    CHECK(why(without(recording(), "CallSid")) == "it names no text (MessageSid) and no call (CallSid)");
    CHECK(said("voicemail-recorded", recording({{"RecordingUrl", "javascript:x"}})).call().recording().url().empty());
}

TEST_CASE("each event of a call has an id of its own, and a repeat the same") {
    auto id = [](const std::string& target, const Fields& fields) {
        auto one = said(kAloha + target, form(fields));
        return one.event().kind() + " " + one.normalized.identity + (one.normalized.whole ? "" : " +body");
    };
    const auto status = call({{"CallStatus", "completed"}, {"SequenceNumber", "3"}});
    CHECK(id("call-status", status) == "call.status " + kCall + ":completed:3");
    auto again = status;
    again["StirVerstat"] = "TN-Validation-Passed-A";
    CHECK(id("call-status", again) == id("call-status", status));
    CHECK(id("call-status", without(status, "SequenceNumber")) == "call.status " + kCall + ":completed   +body");
    CHECK(id("incoming-call", call()) == "call.incoming " + kCall + ":ringing   +body");
    CHECK(id("next-step?flow=ab12&step=open.1", call({{"CallStatus", "in-progress"}})) ==
          "call.step " + kCall + ":in-progress ab12 open.1 +body");
    std::set<std::string> all;
    for (const auto& [target, fields] :
         std::vector<std::pair<std::string, Fields>>{{"incoming-call", call()},
                                                     {"call-status", call()},
                                                     {"call-status", status},
                                                     {"call-status", call({{"SequenceNumber", "1"}})},
                                                     {"next-step?flow=a&step=1", call()},
                                                     {"next-step?flow=a&step=2", call()},
                                                     {"call-status", leg({{"SequenceNumber", "1"}})},
                                                     {"voicemail-recorded", recording()},
                                                     {"voicemail-recorded", recording({{"RecordingStatus", "absent"}})}})
        CHECK(all.insert(id(target, fields)).second);
    CHECK(id("call-status", recording()) == id("voicemail-recorded", recording()));
    // Another address of the recording is no other recording.
    CHECK(id("voicemail-recorded", recording({{"RecordingUrl", "https://api.twilio.com/elsewhere"}})) ==
          id("voicemail-recorded", recording()));
}

TEST_CASE("who has one signed request and cuts it anew has no other call") {
    for (const auto& fields : {call({{"CallSid", kCall + "1"}}), leg({{"ParentCallSid", kCall + "CallStatusringing"}})}) {
        auto one = said(kAloha + "call-status", form(fields), "kvajT1Pt=");
        CHECK(one.event().not_understood() == "it names a call, or its recording, by more than a SID");
        CHECK_FALSE(one.event().has_call());
        CHECK(one.event().kind() == "call.status");
        CHECK(one.event().addressee().provider_call_id().empty());
        CHECK(one.normalized.whole);
        CHECK(one.normalized.identity.ends_with(" kvajT1Pt="));
        CHECK(one.answer().status == 204);
    }
    CHECK(said(kAloha + "voicemail-recorded", form(recording({{"RecordingSid", kRecording + "x"}})), "kvajT1Pt=")
              .event()
              .not_understood() == "it names a call, or its recording, by more than a SID");
    auto cut = said(kAloha + "incoming-call", form(call({{"CallSid", kCall + "x"}})));
    CHECK(cut.answer().body == providers::nobody_answers());
    CHECK_FALSE(cut.normalized.whole);
}

TEST_CASE("who calls may be nobody that can be called") {
    for (auto [from, kept] : std::vector<std::pair<std::string, std::string>>{{"+266696687", "+266696687"},
                                                                              {"Anonymous", "anonymous"},
                                                                              {"sip:jane@example.com", "sip:jane@example.com"},
                                                                              {"client:jane", "client:jane"},
                                                                              {"", ""}}) {
        INFO(from);
        auto one = said("incoming-call", call({{"From", from}}));
        CHECK(one.call().customer_phone() == kept);
        CHECK_FALSE(one.call().customer_phone_callable());
        CHECK(one.event().key() == kCall);
        CHECK((one.normalized.moment && one.normalized.moment->from == kept));
    }
    auto to_client = said("incoming-call", call({{"To", "client:browser"}}));
    CHECK(to_client.event().addressee().number() == "client:browser");
    auto to_nobody = said("incoming-call", call({{"To", ""}}));
    CHECK(to_nobody.event().addressee().provider_call_id() == kCall);
    CHECK(to_nobody.answer().body == providers::nobody_answers());
}

TEST_CASE("what strangers write is kept as rows can keep it, and none of it is in an answer of ours") {
    const std::string evil = "</Say><Dial>+19005550100</Dial>&\"'\x01" + std::string("\xff") + "\xf0\x9f\x92\xaf";
    for (std::string name :
         {"CallerName", "FromCity", "FromState", "FromCountry", "From", "Direction", "CallStatus", "ApiVersion"}) {
        INFO(name);
        auto one = said(kAloha + "incoming-call", form(call({{name, evil}})) + "%00");
        CHECK(valid_utf8(one.call().customer_name() + one.call().customer_city() + one.call().customer_phone()));
        CHECK(one.answer().body == providers::nobody_answers());
        auto long_one = said("incoming-call", call({{name, std::string(100'000, 'x')}}));
        CHECK(long_one.event().ByteSizeLong() < 3'000);
    }
    // The flow tells its stream who calls, and says nothing else that the caller wrote.
    providers::Callee callee;
    callee.company_id = "org_a";
    callee.number = kOurs;
    callee.public_url = "https://otto.example";
    callee.call_flow = R"({"open":[{"stream":"wss://agent.example/call"}]})";
    for (std::string name : {"CallerName", "FromCity", "From", "CallSid", "CallStatus", "Direction", "ForwardedFrom"}) {
        INFO(name);
        for (const auto& [target, flow] : std::vector<std::pair<std::string, std::string>>{
                 {"incoming-call", callee.call_flow},
                 {"next-step?flow=" + percent_encode(evil) + "&step=" + percent_encode(evil), ""}}) {
            callee.call_flow = flow;
            auto said_to =
                said(kAloha + target, form(call({{name, name == "CallSid" ? "CA</Say><Dial>1" : evil}}))).answer(&callee).body;
            CHECK(said_to.starts_with("<"));
            CHECK(said_to.find("<Dial") == std::string::npos);
            CHECK(valid_utf8(said_to));
            CHECK(said_to.size() <= providers::kLongestTwiml);
        }
        callee.call_flow = R"({"open":[{"stream":"wss://agent.example/call"}]})";
    }
    CHECK(said("incoming-call", call({{"CallerName", "Zo\xc3\xab <b>"}})).call().customer_name() == "Zo\xc3\xab <b>");
    auto step = said(kAloha + "next-step?flow=" + std::string(5'000, 'f') + "&step=%00%ff", form(call()));
    REQUIRE(step.normalized.moment);
    CHECK(step.normalized.moment->flow.size() <= 200);
    CHECK(valid_utf8(step.normalized.moment->step));
}

TEST_CASE("what answers: the flow of the callee, and one sentence for whoever is nobody's") {
    providers::Callee callee;
    callee.company_id = "org_a";
    callee.timezone = "America/Phoenix";
    callee.number = kOurs;
    callee.public_url = "https://otto.example";
    for (std::string hook : {"incoming-call", "next-step"}) {
        INFO(hook);
        auto one = said(hook, call());
        auto answer = one.answer(&callee);
        CHECK(answer.status == 200);
        CHECK(answer.headers.get("content-type") == "text/xml");
        CHECK(answer.body.starts_with("<"));
        CHECK(one.call().has_consent_notice_sha256());
        auto nobodys = said(hook, call());
        CHECK(nobodys.answer().body == providers::nobody_answers());
        CHECK_FALSE(nobodys.call().has_consent_notice_sha256());
        callee.active = false;
        auto suspended = said(hook, call());
        CHECK(suspended.answer(&callee).body == providers::nobody_answers());
        CHECK_FALSE(suspended.call().has_consent_notice_sha256());
        callee.active = true;
    }
    for (std::string hook : {"call-status", "voicemail-recorded"}) CHECK(said(hook, call()).answer(&callee).status == 204);
    auto step = said(kAloha + "next-step?flow=ab&step=open.1",
                     form(call({{"DialCallStatus", "no-answer"}, {"CallStatus", "completed"}})));
    CHECK((step.normalized.moment->flow == "ab" && step.normalized.moment->step == "open.1"));
    CHECK((step.normalized.moment->dial_status == "no-answer" && step.normalized.moment->over));
    step.answer(&callee);
    CHECK_FALSE(step.call().consent_notice_played());  // nobody hears it
}
