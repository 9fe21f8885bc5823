#pragma once
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/crypto.hpp"
#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"

namespace otto::identity {

enum class Role { csr, sales_rep, manager, executive, operator_ };
std::string_view to_text(Role);
/// What issuers call roles: our own names, with or without Clerk's `org:`, the seeds' `customer_rep`, Clerk's `admin`. Never
/// operator: that follows from the issuer.
std::optional<Role> role_from(std::string_view claim);

/// Who may use a route.
class Roles {
public:
    constexpr Roles() = default;
    constexpr Roles(std::initializer_list<Role> roles) {
        for (auto r : roles) bits_ |= 1u << static_cast<unsigned>(r);
    }
    /// Also somebody who has no organisation yet; no operator, who never is a tenant's.
    static constexpr Roles any_signed_in() {
        Roles r;
        r.bits_ = kAnybody;
        return r;
    }
    constexpr bool has(Role r) const { return (bits_ & (1u << static_cast<unsigned>(r))) != 0; }
    constexpr bool anybody() const { return bits_ == kAnybody; }

private:
    static constexpr unsigned kAnybody = ~(1u << static_cast<unsigned>(Role::operator_));
    unsigned bits_ = 0;
};

/// What is known of a token's member beside the token.
enum class Membership { good, removed, not_known_yet };

/// Who asks.
struct Principal {
    UserId user;
    std::optional<CompanyId> company;
    std::optional<Role> role;
    std::string issuer, session;
    bool impersonated = false;  ///< an operator of the identity provider acts as this user
    std::optional<Instant> issued_at = {};
    Membership membership = Membership::good;
};

struct TokenRules {
    std::string issuer;
    std::vector<std::string> authorized_parties;  ///< empty: azp is not looked at
    std::string audience;                         ///< empty: aud is not looked at
    Millis leeway{5'000};
    bool operators = false;  ///< tokens of this issuer are operators'
};

/// A public key of an issuer's, which remembers the newest signatures that it has proven: a session's token comes with each
/// request of a minute. Only the proof is remembered, whatever else a token says is looked at each time; another key of the same
/// name knows nothing of it. Copies share what they remember. Thread-safe.
class SigningKey {
public:
    SigningKey(RsaPublicKey key);  // NOLINT(google-explicit-constructor): it is that key
    bool verify(std::string_view message, std::string_view signature) const;

private:
    struct Proven;
    RsaPublicKey key_;
    std::shared_ptr<Proven> proven_;
};

using KeyLookup = std::function<Result<SigningKey>(std::string_view kid)>;

/// A session token: RS256 and nothing else, by a key that the issuer publishes, for now. Errors say which check failed, in words
/// that the caller may see. Source: providers.md §3.1, §3.2.
Result<Principal> verify_token(std::string_view jwt, const KeyLookup&, const TokenRules&, Instant now);

/// The issuer that a token claims, unverified; only to choose whose rules apply.
std::optional<std::string> claimed_issuer(std::string_view jwt);

}  // namespace otto::identity
