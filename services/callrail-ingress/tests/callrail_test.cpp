#include "callrail.hpp"

#include <fstream>
#include <sstream>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "otto/directory/v1/directory.pb.h"
#include "otto/inbound/v1/inbound.pb.h"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::callrail_ingress;
namespace pb = otto::inbound::v1;

namespace {

http::Request post(const std::string& path, const std::string& body, const std::string& type = "application/json") {
    http::Request r;
    r.method = http::Method::post;
    r.received_at = system_clock().now();
    r.path = r.target = path.starts_with("/") ? path : "/api/v1/callrail/" + path;
    r.body = body;
    r.headers.add("Content-Type", type);
    return r;
}
pb::ProviderEvent said(const std::string& path, const std::string& body, const std::string& type = "application/json") {
    auto request = post(path, body, type);
    return *CallRail().read(request)->normalize(request).event;
}

std::string published() {
    std::ifstream in(OTTO_SOURCE_DIR "/tests/sandbox/vectors/callrail_post_call.json", std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}

KeyRing ring() { return *KeyRing::parse(Secret("k1:" + base64_encode(std::string(32, 'k')))); }

otto::directory::v1::CompanyProfile profile(const std::string& id, const std::string& number, std::vector<std::string> keys, const std::string& callrail_company = "") {
    otto::directory::v1::CompanyProfile m;
    m.set_company_id(id);
    m.set_version(1);
    m.set_status("active");
    if (!number.empty()) {
        auto* n = m.add_numbers();
        n->set_e164(number);
        n->add_purposes("voice");
        n->add_purposes("text");
    }
    if (!callrail_company.empty()) m.add_callrail_company_ids(callrail_company);
    for (const auto& key : keys) {
        auto* k = m.add_callrail_signing_keys();
        k->set_column("callrail_signing_key");
        k->set_sealed(ring().seal(Secret(key), seal_place(id, "callrail_signing_key")));
    }
    return m;
}
void add(directory::Companies& all, const otto::directory::v1::CompanyProfile& m) { all.apply(m.company_id(), m.SerializeAsString()); }
void add_company(directory::Companies& all, const std::string& id, const std::string& number, std::vector<std::string> keys, const std::string& callrail_company = "") {
    add(all, profile(id, number, std::move(keys), callrail_company));
}

ingress::Judgement judged(const directory::Companies& all, const std::string& body, const std::string& key, bool allow_unsigned = false, const std::string& path = "call.completed") {
    auto request = post(path, body);
    if (!key.empty()) request.headers.add("Signature", base64_encode(hmac_sha1(key, body)));
    CallRail provider;
    auto reading = provider.read(request);
    auto now = system_clock().now();
    const ingress::Case only{request, reading->asked, reading->at.value_or(now)};
    return ingress::judge(provider, {&only, 1}, all, allow_unsigned, now).front();
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
    CHECK(c.provider_company_ids(0) == "155920786");
    CHECK_FALSE(c.has_note());
    CHECK_FALSE(c.has_tags());
}

TEST_CASE("the seeds' own examples") {
    auto a = said("call.completed", R"({"call_id": "test", "caller_number": "+15551234567", "tracking_number": "(202) 831-3219"})");
    CHECK(a.call().provider_call_id() == "test");
    CHECK(a.call().tracking_number() == "+12028313219");
    CHECK(a.call().status() == "completed");
    auto b = said("webhook", R"({"call_id":"CAL123456789","account_id":"AC987654321","company_id":"12345","caller_id":"+15551234567","called_number":"+15559876543","duration":"180",
        "start_time":"2025-09-13T10:30:00Z","end_time":"2025-09-13T10:33:00Z","direction":"inbound","recording_url":"https://api.callrail.com/v3/a/AC987654321/calls/CAL123456789/recording.json",
        "answered":true,"first_call":true,"value":"unknown","good_call":null,"tags":[],"note":"","business_phone_number":"+15559876543","customer_name":"","customer_phone_number":"+15551234567",
        "tenant_id":"tenant_12345","callrail_company_id":"12345","lead_status":"good_lead"})");
    CHECK(b.call().status() == "completed");
    CHECK(b.call().duration_s() == 180);
    CHECK(b.call().claimed_company_id() == "tenant_12345");
    CHECK(b.call().tracking_number() == "+15559876543");
    CHECK(b.call().ended_at_us() - b.call().started_at_us() == 180'000'000);
    auto c = said("call.completed", R"({"call_id":"CAL019a4be69ef4764db2d8ac1d6b21ee00","caller_number":"+15551234567","tracking_number":"+15559876543",
        "recording_url":"https://callrail.com/recordings/abc123.mp3","duration":180,"answered":true,"timestamp":"2025-01-15T10:30:00Z"})");
    CHECK(c.call().recording_url() == "https://callrail.com/recordings/abc123.mp3");
    CHECK(c.call().answered());
}

