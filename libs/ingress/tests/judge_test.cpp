// Whose key proves a webhook, with CallRail's and with the deployment's of Shunya.
#include "ingress/judge.hpp"

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "otto/directory/v1/directory.pb.h"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/shunya_webhook.hpp"
#include "testing/catch.hpp"

using namespace otto;
using ingress::Judge, ingress::Verdict, providers::Parts;

namespace {

KeyRing ring() { return *KeyRing::parse(Secret("k1:" + base64_encode(std::string(32, 'k')))); }

otto::directory::v1::CompanyProfile profile(const std::string& id, const std::string& number, std::vector<std::string> keys,
                                            const std::string& callrail_company = "") {
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
    auto& account = *m.add_accounts();
    account.set_provider("callrail");
    if (!callrail_company.empty()) account.add_company_ids(callrail_company);
    for (const auto& key : keys) {
        auto* k = account.add_signing_keys();
        k->set_column("callrail_signing_key");
        k->set_sealed(ring().seal(Secret(key), seal_place(id, "callrail_signing_key")));
    }
    return m;
}
void add(directory::Companies& all, const otto::directory::v1::CompanyProfile& m) {
    all.apply(m.company_id(), m.SerializeAsString());
}
void add_company(directory::Companies& all, const std::string& id, const std::string& number, std::vector<std::string> keys,
                 const std::string& callrail_company = "") {
    add(all, profile(id, number, std::move(keys), callrail_company));
}

ingress::Judgement judged(const Judge& judge, const providers::Webhook& webhook, const http::Request& request, Instant now) {
    auto parts = Parts::of(request);
    auto reading = webhook.read(parts);
    const Judge::Case only{parts, reading->addressee(), now};
    return judge.judge({&only, 1}, now).front();
}

ingress::Judgement judged(const directory::Companies& all, const std::string& body, const std::string& key,
                          bool allow_unsigned = false, const std::string& path = "/api/v1/callrail/call.completed") {
    auto now = system_clock().now();
    http::Request request;
    request.method = http::Method::post;
    request.received_at = now;
    request.path = request.target = path;
    request.body = body;
    request.headers.add("Content-Type", "application/json");
    if (!key.empty()) request.headers.add("Signature", base64_encode(hmac_sha1(key, body)));
    const auto& webhook = *providers::webhook_of("callrail");
    return judged(ingress::KeyedByCompany(webhook, all, allow_unsigned), webhook, request, now);
}

}  // namespace

TEST_CASE("whose key proves it: number, provider's company, claim; forged, open, unsigned") {
    directory::Companies all({"", "t", "", ring()});
    add_company(all, "org_a", "+12025550101", {"key a", "former a"}, "COMA");
    add_company(all, "org_b", "+12025550102", {});
    const std::string to_a = R"({"id":1,"tracking_phone_number":"+12025550101"})",
                      to_b = R"({"id":1,"tracking_phone_number":"+12025550102"})",
                      to_nobody = R"({"id":1,"tracking_phone_number":"+12025550199"})";
    CHECK(judged(all, to_a, "key a").company.value() == "org_a");
    CHECK(judged(all, to_a, "former a").verdict == Verdict::authentic);  // a rotation
    CHECK(judged(all, to_a, "wrong").verdict == Verdict::forged);
    CHECK(judged(all, to_a, "wrong").refusal.why == "no key matched");
    CHECK(judged(all, to_a, "").refusal.why == "the header Signature is missing");
    CHECK(judged(all, to_b, "").verdict == Verdict::open);          // its owner has no key yet
    CHECK(judged(all, to_b, "", true).company.value() == "org_b");  // the deployment allows it
    CHECK(judged(all, to_a, "", true).verdict == Verdict::forged);  // an owner with a key is always verified
    CHECK(judged(all, to_nobody, "").verdict == Verdict::open);
    CHECK(judged(all, to_nobody, "anything").verdict == Verdict::open);
    // A pool number that nobody registered, but CallRail's company id is known and its key verifies.
    CHECK(
        judged(all, R"({"id":1,"tracking_phone_number":"+12025550199","company_resource_id":"COMA"})", "key a").company.value() ==
        "org_a");
    // A claim in the body counts only with that company's own key.
    CHECK(judged(all, R"({"id":1,"tracking_phone_number":"+12025550199","tenant_id":"org_a"})", "key a").company.value() ==
          "org_a");
    CHECK(judged(all, R"({"id":1,"tracking_phone_number":"+12025550102","tenant_id":"org_a"})", "key b").verdict ==
          Verdict::forged);
    CHECK(judged(all, "no json", "key a").verdict == Verdict::open);
}

