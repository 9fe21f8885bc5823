#include "providers/shunya_webhook.hpp"

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/shunya.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::providers::shunya;
using providers::Parts;
namespace pb = otto::inbound::v1;

namespace {

// Values of providers.md §6.4.
const Secret kSecret{"test_webhook_secret_key_12345"};
const std::string kStamp = "1765189800000";
const Instant kThen = from_micros(1'765'189'800'000'000);
const std::string kFirst = R"({"shunya_job_id": "job_123", "status": "completed"})";
const std::string kSecond =
    "{\"shunya_job_id\":\"job_123\",\"status\":\"completed\",\"company_id\":\"org_a\",\"result\":{\"note\":\"caf\xc3\xa9\"}}";
const std::string kFirstA = "6e55ea189a0b782a555b2b50a5904cf1a196d3cce31e767807ce4623e3dacf46";

http::Headers headers(Scheme scheme, const std::string& signature, const std::string& stamp) {
    http::Headers h;
    h.add(std::string(signature_header(scheme)), signature);
    h.add(std::string(timestamp_header(scheme)), stamp);
    return h;
}
std::optional<providers::Refusal> refused(Scheme scheme, const http::Headers& headers, const std::string& body,
                                          const std::vector<Secret>& secrets, Instant now) {
    http::Request request;
    request.headers = headers;
    request.body = body;
    request.received_at = now;
    auto parts = Parts::of(request);
    auto proof = Webhook(scheme).proof(parts);
    if (proof.missing) return proof.missing;
    for (const auto& secret : secrets)
        if (providers::proves(proof, secret)) return std::nullopt;
    return providers::Refusal{"no secret matched"};
}
std::string why(Scheme scheme, const std::string& body, const std::string& signature, const std::string& stamp = kStamp,
                Instant now = kThen, std::vector<Secret> secrets = {kSecret}) {
    auto refusal = refused(scheme, headers(scheme, signature, stamp), body, secrets, now);
    return refusal ? refusal->why : "";
}
std::string sign(const std::string& message) { return hex_encode(hmac_sha256(kSecret.reveal(), message)); }

http::Request post(const std::string& body) {
    http::Request r;
    r.method = http::Method::post;
    r.path = r.target = "/api/v1/shunya/webhook";
    r.body = body;
    r.headers.add("Content-Type", "application/json");
    return r;
}
const Webhook& provider() {
    static const Webhook p(Scheme::timestamp_dot_body);
    return p;
}
pb::ProviderEvent said(const http::Request& request) {
    auto parts = Parts::of(request);
    return *provider().read(parts)->normalize(parts).event;
}
pb::ProviderEvent said(const std::string& body) { return said(post(body)); }

}  // namespace

TEST_CASE("the published signatures fit their scheme and no other") {
    using enum Scheme;
    CHECK(why(timestamp_dot_body, kFirst, kFirstA) == "");
    CHECK(why(sorted_json, kFirst, "47d7ac32b10906993408523002862725917e580fa1301b7cb86240b0ea8123f8") == "");
    CHECK(why(timestamp_dot_body, kSecond, "2d9eed0b11bf6a7b69c9c1d82cc9aa7e9a12acc0bf6e9369fde1414c71b9e29d") == "");
    CHECK(why(sorted_json, kSecond, "45ce41e015cc469a6cc1047b9265baab25aa605c528d2bb39e810d7c55f7e472") == "");
    // The table's third column is made with a time in milliseconds where seconds belong: the message is right, the time is none.
    CHECK(hex_encode(hmac_sha256(kSecret.reveal(), kStamp + "." + hex_encode(sha256(kFirst)))) ==
          "a0693761068cb2ff118693f5b1b17f0937e53af5694e9668f9603fb33b715721");
    CHECK(why(uwc, kFirst, sign("1765189800." + hex_encode(sha256(kFirst))), "1765189800") == "");
    CHECK(why(uwc, kFirst, "a0693761068cb2ff118693f5b1b17f0937e53af5694e9668f9603fb33b715721") ==
          "the header X-UWC-Timestamp is no time in seconds since 1970");
    CHECK(why(sorted_json, kFirst, kFirstA) == "no secret matched");
    CHECK(why(timestamp_dot_body, kFirst, "47d7ac32b10906993408523002862725917e580fa1301b7cb86240b0ea8123f8") ==
          "no secret matched");
    CHECK(*scheme_of("uwc") == uwc);
    CHECK_FALSE(scheme_of("both").ok());
    CHECK(scheme_of("").error().message.find("OTTO_SHUNYA_SIGNATURE") != std::string::npos);
}

TEST_CASE("a refusal names the check that failed") {
    using enum Scheme;
    auto at = [&](std::chrono::milliseconds shift) { return why(timestamp_dot_body, kFirst, kFirstA, kStamp, kThen + shift); };
    using namespace std::chrono_literals;
    CHECK(at(300'000ms) == "");
    CHECK(at(300'001ms) == "the header X-Shunya-Timestamp is 300 s old; 300 s are allowed, and it counts milliseconds");
    CHECK(at(-300'000ms) == "");
    CHECK(at(-301'500ms) == "the header X-Shunya-Timestamp is 301 s ahead; 300 s are allowed, and it counts milliseconds");
    CHECK(why(timestamp_dot_body, kFirst, kFirstA, "1765189800").find("s old") !=
          std::string::npos);  // seconds where milliseconds belong
    CHECK(why(timestamp_dot_body, kFirst, "6E55EA189A0B782A555B2B50A5904CF1A196D3CCE31E767807CE4623E3DACF46") ==
          "the header X-Shunya-Signature is not 64 digits of lower-case hex");
    CHECK(why(timestamp_dot_body, kFirst, "sha256=" + kFirstA) ==
          "the header X-Shunya-Signature is not 64 digits of lower-case hex");
    CHECK(why(timestamp_dot_body, kFirst, "").find("not 64 digits") != std::string::npos);
    for (const char* stamp : {"", "-5", "+5", "1765189800000 ", "0x10", "1e12", "17651898000000000000", "soon"}) {
        INFO(stamp);
        CHECK(why(timestamp_dot_body, kFirst, kFirstA, stamp) ==
              "the header X-Shunya-Timestamp is no time in milliseconds since 1970");
    }
    CHECK(why(timestamp_dot_body, kFirst + " ", kFirstA) == "no secret matched");
    CHECK(why(timestamp_dot_body, kFirst, kFirstA, "1765189800001") == "no secret matched");
    CHECK(why(timestamp_dot_body, kFirst, kFirstA, kStamp, kThen, {Secret("the new one"), kSecret}) == "");  // while it rotates
    CHECK(why(sorted_json, "{\"a\":", kFirstA).find("the body is no JSON") == 0);
    http::Headers none, twice = headers(timestamp_dot_body, kFirstA, kStamp);
    CHECK(refused(timestamp_dot_body, none, kFirst, {kSecret}, kThen)->why == "the header X-Shunya-Signature is missing");
    twice.add("x-shunya-timestamp", kStamp);
    CHECK(refused(timestamp_dot_body, twice, kFirst, {kSecret}, kThen)->why ==
          "the header X-Shunya-Timestamp is there more than once");
    CHECK(refused(uwc, headers(timestamp_dot_body, kFirstA, kStamp), kFirst, {kSecret}, kThen)->why ==
          "the header X-UWC-Signature is missing");
}

TEST_CASE("sorted JSON is what Python writes") {
    // Right sides are from CPython 3.11: json.dumps(json.loads(left), sort_keys=True); but numbers stay as they stood.
    const std::pair<const char*, const char*> cases[]{
        {R"({})", R"({})"},
        {R"( [ ] )", R"([])"},
        {R"({"b":1,"a":[1,2,{"z":null,"y":true}]})", R"({"a": [1, 2, {"y": true, "z": null}], "b": 1})"},
        {R"({"aa":1,"a":2,"B":3,"_":4})", R"({"B": 3, "_": 4, "a": 2, "aa": 1})"},
        {"{\"k\":\"caf\xc3\xa9 \xf0\x9f\x98\x80\"}", R"({"k": "caf\u00e9 \ud83d\ude00"})"},
        {R"({"k":"\ud83d\ude00\u00E9\/\u0041"})", R"({"k": "\ud83d\ude00\u00e9/A"})"},
        {R"("\ud83d x \ude00")", R"("\ud83d x \ude00")"},
        {"\"\x7f \\u0000\\n\\t\\b\\f\\r\\\\\\\"\\u001f\"", R"("\u007f \u0000\n\t\b\f\r\\\"\u001f")"},
        {R"({"a":1,"a":2})", R"({"a": 2})"},
        {R"({"a":1,"\u0061":{"x":[]}})", R"({"a": {"x": []}})"},
        {"{\"\xef\xbf\xbf\":1,\"\xf0\x90\x80\x80\":2,\"\xc3\xa9\":3,\"z\":4}",
         R"({"z": 4, "\u00e9": 3, "\uffff": 1, "\ud800\udc00": 2})"},
        {R"([0,-0,1.0,1.50,-2e10,1E+2,12345678901234567890123])", R"([0, -0, 1.0, 1.50, -2e10, 1E+2, 12345678901234567890123])"},
    };
    for (const auto& [given, wanted] : cases) {
        INFO(given);
        auto got = sorted_json(given);
        REQUIRE(got.ok());
        CHECK(*got == wanted);
        CHECK(*sorted_json(*got) == wanted);
    }
    for (const char* odd : {"",   " ",   "{",   "[1,]", "{\"a\"}", "{\"a\":1,}",  "{a:1}",  "01",  "1.",  ".5",       "1e",
                            "+1", "--1", "tru", "\"a",  "\"\\x\"", "\"\\u12g4\"", "\"\n\"", "1 2", "NaN", "\"\xff\"", "'a'"}) {
        INFO(odd);
        CHECK_FALSE(sorted_json(odd).ok());
    }
    CHECK_FALSE(sorted_json(std::string(600, '[') + std::string(600, ']')).ok());
    CHECK(sorted_json(std::string(500, '[') + std::string(500, ']')).ok());
}

TEST_CASE("every name of an id, in both shapes") {
    for (std::string shape :
         {R"("status":"completed","result":{})", R"("event_type":"call.analysis.complete","call_id":7,"data":{})"})
        for (const char* name : {"shunya_job_id", "job_id", "task_id"})
            for (auto [id, wanted] : {std::pair{R"("job_1")", "job_1"}, {"12345", "12345"}, {R"(" job_1 ")", "job_1"}}) {
                auto body = "{\"" + std::string(name) + "\":" + id + "," + shape + ",\"company_id\":\"org_a\"}";
                INFO(body);
                auto e = said(body);
                CHECK(e.not_understood().empty());
                CHECK(e.job().shunya_job_id() == wanted);
                CHECK(e.key() == wanted);
                CHECK(e.addressee().claimed_company_id() == "org_a");
                CHECK(e.kind() == "job.completed");
                CHECK(e.job().call_id() == (shape.find("call_id") == std::string::npos ? 0 : 7));
            }
    CHECK(said(R"({"shunya_job_id":"a","job_id":"b","task_id":"c","status":"failed"})").job().shunya_job_id() == "a");
}

TEST_CASE("a header that nobody has signed chooses no job") {
    for (const char* body : {R"({"status":"failed","error":{}})", "no json"}) {
        auto request = post(body);
        request.headers.add("X-Shunya-Task-Id", "another's job");
        auto event = said(request);
        CHECK(event.job().shunya_job_id().empty());
        CHECK(event.key() == "shunya:unknown");
        CHECK_FALSE(event.not_understood().empty());
        auto kept = provider().signature_headers();
        CHECK(std::find(kept.begin(), kept.end(), "X-Shunya-Task-Id") != kept.end());  // it stays on record
    }
}

TEST_CASE("a cure fits its cause; who sent it learns no setting's name, who receives it does") {
    using enum Scheme;
    auto refusal = [&](Scheme scheme, const std::string& signature, const std::string& stamp, Instant now,
                       const std::string& body = kFirst) {
        return *refused(scheme, headers(scheme, signature, stamp), body, {}, now);
    };
    using namespace std::chrono_literals;
    CHECK(refusal(timestamp_dot_body, kFirstA, "1765189800", kThen).cure == "Send the time in milliseconds since 1970.");
    CHECK(refusal(uwc, kFirstA, "1765189800000", kThen).cure == "Send the time in seconds since 1970.");
    CHECK(refusal(timestamp_dot_body, kFirstA, "soon", kThen).cure == "Send the time in milliseconds since 1970.");
    CHECK(refusal(timestamp_dot_body, kFirstA, kStamp, kThen + 400'000ms).cure.find("clock") != std::string::npos);
    auto no_json = refusal(sorted_json, kFirstA, kStamp, kThen, "{");
    CHECK(no_json.operators_cure.find("OTTO_SHUNYA_SIGNATURE") != std::string::npos);
    for (const auto& one :
         {no_json, refusal(timestamp_dot_body, "x", kStamp, kThen), refusal(timestamp_dot_body, kFirstA, "soon", kThen)})
        CHECK((one.why + one.cure).find("OTTO_") == std::string::npos);
}

TEST_CASE("a call's id is a number or a number's text") {
    auto call = [](const std::string& value) {
        return said(R"({"event_type":"call.transcription.complete","call_id":)" + value + "}").job().call_id();
    };
    CHECK(call("123") == 123);
    CHECK(call("\"123\"") == 123);
    CHECK(call("123.0") == 123);
    CHECK(call("\"123.0\"") == 123);
    CHECK(call("1.23e2") == 123);
    CHECK(said(R"({"event_type":"call.analysis.complete","job_id":17.0})").job().shunya_job_id() == "17");
    CHECK(said(R"({"event_type":"call.analysis.complete","job_id":17})").job().shunya_job_id() == "17");
    for (const char* odd : {"0", "-1", "true", "\"call_123\"", "1.5", "\"123.9\"", "\"1e2\"", "\"12 3\"", "\"\"",
                            "9007199254740992", "1e300", "null", "[1]"}) {
        INFO(odd);
        CHECK(call(odd) == 0);
        CHECK_FALSE(
            said(R"({"event_type":"call.transcription.complete","call_id":)" + std::string(odd) + "}").not_understood().empty());
    }
    auto inner = said(R"({"event_type":"call.analysis.complete","data":{"call_id":55}})");
    CHECK(inner.job().call_id() == 55);
    CHECK(inner.key() == "call:55");
}

TEST_CASE("how a job stands: by status, else by event type") {
    auto kind = [](const std::string& fields) {
        auto e = said("{\"job_id\":\"j\"," + fields + "}");
        return e.not_understood().empty() ? e.kind() : e.not_understood();
    };
    for (const char* word : {"completed", "succeeded", "SUCCESS", "finished"})
        CHECK(kind("\"status\":\"" + std::string(word) + "\"") == "job.completed");
    for (const char* word : {"failed", "error", "Timeout"})
        CHECK(kind("\"status\":\"" + std::string(word) + "\"") == "job.failed");
    for (const char* word : {"processing", "pending"})
        CHECK(kind("\"status\":\"" + std::string(word) + "\"") == "job.processing");
    CHECK(kind(R"("event_type":"call.transcription.failed")") == "job.failed");
    CHECK(kind(R"("event_type":"meeting.segmentation.complete","status":null)") == "job.completed");
    CHECK(kind(R"("status":"melted")") == "status 'melted' is not known");
    CHECK(kind(R"("event_type":"call.analysis.complete","status":"melted")") == "status 'melted' is not known");
    CHECK(kind(R"("result":{})") == "it says neither status nor event_type");
    CHECK(said(R"({"job_id":"j","status":"COMPLETED"})").job().status() == "completed");
    CHECK(kind(R"("status":"not_found")") == "status 'not_found' is not known");
}

TEST_CASE("a word for a job's state means the same in an answer and in a webhook") {
    for (const char* word : {"timeout", "timed_out", "cancelled", "finished", "complete", "queued", "Accepted"}) {
        INFO(word);
        auto polled = progress_of(word);
        CHECK(progress_of(word, "") == polled);
        CHECK(progress_of(word, "call.analysis.failed") == polled);  // the status says more
    }
    CHECK(progress_of("timeout") == Progress::failed);
    CHECK(progress_of("finished") == Progress::done);
    CHECK(progress_of("melted") == Progress::running);  // whatever it is, it is not over
    CHECK_FALSE(progress_of("melted", "call.analysis.complete"));
    CHECK(progress_of("", "call.analysis.complete") == Progress::done);
    CHECK(progress_of("", "call.analysis.FAILED") == Progress::failed);
    CHECK(progress_of("", "") == Progress::unknown);
}

TEST_CASE("what is no report is held, and says why") {
    for (const char* body : {"", " ", "{", "[]", "\"text\"", "null", "{}", "{\"status\":\"completed\"}",
                             "{\"job_id\":\"\",\"status\":\"completed\"}", "{\"job_id\":{},\"status\":\"completed\"}",
                             "{\"job_id\":\"a\\ud800\"}"}) {
        INFO(body);
        auto e = said(body);
        CHECK_FALSE(e.not_understood().empty());
        CHECK_FALSE(e.key().empty());
        CHECK(e.has_job());
    }
    CHECK(said(std::string(100'000, '[')).not_understood().find("nested") != std::string::npos);
    auto nul = said(R"({"job_id":"a\u0000b","status":"completed","company_id":"o\u0000rg"})");
    CHECK(nul.SerializeAsString().find('\0') == std::string::npos);
    CHECK(nul.job().shunya_job_id() == "ab");
}

TEST_CASE("half a surrogate pair: signed as Python writes it, read as U+FFFD; NaN is no JSON") {
    CHECK(sorted_json(R"({"b":"\ud83d","a":"\udc00x\ud83c\udfe0"})").value() == R"({"a": "\udc00x\ud83c\udfe0", "b": "\ud83d"})");
    auto e = said(R"({"event_type":"call.analysis.complete","job_id":"job \ud83d","data":{"summary":"\ud83d"}})");
    CHECK(e.not_understood().empty());
    CHECK(e.job().shunya_job_id() == "job \xEF\xBF\xBD");
    CHECK(said(R"({"event_type":"call.analysis.complete","job_id":"j","data":{"confidence_score":NaN}})")
              .not_understood()
              .find("no JSON") != std::string::npos);
}
