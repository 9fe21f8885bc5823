#include "base/crypto.hpp"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/param_build.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>

#include <array>
#include <cstring>
#include <memory>

#include "base/text.hpp"

namespace otto {
namespace {

const unsigned char* bytes_of(std::string_view s) { return reinterpret_cast<const unsigned char*>(s.data()); }
unsigned char* bytes_of(std::string& s) { return reinterpret_cast<unsigned char*>(s.data()); }

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* p) const {
        Free(p);
    }
};
using CipherCtx = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;
using MdCtx = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>>;

[[noreturn]] void unsound(const char* what) {
    throw Failure(Error(std::string(what) + " failed", "is OpenSSL's provider configuration sound?"));
}

/// An algorithm fetched once: EVP_sha1() and its like are looked up among the providers at every use, which costs as much as
/// hashing a short text.
struct Digests {
    EVP_MD *sha1 = EVP_MD_fetch(nullptr, "SHA1", nullptr), *sha256 = EVP_MD_fetch(nullptr, "SHA256", nullptr);
    EVP_MAC* hmac = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
};
const Digests& fetched() {
    static const Digests d;  // for the whole process
    return d;
}

/// A context for one thread and one digest; keying it is most of the work for a short message, and many come under one key.
class Keyed {
public:
    explicit Keyed(const char* digest) : context_(EVP_MAC_CTX_new(fetched().hmac)), digest_(digest) {}
    ~Keyed() {
        EVP_MAC_CTX_free(context_);
        OPENSSL_cleanse(key_.data(), key_.size());
    }
    Keyed(const Keyed&) = delete;
    Keyed& operator=(const Keyed&) = delete;
    std::string mac(std::string_view key, std::initializer_list<std::string_view> message) {
        if (!ready_ || !constant_time_equal(key, key_)) {
            char name[16] = {};
            digest_.copy(name, sizeof name - 1);
            OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0), OSSL_PARAM_construct_end()};
            static constexpr unsigned char none = 0;
            ready_ = EVP_MAC_init(context_, key.empty() ? &none : bytes_of(key), key.size(), params) == 1;
            if (!ready_) unsound("HMAC");
            OPENSSL_cleanse(key_.data(), key_.size());
            key_ = key;
        } else if (EVP_MAC_init(context_, nullptr, 0, nullptr) != 1) {
            unsound("HMAC");
        }
        unsigned char out[EVP_MAX_MD_SIZE];
        std::size_t size = 0;
        for (auto piece : message)
            if (EVP_MAC_update(context_, bytes_of(piece), piece.size()) != 1) unsound("HMAC");
        if (EVP_MAC_final(context_, out, &size, sizeof out) != 1) unsound("HMAC");
        return {reinterpret_cast<char*>(out), size};
    }

private:
    EVP_MAC_CTX* context_;
    std::string digest_, key_;
    bool ready_ = false;
};

std::string digest(const EVP_MD* md, std::string_view message) {
    static thread_local MdCtx context(EVP_MD_CTX_new());
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    if (!EVP_DigestInit_ex2(context.get(), md, nullptr) || !EVP_DigestUpdate(context.get(), message.data(), message.size()) ||
        !EVP_DigestFinal_ex(context.get(), out, &size))
        unsound("digest");
    return {reinterpret_cast<char*>(out), size};
}

constexpr std::string_view kStandard = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kUrl = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

std::string encode64(std::string_view in, std::string_view alphabet, bool pad) {
    std::string out;
    out.reserve((in.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < in.size(); i += 3) {
        std::uint32_t chunk = 0;
        std::size_t n = std::min<std::size_t>(3, in.size() - i);
        for (std::size_t k = 0; k < 3; ++k) chunk = chunk << 8 | (k < n ? static_cast<std::uint8_t>(in[i + k]) : 0u);
        for (std::size_t k = 0; k <= n; ++k) out += alphabet[chunk >> (18 - 6 * k) & 63];
        if (pad) out.append(3 - n, '=');
    }
    return out;
}

std::optional<std::string> decode64(std::string_view in, std::string_view alphabet) {
    if (in.size() % 4 == 1) return std::nullopt;
    std::array<std::int8_t, 256> values;
    values.fill(-1);
    for (std::size_t i = 0; i < alphabet.size(); ++i)
        values[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
    std::string out;
    out.reserve(in.size() * 3 / 4);
    std::uint32_t chunk = 0;
    int bits = 0;
    for (char c : in) {
        auto value = values[static_cast<unsigned char>(c)];
        if (value < 0) return std::nullopt;
        chunk = chunk << 6 | static_cast<std::uint32_t>(value);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out += static_cast<char>(chunk >> bits & 255);
        }
    }
    if ((chunk & ((1u << bits) - 1)) != 0) return std::nullopt;  // stray bits: not the canonical form
    return out;
}

constexpr std::size_t kNonce = 12, kTag = 16;

}  // namespace

