#include "identity/token.hpp"

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <atomic>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/json.hpp"
#include "identity/authenticator.hpp"
#include "identity/jwks.hpp"
#include "signer.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::identity;

namespace {

std::string b64(std::string_view s) { return base64url_encode(s); }

/// Makes keys and signs; the lib itself only verifies.
class Signer {
public:
    Signer() : key_(EVP_RSA_gen(2048)) {}
    ~Signer() { EVP_PKEY_free(key_); }
    std::string sign(const std::string& text) const {
        auto* ctx = EVP_MD_CTX_new();
        EVP_DigestSignInit(ctx, nullptr, EVP_sha256(), nullptr, key_);
        std::size_t n = 0;
        EVP_DigestSign(ctx, nullptr, &n, reinterpret_cast<const unsigned char*>(text.data()), text.size());
        std::string out(n, '\0');
        EVP_DigestSign(ctx, reinterpret_cast<unsigned char*>(out.data()), &n, reinterpret_cast<const unsigned char*>(text.data()),
                       text.size());
        EVP_MD_CTX_free(ctx);
        return out;
    }
    std::string token(const std::string& payload, const std::string& header = R"({"alg":"RS256","typ":"JWT","kid":"k1"})") const {
        auto signed_part = b64(header) + "." + b64(payload);
        return signed_part + "." + b64(sign(signed_part));
    }
    std::string jwk(const std::string& kid) const {
        JsonWriter w;
        w.begin_object()
            .member("kty", "RSA")
            .member("alg", "RS256")
            .member("use", "sig")
            .member("kid", kid)
            .member("n", b64(number("n")))
            .member("e", b64(number("e")))
            .end_object();
        return w.take();
    }
    RsaPublicKey key() const { return *RsaPublicKey::from_components(number("n"), number("e")); }

private:
    std::string number(const char* name) const {
        BIGNUM* n = nullptr;
        EVP_PKEY_get_bn_param(key_, name, &n);
        std::string out(static_cast<std::size_t>(BN_num_bytes(n)), '\0');
        BN_bn2bin(n, reinterpret_cast<unsigned char*>(out.data()));
        BN_free(n);
        return out;
    }
    EVP_PKEY* key_;
};

const Signer& signer() {
    static Signer s;
    return s;
}

constexpr std::int64_t kNow = 1'700'000'000;
Instant at(std::int64_t second) { return Instant{} + std::chrono::seconds(second); }

std::string claims(const std::string& more = "", const std::string& exp = std::to_string(kNow + 60)) {
    return R"({"iss":"https://issuer","sub":"user_1","iat":)" + std::to_string(kNow - 5) + R"(,"nbf":)" +
           std::to_string(kNow - 10) + (exp.empty() ? "" : ",\"exp\":" + exp) + more + "}";
}

TokenRules rules() {
    TokenRules r;
    r.issuer = "https://issuer";
    return r;
}

Result<Principal> verified(const std::string& token, const TokenRules& r = rules()) {
    return verify_token(
        token,
        [](std::string_view kid) -> Result<SigningKey> {
            if (kid == "k1") return SigningKey(signer().key());
            return Error("the token's key is not one of its issuer's");
        },
        r, at(kNow));
}
std::string refused(const std::string& token, const TokenRules& r = rules()) {
    auto v = verified(token, r);
    return v ? "" : v.error().message;
}

class FakeClock : public Clock {
public:
    Instant now() const override { return at(seconds); }
    std::atomic<std::int64_t> seconds{kNow};
};

}  // namespace

TEST_CASE("Clerk's published tokens: the good one, the expired one, the one with a bad signature") {
    std::ifstream in(OTTO_SOURCE_DIR "/tests/sandbox/vectors/clerk_rs256.json");
    std::stringstream text;
    text << in.rdbuf();
    auto vector = *JsonDocument::parse(text.str());
    auto jwk = vector.root()["jwk"];
    auto key = *RsaPublicKey::from_components(*base64url_decode(*jwk["n"].string()), *base64url_decode(*jwk["e"].string()));
    TokenRules r;
    r.issuer = std::string(*vector.root()["issuer"].string());
    r.authorized_parties = {std::string(*vector.root()["azp"].string())};
    auto keys = [&](std::string_view kid) -> Result<SigningKey> {
        if (kid == jwk["kid"].string()) return SigningKey(key);
        return Error("unknown");
    };
    auto now = at(*vector.root()["now"].integer());
    std::string token(*vector.root()["valid"].string());
    auto who = verify_token(token, keys, r, now);
    REQUIRE(who.ok());
    CHECK(who->user.value() == "user_2GIpXOEpVyJw51rkZn9Kmnc6Sxr");
    CHECK_FALSE(who->company);
    CHECK_FALSE(verify_token(token, keys, r, now + std::chrono::seconds(120)).ok());
    CHECK_FALSE(verify_token(token, keys, r, now - std::chrono::seconds(120)).ok());
    token[token.size() - 10] = token[token.size() - 10] == 'A' ? 'B' : 'A';
    CHECK(verify_token(token, keys, r, now).error().message == "the token's signature does not verify");
    r.authorized_parties = {"https://elsewhere"};
    CHECK(verify_token(std::string(*vector.root()["valid"].string()), keys, r, now).error().message ==
          "the token was made for another application");
}

