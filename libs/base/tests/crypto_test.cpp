#include "base/crypto.hpp"

#include <fstream>
#include <random>
#include <sstream>

#include "base/json.hpp"
#include "testing/catch.hpp"

using namespace otto;

namespace {
std::string vector_file(const std::string& name) {
    std::ifstream in(std::string(OTTO_SOURCE_DIR "/tests/sandbox/vectors/") + name, std::ios::binary);
    std::stringstream text;
    text << in.rdbuf();
    return text.str();
}
}  // namespace

TEST_CASE("CallRail's published signature comes out of its published body") {
    auto body = vector_file("callrail_post_call.json");
    REQUIRE(body.size() == 2279);
    CHECK(hex_encode(sha256(body)) == "4c08427068fb350b43abc01ec131501ca0548945d483886f1a48c9937bef961a");
    CHECK(base64_encode(hmac_sha1("072e77e426f92738a72fe23c4d1953b4", body)) == "UZAHbUdfm3GqL7qzilGozGzWV64=");
}

TEST_CASE("HMAC-SHA256 as RFC 4231 case 2") {
    CHECK(hex_encode(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    CHECK(hmac_sha256("Jefe", {"what do ya want ", "", "for nothing?"}) == hmac_sha256("Jefe", "what do ya want for nothing?"));
}

TEST_CASE("Clerk's published token verifies under its published key, and no changed one does") {
    auto text = vector_file("clerk_rs256.json");
    auto document = JsonDocument::parse(text).value();
    auto root = document.root();
    auto key = RsaPublicKey::from_components(*base64url_decode(*root["jwk"]["n"].string()),
                                             *base64url_decode(*root["jwk"]["e"].string()))
                   .value();
    std::string token(*root["valid"].string());
    auto dot = token.rfind('.');
    auto signature = *base64url_decode(std::string_view(token).substr(dot + 1));
    CHECK(key.verify_sha256(std::string_view(token).substr(0, dot), signature));
    CHECK_FALSE(key.verify_sha256(std::string_view(token).substr(0, dot - 1), signature));
    signature[10] = static_cast<char>(signature[10] ^ 1);
    CHECK_FALSE(key.verify_sha256(std::string_view(token).substr(0, dot), signature));
    CHECK_FALSE(RsaPublicKey::from_components("short", "\x01\x00\x01"));
}

TEST_CASE("base64 is strict both ways") {
    for (std::string text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
        CHECK(base64_decode(base64_encode(text)) == text);
        CHECK(base64url_decode(base64url_encode(text)) == text);
    }
    CHECK(base64_encode("foob") == "Zm9vYg==");
    for (auto bad : {"Zm9vYg", "Zm9vYg=", "Zm9v Yg==", "Zm9vYh==", "====", "Zm9v\n", "Zm9_"}) CHECK_FALSE(base64_decode(bad));
    CHECK_FALSE(base64url_decode("Zm9vYg=="));
    CHECK_FALSE(base64url_decode("Zm9+"));
    CHECK(hex_decode("00fF") == std::string("\x00\xff", 2));
    CHECK_FALSE(hex_decode("0"));
    CHECK_FALSE(hex_decode("0g"));
}

TEST_CASE("constant_time_equal compares whole texts") {
    CHECK(constant_time_equal("abc", "abc"));
    CHECK_FALSE(constant_time_equal("abc", "abd"));
    CHECK_FALSE(constant_time_equal("abc", "ab"));
    CHECK(constant_time_equal("", ""));
}

TEST_CASE("a sealed secret opens in its own place only") {
    auto key = [](char c) { return base64_encode(std::string(32, c)); };
    auto ring = KeyRing::parse(Secret("k2:" + key('b') + ",k1:" + key('a'))).value();
    auto old = KeyRing::parse(Secret("k1:" + key('a'))).value();
    auto place = seal_place("org_1", "callrail_api_key");
    auto sealed = ring.seal(Secret("s3cret"), place);
    CHECK(sealed.starts_with("v1.k2."));
    CHECK(sealed.find("s3cret") == std::string::npos);
    CHECK(ring.seal(Secret("s3cret"), place) != sealed);
    CHECK(ring.open(sealed, place).value().reveal() == "s3cret");
    CHECK(ring.open(old.seal(Secret("older"), place), place).value().reveal() == "older");
    CHECK_FALSE(ring.open(sealed, seal_place("org_2", "callrail_api_key")));
    CHECK_FALSE(ring.open(sealed, seal_place("org_1", "callrail_signing_key")));
    CHECK(old.open(sealed, place).error().message.find("k2") != std::string::npos);
    for (std::size_t i = 6; i < sealed.size(); i += 7) {
        auto changed = sealed;
        changed[i] = changed[i] == 'A' ? 'B' : 'A';
        CHECK_FALSE(ring.open(changed, place));
    }
    for (auto bad : {"", "v1", "v1.k2", "v1.k2.", "v2.k2.AAAA", "plain text"}) CHECK_FALSE(ring.open(bad, place));
}

TEST_CASE("a bad key ring is refused with its cure") {
    for (auto spec : {"", "k1", "k1:", "k1:AAAA", ":AAAA",
                      "k.1:"
                      "AAAA"}) {
        auto ring = KeyRing::parse(Secret(spec));
        REQUIRE_FALSE(ring);
        CHECK_FALSE(ring.error().hint.empty());
    }
}

TEST_CASE("sha256: in pieces as in one, and it can be looked at on the way") {
    Sha256 hash;
    CHECK(hash.digest() == sha256(""));
    hash.update("a");
    hash.update("");
    hash.update("bc");
    CHECK(hex_encode(hash.digest()) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    auto moved = std::move(hash);
    moved.update("d");
    CHECK(moved.digest() == sha256("abcd"));
}

TEST_CASE("key ring: keys for other purposes, that of the sealing key first") {
    auto key = [](char c) { return base64_encode(std::string(32, c)); };
    auto derived = [](const std::string& spec, std::string_view purpose) {
        std::vector<std::string> out;
        for (const auto& k : KeyRing::parse(Secret(spec)).value().derived(purpose)) out.push_back(k.reveal());
        return out;
    };
    auto both = derived("z:" + key('1') + ",a:" + key('2'), "links");
    REQUIRE(both.size() == 2);
    CHECK(both[0] == derived("any:" + key('1'), "links")[0]);
    CHECK(both[1] == derived("any:" + key('2'), "links")[0]);
    CHECK(both[0] != both[1]);
    CHECK(both[0] != derived("z:" + key('1'), "other")[0]);
    CHECK(both[0] != std::string(32, '1'));
    CHECK(both[0].size() == 32);
}

TEST_CASE("many digests at once are what each is alone") {
    std::mt19937 random(20250115);
    auto text = [&](std::size_t size) {
        std::string out(size, '\0');
        for (auto& c : out) c = static_cast<char>(random());
        return out;
    };
    for (int round = 0; round < 60; ++round) {
        std::vector<std::string> messages, keys;
        for (std::size_t i = random() % 150 + 1; i > 0; --i) {
            messages.push_back(text(random() % 20 == 0 ? random() % 70'000 : random() % 3'000));
            keys.push_back(text(random() % 8 == 0 ? random() % 200 : random() % 66));
        }
        messages.front().clear();
        std::vector<DigestJob> jobs;
        for (std::size_t i = 0; i < messages.size(); ++i)
            jobs.push_back({static_cast<Digest>(random() % 3), messages[i], keys[i]});
        digest_all(jobs);
        for (std::size_t i = 0; i < jobs.size(); ++i) {
            auto expected = jobs[i].kind == Digest::sha256      ? sha256(messages[i])
                            : jobs[i].kind == Digest::hmac_sha1 ? hmac_sha1(keys[i], messages[i])
                                                                : hmac_sha256(keys[i], messages[i]);
            bool same = jobs[i].digest == expected;
            INFO("job " << i << " of " << jobs.size() << ": kind " << static_cast<int>(jobs[i].kind) << ", " << messages[i].size()
                        << " bytes, a key of " << keys[i].size());
            CHECK(same);
        }
    }
    digest_all({});
}
