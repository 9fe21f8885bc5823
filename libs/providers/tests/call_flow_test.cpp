// What a caller meets: the documents of flows, and calls that are played through them.
#include "providers/call_flow.hpp"

#include <algorithm>
#include <random>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "testing/catch.hpp"
#include "twiml_reader.hpp"

using namespace otto;
using namespace otto::providers;
using otto::providers::tests::Element;
using otto::providers::tests::TwimlReader;

namespace {

const Instant kMondayNoon = *parse_time("2026-11-30T19:00:00Z");  // in Phoenix
const std::string kCallSid = "CA0123456789abcdef0123456789abcdef", kCaller = "+14805550123", kNumber = "+16025550100";
const std::string kHooks = "https://otto.example/api/aloha/webhooks/";

Callee company(const std::string& flow) {
    return {.company_id = "org_1",
            .timezone = "America/Phoenix",
            .call_flow = flow,
            .number = kNumber,
            .public_url = "https://otto.example"};
}

Element parsed(const std::string& twiml) {
    std::string why;
    auto root = TwimlReader::read(twiml, why);
    INFO(twiml.substr(0, 2'000));
    REQUIRE(why == "");
    return *root;
}

/// As one reads it: "say Hello · dial +1… 20 · record 120 · hangup".
std::string told(const std::string& twiml) {
    std::string out;
    for (const auto& verb : parsed(twiml).inside) {
        if (!out.empty()) out += " · ";
        if (verb.name == "Say") out += "say " + verb.text;
        if (verb.name == "Hangup") out += "hangup";
        if (verb.name == "Redirect") out += "redirect";
        if (verb.name == "Record") out += "record " + verb["maxLength"];
        if (verb.name == "Start") out += "start " + verb.inside.at(0).name;
        if (verb.name == "Connect") out += "stream " + verb.inside.at(0)["url"];
        if (verb.name == "Dial") {
            out += "dial";
            for (const auto& number : verb.inside) out += " " + number.text;
            out += " " + verb["timeout"] + (verb["record"].empty() ? "" : " " + verb["record"]);
        }
    }
    return out;
}

CallMoment incoming(const std::string& from = kCaller) { return {.call_sid = kCallSid, .from = from}; }

/// Where a document says that Twilio shall go on: an action, else the redirect.
CallMoment next(const std::string& twiml) {
    CallMoment out{.kind = CallMoment::Kind::next_step, .call_sid = kCallSid, .from = kCaller};
    for (const auto& verb : parsed(twiml).inside) {
        const auto address = verb.name == "Redirect" ? verb.text : verb["action"];
        if (address.empty()) continue;
        REQUIRE(address.starts_with(kHooks + "next-step?"));
        const auto query = parse_form(address.substr(address.find('?') + 1));
        out.flow = *form_value(query, "flow");
        out.step = *form_value(query, "step");
    }
    REQUIRE(out.step != "");
    return out;
}

std::string after_dial(const Callee& callee, const std::string& twiml, const std::string& status) {
    auto moment = next(twiml);
    moment.dial_status = status;
    return answer(callee, moment, kMondayNoon).twiml;
}

constexpr std::string_view kVoicemail = "say Please leave a message after the tone. · record 120 · hangup";

}  // namespace

TEST_CASE("call flow: nothing set is the notice, then voicemail") {
    for (const char* flow : {"", "{}", "null", "no JSON", "[]"}) {
        auto a = answer(company(flow), incoming(), kMondayNoon);
        CHECK(told(a.twiml) == kVoicemail);
        CHECK((a.notice_sha256.empty() && !a.notice_played));
    }
    auto a = answer(company(R"({"consent_notice":"Calls are recorded."})"), incoming(), kMondayNoon);
    CHECK(told(a.twiml) == "say Calls are recorded. · " + std::string(kVoicemail));
    CHECK(a.notice_played);
    CHECK(a.notice_sha256 == hex_encode(sha256("Calls are recorded.")));
    const auto record = parsed(a.twiml).inside.at(2);
    CHECK(record["playBeep"] == "true");
    CHECK(record["recordingStatusCallback"] == kHooks + "voicemail-recorded");
    CHECK(told(answer(company(""), next(a.twiml), kMondayNoon).twiml) == "hangup");  // the message was left
    auto silent = company("");
    silent.voicemail = false;
    CHECK(told(answer(silent, incoming(), kMondayNoon).twiml) == "hangup");
}

TEST_CASE("call flow: empty, or only words, ends with a hangup") {
    CHECK(told(answer(company(R"({"open":[]})"), incoming(), kMondayNoon).twiml) == "hangup");
    CHECK(told(answer(company(R"({"open":[{"say":"We moved."},{"say":" "}]})"), incoming(), kMondayNoon).twiml) ==
          "say We moved. · hangup");
    CHECK(told(answer(company(R"({"open":[{"say":"A"},{"voicemail":{"greeting":"","max_s":1}},{"say":"Thanks"}]})"), incoming(),
                      kMondayNoon)
                   .twiml) == "say A · record 2 · hangup");
}

TEST_CASE("call flow: a dial that nobody took goes on with the steps behind it, then no_answer") {
    const auto flow =
        R"({"open":[{"dial":["(480) 555-0111","+14805550112","+14805550111"],"timeout_s":1},{"say":"Still here."},{"dial":["+14805550113"]}],
                          "no_answer":[{"say":"Nobody is here."},{"voicemail":{"greeting":"Speak.","max_s":30}},{"say":"Thank you."}]})";
    const auto callee = company(flow);
    const auto first = answer(callee, incoming(), kMondayNoon).twiml;
    CHECK(told(first) == "dial +14805550111 +14805550112 5");
    const auto dial = parsed(first).inside.at(0);
    CHECK(dial["callerId"] == kNumber);
    CHECK(dial.inside.at(0)["statusCallback"] == kHooks + "call-status");
    for (const char* taken : {"completed", "answered"}) CHECK(told(after_dial(callee, first, taken)) == "hangup");
    for (const char* missed : {"busy", "no-answer", "failed", "canceled", "", "of tomorrow"})
        CHECK(told(after_dial(callee, first, missed)) == "say Still here. · dial +14805550113 20");
    const auto second = after_dial(callee, first, "busy"), third = after_dial(callee, second, "no-answer");
    CHECK(told(third) == "say Nobody is here. · say Speak. · record 30 · hangup");
    CHECK(told(answer(callee, next(third), kMondayNoon).twiml) == "say Thank you. · hangup");
}

