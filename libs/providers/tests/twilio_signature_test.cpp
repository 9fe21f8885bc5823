#include <fstream>
#include <sstream>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/webhook.hpp"
#include "testing/catch.hpp"

using namespace otto;
using providers::Parts;

namespace {

const providers::Webhook& twilio() { return *providers::webhook_of("twilio"); }
const Secret kToken("12345");

/// A request that came under these addresses.
struct Asked {
    std::vector<std::string> urls;
    std::string target, body, type = "application/x-www-form-urlencoded";
    std::vector<std::pair<std::string, std::string>> headers = {};

    providers::Proof proof() const {
        Parts parts;
        parts.target = target;
        parts.content_type = type;
        parts.body = body;
        parts.urls = urls;
        parts.headers.assign(headers.begin(), headers.end());
        auto out = twilio().proof(parts);
        for (auto& claims : out.alternatives)  // they view the body, which stays
            for (auto& claim : claims) CHECK((claim.body.empty() || claim.body.data() == body.data()));
        return out;
    }
    bool proven(const std::string& signature, const Secret& token = kToken) const {
        auto with = *this;
        with.headers.emplace_back("X-Twilio-Signature", signature);
        return providers::proves(with.proof(), token);
    }
    std::string missing() const {
        auto proof_of = proof();
        return proof_of.missing ? proof_of.missing->why : "";
    }
};

std::string target_of(const std::string& url) { return url.substr(url.find('/', 8)); }
Asked form(const std::string& url, const std::string& body) { return {{url}, target_of(url), body}; }
Asked json(const std::string& url, const std::string& body) { return {{url}, target_of(url), body, "application/json"}; }

const std::string kUrl = "https://mycompany.com/myapp.php?foo=1&bar=2",
                  kForm = "Digits=1234&CallSid=CA1234567890ABCDE&To=%2B18005551212&Caller=%2B14158675309&From=%2B14158675309";

/// As Twilio signs.
std::string signature_of(const std::string& url, const std::string& parameters, const Secret& token = kToken) {
    return base64_encode(hmac_sha1(token.reveal(), url + parameters));
}

}  // namespace

