// Twilio's webhooks: proven by the tokens of companies, and by that of an account which the deployment has for all of them.
#include "base/crypto.hpp"
#include "base/text.hpp"
#include "ingress/judge.hpp"
#include "otto/directory/v1/directory.pb.h"
#include "otto/inbound/v1/inbound.pb.h"
#include "testing/catch.hpp"

using namespace otto;
using ingress::Judge, ingress::Verdict, providers::Parts;
namespace pb = otto::inbound::v1;

namespace {

KeyRing ring() { return *KeyRing::parse(Secret("k1:" + base64_encode(std::string(32, 'k')))); }
const providers::Webhook& twilio() { return *providers::webhook_of("twilio"); }

directory::v1::CompanyProfile profile(const std::string& id, const std::string& number, const std::string& account,
                                      std::vector<std::string> tokens) {
    directory::v1::CompanyProfile m;
    m.set_company_id(id);
    m.set_version(1);
    m.set_status("active");
    if (!number.empty()) {
        m.add_numbers()->set_e164(number);
        m.mutable_numbers(0)->add_purposes("text");
    }
    auto& a = *m.add_accounts();
    a.set_provider("twilio");
    a.set_account_id(account);
    for (const auto& token : tokens) {
        auto& k = *a.add_signing_keys();
        k.set_column("twilio_auth_token");
        k.set_sealed(ring().seal(Secret(token), seal_place(id, "twilio_auth_token")));
    }
    return m;
}

/// The companies and the deployment's own account.
struct World {
    directory::Companies all{{"", "t", "", ring()}};
    ingress::DeploymentAccount own{"AC_own", {{Secret("own token"), Secret("own former")}, "OTTO_TWILIO_AUTH_TOKEN"}};
    void add(const directory::v1::CompanyProfile& m) { all.apply(m.company_id(), m.SerializeAsString()); }
    void add(const std::string& id, const std::string& number, const std::string& account, std::vector<std::string> tokens) {
        add(profile(id, number, account, std::move(tokens)));
    }
    ingress::Judgement judged(const std::string& account, const std::string& to, const std::string& token,
                              bool allow_unsigned = false) const {
        return judged_body("AccountSid=" + account + "&MessageSid=SM1&To=" + percent_encode(to),
                           "AccountSid" + account + "MessageSidSM1To" + to, token, allow_unsigned);
    }
    ingress::Judgement judged_recording(const std::string& account, const std::string& token) const {
        return judged_body("AccountSid=" + account + "&CallSid=CA1&RecordingSid=RE1&RecordingStatus=completed",
                           "AccountSid" + account + "CallSidCA1RecordingSidRE1RecordingStatuscompleted", token, false);
    }
    ingress::Judgement judged_body(const std::string& body, const std::string& parameters, const std::string& token,
                                   bool allow_unsigned) const {
        http::Request request;
        request.received_at = system_clock().now();
        request.target = request.path = "/sms/twilio-webhook";
        request.headers.add("Content-Type", "application/x-www-form-urlencoded");
        request.body = body;
        const auto urls = ingress::addresses_of("https://otto.example", request);
        if (!token.empty()) request.headers.add("X-Twilio-Signature", base64_encode(hmac_sha1(token, urls[0] + parameters)));
        auto parts = Parts::of(request);
        parts.urls = urls;
        auto reading = twilio().read(parts);
        const Judge::Case only{parts, reading->addressee(), request.received_at};
        return ingress::KeyedByCompany(twilio(), all, allow_unsigned, own).judge({&only, 1}, request.received_at).front();
    }
};

const std::string kNumber = "+12025550101", kOther = "+12025550102", kNobodys = "+12025550199";

}  // namespace

