#pragma once
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <memory>
#include <stdexcept>
#include <string>

#include "base/crypto.hpp"
#include "identity/token.hpp"

namespace otto::identity::testing {

/// Of an issuer without parties or audience.
inline TokenRules rules(const char* issuer, bool operators) {
    TokenRules r;
    r.issuer = issuer;
    r.operators = operators;
    return r;
}

/// An issuer's private key; the lib itself only verifies.
class IssuerKey {
public:
    IssuerKey() : key_(EVP_RSA_gen(2048), &EVP_PKEY_free) {
        if (!key_) throw std::runtime_error("OpenSSL made no RSA key");
    }
    std::string token(const std::string& payload, const std::string& header = R"({"alg":"RS256","typ":"JWT","kid":"k1"})") const {
        auto text = base64url_encode(header) + "." + base64url_encode(payload);
        return text + "." + base64url_encode(sign(text));
    }
    RsaPublicKey public_key() const { return RsaPublicKey::from_components(number("n"), number("e")).value(); }
    std::string jwk(const std::string& kid) const {
        return R"({"kty":"RSA","use":"sig","alg":"RS256","kid":")" + kid + R"(","n":")" + base64url_encode(number("n")) +
               R"(","e":")" + base64url_encode(number("e")) + "\"}";
    }

private:
    std::string sign(const std::string& text) const {
        std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
        auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
        std::string out(512, '\0');
        auto size = out.size();
        if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key_.get()) != 1 ||
            EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, bytes, text.size()) != 1)
            throw std::runtime_error("OpenSSL did not sign");
        out.resize(size);
        return out;
    }
    std::string number(const char* name) const {
        BIGNUM* n = nullptr;
        if (EVP_PKEY_get_bn_param(key_.get(), name, &n) != 1) throw std::runtime_error("OpenSSL does not show its key");
        std::string out(static_cast<std::size_t>(BN_num_bytes(n)), '\0');
        BN_bn2bin(n, reinterpret_cast<unsigned char*>(out.data()));
        BN_free(n);
        return out;
    }
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key_;
};

}  // namespace otto::identity::testing
