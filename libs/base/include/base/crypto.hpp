#pragma once
#include <algorithm>
#include <array>
#include <initializer_list>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace otto {

/// Raw MAC bytes (20 and 32).
std::string hmac_sha1(std::string_view key, std::string_view message);
std::string hmac_sha256(std::string_view key, std::string_view message);
/// Likewise of a message that lies in pieces: a long one need not be copied to stand behind a time.
std::string hmac_sha256(std::string_view key, std::initializer_list<std::string_view> message);
/// Raw digest bytes.
std::string sha256(std::string_view message);
std::string sha1(std::string_view message);

enum class Digest { sha256, hmac_sha1, hmac_sha256 };
/// A digest's bytes where they stand, without memory of their own: a webhook makes and compares several. What is longer than any
/// digest is none, and proves nothing.
class DigestBytes {
public:
    DigestBytes() = default;
    DigestBytes(std::string_view bytes)
        : size_(bytes.size() <= kLongest ? bytes.size() : 0) {  // as a text, wherever one is given
        std::copy_n(bytes.begin(), size_, bytes_.begin());
    }
    DigestBytes(const std::string& bytes) : DigestBytes(std::string_view(bytes)) {}
    operator std::string_view() const { return {bytes_.data(), size_}; }
    bool empty() const { return size_ == 0; }
    friend bool operator==(const DigestBytes& a, std::string_view b) { return std::string_view(a) == b; }

private:
    static constexpr std::size_t kLongest = 32;
    std::array<char, kLongest> bytes_{};
    std::size_t size_ = 0;
};
/// One of several digests that are wanted at the same time.
struct DigestJob {
    Digest kind = Digest::sha256;
    std::string_view message, key = {};  ///< both must live until it is computed; sha256 has no key
    DigestBytes digest = {};             ///< once it is computed
};
/// Computes them all. Side by side, where the processor has wide registers: sixteen messages cost little more than two.
void digest_all(std::span<DigestJob>);

/// SHA-256 of what comes piece by piece.
class Sha256 {
public:
    Sha256();
    Sha256(Sha256&&) noexcept;
    Sha256& operator=(Sha256&&) noexcept;
    ~Sha256();
    void update(std::string_view piece);
    /// Raw digest of all pieces so far; more may follow.
    std::string digest() const;

private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Standard alphabet with padding.
std::string base64_encode(std::string_view bytes);
/// Strict: standard alphabet, canonical padding, no white space; else nullopt.
std::optional<std::string> base64_decode(std::string_view text);
/// Strict base64url without padding (RFC 7515).
std::optional<std::string> base64url_decode(std::string_view text);
std::string base64url_encode(std::string_view bytes);
std::string hex_encode(std::string_view bytes);
std::optional<std::string> hex_decode(std::string_view text);

/// Compares without telling by its duration where the texts differ. Different lengths are unequal.
bool constant_time_equal(std::string_view a, std::string_view b);
/// `count` bytes of the system's generator; throws Failure if it has none.
std::string random_bytes(std::size_t count);
/// Random bytes for ids that are made by the thousand; not for keys and nonces: a forked process would give out the same ones.
std::string id_bytes(std::size_t count);

/// RSASSA-PKCS1-v1_5 with SHA-256. A public key from a JWK's base64url-decoded modulus and exponent.
class RsaPublicKey {
public:
    static Result<RsaPublicKey> from_components(std::string_view modulus, std::string_view exponent);
    bool verify_sha256(std::string_view message, std::string_view signature) const;
    RsaPublicKey(const RsaPublicKey&);
    RsaPublicKey(RsaPublicKey&&) noexcept;
    RsaPublicKey& operator=(RsaPublicKey) noexcept;
    ~RsaPublicKey();

private:
    explicit RsaPublicKey(void* key) : key_(key) {}
    void* key_;
};

/// Seals secrets at rest: AES-256-GCM, a random nonce, the key's id beside the text, and associated data (company and column), so
/// that a sealed value moved to another row or column does not open. Text form: `v1.<key id>.<base64url nonce+ciphertext+tag>`.
class KeyRing {
public:
    /// "id:base64,id:base64" (32 bytes each); the first seals, all open. OTTO_SECRET_KEYS.
    static Result<KeyRing> parse(const Secret& spec);
    std::string seal(const Secret& plain, std::string_view associated) const;
    /// Error if the key is not on the ring, the text was changed, or it was sealed for another place.
    Result<Secret> open(std::string_view sealed, std::string_view associated) const;
    /// A key for another purpose, made of each key on the ring, that of the sealing one first; it tells nothing of the ring.
    std::vector<Secret> derived(std::string_view purpose) const;

private:
    std::string sealing_id_;
    std::map<std::string, Secret, std::less<>> keys_;
};

/// Associated data of a company's secret column.
std::string seal_place(std::string_view company, std::string_view column);

}  // namespace otto