TEST_CASE("a refusal names the companies whose keys did not prove it, and only those") {
    directory::Companies all{{"", "t", "", ring()}};
    add_company(all, "org_a", "+12025550101", {"key a"});
    add_company(all, "org_b", "", {"key b"}, "COM1");
    add_company(all, "org_c", "+12025550103", {});
    const std::string both = R"({"id":1,"answered":true,"tracking_phone_number":"+12025550101","company_resource_id":"COM1"})";
    auto refused = judged(all, both, "another key");
    CHECK(refused.verdict == Verdict::forged);
    CHECK(refused.refused_for == std::vector<CompanyId>{CompanyId{"org_a"}, CompanyId{"org_b"}});
    CHECK(judged(all, both, "key b").refused_for.empty());
    CHECK(judged(all, R"({"id":1,"answered":true,"tracking_phone_number":"+12025550103"})", "another key")
              .refused_for.empty());  // it has set no key
}

TEST_CASE(
    "a number that changed hands: who had it when the call began proves a late webhook, and so does who has it now; nobody "
    "else") {
    directory::Companies all{{"", "t", "", ring()}};
    auto moved = system_clock().now() - std::chrono::hours(1);
    auto former = profile("org_a", "+12025550101", {"key a"}), owner = profile("org_b", "+12025550101", {"key b"});
    former.mutable_numbers(0)->set_valid_to_us(to_micros(moved));
    owner.mutable_numbers(0)->set_valid_from_us(to_micros(moved));
    add(all, former);
    add(all, owner);
    auto body = [&](std::chrono::minutes after) {
        return R"({"id":88000201,"answered":true,"duration":"61","tracking_phone_number":"+12025550101","start_time":")" +
               to_rfc3339(moved + after) + "\"}";
    };
    auto late = body(std::chrono::minutes(-30)), fresh = body(std::chrono::minutes(30));
    CHECK(judged(all, late, "key a", false, "/api/v1/callrail/call.modified").company.value() == "org_a");
    CHECK(judged(all, late, "key b", false, "/api/v1/callrail/call.modified").company.value() == "org_b");
    CHECK(judged(all, late, "key c", false, "/api/v1/callrail/call.modified").verdict == Verdict::forged);
    CHECK(judged(all, fresh, "key b").company.value() == "org_b");
    CHECK(judged(all, fresh, "key a").verdict == Verdict::forged);
    // A body that says no time: when it came.
    CHECK(judged(all, R"({"id":1,"tracking_phone_number":"+12025550101"})", "key a").verdict == Verdict::forged);
}

TEST_CASE(
    "what a company signs about a number that finally is another's counts against the signer; about any other it is the "
    "signer's") {
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
    a.mutable_accounts(0)->mutable_signing_keys(0)->set_from_provider(true);
    add(all, a);
    const std::string body = R"({"id":1,"tracking_phone_number":"+12025550101"})";
    CHECK(judged(all, body, "given").final_proof);
    CHECK(judged(all, body, "typed").verdict == Verdict::authentic);
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
    CHECK(judged(all, body, "").verdict == Verdict::forged);
    CHECK(judged(all, body, "").refused_for.empty());
    CHECK(judged(all, body, "wrong").refused_for.size() == 1);
}

TEST_CASE("a text is judged as a call is, by who has the number for texts") {
    directory::Companies all{{"", "t", "", ring()}};
    add_company(all, "org_a", "+12025550101", {"key a"});
    auto b = profile("org_b", "+12025550102", {"key b"});
    b.mutable_numbers(0)->clear_purposes();
    b.mutable_numbers(0)->add_purposes("voice");
    add(all, b);
    const std::string
        received =
            R"({"id":5,"source_number":"(202) 555-0177","destination_number":"+12025550101","content":"How much is a roof?"})",
        path = "/sms/callrail-webhook";
    CHECK(judged(all, received, "key a", false, path).company.value() == "org_a");
    CHECK(judged(all, received, "wrong", false, path).verdict == Verdict::forged);
    // Of a text from its number to whom nobody knows: its key may prove that it wrote it, and refutes nothing.
    const std::string from_a = R"({"id":5,"source_number":"+12025550101","destination_number":"(202) 555-0177"})";
    CHECK(judged(all, from_a, "key a", false, path).company.value() == "org_a");
    CHECK(judged(all, from_a, "wrong", false, path).verdict == Verdict::open);
    CHECK(judged(all, from_a, "wrong", false, path).refused_for.empty());
    CHECK(judged(all, R"({"id":5,"source_number":"(202) 555-0177","destination_number":"+12025550102"})", "key b", false, path)
              .verdict == Verdict::open);
}

TEST_CASE("what waits on a full account says so") {
    directory::Companies all{{"", "t", "", ring()}};
    auto a = profile("org_a", "+12025550101", {}), b = profile("org_b", "+12025550102", {"key b"});
    b.set_status("suspended");
    for (auto* m : {&a, &b}) {
        m->set_held_limited(true);
        add(all, *m);
    }
    CHECK(judged(all, R"({"id":1,"tracking_phone_number":"+12025550101"})", "").held_limited);
    CHECK(judged(all, R"({"id":1,"tracking_phone_number":"+12025550102"})", "key b").held_limited);
    CHECK_FALSE(judged(all, R"({"id":1,"tracking_phone_number":"+12025550103"})", "").held_limited);
}