TEST_CASE("call flow: a voicemail that was left is the end of the way to somebody") {
    const auto callee = company(R"({"open":[{"dial":["+14805550111"]},{"voicemail":{}}],"no_answer":[{"say":"Again."}]})");
    const auto asked = after_dial(callee, answer(callee, incoming(), kMondayNoon).twiml, "busy");
    CHECK(told(asked) == kVoicemail);
    CHECK(told(answer(callee, next(asked), kMondayNoon).twiml) == "hangup");
    auto silent = callee;
    silent.voicemail = false;
    CHECK(told(after_dial(silent, answer(silent, incoming(), kMondayNoon).twiml, "busy")) == "say Again. · hangup");
}

TEST_CASE("call flow: a stream is offered, and who could not reach it goes on at no_answer") {
    const auto callee = company(
        R"({"consent_notice":"Recorded.","record":true,"open":[{"stream":"wss://agent.example/ws"},{"say":"never"}],"no_answer":[{"say":"Sorry."},{"dial":["+14805550111"]}]})");
    const auto first = answer(callee, incoming(), kMondayNoon).twiml;
    CHECK(told(first) == "say Recorded. · start Recording · stream wss://agent.example/ws · redirect");
    const auto stream = parsed(first).inside.at(2).inside.at(0);
    REQUIRE(stream.inside.size() == 3);
    CHECK((stream.inside[0]["name"] == "call_sid" && stream.inside[0]["value"] == kCallSid));
    CHECK((stream.inside[1]["name"] == "company_id" && stream.inside[1]["value"] == "org_1"));
    CHECK((stream.inside[2]["name"] == "from" && stream.inside[2]["value"] == kCaller));
    CHECK(stream["statusCallback"].find(".stream-status.") != std::string::npos);

    auto then = next(first);
    const std::string apart = "say Sorry. · dial +14805550111 20";  // the recording goes on, and is not begun again
    then.stream_event = "stream-error";
    CHECK(told(answer(callee, then, kMondayNoon + std::chrono::hours{1}).twiml) == apart);
    for (const char* ran : {"stream-started", "stream-stopped"}) {
        then.stream_event = ran;
        CHECK(told(answer(callee, then, kMondayNoon).twiml) == "hangup");
    }
    // Nobody here heard of it: one that lasted ran, a short one may have failed, and no caller is to be lost.
    then.stream_event = "";
    CHECK(told(answer(callee, then, kMondayNoon + std::chrono::seconds{30}).twiml) == apart);
    CHECK(told(answer(callee, then, kMondayNoon + std::chrono::minutes{2}).twiml) == "hangup");

    // The stream's status is told, not asked.
    const auto status = stream["statusCallback"];
    const auto query = parse_form(status.substr(status.find('?') + 1));
    auto heard = then;
    heard.step = *form_value(query, "step");
    heard.stream_event = "stream-error";
    CHECK(told(answer(callee, heard, kMondayNoon).twiml) == "");

    // In no_answer itself the steps behind it are next.
    const auto late =
        company(R"({"open":[{"dial":["+14805550111"]}],"no_answer":[{"stream":"wss://a.example"},{"say":"Sorry."}]})");
    auto at = next(after_dial(late, answer(late, incoming(), kMondayNoon).twiml, "busy"));
    at.stream_event = "stream-error";
    CHECK(told(answer(late, at, kMondayNoon).twiml) == "say Sorry. · hangup");
}

TEST_CASE("call flow: calls are recorded behind a notice only") {
    const auto steps = R"("open":[{"dial":["+14805550111"]}]})";
    auto first =
        answer(company(R"({"consent_notice":"Recorded.","record":true,)" + std::string(steps)), incoming(), kMondayNoon).twiml;
    CHECK(told(first) == "say Recorded. · dial +14805550111 20 record-from-answer-dual");
    CHECK(parsed(first).inside.at(1)["recordingStatusCallback"] == kHooks + "voicemail-recorded");
    for (const char* without :
         {R"({"record":true,)", R"({"consent_notice":" ","record":true,)", R"({"consent_notice":"x","record":false,)"}) {
        const auto twiml = answer(company(without + std::string(steps)), incoming(), kMondayNoon).twiml;
        CHECK(twiml.find("record-from-answer") == std::string::npos);
    }
}

TEST_CASE("call flow: the notice is said once, and by a flow that gained one in mid-call") {
    const std::string steps = R"("open":[{"dial":["+14805550111"]},{"dial":["+14805550112"]}],"no_answer":[]})";
    const auto plain = company("{" + steps), with = company(R"({"consent_notice":"Recorded.","record":true,)" + steps);
    auto gained = next(answer(plain, incoming(), kMondayNoon).twiml);
    gained.dial_status = "busy";
    auto second = answer(with, gained, kMondayNoon);
    CHECK(told(second.twiml) == "say Recorded. · dial +14805550112 20 record-from-answer-dual");
    CHECK(second.notice_played);
    auto third = next(second.twiml);
    third.dial_status = "busy";
    CHECK(!answer(with, third, kMondayNoon).notice_played);
    // Before a mere hangup nobody needs it.
    CHECK(told(answer(with, next(answer(plain, gained, kMondayNoon).twiml), kMondayNoon).twiml) == "hangup");

    auto started = next(answer(with, incoming(), kMondayNoon).twiml);
    started.dial_status = "busy";
    auto again = answer(with, started, kMondayNoon);
    CHECK(told(again.twiml) == "dial +14805550112 20 record-from-answer-dual");
    CHECK((!again.notice_played && again.notice_sha256 == hex_encode(sha256("Recorded."))));
}

TEST_CASE("call flow: a step that is no longer there leaves the voicemail") {
    const auto before = company(R"({"open":[{"dial":["+14805550111"]},{"say":"old"}]})"),
               after = company(R"({"open":[{"dial":["+14805550112"]}]})");
    auto at = next(answer(before, incoming(), kMondayNoon).twiml);
    at.dial_status = "no-answer";
    CHECK(told(answer(after, at, kMondayNoon).twiml) == kVoicemail);
    auto silent = after;
    silent.voicemail = false;
    CHECK(told(answer(silent, at, kMondayNoon).twiml) == "hangup");
    at.dial_status = "completed";
    CHECK(told(answer(after, at, kMondayNoon).twiml) == "hangup");
    // What changes nothing for the call changes nothing.
    at.dial_status = "busy";
    CHECK(told(answer(company(R"({"open": [ {"dial":["+14805550111"]}, {"say":"old"}],"closed":[],"hours":{}})"), at, kMondayNoon)
                   .twiml) == "say old · " + std::string(kVoicemail));
    // A message that was left is not asked for twice.
    const auto left = next(answer(company(R"({"open":[{"voicemail":{}}]})"), incoming(), kMondayNoon).twiml);
    CHECK(told(answer(after, left, kMondayNoon).twiml) == "hangup");
    for (const char* strange : {"", "open", "open.0.dial.-", "open.0.dial.-.-1", "open.00.dial.-.1",
                                "open.0.dial.n.99999999999999999999", "end.0.dial.-.1", "open.7.dial.-.1", "a.0.dial.-.1"}) {
        at.step = strange;
        at.dial_status = "";
        const auto twiml = told(answer(after, at, kMondayNoon).twiml);
        CHECK((twiml == kVoicemail || twiml == "hangup"));
    }
}

TEST_CASE("call flow: none of the company's own numbers is dialled, and nobody for a caller of ours") {
    auto callee = company(
        R"({"open":[{"dial":["+14805550111","+16025550100","+14805550119"]},{"dial":["+14805550119"]},{"say":"then"}],"no_answer":[{"dial":["+14805550112"]},{"say":"No."}]})");
    callee.own_numbers = {"+14805550119"};
    const auto first = answer(callee, incoming(), kMondayNoon).twiml;
    CHECK(told(first) == "dial +14805550111 20");
    CHECK(told(after_dial(callee, first, "busy")) == "say then · dial +14805550112 20");
    callee.caller_is_ours = true;
    CHECK(told(answer(callee, incoming(), kMondayNoon).twiml) == "say No. · hangup");
}

TEST_CASE("call flow: hours are on the company's clocks") {
    auto is_open = [](const std::string& hours, const std::string& zone, const std::string& at) {
        auto callee = company(R"({"open":[{"say":"open"}],"closed":[{"say":"closed"}])" +
                              (hours.empty() ? "" : R"(,"hours":)" + hours) + "}");
        callee.timezone = zone;
        const auto twiml = told(answer(callee, incoming(), *parse_time(at)).twiml);
        CHECK((twiml == "say open · hangup" || twiml == "say closed · hangup"));
        return twiml == "say open · hangup";
    };
    CHECK(is_open("", "America/Phoenix", "2026-11-30T03:00:00Z"));
    CHECK(!is_open("{}", "America/Phoenix", "2026-11-30T19:00:00Z"));
    const std::string week = R"({"mon":[["08:00","12:00"],["13:00","24:00"]],"sat":[["22:00","02:30"]],"sun":[]})";
    struct Row {
        const char *zone, *at;
        bool open;
    };
    for (const auto& [zone, at, open] :
         {Row{"America/Phoenix", "2026-11-30T14:59:59Z", false},
          {"America/Phoenix", "2026-11-30T15:00:00Z", true},
          {"America/Phoenix", "2026-11-30T19:00:00Z", false},
          {"America/Phoenix", "2026-12-01T06:59:59Z", true},
          {"America/Phoenix", "2026-12-01T07:00:00Z", false},
          {"America/Phoenix", "2026-12-01T19:00:00Z", false},  // a day without hours
          // Over midnight; on 8 March 02:00 to 03:00 is left out, on 1 November 01:00 to 02:00 comes twice.
          {"America/New_York", "2026-03-08T06:59:59Z", true},
          {"America/New_York", "2026-03-08T07:00:00Z", false},
          {"America/New_York", "2026-11-01T05:30:00Z", true},
          {"America/New_York", "2026-11-01T06:30:00Z", true},
          {"America/New_York", "2026-11-01T07:29:00Z", true},
          {"America/New_York", "2026-11-01T07:30:00Z", false},
          {"Nowhere/Land", "2026-11-01T07:29:00Z", true}}) {
        INFO(zone << " " << at);
        CHECK(is_open(week, zone, at) == open);
    }
}

TEST_CASE("call flow: who is suspended answers as nobody, who has hung up hears nothing") {
    auto callee = company(R"({"consent_notice":"Recorded."})");
    auto moment = incoming();
    moment.over = true;
    CHECK(answer(callee, moment, kMondayNoon).twiml == R"(<?xml version="1.0" encoding="UTF-8"?><Response/>)");
    CHECK(!answer(callee, moment, kMondayNoon).notice_played);
    callee.active = false;
    CHECK(answer(callee, incoming(), kMondayNoon).twiml == nobody_answers());
    const auto verbs = parsed(std::string(nobody_answers())).inside;
    REQUIRE(verbs.size() == 2);
    CHECK((verbs[0].name == "Say" && verbs[1].name == "Hangup"));
}

TEST_CASE("call flow: texts cannot become markup") {
    for (const std::string text :
         {"</Say><Dial>+19005550100</Dial><Say>", "]]>", "a & b", "<![CDATA[x", "&#0;", "\x01\x0b\x1f bell\x07",
          "\xed\xa0\x80 half", "\xff\xfe", "\xef\xbf\xbf\xef\xbf\xbe", "\"'", "line\r\nline\tend"}) {
        JsonWriter w;
        w.begin_object().member("consent_notice", text).key("open").begin_array();
        w.begin_object().member("say", text).end_object();
        w.begin_object().member("stream", "wss://x.example/" + text).end_object();
        w.end_array().end_object();
        auto callee = company(w.take());
        callee.company_id = callee.public_url += text;
        callee.number = text;
        CallMoment moment{.call_sid = text, .from = text};
        const auto root = parsed(answer(callee, moment, kMondayNoon).twiml);
        for (const auto& verb : root.inside) CHECK((verb.name == "Say" || verb.name == "Connect" || verb.name == "Redirect"));
    }
    const auto said = parsed(answer(company(R"({"open":[{"say":"Tom & \"Ann\" <b>"}]})"), incoming(), kMondayNoon).twiml);
    CHECK(said.inside.at(0).text == "Tom & \"Ann\" <b>");
    // What one <Say> cannot hold is said by several, cut where a sentence ends.
    std::string longest;
    while (longest.size() < 9'000) longest += "Wir schließen. ";
    const auto parts =
        parsed(answer(company(R"({"open":[{"say":")" + longest + R"("}]})"), incoming(), kMondayNoon).twiml).inside;
    REQUIRE(parts.size() == 4);
    for (std::size_t i = 0; i < 3; ++i) CHECK(parts[i].text.ends_with("schließen."));
}

TEST_CASE("call flow: why one cannot be set") {
    struct Row {
        std::string flow, field;
    };
    std::string long_say = R"({"say":")" + std::string(30'000, 'a') + R"("})", dials;
    for (int i = 0; i < 10; ++i) dials += (i ? "," : "") + std::string(R"({"dial":["+14805550111"]})");
    for (const auto& [flow, field] :
         {Row{R"({})", ""},
          {R"({"record":true})", "call_flow.record"},
          {R"({"record":true,"consent_notice":" "})", "call_flow.record"},
          {R"({"record":true,"consent_notice":"\u0002 "})", "call_flow.record"},
          {R"({"record":true,"consent_notice":"x"})", ""},
          {R"({"record":false})", ""},
          {R"({"open":[{"say":"x"},{"dial":["+14805550119"]}]})", "call_flow.open[1].dial[0]"},
          {R"({"no_answer":[{"dial":["+14805550111","(480) 555-0119"]}]})", "call_flow.no_answer[0].dial[1]"},
          {R"({"closed":[{"dial":["sip:x@y"]}]})", "call_flow.closed[0].dial[0]"},
          {R"({"open":[{"stream":"wss://x.example/?a=1"}]})", "call_flow.open[0].stream"},
          {R"({"open":[{"stream":"wss://"}]})", "call_flow.open[0].stream"},
          {R"({"open":[{"stream":"wss://é.example"}]})", "call_flow.open[0].stream"},
          {R"({"open":[{"stream":"wss://x.example/ws"}]})", ""},
          {R"({"hours":{"tue":[["08:00","12:00"],["13:00","13:00"]]}})", "call_flow.hours.tue[1]"},
          {R"({"missed_call_text":{"enabled":true}})", "call_flow.missed_call_text.body"},
          {R"({"missed_call_text":{"enabled":false}})", ""},
          {R"({"open":[)" + long_say + "]}", ""},
          {R"({"open":[)" + long_say + "," + long_say + "," + long_say + "]}", "call_flow.open"},
          {R"({"open":[)" + long_say + R"(],"no_answer":[)" + long_say + "," + long_say + "]}", "call_flow.no_answer"},
          {R"({"consent_notice":")" + std::string(64'000, 'a') + R"("})", "call_flow.consent_notice"},
          {R"({"consent_notice":")" + std::string(13'000, '&') + R"("})", "call_flow.consent_notice"},
          {R"({"closed":[{"voicemail":{"greeting":")" + std::string(64'000, 'a') + R"("}}]})", "call_flow.closed"},
          {R"({"open":[)" + dials + R"(],"no_answer":[)" + dials + "]}", "call_flow.open"},
          {R"({"open":[)" + dials + R"(],"closed":[)" + dials + "]}", ""},
          {"[]", "call_flow"}}) {
        auto fault = fault_of_flow(flow, {"+14805550119", kNumber});
        INFO(flow.substr(0, 200) << " " << (fault ? fault->cure : ""));
        CHECK((fault ? fault->field : "") == field);
    }
}

TEST_CASE("call flow: the text to a missed caller") {
    CHECK(missed_call_text(R"({"missed_call_text":{"enabled":true,"body":" We call back. "}})") == "We call back.");
    for (const char* none : {"", "{}", R"({"missed_call_text":{"enabled":false,"body":"x"}})",
                             R"({"missed_call_text":{"enabled":true,"body":" "}})", R"({"missed_call_text":7})"})
        CHECK(!missed_call_text(none));
}

namespace {

using Random = std::mt19937;
int below(Random& r, int n) { return static_cast<int>(r() % static_cast<unsigned>(n)); }

std::string random_text(Random& r) {
    static const char* pieces[] = {"Hello", "<Dial>", "&", "]]>", "\x02", "\xff", "é", "\xed\xa0\x80", "\n", " ", "'\""};
    std::string out;
    for (int i = below(r, 5); i >= 0; --i) out += pieces[below(r, 11)];
    if (below(r, 20) == 0) out += std::string(static_cast<std::size_t>(below(r, 9'000)), 'x');
    return out;
}

std::string random_flow(Random& r) {
    JsonWriter w;
    w.begin_object();
    if (below(r, 2)) w.member("consent_notice", random_text(r));
    if (below(r, 2)) w.member("record", below(r, 2) == 1);
    if (below(r, 2)) w.key("hours").raw(R"({"mon":[["08:00","18:00"]],"sun":[["20:00","03:00"]]})");
    for (const char* list : {"open", "closed", "no_answer"}) {
        if (!below(r, 4)) continue;
        w.key(list).begin_array();
        for (int i = below(r, below(r, 8) ? 6 : 40); i > 0; --i) {
            w.begin_object();
            switch (below(r, 6)) {
                case 0:
                    w.member("stream", "wss://agent.example/" + random_text(r));
                    break;
                case 1:
                    w.member("say", random_text(r));
                    break;
                case 2:
                    w.key("voicemail").begin_object();
                    if (below(r, 2)) w.member("greeting", random_text(r));
                    if (below(r, 2)) w.member("max_s", below(r, 4'000));
                    w.end_object();
                    break;
                default:
                    w.key("dial").begin_array();
                    for (int n = below(r, 12); n >= 0; --n) w.value("+1480555010" + std::to_string(below(r, 10)));
                    w.end_array();
                    if (below(r, 2)) w.member("timeout_s", below(r, 700));
            }
            w.end_object();
        }
        w.end_array();
    }
    return w.end_object().take();
}

/// One call as Twilio plays it, with what comes of each verb by chance. How many documents it took.
int play(Random& r) {
    auto callee = company(random_flow(r));
    callee.voicemail = below(r, 3) > 0;
    callee.caller_is_ours = !below(r, 10);
    if (below(r, 2)) callee.own_numbers = {"+14805550101", "+14805550107"};
    auto now = kMondayNoon + std::chrono::hours{below(r, 400)};
    CallMoment moment = incoming(below(r, 5) ? kCaller : "sip:" + random_text(r));
    int documents = 0, notices = 0;
    bool had_notice = false;
    for (;;) {
        const auto a = answer(callee, moment, now);
        ++documents;
        notices += a.notice_played ? 1 : 0;
        const auto verbs = parsed(a.twiml).inside;
        if (a.notice_played) CHECK((!verbs.empty() && verbs[0].name == "Say"));
        if (moment.kind == CallMoment::Kind::incoming) CHECK(a.notice_played == !a.notice_sha256.empty());
        had_notice = had_notice || a.notice_played;
        bool goes_on = false;
        for (const auto& verb : verbs) {
            now += std::chrono::seconds{below(r, 40)};
            if (verb.name == "Hangup") break;
            if (verb.name == "Start" || !verb["record"].empty()) CHECK(had_notice);
            if (verb.name == "Dial") {
                CHECK(!callee.caller_is_ours);
                for (const auto& number : verb.inside)
                    CHECK(std::find(callee.own_numbers.begin(), callee.own_numbers.end(), number.text) ==
                          callee.own_numbers.end());
            }
            const bool asks = verb.name == "Dial" || verb.name == "Redirect" || (verb.name == "Record" && below(r, 2));
            if (!asks) continue;
            moment = next(a.twiml);
            if (verb.name == "Dial")
                moment.dial_status = std::vector<std::string>{"busy", "no-answer", "failed", "completed", "busy"}[r() % 5];
            if (verb.name == "Redirect")
                moment.stream_event = std::vector<std::string>{"", "stream-error", "stream-error", "stream-stopped"}[r() % 4];
            goes_on = true;
            break;
        }
        CHECK(notices <= 1);
        if (!goes_on || documents > 20) return documents;
        if (!below(r, 12)) callee.call_flow = random_flow(r);
        if (!below(r, 30)) callee.voicemail = !callee.voicemail;
    }
}

}  // namespace

TEST_CASE("call flow: no flow can loop") {
    Random r(23);
    int longest = 0;
    for (int i = 0; i < 10'000; ++i) longest = std::max(longest, play(r));
    CHECK(longest <= 20);
    CHECK(longest >= 10);  // or the test plays nothing
}

TEST_CASE("call flow: what can be set fits into every document") {
    Random r(7);
    int set = 0;
    for (int i = 0; i < 2'000; ++i) {
        auto callee = company(random_flow(r));
        if (fault_of_flow(callee.call_flow, {})) continue;
        ++set;
        callee.voicemail = below(r, 2);
        callee.own_numbers = {"+14805550101"};
        const auto twiml = answer(callee, incoming(), kMondayNoon).twiml;
        CHECK(twiml != nobody_answers());
        CHECK(twiml.size() <= kLongestTwiml);
    }
    CHECK(set > 100);
}