TEST_CASE("every wrong token is refused and says which check failed") {
    const auto& s = signer();
    Signer stranger;
    CHECK(refused(s.token(claims())) == "");
    auto none = b64(R"({"alg":"none","typ":"JWT","kid":"k1"})") + "." + b64(claims()) + ".";
    CHECK(refused(none) == "the token is not signed with RS256");
    CHECK(refused(b64(R"({"alg":"nOnE","kid":"k1"})") + "." + b64(claims()) + ".") == "the token is not signed with RS256");
    auto head = b64(R"({"alg":"HS256","typ":"JWT","kid":"k1"})") + "." + b64(claims());
    CHECK(refused(head + "." + b64(hmac_sha256(signer().jwk("k1"), head))) == "the token is not signed with RS256");
    CHECK(refused(stranger.token(claims())) == "the token's signature does not verify");
    CHECK(refused(s.token(claims("", std::to_string(kNow - 60)))) == "the token has expired");
    CHECK(refused(s.token(claims("", ""))) == "the token has no expiry");
    CHECK(refused(s.token(claims("", "\"tomorrow\""))) == "the token has no expiry");
    CHECK(refused(s.token(R"({"iss":"https://issuer","sub":"u","nbf":)" + std::to_string(kNow + 60) + R"(,"exp":)" +
                          std::to_string(kNow + 90) + "}")) == "the token is not valid yet");
    CHECK(refused(s.token(R"({"iss":"https://other","sub":"u","exp":)" + std::to_string(kNow + 60) + "}")) ==
          "the token comes from another issuer");
    CHECK(refused(s.token(R"({"sub":"u","exp":)" + std::to_string(kNow + 60) + "}")) == "the token comes from another issuer");
    CHECK(refused(s.token(R"({"iss":"https://issuer","sub":7,"exp":)" + std::to_string(kNow + 60) + "}")) ==
          "the token names no user");
    CHECK(refused(s.token(claims(), R"({"alg":"RS256","kid":"k2"})")) == "the token's key is not one of its issuer's");
    CHECK(refused(s.token(claims(), R"({"alg":"RS256"})")) == "the token names no key");
    CHECK(refused(s.token(claims(), R"({"alg":"RS256","kid":"k1","crit":["exp"]})")) ==
          "the token asks for extensions that are not understood");
    CHECK(refused(s.token(claims(), R"({"alg":"RS256","kid":"k1","typ":"at+jwt"})")) == "the token's typ is not JWT");
    auto good = s.token(claims());
    auto tampered = good.substr(0, good.find('.')) + "." + b64(claims(",\"x\":1")) + good.substr(good.rfind('.'));
    CHECK(refused(tampered) == "the token's signature does not verify");
    CHECK(refused(good.substr(0, good.rfind('.') + 1)) == "the token's signature does not verify");
    CHECK(refused(good + "=") == "the token's signature is not base64url");
    for (const char* garbage : {"", "x", "a.b", "a.b.c.d", "....", "e30.e30.e30"}) CHECK_FALSE(verified(garbage).ok());
    CHECK(refused(std::string(20'000, 'a')) == "the token is longer than 16 KiB");
    CHECK(refused(s.token(claims(",\"sts\":\"pending\""))) == "the sign-in is not finished");
    auto r = rules();
    r.audience = "otto";
    CHECK(refused(s.token(claims(",\"aud\":\"otto\"")), r) == "");
    CHECK(refused(s.token(claims(",\"aud\":[\"a\",\"otto\"]")), r) == "");
    CHECK(refused(s.token(claims(",\"aud\":[\"a\"]")), r) == "the token was made for another audience");
}

TEST_CASE("both claim versions, roles by all their names, impersonation") {
    const auto& s = signer();
    auto v2 = *verified(s.token(claims(R"(,"v":2,"o":{"id":"org_1","rol":"admin","slg":"x"})")));
    CHECK(v2.company->value() == "org_1");
    CHECK(v2.role == Role::manager);
    auto v1 = *verified(s.token(claims(R"(,"org_id":"org_1","org_role":"org:csr","act":{"sub":"user_9"})")));
    CHECK(v1.role == Role::csr);
    CHECK(v1.impersonated);
    CHECK_FALSE(verified(s.token(claims(R"(,"v":2)")))->company);
    CHECK_FALSE(verified(s.token(claims(R"(,"o":{"id":"org_1","rol":"janitor"})")))->role);
    CHECK_FALSE(verified(s.token(claims(R"(,"o":{"id":"org_1,org_2","rol":"admin"})"))).ok());
    CHECK(role_from("customer_rep") == Role::csr);
    CHECK(role_from("org:sales_rep") == Role::sales_rep);
    CHECK(role_from("executive") == Role::executive);
    CHECK_FALSE(role_from("operator"));  // only an issuer makes operators
    auto r = rules();
    r.operators = true;
    CHECK(verified(s.token(claims(R"(,"o":{"id":"org_1","rol":"admin"})")), r)->role == Role::operator_);
    CHECK_FALSE(verified(s.token(claims(R"(,"o":{"id":"org_1","rol":"admin"})")), r)->company);
}

TEST_CASE(
    "keys are fetched once, again past their age, at most every ten seconds for unknown ones, and stay when a fetch fails") {
    FakeClock clock;
    std::atomic<int> fetches{0};
    std::atomic<bool> broken{false};
    Signer second;
    std::string set = "{\"keys\":[" + signer().jwk("k1") + "]}";
    std::mutex lock;
    Jwks keys(
        {"https://issuer/jwks"},
        [&](const std::string&) -> Result<std::string> {
            ++fetches;
            if (broken) return Error("down");
            std::lock_guard guard(lock);
            return set;
        },
        clock);
    for (int i = 0; i < 5; ++i) CHECK(keys.find("k1").ok());
    CHECK(fetches == 1);
    for (int i = 0; i < 100; ++i) CHECK_FALSE(keys.find("made up " + std::to_string(i)).ok());
    CHECK(fetches == 2);  // keys have just come, so that they may be about to change: once
    clock.seconds += 11;
    for (int i = 0; i < 100; ++i) CHECK_FALSE(keys.find("made up " + std::to_string(i)).ok());
    CHECK(fetches == 3);
    {
        std::lock_guard guard(lock);
        set = "{\"keys\":[" + signer().jwk("k1") + "," + second.jwk("k2") + "]}";
    }
    clock.seconds += 11;
    CHECK(keys.find("k2").ok());  // a rotation: a new key is found at once
    CHECK(fetches == 4);
    broken = true;
    clock.seconds += 3'600;
    CHECK(keys.find("k1").ok());  // old, and the issuer is away: the former set stays, nobody waits
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (fetches < 5 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    CHECK(fetches == 5);
    CHECK(keys.find("k1").ok());
    CHECK_FALSE(keys.find("k3").ok());
}

TEST_CASE("the Authorization header: one, Bearer, of a known issuer") {
    FakeClock clock;
    auto operators = rules();
    operators.issuer = "https://operators";
    operators.operators = true;
    Authenticator a(
        rules(), operators, "u", "o",
        [](const std::string&) -> Result<std::string> { return "{\"keys\":[" + signer().jwk("k1") + "]}"; }, clock);
    auto with = [&](std::vector<std::string> headers) {
        http::Request r;
        for (auto& h : headers) r.headers.add("Authorization", h);
        auto who = a.authenticate(r);
        return who ? "ok" : who.error().message;
    };
    auto good = signer().token(claims());
    CHECK(with({"Bearer " + good}) == "ok");
    CHECK(with({"bearer  " + good}) == "ok");
    CHECK(with({}) == "there is no Authorization header");
    CHECK(with({"Basic abc"}) == "the Authorization header is not of the form 'Bearer <token>'");
    CHECK(with({"Bearer " + good, "Bearer " + good}) == "there are two Authorization headers");
    CHECK(with({"Bearer abc"}) == "the token is malformed");
    CHECK(with({"Bearer " + signer().token(R"({"iss":"https://evil","sub":"u","exp":9999999999})")}) ==
          "the token comes from another issuer");
}

TEST_CASE("a key remembers what it has proven, and nothing else is proven by that") {
    testing::IssuerKey issuer, other;
    auto key_of = [](const testing::IssuerKey& k) {
        auto jwk = JsonDocument::parse(k.jwk("k1")).value();
        return SigningKey(RsaPublicKey::from_components(*base64url_decode(jwk.root()["n"].string().value()),
                                                        *base64url_decode(jwk.root()["e"].string().value()))
                              .value());
    };
    const auto token = issuer.token(R"({"sub":"a"})");
    const auto dot = token.rfind('.');
    const auto message = token.substr(0, dot), signature = *base64url_decode(token.substr(dot + 1));
    const auto key = key_of(issuer);
    for (int n = 0; n < 3; ++n) CHECK(key.verify(message, signature));
    CHECK(SigningKey(key).verify(message, signature));
    CHECK_FALSE(key.verify(message + "a", signature));
    CHECK_FALSE(key.verify(message.substr(1), signature + message.substr(0, 1)));
    CHECK_FALSE(key.verify("", ""));
    auto changed = signature;
    changed.back() = static_cast<char>(changed.back() ^ 1);
    CHECK_FALSE(key.verify(message, changed));
    CHECK_FALSE(key_of(other).verify(message, signature));
    CHECK(key_of(issuer).verify(message, signature));
}