TEST_CASE("a text is proven by the account that it names, or by an owner of its number") {
    World w;
    w.add("org_a", kNumber, "AC_a", {"token a", "former a"});
    w.add("org_b", kOther, "AC_b", {"token b"});
    CHECK(w.judged("AC_a", kNumber, "token a").company.value() == "org_a");
    CHECK(w.judged("AC_a", kNumber, "former a").company.value() == "org_a");  // a reconnect
    CHECK(w.judged("AC_x", kNumber, "token a").company.value() == "org_a");   // a subaccount
    CHECK(w.judged("AC_a", kNumber, "token b").verdict == Verdict::forged);
    CHECK(w.judged("AC_x", kNobodys, "token b").verdict == Verdict::open);
    auto forged = w.judged("AC_a", kNumber, "another");
    CHECK(forged.verdict == Verdict::forged);
    CHECK(forged.refusal.why == "no key matched");
    CHECK(forged.refusal.operators_cure ==
          "compare OTTO_PUBLIC_URL with the address that Twilio is given, and the key with the one that it signs with");
    CHECK(forged.refusal.cure.find("OTTO_") == std::string::npos);
    CHECK(forged.refused_for == std::vector<CompanyId>{CompanyId{"org_a"}});
    CHECK(w.judged("AC_a", kNumber, "").refusal.why == "the header X-Twilio-Signature is missing");
}

TEST_CASE("what an account proves about a number that it has not registered waits on its account") {
    World w;
    w.add("org_a", kNumber, "AC_a", {"token a"});
    w.add("org_b", kOther, "AC_b", {"token b"});
    CHECK(w.judged("AC_a", kNumber, "token a").held_for.value().empty());
    for (const auto& number : {kNobodys, kOther}) {
        auto waits = w.judged("AC_a", number, "token a");
        CHECK(waits.company.value() == "org_a");
        CHECK(waits.held_for.value() == "org_a");
        CHECK_FALSE(waits.contested);
    }
    auto b = profile("org_b", kOther, "AC_b", {"token b"});
    b.mutable_numbers(0)->set_standing(directory::v1::STANDING_FINAL);
    b.set_version(2);
    w.add(b);
    CHECK(w.judged("AC_a", kOther, "token a").contested);
    // Registered for calls alone: not for this.
    auto a = profile("org_a", kNumber, "AC_a", {"token a"});
    a.mutable_numbers(0)->set_purposes(0, "voice");
    a.set_version(2);
    w.add(a);
    CHECK(w.judged("AC_a", kNumber, "token a").held_for.value() == "org_a");
}

TEST_CASE("of several companies on one account the owner of the number is it") {
    World w;
    w.add("org_a", kNumber, "AC_one", {"shared token"});
    w.add("org_b", kOther, "AC_one", {"shared token"});
    CHECK(w.judged("AC_one", kNumber, "shared token").company.value() == "org_a");
    CHECK(w.judged("AC_one", kOther, "shared token").company.value() == "org_b");
}

TEST_CASE("the deployment's token proves what its own account sends, and it is the number's sole owner's") {
    World w;
    w.add("org_a", kNumber, "", {});
    for (std::string token : {"own token", "own former"}) {
        auto proven = w.judged("AC_own", kNumber, token);
        CHECK(proven.verdict == Verdict::authentic);
        CHECK(proven.by_deployment);
        CHECK(proven.company.value() == "org_a");
        CHECK_FALSE(proven.final_proof);
    }
    auto nobodys = w.judged("AC_own", kNobodys, "own token");
    CHECK(nobodys.verdict == Verdict::authentic);
    CHECK(nobodys.by_deployment);
    CHECK(nobodys.company.value().empty());
    CHECK(w.judged("AC_own", kNumber, "another").verdict == Verdict::forged);
    CHECK(w.judged("AC_own", kNumber, "").verdict == Verdict::forged);
    CHECK(w.judged("AC_own", kNumber, "another", true).verdict == Verdict::forged);  // who has a key is always verified
    CHECK(w.judged("AC_own", kNumber, "another").refused_for.empty());
    // Another account is none of the deployment's, whatever signs for it.
    CHECK(w.judged("AC_a", kNumber, "own token").verdict == Verdict::open);
    w.own.key.secrets.clear();
    CHECK(w.judged("AC_own", kNumber, "own token").verdict == Verdict::open);  // held
    w.own.id.clear();
    CHECK(w.judged("", kNumber, "own token").verdict == Verdict::open);
    // Two say that the number is theirs: nobody's, until one of them does not.
    w.own = {"AC_own", {{Secret("own token")}, "OTTO_TWILIO_AUTH_TOKEN"}};
    w.add("org_b", kNumber, "", {});
    CHECK(w.judged("AC_own", kNumber, "own token").company.value().empty());
    // A company's own token says more.
    w.add("org_c", kOther, "AC_own", {"token c"});
    auto own = w.judged("AC_own", kOther, "token c");
    CHECK((own.company.value() == "org_c" && !own.by_deployment));
}

