// What providers of another make need, tried with two that are made up: one signs an address and sorted parameters, and answers
// XML; one signs a composed text with several signatures at once.
#include <algorithm>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "ingress/judge.hpp"
#include "otto/directory/v1/directory.pb.h"
#include "otto/inbound/v1/inbound.pb.h"
#include "testing/catch.hpp"

using namespace otto;
using ingress::Judge, ingress::Verdict, providers::Parts, providers::Proof;
namespace pb = otto::inbound::v1;

namespace {

/// The form's `To` is the company's number, `Account` its account.
class FormReading final : public providers::Reading {
public:
    explicit FormReading(const Parts& parts) : fields_(parse_form(parts.body)) {
        addressee_.set_number(std::string(form_value(fields_, "To").value_or("")));
        addressee_.set_purpose(pb::PURPOSE_TEXT);
        addressee_.set_account_id(std::string(form_value(fields_, "Account").value_or("")));
    }
    const pb::Addressee& addressee() const override { return addressee_; }
    providers::Normalized normalize(const Parts&) const override {
        providers::Normalized n;
        n.event = std::make_shared<pb::ProviderEvent>();
        n.event->set_kind("text.received");
        *n.event->mutable_addressee() = addressee_;
        n.event->mutable_message()->set_provider_message_id(std::string(form_value(fields_, "Id").value_or("")));
        n.identity = n.event->message().provider_message_id();
        return n;
    }

private:
    FormFields fields_;
    pb::Addressee addressee_;
};

/// Base64 of HMAC-SHA1 over the address and the sorted parameters; the address with its port, or without.
class Addressed final : public providers::Webhook {
public:
    std::string_view name() const override { return "addressed"; }
    std::string_view title() const override { return "Addressed"; }
    std::vector<std::string> paths() const override { return {"/hooks/addressed"}; }
    std::vector<std::string_view> signature_headers() const override { return {"X-Addressed-Signature"}; }
    std::unique_ptr<providers::Reading> read(const Parts& parts) const override { return std::make_unique<FormReading>(parts); }
    Proof proof(const Parts& parts) const override {
        auto digest = base64_decode(parts.header("X-Addressed-Signature"));
        if (!digest || digest->empty()) return Proof::none({"the header X-Addressed-Signature is missing, or is not base64"});
        Proof proof;
        for (std::string origin : {"https://otto.example", "https://otto.example:443"})
            proof.alternatives.push_back({{Digest::hmac_sha1, *digest, message(origin, parts)}});
        return proof;
    }
    http::Response answer(const Taken& taken) const override {
        if (taken.event.kind() != "text.received") return http::Response::empty(204);
        return http::Response::text(200, "<Response/>", "text/xml");
    }

    static std::string message(const std::string& origin, const Parts& parts) {
        auto fields = parse_form(parts.body);
        std::sort(fields.begin(), fields.end());
        auto out = origin + std::string(parts.target);
        for (const auto& [name, value] : fields) out += name + value;
        return out;
    }
};

/// "v1,<base64>" as often as keys are valid, of HMAC-SHA256 over "{id}.{time}.{body}".
class Listed final : public providers::Webhook {
public:
    std::string_view name() const override { return "listed"; }
    std::string_view title() const override { return "Listed"; }
    std::vector<std::string> paths() const override { return {"/hooks/listed"}; }
    std::vector<std::string_view> signature_headers() const override { return {"hook-id", "hook-time", "hook-signature"}; }
    std::unique_ptr<providers::Reading> read(const Parts& parts) const override { return std::make_unique<FormReading>(parts); }
    Proof proof(const Parts& parts) const override {
        Proof proof;
        for (const auto& one : split_list(parts.header("hook-signature"), ' ')) {
            auto digest = one.starts_with("v1,") ? base64_decode(one.substr(3)) : std::nullopt;
            if (digest)
                proof.alternatives.push_back(
                    {{Digest::hmac_sha256, *digest,
                      std::string(parts.header("hook-id")) + "." + std::string(parts.header("hook-time")) + ".", parts.body}});
        }
        if (proof.alternatives.empty()) return Proof::none({"the header hook-signature has no signature of version v1"});
        return proof;
    }
};

const Addressed kAddressed{};
const Listed kListed{};

KeyRing ring() { return *KeyRing::parse(Secret("k1:" + base64_encode(std::string(32, 'k')))); }

void add_company(directory::Companies& all, const std::string& id, const std::string& number, const std::string& provider,
                 const std::string& account, std::vector<std::string> keys) {
    otto::directory::v1::CompanyProfile m;
    m.set_company_id(id);
    m.set_version(1);
    m.set_status("active");
    m.add_numbers()->set_e164(number);
    m.mutable_numbers(0)->add_purposes("text");
    auto& a = *m.add_accounts();
    a.set_provider(provider);
    a.set_account_id(account);
    for (const auto& key : keys) {
        auto& k = *a.add_signing_keys();
        k.set_column("a_key");
        k.set_sealed(ring().seal(Secret(key), seal_place(id, "a_key")));
    }
    all.apply(id, m.SerializeAsString());
}

http::Request post(const std::string& target, const std::string& body,
                   std::vector<std::pair<std::string, std::string>> headers = {}) {
    http::Request r;
    r.method = http::Method::post;
    r.target = target;
    r.path = target.substr(0, target.find('?'));
    r.body = body;
    r.received_at = system_clock().now();
    r.headers.add("Content-Type", "application/x-www-form-urlencoded");
    for (auto& [name, value] : headers) r.headers.add(name, value);
    return r;
}

ingress::Judgement judged(const providers::Webhook& webhook, const directory::Companies& all, const http::Request& request) {
    auto parts = Parts::of(request);
    auto reading = webhook.read(parts);
    const Judge::Case only{parts, reading->addressee(), request.received_at};
    return ingress::KeyedByCompany(webhook, all, false).judge({&only, 1}, request.received_at).front();
}

}  // namespace