TEST_CASE("a caller's and a company's number is one in every spelling; a hidden caller has none") {
    auto e = [](const std::string& customer, const std::string& tracking) {
        JsonWriter w;
        w.begin_object().member("id", 7).member("answered", true).member("duration", "61").member("customer_phone_number", customer).member("tracking_phone_number", tracking).end_object();
        return said("call.completed", w.text());
    };
    for (auto text : {"+16237123456", "16237123456", "6237123456", "(623) 712-3456", " 16237123456", "+1 (623) 712/3456", "\u202a+16237123456\u202c", "\u2068(623) 712-3456\u2069", "(623)\u00a0712\u20113456", "+1\ufe0d-623-712-3456",
                      "\u200b+16237123456", "623-712-3456 x45", "623-712-3456 ext. 45", "+16237123456;ext=45", "tel:+16237123456;ext=45", "0016237123456", "\uff0b\uff11\uff16\uff12\uff13\uff17\uff11\uff12\uff13\uff14\uff15\uff16"}) {
        INFO(text);
        auto read = e(text, text);
        CHECK(read.key() == "+16237123456");
        CHECK(read.call().customer_phone_callable());
        CHECK(read.call().tracking_number() == "+16237123456");
    }
    for (auto text : {"Anonymous", "-1", "+266696687", "+7378742833", "+86282452253", "266696687", "+8656696", "+2562533", "0000000000", "+15555555555"}) {
        INFO(text);
        auto read = e(text, "+16237000001");
        CHECK(read.key() == "7");
        CHECK_FALSE(read.call().customer_phone_callable());
    }
}

TEST_CASE("what carriers and programs write where they have nothing is absent, in every field") {
    auto with = [](const std::string& more) { return said("call.completed", R"({"id":1,"answered":true,"duration":"61","tracking_phone_number":"+12025550101","customer_city":"PHOENIX","customer_state":"AZ",)" + more + "}").call(); };
    for (auto name : {"WIRELESS CALLER", "UNAVAILABLE", "UNKNOWN CALLER", "NOT AVAILABLE", "NAME UNAVAILABLE", "UNKNOWN NAME", "ANONYMOUS CALLER", "PRIVATE CALLER", "PRIVATE NUMBER", "WIRELESS CALL", "CELL PHONE", "TOLL FREE", "SPAM RISK",
                      "SCAM LIKELY", "PHOENIX      AZ", "Phoenix, AZ", "PHOENIX", "+16235551234", "V60512345678", "N/A", "-", "null", "ＵＮＫＮＯＷＮ"}) {
        INFO(name);
        CHECK_FALSE(with(std::string(R"("customer_name":")") + name + "\"").has_customer_name());
    }
    CHECK(with(R"("customer_name":"UNKNOWN CALLER","callername":"MARIA LOPEZ")").customer_name() == "MARIA LOPEZ");
    CHECK(with(R"("customer_name":"Phoenix Lopez")").customer_name() == "Phoenix Lopez");
    for (std::string nothing : {"N/A", "UNKNOWN", "NOT AVAILABLE", "none", "null", "-", "(not set)", "(not provided)", "undefined", "TBD", " "}) {
        INFO(nothing);
        auto e = said("call.completed", R"({"id":1,"answered":true,"duration":"61","tracking_phone_number":"+12025550101","customer_city":")" + nothing + R"(","customer_state":")" + nothing + R"(","customer_country":")" + nothing +
                                            R"(","source":")" + nothing + R"(","campaign":")" + nothing + R"(","keywords":")" + nothing + R"(","value":")" + nothing + R"(","lead_status":")" + nothing + R"(","agent_email":")" + nothing +
                                            R"(","tags":[")" + nothing + R"("],"note":"none of the gutters drain"})");
        const auto& r = e.call();
        CHECK_FALSE((r.has_customer_city() || r.has_customer_state() || r.has_customer_country() || r.has_source() || r.has_campaign() || r.has_keywords() || r.has_value() || r.has_lead_status() || r.has_agent_email() || r.has_tags()));
        CHECK(r.note() == "none of the gutters drain");
    }
    auto tags = with(R"("tags":["roof","N/A","spam","none","Not booked"],"note":"N/A")");
    CHECK(std::vector<std::string>(tags.tags().begin(), tags.tags().end()) == std::vector<std::string>{"roof", "spam", "Not booked"});
    CHECK(tags.note() == "N/A");  // a person's
    CHECK(with(R"("changes":["tags"],"tags":["N/A"])").has_tags());  // they were taken away
}

