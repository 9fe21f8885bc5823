#include <fstream>
#include <sstream>

#include "base/crypto.hpp"
#include "providers/webhook.hpp"
#include "testing/catch.hpp"

using namespace otto;

namespace {

std::string published_body() {
    std::ifstream in(OTTO_SOURCE_DIR "/tests/sandbox/vectors/callrail_post_call.json", std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}
using Headers = std::vector<std::pair<std::string, std::string>>;

struct Offer {
    http::Request request;
    providers::Parts parts;
    providers::Proof proof;
    Offer(const Headers& headers, const std::string& body) {
        for (const auto& [name, value] : headers) request.headers.add(name, value);
        request.body = body;
        parts = providers::Parts::of(request);
        proof = providers::webhook_of("callrail")->proof(parts);
    }
    Offer(const Offer&) = delete;
    Offer& operator=(const Offer&) = delete;
};
bool verifies(const Headers& headers, const std::string& body, const Secret& key) {
    return providers::proves(Offer(headers, body).proof, key);
}
std::string missing(const Headers& headers) {
    Offer offer(headers, "{}");
    return offer.proof.missing ? offer.proof.missing->why : "";
}
const std::string kMalformed = "the header Signature is not base64 of a signature", kAbsent = "the header Signature is missing";

const Secret kKey("072e77e426f92738a72fe23c4d1953b4");
const char* kSignature = "UZAHbUdfm3GqL7qzilGozGzWV64=";

}  // namespace

TEST_CASE("CallRail's published signature verifies, over exactly those bytes and with exactly that key") {
    auto body = published_body();
    REQUIRE(body.size() == 2279);
    CHECK(verifies({{"Signature", kSignature}}, body, kKey));
    CHECK(verifies({{"signature", std::string(" ") + kSignature + " "}}, body, kKey));
    CHECK_FALSE(verifies({{"Signature", kSignature}}, body + "\n", kKey));
    CHECK_FALSE(verifies({{"Signature", kSignature}}, body, Secret("another")));
    CHECK_FALSE(verifies({}, body, kKey));
}

TEST_CASE("signatures that are cut, doubled or no base64 are malformed, and verify nothing") {
    for (const char* value : {"UZAHbUdfm3GqL7qzilGozGzWV6", "not base64!", "", "UZAHbUdfm3GqL7qzilGozGzWV64", "AAAA"}) {
        INFO(value);
        CHECK(missing({{"Signature", value}}) == kMalformed);
        CHECK_FALSE(verifies({{"Signature", value}}, published_body(), kKey));
    }
    CHECK(missing({{"Signature", kSignature}, {"Signature", kSignature}}) == "");
    CHECK(missing({{"Signature", kSignature}, {"Signature", base64_encode(std::string(20, 'x'))}}) == kMalformed);
    CHECK(missing({}) == kAbsent);
}

TEST_CASE("seed 002's header works too") {
    std::string body = "{}";
    auto mac = hmac_sha256("k", body);
    CHECK(verifies({{"x-callrail-signature", "sha256=" + hex_encode(mac)}}, body, Secret("k")));
    CHECK(verifies({{"x-callrail-signature", hex_encode(mac)}}, body, Secret("k")));
    CHECK_FALSE(verifies({{"x-callrail-signature", "sha256=" + hex_encode(std::string(32, '\0'))}}, body, Secret("k")));
    // Both headers: both must hold.
    CHECK_FALSE(verifies({{"x-callrail-signature", hex_encode(mac)}, {"Signature", kSignature}}, body, Secret("k")));
}