TEST_CASE("one of several messages that may have been signed is enough, and each is put together for the proof") {
    directory::Companies all{{"", "t", "", ring()}};
    add_company(all, "org_a", "+12025550101", "addressed", "AC1", {"token a"});
    add_company(all, "org_c", "+12025550101", "callrail", "",
                {"token c"});  // another provider's key of an owner proves nothing here
    const std::string body = "To=%2B12025550101&Account=AC1&Id=SM1&Body=Zo%C3%AB+%26+co", target = "/hooks/addressed?m=7";
    auto signed_as = [&](const std::string& origin, const std::string& key) {
        auto request = post(target, body);
        request.headers.add("X-Addressed-Signature",
                            base64_encode(hmac_sha1(key, Addressed::message(origin, Parts::of(request)))));
        return judged(kAddressed, all, request);
    };
    CHECK(signed_as("https://otto.example", "token a").company.value() == "org_a");
    CHECK(signed_as("https://otto.example:443", "token a").company.value() == "org_a");
    CHECK(signed_as("http://otto.example", "token a").verdict == Verdict::forged);
    CHECK(signed_as("https://otto.example", "token b").verdict == Verdict::forged);
    CHECK(signed_as("https://otto.example", "token c").refused_for == std::vector<CompanyId>{CompanyId{"org_a"}});
    CHECK(judged(kAddressed, all, post(target, body)).refusal.why ==
          "the header X-Addressed-Signature is missing, or is not base64");
    // Nobody's number, but the account is known.
    auto elsewhere = post(target, "To=%2B12025550199&Account=AC1");
    elsewhere.headers.add("X-Addressed-Signature",
                          base64_encode(hmac_sha1("token a", Addressed::message("https://otto.example", Parts::of(elsewhere)))));
    CHECK(judged(kAddressed, all, elsewhere).company.value() == "org_a");
}

TEST_CASE("what was kept of a webhook is proven as it came") {
    auto request = post("/hooks/addressed/?m=7", "To=%2B12025550101&Id=SM1");
    request.headers.add("X-Addressed-Signature",
                        base64_encode(hmac_sha1("token a", Addressed::message("https://otto.example", Parts::of(request)))));
    pb::Receipt receipt;
    ingress::fill_receipt(receipt, kAddressed, request, {}, request.received_at);
    auto parts = Parts::of(receipt);
    CHECK(providers::proves(kAddressed.proof(parts), Secret("token a")));
    CHECK_FALSE(providers::proves(kAddressed.proof(parts), Secret("token b")));
    CHECK(kAddressed.read(parts)->normalize(parts).event->message().provider_message_id() == "SM1");
}

TEST_CASE("any of several signatures is enough, and a list of them costs one digest of the body a key") {
    directory::Companies all{{"", "t", "", ring()}};
    add_company(all, "org_a", "+12025550101", "listed", "", {"the new one", "the old one"});
    const std::string body = "To=%2B12025550101&Id=1";
    auto mac = [&](const std::string& key) { return "v1," + base64_encode(hmac_sha256(key, "msg_1.1700000000." + body)); };
    auto with = [&](const std::string& signatures) {
        return judged(
            kListed, all,
            post("/hooks/listed", body, {{"hook-id", "msg_1"}, {"hook-time", "1700000000"}, {"hook-signature", signatures}}));
    };
    CHECK(with(mac("the old one")).company.value() == "org_a");
    CHECK(with("v1a,AAAA " + mac("another") + " " + mac("the new one")).company.value() == "org_a");
    CHECK(with(mac("another")).verdict == Verdict::forged);
    CHECK(with("v1a,AAAA").refusal.why == "the header hook-signature has no signature of version v1");
    // Nobody makes us try a thousand.
    std::string many;
    for (std::size_t i = 0; i < providers::kMostAlternatives; ++i) many += mac("another " + std::to_string(i)) + " ";
    CHECK(with(many + mac("the new one")).verdict == Verdict::forged);
    auto request = post("/hooks/listed", body, {{"hook-signature", many}});
    auto parts = Parts::of(request);
    auto proof = kListed.proof(parts);
    providers::Trials trials;
    trials.add(proof, "one");
    trials.add(proof, "two");
    CHECK(trials.digests() == 2);
}

TEST_CASE("a provider is answered in its own words and type") {
    pb::ProviderEvent text, status;
    text.set_kind("text.received");
    status.set_kind("text.status");
    auto answer = kAddressed.answer({"id", "authentic", text});
    CHECK(answer.status == 200);
    CHECK(answer.headers.get("content-type") == "text/xml");
    CHECK(answer.body == "<Response/>");
    CHECK(kAddressed.answer({"id", "authentic", status}).status == 204);
    auto usual = kListed.answer({"0190-id", "open", text});
    CHECK(usual.headers.get("content-type") == "application/json");
    CHECK(usual.body == R"({"success":true,"data":{"event_id":"0190-id","verdict":"open"}})");
}

TEST_CASE("every provider of the table goes by its own name, and has paths of its own") {
    std::vector<std::string> paths;
    for (auto name : {"callrail", "shunya", "twilio"}) {
        const auto* webhook = providers::webhook_of(name);
        REQUIRE(webhook);
        CHECK(webhook->name() == name);
        for (auto& path : webhook->paths()) paths.push_back(path);
    }
    std::sort(paths.begin(), paths.end());
    CHECK(std::adjacent_find(paths.begin(), paths.end()) == paths.end());
    CHECK_FALSE(providers::webhook_of("nobody"));
    CHECK_FALSE(providers::webhook_of(""));
}