TEST_CASE("classified by payload, the path only where it cannot tell") {
    const std::string pre = R"({"id":1,"customer_phone_number":"+12025550100","tracking_phone_number":"+12025550101","answered":false,"duration":0,"call_type":"missed","voicemail":false})";
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
    CHECK(said("call.completed", R"({"id":1,"changes":["note","tags"],"note":"","tags":[]})").call().stage() == pb::STAGE_MODIFIED);
    auto changed = said("call.modified", R"({"id":1,"changes":["note","tags","recording"],"note":"","tags":[]})").call();
    CHECK(changed.changed_size() == 3);
    CHECK(changed.has_tags());
    CHECK(changed.status().empty());
}

TEST_CASE("a call's type in the words of whoever speaks, where no flag says it") {
    const std::vector<std::pair<std::string, std::string>> words{
        {"voicemail", "voicemail"}, {"voicemails", "voicemail"}, {"Voice Mail", "voicemail"}, {"left_voicemail", "voicemail"}, {"VM", "voicemail"}, {"voicemail_transcription", "voicemail"},
        {"missed", "missed"}, {"Missed Call", "missed"}, {"missed_calls", "missed"}, {"abandoned", "missed"}, {"Abandoned Calls", "missed"}, {"unanswered", "missed"}, {"not answered", "missed"},
        {"no-answer", "missed"}, {"BUSY", "missed"}, {"hang-up", "missed"}, {"canceled", "missed"}, {"cancelled", "missed"}, {"outbound_missed", "missed"}, {"failed", "failed"}, {"Failed Call", "failed"},
        {"answered", "completed"}, {"answered_calls", "completed"}, {"first_call", "completed"}, {"inbound", "completed"}, {"", "completed"}, {"in time", "completed"}};
    for (const auto& [word, status] : words) {
        INFO(word);
        CHECK(said("call.completed", R"({"id":1,"answered":null,"duration":"20","call_type":")" + word + "\"}").call().status() == status);
    }
    CHECK(said("call.completed", R"({"id":1,"answered":true,"call_type":"missed_calls"})").call().status() == "completed");  // a flag that is stated says more
    CHECK(said("call.completed", R"({"id":1,"call_type":"Outbound Calls"})").call().direction() == "outbound");
}

TEST_CASE("form bodies, and JSON under a form's content type") {
    auto f = said("call.completed", "id=77&customer_phone_number=%2B12025550100&tracking_phone_number=2025550101&duration=12&answered=true&tags=roof,%20leak", "application/x-www-form-urlencoded");
    CHECK(f.call().duration_s() == 12);
    CHECK(f.call().tags_size() == 2);
    CHECK(f.call().tracking_number() == "+12025550101");
    CHECK(said("call.completed", R"({"id":5})", "application/x-www-form-urlencoded").call().provider_call_id() == "5");
}