TEST_CASE("a receipt keeps the addresses that were judged, and who proved it") {
    http::Request request;
    request.target = "/sms/twilio-webhook?q=\xff";
    request.headers.add("X-Twilio-Signature", "abc");
    const auto urls = ingress::addresses_of("https://otto.example", request);
    ingress::Judgement judgement{Verdict::authentic};
    judgement.by_deployment = true;
    pb::Receipt receipt, back;
    ingress::fill_receipt(receipt, twilio(), request, judgement, from_micros(7), urls);
    REQUIRE(back.ParseFromString(receipt.SerializeAsString()));
    CHECK(back.proven_by_deployment());
    CHECK(back.proven_company_id().empty());
    CHECK(back.verdict() == pb::VERDICT_AUTHENTIC);
    CHECK(back.headers(0).name() == "X-Twilio-Signature");
    CHECK(Parts::of(back).urls == std::vector<std::string>{"https://otto.example/sms/twilio-webhook?q=\xef\xbf\xbd"});
}

TEST_CASE("the address is the deployment's, and beside it what a trusted proxy forwards") {
    auto of = [](std::vector<std::pair<std::string, std::string>> headers,
                 const std::string& public_url = "https://otto.example/front") {
        http::Request request;
        request.target = "/a?b=c";
        for (auto& [name, value] : headers) request.headers.add(name, value);
        return ingress::addresses_of(public_url, request);
    };
    using Urls = std::vector<std::string>;
    const std::string ours = "https://otto.example/front/a?b=c", proto = "X-Forwarded-Proto", host = "X-Forwarded-Host";
    CHECK(of({{"Host", "inner"}}) == Urls{ours});
    CHECK(of({{"Host", "inner:81"}, {proto, "HTTPS"}}) == Urls{ours, "https://inner:81/a?b=c"});
    CHECK(of({{"Host", "inner"}, {host, "outer.example"}}) == Urls{ours, "https://outer.example/a?b=c"});
    CHECK(of({{proto, "http, https"}, {host, "a.example, outer.example"}}) == Urls{ours, "https://outer.example/a?b=c"});
    CHECK(of({{proto, "https"}, {host, "otto.example"}}, "https://otto.example") == Urls{"https://otto.example/a?b=c"});
    for (std::string odd : {"evil.example/x", "a b", "u@evil.example", "evil.example#", "evil.example?", "", ","}) {
        INFO(odd);
        CHECK(of({{proto, "https"}, {host, odd}}) == Urls{ours});
    }
    CHECK(of({{proto, "ftp"}, {host, "outer.example"}}) == Urls{ours});
}

TEST_CASE("a recording names no number: its account proves it, and it is not counted among what will wait") {
    World w;
    w.add("org_a", kNumber, "AC_a", {"token a"});
    auto own = w.judged_recording("AC_a", "token a");
    CHECK((own.company.value() == "org_a" && own.held_for.value().empty()));
    CHECK(w.judged("AC_a", kNobodys, "token a").held_for.value() == "org_a");
    CHECK(w.judged_recording("AC_a", "another").verdict == Verdict::forged);
    CHECK(w.judged_recording("AC_x", "token a").verdict == Verdict::open);  // a subaccount: the router knows whose call it is
    auto for_all = w.judged_recording("AC_own", "own token");
    CHECK((for_all.by_deployment && for_all.company.value().empty()));
}