std::string hmac_sha1(std::string_view key, std::string_view message) {
    static thread_local Keyed keyed("SHA1");
    return keyed.mac(key, {message});
}
std::string hmac_sha256(std::string_view key, std::string_view message) { return hmac_sha256(key, {message}); }
std::string hmac_sha256(std::string_view key, std::initializer_list<std::string_view> message) {
    static thread_local Keyed keyed("SHA256");
    return keyed.mac(key, message);
}
std::string sha256(std::string_view message) { return digest(fetched().sha256, message); }
std::string sha1(std::string_view message) { return digest(fetched().sha1, message); }

struct Sha256::State {
    MdCtx context{EVP_MD_CTX_new()};
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
    if (EVP_DigestInit_ex2(state_->context.get(), fetched().sha256, nullptr) != 1) unsound("digest");
}
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;
Sha256::~Sha256() = default;

void Sha256::update(std::string_view piece) {
    if (EVP_DigestUpdate(state_->context.get(), piece.data(), piece.size()) != 1) unsound("digest");
}

std::string Sha256::digest() const {
    State copy;
    unsigned char out[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    if (EVP_MD_CTX_copy_ex(copy.context.get(), state_->context.get()) != 1 ||
        EVP_DigestFinal_ex(copy.context.get(), out, &size) != 1)
        unsound("digest");
    return {reinterpret_cast<char*>(out), size};
}

std::string base64_encode(std::string_view bytes) { return encode64(bytes, kStandard, true); }
std::string base64url_encode(std::string_view bytes) { return encode64(bytes, kUrl, false); }

std::optional<std::string> base64_decode(std::string_view text) {
    if (text.size() % 4 != 0) return std::nullopt;
    std::size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
    return decode64(text.substr(0, text.size() - padding), kStandard);
}

std::optional<std::string> base64url_decode(std::string_view text) { return decode64(text, kUrl); }

std::string hex_encode(std::string_view bytes) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out(bytes.size() * 2, '0');
    auto at = out.begin();
    for (unsigned char c : bytes) {
        *at++ = digits[c >> 4];
        *at++ = digits[c & 15];
    }
    return out;
}

std::optional<std::string> hex_decode(std::string_view text) {
    if (text.size() % 2 != 0) return std::nullopt;
    static constexpr std::string_view digits = "0123456789abcdef";
    std::string lowered = lower(text), out;
    for (std::size_t i = 0; i < lowered.size(); i += 2) {
        auto high = digits.find(lowered[i]), low = digits.find(lowered[i + 1]);
        if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
        out += static_cast<char>(high << 4 | low);
    }
    return out;
}

bool constant_time_equal(std::string_view a, std::string_view b) {
    return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

namespace {
void fill_random(char* to, std::size_t count) {
    if (RAND_bytes(reinterpret_cast<unsigned char*>(to), static_cast<int>(count)) != 1)
        throw Failure(Error("the system gives no random bytes", "check /dev/urandom and OpenSSL's configuration"));
}
}  // namespace

std::string random_bytes(std::size_t count) {
    std::string out(count, '\0');
    fill_random(out.data(), count);
    return out;
}

std::string id_bytes(std::size_t count) {
    // A call costs the same for few bytes as for many, so a thread keeps some in stock; each is given out once.
    static thread_local std::array<char, 1024> stock;
    static thread_local std::size_t used = stock.size();
    if (count > stock.size()) return random_bytes(count);
    if (stock.size() - used < count) {
        fill_random(stock.data(), stock.size());
        used = 0;
    }
    std::string out(stock.data() + used, count);
    used += count;
    return out;
}

Result<RsaPublicKey> RsaPublicKey::from_components(std::string_view modulus, std::string_view exponent) {
    if (modulus.size() < 256) return Error("RSA key shorter than 2048 bits", "use a longer key at the issuer");
    if (modulus.size() > 1024 || exponent.empty() || exponent.size() > 8) return Error("RSA key out of bounds");
    std::unique_ptr<BIGNUM, Freed<BN_free>> n(BN_bin2bn(bytes_of(modulus), static_cast<int>(modulus.size()), nullptr));
    std::unique_ptr<BIGNUM, Freed<BN_free>> e(BN_bin2bn(bytes_of(exponent), static_cast<int>(exponent.size()), nullptr));
    std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>> builder(OSSL_PARAM_BLD_new());
    if (!n || !e || !builder || !OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) ||
        !OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()))
        return Error("RSA key cannot be read");
    std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>> params(OSSL_PARAM_BLD_to_param(builder.get()));
    std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>> context(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    EVP_PKEY* key = nullptr;
    if (!params || !context || EVP_PKEY_fromdata_init(context.get()) <= 0 ||
        EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) <= 0)
        return Error("RSA key cannot be read");
    return RsaPublicKey(key);
}

bool RsaPublicKey::verify_sha256(std::string_view message, std::string_view signature) const {
    MdCtx context(EVP_MD_CTX_new());
    return context && EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, static_cast<EVP_PKEY*>(key_)) == 1 &&
           EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(message), message.size()) == 1;
}