TEST_CASE("what cannot be understood says why and is never refused") {
    for (const char* body : {"", "   ", "{", "[1,2]", "\"text\"", "{\"id\": 1} trailing", "{\"a\":\"\xff\xfe\"}", "{}", "{\"duration\": 5}"}) {
        INFO(body);
        auto e = said("call.completed", body);
        CHECK_FALSE(e.not_understood().empty());
        CHECK_FALSE(e.key().empty());
    }
    CHECK_FALSE(said("call.completed", std::string(200'000, '[')).not_understood().empty());
    CHECK_FALSE(said("call.completed", "a=\xff", "application/x-www-form-urlencoded").not_understood().empty());
}

TEST_CASE("odd values are dropped or kept as text, never trusted") {
    auto c = [](const std::string& fields) { return said("call.completed", "{\"id\":1,\"answered\":true," + fields + "}").call(); };
    CHECK_FALSE(c(R"("duration":-5)").has_duration_s());
    CHECK_FALSE(c(R"("duration":99999999999999)").has_duration_s());
    CHECK_FALSE(c(R"("duration":"soon")").has_duration_s());
    CHECK(c(R"("duration":12,"duration":99)").duration_s() == 12);
    for (auto none : {"yesterday", "20261129", "2026-11-29", "5", "2026", "20261129100000"}) CHECK_FALSE(c("\"start_time\":\"" + std::string(none) + "\"").has_started_at_us());
    CHECK(c(R"("start_time":"20261129","datetime":"2026-11-29 10:00:00")").started_at_us() == to_micros(*parse_time("2026-11-29T10:00:00Z")));
    CHECK(c(R"("start_time":1795953600)").started_at_us() == 1'795'953'600'000'000);
    CHECK(c(R"("datetime":"2018-02-19 18:41:00")").started_at_us() == c(R"("start_time":"2018-02-19T13:41:00-05:00")").started_at_us());
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
    auto e = said("call.completed", R"({"id":"CAL\u00001","customer_name":"An\u0000n","note":"\u0000","tags":["a\u0000b","\u0000"],"changes":["no\u0000te"],"customer_phone_number":"anon\u0000"})");
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

TEST_CASE("whose key proves it: number, provider's company, claim; forged, open, unsigned") {
    directory::Companies all({"", "t", "", ring()});
    add_company(all, "org_a", "+12025550101", {"key a", "former a"}, "COMA");
    add_company(all, "org_b", "+12025550102", {});
    const std::string to_a = R"({"id":1,"tracking_phone_number":"+12025550101"})", to_b = R"({"id":1,"tracking_phone_number":"+12025550102"})", to_nobody = R"({"id":1,"tracking_phone_number":"+12025550199"})";
    CHECK(judged(all, to_a, "key a").company.value() == "org_a");
    CHECK(judged(all, to_a, "former a").verdict == ingress::Verdict::authentic);  // a rotation
    CHECK(judged(all, to_a, "wrong").verdict == ingress::Verdict::forged);
    CHECK(judged(all, to_a, "wrong").why == "no key matched");
    CHECK(judged(all, to_a, "").why == "the header Signature is missing");
    CHECK(judged(all, to_b, "").verdict == ingress::Verdict::open);                 // its owner has no key yet
    CHECK(judged(all, to_b, "", true).company.value() == "org_b");                  // the deployment allows it
    CHECK(judged(all, to_a, "", true).verdict == ingress::Verdict::forged);         // an owner with a key is always verified
    CHECK(judged(all, to_nobody, "").verdict == ingress::Verdict::open);
    CHECK(judged(all, to_nobody, "anything").verdict == ingress::Verdict::open);
    // A pool number that nobody registered, but CallRail's company id is known and its key verifies.
    CHECK(judged(all, R"({"id":1,"tracking_phone_number":"+12025550199","company_resource_id":"COMA"})", "key a").company.value() == "org_a");
    // A claim in the body counts only with that company's own key.
    CHECK(judged(all, R"({"id":1,"tracking_phone_number":"+12025550199","tenant_id":"org_a"})", "key a").company.value() == "org_a");
    CHECK(judged(all, R"({"id":1,"tracking_phone_number":"+12025550102","tenant_id":"org_a"})", "key b").verdict == ingress::Verdict::forged);
    CHECK(judged(all, "no json", "key a").verdict == ingress::Verdict::open);
}

TEST_CASE("a refusal names the companies whose keys did not prove it, and only those") {
    directory::Companies all{{"", "t", "", ring()}};
    add_company(all, "org_a", "+12025550101", {"key a"});
    add_company(all, "org_b", "", {"key b"}, "COM1");
    add_company(all, "org_c", "+12025550103", {});
    const std::string both = R"({"id":1,"answered":true,"tracking_phone_number":"+12025550101","company_resource_id":"COM1"})";
    auto refused = judged(all, both, "another key");
    CHECK(refused.verdict == ingress::Verdict::forged);
    CHECK(refused.refused_for == std::vector<CompanyId>{CompanyId{"org_a"}, CompanyId{"org_b"}});
    CHECK(judged(all, both, "key b").refused_for.empty());
    CHECK(judged(all, R"({"id":1,"answered":true,"tracking_phone_number":"+12025550103"})", "another key").refused_for.empty());  // it has set no key
}

TEST_CASE("a number that changed hands: who had it when the call began proves a late webhook, and so does who has it now; nobody else") {
    directory::Companies all{{"", "t", "", ring()}};
    auto moved = system_clock().now() - std::chrono::hours(1);
    auto former = profile("org_a", "+12025550101", {"key a"}), owner = profile("org_b", "+12025550101", {"key b"});
    former.mutable_numbers(0)->set_valid_to_us(to_micros(moved));
    owner.mutable_numbers(0)->set_valid_from_us(to_micros(moved));
    add(all, former);
    add(all, owner);
    auto body = [&](std::chrono::minutes after) {
        return R"({"id":88000201,"answered":true,"duration":"61","tracking_phone_number":"+12025550101","start_time":")" + to_rfc3339(moved + after) + "\"}";
    };
    auto late = body(std::chrono::minutes(-30)), fresh = body(std::chrono::minutes(30));
    CHECK(judged(all, late, "key a", false, "call.modified").company.value() == "org_a");
    CHECK(judged(all, late, "key b", false, "call.modified").company.value() == "org_b");
    CHECK(judged(all, late, "key c", false, "call.modified").verdict == ingress::Verdict::forged);
    CHECK(judged(all, fresh, "key b").company.value() == "org_b");
    CHECK(judged(all, fresh, "key a").verdict == ingress::Verdict::forged);
    // A body that says no time: when it came.
    CHECK(judged(all, R"({"id":1,"tracking_phone_number":"+12025550101"})", "key a").verdict == ingress::Verdict::forged);
}

TEST_CASE("what a company signs about a number that finally is another's counts against the signer; about any other it is the signer's") {
    using namespace otto::directory::v1;
    const std::string body = R"({"id":1,"tracking_phone_number":"+12025550101","tenant_id":"org_b"})";
    for (auto standing : {STANDING_UNPROVEN, STANDING_PROVEN, STANDING_FINAL}) {
        directory::Companies all{{"", "t", "", ring()}};
        auto a = profile("org_a", "+12025550101", {"key a"});
        a.mutable_numbers(0)->set_standing(standing);
        add(all, a);
        add_company(all, "org_b", "+12025550102", {"key b"});
        auto judgement = judged(all, body, "key b");
        CHECK(judgement.company.value() == "org_b");
        CHECK(judgement.contested == (standing == STANDING_FINAL));
        CHECK(judgement.held_for.value() == (standing == STANDING_FINAL ? "org_b" : ""));
        CHECK_FALSE(judged(all, body, "key a").contested);
    }
}

TEST_CASE("a key that the provider's API gave is final proof, one that a person typed in is not") {
    directory::Companies all{{"", "t", "", ring()}};
    auto a = profile("org_a", "+12025550101", {"given", "typed"});
    a.mutable_callrail_signing_keys(0)->set_from_provider(true);
    add(all, a);
    const std::string body = R"({"id":1,"tracking_phone_number":"+12025550101"})";
    CHECK(judged(all, body, "given").final_proof);
    CHECK(judged(all, body, "typed").verdict == ingress::Verdict::authentic);
    CHECK_FALSE(judged(all, body, "typed").final_proof);
}

TEST_CASE("what will wait is on the account of the owner without a key, or of the signer") {
    directory::Companies all{{"", "t", "", ring()}};
    add_company(all, "org_a", "+12025550101", {});
    auto b = profile("org_b", "+12025550102", {"key b"}, "COMB");
    b.set_status("suspended");
    add(all, b);
    CHECK(judged(all, R"({"id":1,"tracking_phone_number":"+12025550101"})", "").held_for.value() == "org_a");
    CHECK(judged(all, R"({"id":1,"tracking_phone_number":"+12025550199"})", "").held_for.value().empty());
    CHECK(judged(all, R"({"id":1,"tracking_phone_number":"+12025550102"})", "key b").held_for.value() == "org_b");
    CHECK(judged(all, R"({"id":1,"tenant_id":"org_b","callrail_company_id":"COMA"})", "key b").held_for.value() == "org_b");
}

TEST_CASE("a signature that is missing or malformed says nothing of a company's key") {
    directory::Companies all{{"", "t", "", ring()}};
    add_company(all, "org_a", "+12025550101", {"key a"});
    const std::string body = R"({"id":1,"tracking_phone_number":"+12025550101"})";
    CHECK(judged(all, body, "").verdict == ingress::Verdict::forged);
    CHECK(judged(all, body, "").refused_for.empty());
    CHECK(judged(all, body, "wrong").refused_for.size() == 1);
}

TEST_CASE("texts are judged as calls are, and wait") {
    directory::Companies all{{"", "t", "", ring()}};
    add_company(all, "org_a", "+12025550101", {"key a"});
    const std::string path = "/sms/callrail-webhook";
    auto take = [&](const std::string& body) {
        auto request = post(path, body);
        return CallRail().read(request)->normalize(request);
    };
    const std::string received = R"({"id":5,"resource_id":"SCI5","source_number":"(202) 555-0177","destination_number":"+12025550101","content":"How much is a roof?","timestamp":"2026-01-02T03:04:05Z"})";
    auto n = take(received);
    CHECK(n.waits);
    CHECK(n.identity == "SCI5");
    CHECK(n.event->kind() == "text.received");
    CHECK(n.event->key() == "+12025550177");
    CHECK(n.event->text().tracking_number() == "+12025550101");
    CHECK(n.event->text().direction() == "inbound");
    CHECK(to_rfc3339(from_micros(n.event->text().sent_at_us())) == "2026-01-02T03:04:05Z");
    CHECK(n.event->SerializeAsString().find("roof") == std::string::npos);  // in the raw body alone
    auto sent = take(R"({"id":6,"source_number":"+12025550101","destination_number":"+12025550177","content":"Ours","agent":"Ann"})");
    CHECK(sent.event->kind() == "text.sent");
    CHECK(sent.event->key() == "+12025550177");
    CHECK(sent.event->text().tracking_number() == "+12025550101");
    CHECK_FALSE(take("no json").event->not_understood().empty());
    CHECK_FALSE(take("{}").event->not_understood().empty());
    CHECK(judged(all, received, "key a", false, path).company.value() == "org_a");
    CHECK(judged(all, received, "wrong", false, path).verdict == ingress::Verdict::forged);
    auto all_paths = CallRail().paths();
    CHECK(std::find(all_paths.begin(), all_paths.end(), path) != all_paths.end());
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
    CHECK(said("call.completed", form, "application/x-www-form-urlencoded").not_understood() == "the form has more than 1000 fields");
    CHECK(said("call.completed", json + "}").not_understood() == "the body has more than 1000 fields");
    auto request = post("call.completed", form, "application/x-www-form-urlencoded");
    CHECK(CallRail().read(request)->asked.number.empty());
    std::string tags = "id=1&tags=", changes = R"({"id":1,"changes":{)";
    for (int i = 0; i < 5'000; ++i) {
        tags += "t,";
        changes += (i ? ",\"c" : "\"c") + std::to_string(i) + "\":1";
    }
    CHECK(said("call.completed", tags, "application/x-www-form-urlencoded").call().tags_size() == 200);
    CHECK(said("call.modified", changes + "}}").call().changed_size() <= 100);
}