TEST_CASE("the vectors that Twilio's libraries publish verify, each over the address and parameters that were signed") {
    const std::string body_sha = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
                      empty_sha = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
                      object = R"({"property": "value", "boolean": true})";
    struct Vector {
        const char* name;
        Asked asked;
        const char* signature;
    };
    const std::vector<Vector> vectors{
        {"base", form(kUrl, kForm), "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
        {"default port added", form(kUrl, kForm), "kvajT1Ptam85bY51eRf/AJRuM3w="},
        {"http, default port added", form("http://mycompany.com/myapp.php?foo=1&bar=2", kForm), "0ZXoZLH/DfblKGATFgpif+LLRf4="},
        {"http, a port of its own", form("http://mycompany.com:1234/myapp.php?foo=1&bar=2", kForm),
         "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="},
        {"JSON", json(kUrl + "&bodySHA256=" + body_sha, object), "a9nBmqA0ju/hNViExpshrM61xv4="},
        {"JSON, nothing else in the query", json("https://mycompany.com/myapp.php?bodySHA256=" + body_sha, object),
         "y77kIzt2vzLz71DgmJGsen2scGs="},
        {"JSON without members, default port added", json(kUrl + "&bodySHA256=" + empty_sha, "{}"),
         "Ldidvp12m26NI7eqEvxnEpkd9Hc="},
        {"user and password", form("https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", kForm),
         "CukzLTc1tT5dXEDIHm/tKBanW10="},
        {"user", form("https://user@mycompany.com/myapp.php?foo=1&bar=2", kForm), "2YRLlVAflCqxaNicjMpJcSTgzSs="},
        {"user and password, default port added", form("https://user:pass@mycompany.com/myapp.php?foo=1&bar=2", kForm),
         "ZQFR1PTIZXF2MXB8ZnKCvnnA+rI="},
        {"a quote in the query", form(kUrl + "&Body=It's+amazing", kForm), "TfZzewPq8wqrGlMfyAud8+/IvJ0="},
        {"one name several times", form(kUrl, "MessagingBinding.Address=%2B1325xxxxxxx&MessagingBinding.Address=%2B1415xxxxxxx"),
         "83O6e2vORAoJHUNzJjDWN1jz+BA="},
        {"one name several times, and a value twice",
         form(kUrl, "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234"), "IK+Dwps556ElfBT0I3Rgjkr1wJU="},
    };
    CHECK(vectors.size() == 13);
    for (const auto& [name, asked, signature] : vectors) {
        INFO(name);
        CHECK(asked.proven(signature));
        CHECK(asked.proven(" " + std::string(signature) + " "));
        CHECK_FALSE(asked.proven(signature, Secret("12346")));
        auto other = asked;
        other.body += asked.type == "application/json" ? " " : "&x=y";
        CHECK_FALSE(other.proven(signature));
        other = asked;
        other.urls.front().insert(other.urls.front().size(), "&z");
        CHECK_FALSE(other.proven(signature));
    }
}

TEST_CASE("what was signed as no form is none, whatever it is called later") {
    const std::string url = "https://otto.example/x?bodySHA256=44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    CHECK(json(url, "{}").proven(signature_of(url, "")));
    CHECK_FALSE(form(url, "").proven(signature_of(url, "")));
}

TEST_CASE("what is no signature is told apart, and proves nothing") {
    auto asked = form(kUrl, kForm);
    CHECK(asked.missing() == "the header X-Twilio-Signature is missing");
    for (std::string odd : {"", "RSOYDt4T1cUTdK1PDd93/VVr8B8", "no base64", "AAAA", "RSOYDt4T1cUTdK1PDd93/VVr8B8=="}) {
        auto with = asked;
        with.headers = {{"X-Twilio-Signature", odd}};
        CHECK(with.missing() == "the header X-Twilio-Signature is not base64 of a signature");
    }
    asked.headers = {{"X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8="},
                     {"x-twilio-signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8="}};
    CHECK(asked.missing() == "the header X-Twilio-Signature is there more than once");
    // A body that is no form, and of which the address does not say what it is, was signed by nobody.
    auto bare = json(kUrl, "{}");
    CHECK_FALSE(bare.proven(signature_of(kUrl, "")));
    bare.headers = {{"X-Twilio-Signature", signature_of(kUrl, "")}};
    CHECK(bare.missing() == "the body is no form, and the query has no bodySHA256 to say what it is");
    auto lying = json(kUrl + "&bodySHA256=" + hex_encode(sha256("{}")), "{ }");
    CHECK_FALSE(lying.proven(signature_of(lying.urls.front(), "")));
    auto nowhere = form(kUrl, kForm);
    nowhere.urls.clear();
    nowhere.headers = {{"X-Twilio-Signature", signature_of(kUrl, "")}};
    CHECK(nowhere.missing() == "the address that was signed is not known");
    // A stranger makes us sort no million parameters.
    std::string many;
    for (int i = 0; i < 1'001; ++i) many += "a=" + std::to_string(i) + "&";
    auto crowd = form(kUrl, many);
    crowd.headers = {{"X-Twilio-Signature", signature_of(kUrl, "")}};
    CHECK(crowd.missing() == "the form has more than 1000 fields");
}

TEST_CASE("what breaks verification behind proxies and frameworks breaks nothing here") {
    SECTION("the query is hashed as it came, in its order and its spelling") {
        for (std::string query : {"?b=1&a=2", "?q=a+b", "?q=a%20b", "?u=a%40b%3Ac%3Fd", "?u=a@b:c?d", "?e=%c3%ab&E=%C3%AB",
                                  "?q=It%27s", "?empty=&alone", "?x=%", "?q=\xc3\xab", "?"}) {
            INFO(query);
            auto url = "https://otto.example/sms/twilio-webhook" + query;
            CHECK(form(url, "A=1").proven(signature_of(url, "A1")));
        }
        const std::string url = "https://otto.example/sms/twilio-webhook?q=a+b";
        CHECK_FALSE(form(url, "A=1").proven(signature_of("https://otto.example/sms/twilio-webhook?q=a%20b", "A1")));
    }
    SECTION("a quote may have been signed as %27, in the query alone, and also with the port") {
        const std::string url = "https://otto.example/it's?q=It's+the+owner's";
        CHECK(form(url, "A=1").proven(signature_of(url, "A1")));
        CHECK(form(url, "A=1").proven(signature_of("https://otto.example/it's?q=It%27s+the+owner%27s", "A1")));
        CHECK(form(url, "A=1").proven(signature_of("https://otto.example:443/it's?q=It%27s+the+owner%27s", "A1")));
        CHECK_FALSE(form(url, "A=1").proven(signature_of("https://otto.example/it%27s?q=It%27s+the+owner%27s", "A1")));
    }
    SECTION("a port is signed or not, whichever it is") {
        for (auto [asked, sent] :
             std::vector<std::pair<std::string, std::string>>{{"https://otto.example/a", "https://otto.example:443/a"},
                                                              {"https://otto.example:443/a", "https://otto.example/a"},
                                                              {"https://otto.example:8443/a", "https://otto.example/a"},
                                                              {"http://otto.example/a", "http://otto.example:80/a"},
                                                              {"https://[::1]/a", "https://[::1]:443/a"},
                                                              {"https://[::1]:8443/a", "https://[::1]/a"},
                                                              {"https://otto.example?a:b@c", "https://otto.example:443?a:b@c"}}) {
            INFO(asked << " " << sent);
            CHECK(form(asked + "/", "A=1").proven(signature_of(sent + "/", "A1")));
        }
        CHECK_FALSE(form("https://otto.example/a", "A=1").proven(signature_of("http://otto.example/a", "A1")));
        CHECK_FALSE(form("https://otto.example/a", "A=1").proven(signature_of("https://otto.example:8443/a", "A1")));
    }
    SECTION("parameters are decoded, not trimmed, and taken whole whatever they hold") {
        const std::string url = "https://otto.example/a";
        CHECK(form(url, "Body=+two++words+&AddOns=%7B%22status%22%3A%22successful%22%2C%22x%22%3A%5B1%5D%7D")
                  .proven(signature_of(url, R"(AddOns{"status":"successful","x":[1]}Body two  words )")));
        CHECK(form(url, "Body=%20a%2Bb&New=").proven(signature_of(url, "Body a+bNew")));
        CHECK(form(url, "Body=%00%F0%9F%8F%A0\xc3\xab")
                  .proven(signature_of(url, std::string("Body\0\xf0\x9f\x8f\xa0\xc3\xab", 11))));
        CHECK(form(url, "b=2&B=1&a=3&_=0").proven(signature_of(url, "B1_0a3b2")));  // byte order
    }
    SECTION("no header, no token and an empty one prove nothing") {
        CHECK_FALSE(providers::proves(form(kUrl, kForm).proof(), kToken));
        CHECK_FALSE(form(kUrl, kForm).proven(signature_of(kUrl, "")));
    }
}

TEST_CASE("several addresses may have been asked; each costs no more digests than it has spellings") {
    Asked asked{{"https://otto.example/a?q='", "https://inner.example:8080/a?q='"}, "/a?q='", "A=1"};
    CHECK(asked.proven(signature_of("https://inner.example/a?q=%27", "A1")));
    CHECK(asked.proven(signature_of("https://otto.example/a?q='", "A1")));
    asked.headers = {{"X-Twilio-Signature", signature_of(kUrl, "")}};
    auto proof = asked.proof();
    CHECK(proof.alternatives.size() == providers::kMostAlternatives);
    auto plain = form("https://otto.example/a", "A=1");
    plain.headers = asked.headers;
    CHECK(plain.proof().alternatives.size() == 2);
}

TEST_CASE("what was kept of a webhook is proven under the addresses that were judged when it came") {
    inbound::v1::Receipt receipt;
    receipt.set_provider("twilio");
    receipt.set_request_target("/sms/twilio-webhook/?m=7");
    receipt.set_content_type("application/x-www-form-urlencoded; charset=UTF-8");
    receipt.set_raw_body("A=1");
    receipt.add_judged_urls("https://former.example/sms/twilio-webhook/?m=7");
    auto& header = *receipt.add_headers();
    header.set_name("X-Twilio-Signature");
    header.set_value(signature_of("https://former.example:443/sms/twilio-webhook/?m=7", "A1"));
    CHECK(providers::proves(twilio().proof(Parts::of(receipt)), kToken));
    receipt.set_judged_urls(0, "https://otto.example/sms/twilio-webhook/?m=7");
    CHECK_FALSE(providers::proves(twilio().proof(Parts::of(receipt)), kToken));
}

TEST_CASE("a thousand requests that Twilio's own library signed verify, and with one byte changed none does") {
    // Made by tests/sandbox/vectors/twilio_signed.py: address, form, signature; tabs between.
    const Secret token("a token of 32 characters 0123456");
    std::ifstream in(OTTO_SOURCE_DIR "/tests/sandbox/vectors/twilio_signed.txt", std::ios::binary);
    std::string line;
    std::size_t signed_ones = 0;
    while (std::getline(in, line)) {
        std::vector<std::string> parts;
        std::stringstream fields(line);
        for (std::string field; std::getline(fields, field, '\t');) parts.push_back(field);
        REQUIRE(parts.size() == 3);
        INFO(line);
        const auto asked = form(parts[0], parts[1]);
        CHECK(asked.proven(parts[2], token));
        ++signed_ones;
        auto forged = asked;
        auto& byte = forged.body[signed_ones % forged.body.size()];
        byte = byte == 'x' ? 'y' : 'x';
        CHECK_FALSE(forged.proven(parts[2], token));
    }
    CHECK(signed_ones == 1'000);
}