RsaPublicKey::RsaPublicKey(const RsaPublicKey& other) : key_(other.key_) { EVP_PKEY_up_ref(static_cast<EVP_PKEY*>(key_)); }
RsaPublicKey::RsaPublicKey(RsaPublicKey&& other) noexcept : key_(std::exchange(other.key_, nullptr)) {}
RsaPublicKey& RsaPublicKey::operator=(RsaPublicKey other) noexcept {
    std::swap(key_, other.key_);
    return *this;
}
RsaPublicKey::~RsaPublicKey() { EVP_PKEY_free(static_cast<EVP_PKEY*>(key_)); }

Result<KeyRing> KeyRing::parse(const Secret& spec) {
    KeyRing ring;
    for (const auto& part : split_list(spec.reveal())) {
        auto colon = part.find(':');
        if (colon == std::string::npos || colon == 0 || part.find('.') < colon)
            return Error("the key ring is not a list of id:base64", "OTTO_SECRET_KEYS=k1:$(openssl rand -base64 32)");
        auto id = part.substr(0, colon);
        auto key = base64_decode(std::string_view(part).substr(colon + 1));
        if (!key || key->size() != 32)
            return Error("key '" + id + "' of the key ring is not 32 bytes in base64", "openssl rand -base64 32 makes one");
        if (!ring.keys_.emplace(id, Secret(std::move(*key))).second)
            return Error("key id '" + id + "' stands twice in the key ring");
        if (ring.sealing_id_.empty()) ring.sealing_id_ = id;
    }
    if (ring.keys_.empty()) return Error("the key ring is empty", "OTTO_SECRET_KEYS=k1:$(openssl rand -base64 32)");
    return ring;
}

std::string KeyRing::seal(const Secret& plain, std::string_view associated) const {
    const auto& key = keys_.at(sealing_id_).reveal();
    const auto& text = plain.reveal();
    std::string sealed = random_bytes(kNonce);
    sealed.resize(kNonce + text.size() + kTag);
    auto* out = bytes_of(sealed);
    CipherCtx context(EVP_CIPHER_CTX_new());
    int size = 0;
    if (!context || EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key), out) != 1 ||
        EVP_EncryptUpdate(context.get(), nullptr, &size, bytes_of(associated), static_cast<int>(associated.size())) != 1 ||
        EVP_EncryptUpdate(context.get(), out + kNonce, &size, bytes_of(text), static_cast<int>(text.size())) != 1 ||
        EVP_EncryptFinal_ex(context.get(), out + kNonce + text.size(), &size) != 1 ||
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTag, out + kNonce + text.size()) != 1)
        throw Failure(Error("sealing failed", "is AES-256-GCM available in OpenSSL?"));
    return "v1." + sealing_id_ + "." + base64url_encode(sealed);
}

Result<Secret> KeyRing::open(std::string_view sealed, std::string_view associated) const {
    auto first = sealed.find('.'), second = sealed.rfind('.');
    if (first == std::string_view::npos || first == second || sealed.substr(0, first) != "v1")
        return Error("not a sealed value", "was it written past Otto? set the secret again");
    auto id = sealed.substr(first + 1, second - first - 1);
    auto key = keys_.find(id);
    if (key == keys_.end())
        return Error("sealed with key '" + std::string(id) + "', which is not on the ring", "add it to OTTO_SECRET_KEYS");
    auto bytes = base64url_decode(sealed.substr(second + 1));
    if (!bytes || bytes->size() < kNonce + kTag) return Error("a sealed value is cut short", "set the secret again");
    std::string plain(bytes->size() - kNonce - kTag, '\0');
    auto* in = bytes_of(*bytes);
    CipherCtx context(EVP_CIPHER_CTX_new());
    int size = 0;
    if (!context || EVP_DecryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, bytes_of(key->second.reveal()), in) != 1 ||
        EVP_DecryptUpdate(context.get(), nullptr, &size, bytes_of(associated), static_cast<int>(associated.size())) != 1 ||
        EVP_DecryptUpdate(context.get(), bytes_of(plain), &size, in + kNonce, static_cast<int>(plain.size())) != 1 ||
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTag, in + kNonce + plain.size()) != 1 ||
        EVP_DecryptFinal_ex(context.get(), bytes_of(plain) + plain.size(), &size) != 1)
        return Error("a sealed value does not open here", "it was changed, or copied from another company or column");
    return Secret(std::move(plain));
}

std::vector<Secret> KeyRing::derived(std::string_view purpose) const {
    std::vector<Secret> out;
    out.emplace_back(hmac_sha256(keys_.at(sealing_id_).reveal(), purpose));
    for (const auto& [id, key] : keys_)
        if (id != sealing_id_) out.emplace_back(hmac_sha256(key.reveal(), purpose));
    return out;
}

std::string seal_place(std::string_view company, std::string_view column) {
    return std::string(company).append("/").append(column);
}

}  // namespace otto