namespace {

// Values of providers.md §6.4.
const Secret kSecret{"test_webhook_secret_key_12345"};
const Instant kThen = from_micros(1'765'189'800'000'000);
const std::string kReport = R"({"shunya_job_id": "job_123", "status": "completed"})",
                  kSignature = "6e55ea189a0b782a555b2b50a5904cf1a196d3cce31e767807ce4623e3dacf46", kStamp = "1765189800000";
const providers::shunya::Webhook kShunya(providers::shunya::Scheme::timestamp_dot_body);

ingress::KeyedByDeployment by_deployment(std::vector<Secret> secrets, bool allow_unsigned = false) {
    return {kShunya, {std::move(secrets), "OTTO_SHUNYA_WEBHOOK_SECRET", "OTTO_SHUNYA_SIGNATURE"}, allow_unsigned};
}

http::Request report(const std::string& body, std::vector<std::pair<std::string, std::string>> headers) {
    http::Request r;
    r.path = r.target = "/api/v1/shunya/webhook";
    r.received_at = kThen;
    r.body = body;
    for (auto& [name, value] : headers) r.headers.add(name, value);
    return r;
}

}  // namespace

TEST_CASE("the verdict is the deployment's, and names no company") {
    auto request = report(kReport, {{"X-Shunya-Signature", kSignature}, {"X-Shunya-Timestamp", kStamp}});
    auto verdict = [&](const ingress::KeyedByDeployment& judge) { return judged(judge, kShunya, request, kThen); };
    CHECK(verdict(by_deployment({kSecret})).verdict == Verdict::authentic);
    CHECK(verdict(by_deployment({kSecret})).company.value().empty());
    CHECK(verdict(by_deployment({Secret("the new one"), kSecret})).verdict == Verdict::authentic);  // while it rotates
    CHECK(verdict(by_deployment({})).verdict == Verdict::forged);
    CHECK(verdict(by_deployment({})).refusal.why == "this deployment has no secret for it");
    CHECK(verdict(by_deployment({})).refusal.operators_cure == "set OTTO_SHUNYA_WEBHOOK_SECRET to what Shunya signs with");
    CHECK(verdict(by_deployment({}, true)).verdict == Verdict::unsigned_);
    request.body += "\n";
    auto wrong = verdict(by_deployment({kSecret}));
    CHECK(wrong.verdict == Verdict::forged);
    CHECK(wrong.refusal.why == "no secret matched");
    CHECK(wrong.refusal.cure == "Sign with the deployment's Shunya webhook secret.");
    CHECK(wrong.refusal.operators_cure ==
          "compare OTTO_SHUNYA_WEBHOOK_SECRET with what Shunya signs with, and OTTO_SHUNYA_SIGNATURE with the message that it "
          "signs");
    CHECK(wrong.refused_for.empty());
    for (const auto& one : {wrong, verdict(by_deployment({}))})
        CHECK((one.refusal.why + one.refusal.cure).find("OTTO_") == std::string::npos);
    CHECK(verdict(by_deployment({kSecret}, true)).verdict == Verdict::forged);  // who has set a secret is always verified
}

TEST_CASE("what no body could prove is known by the head") {
    auto why = [](const ingress::KeyedByDeployment& judge, std::vector<std::pair<std::string, std::string>> headers) {
        auto head = report("", std::move(headers));
        auto refusal = judge.refused_by_head(Parts::of(head));
        return refusal ? refusal->why : "";
    };
    const std::string signature = "X-Shunya-Signature", stamp = "X-Shunya-Timestamp";
    auto keyed = by_deployment({kSecret}), keyless = by_deployment({});
    CHECK(keyed.judges_heads());
    CHECK(why(keyed, {{signature, kSignature}, {stamp, kStamp}}) == "");
    CHECK(why(keyed, {{signature, std::string(64, '0')}, {stamp, kStamp}}) == "");  // the body decides
    CHECK(why(keyed, {}) == "the header X-Shunya-Signature is missing");
    CHECK(why(by_deployment({kSecret}, true), {}) == "the header X-Shunya-Signature is missing");
    CHECK(why(keyed, {{signature, kSignature}}) == "the header X-Shunya-Timestamp is missing");
    CHECK(why(keyed, {{signature, kSignature}, {signature, kSignature}, {stamp, kStamp}}) ==
          "the header X-Shunya-Signature is there more than once");
    CHECK(why(keyed, {{signature, "F"}, {stamp, kStamp}}) != "");
    CHECK(why(keyed, {{signature, kSignature}, {stamp, "1"}}) != "");
    CHECK(why(keyless, {{signature, kSignature}, {stamp, kStamp}}) == "this deployment has no secret for it");
    CHECK(why(by_deployment({}, true), {}) == "");  // taken unsigned
}
