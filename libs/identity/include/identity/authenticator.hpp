#pragma once
#include <memory>

#include "http/client.hpp"
#include "identity/jwks.hpp"
#include "identity/settings.hpp"
#include "identity/token.hpp"

namespace otto::identity {

/// Who sent a request: `Authorization: Bearer <token>` of one of the two issuers.
class Authenticator {
public:
    explicit Authenticator(const app::Settings&);
    /// For tests: keys from elsewhere.
    Authenticator(TokenRules users, TokenRules operators, std::string users_url, std::string operators_url, Fetch, const Clock&);
    /// Without `may_wait` it never waits for the network: the error is kMustWait where that alone can tell.
    Result<Principal> authenticate(const http::Request&, bool may_wait = true) const;
    /// Whether all issuers gave their keys when they were asked last.
    Result<void> keys_can_be_had() const;

private:
    struct Issuer {
        TokenRules rules;
        std::unique_ptr<Jwks> keys;
    };
    std::unique_ptr<http::Client> client_;
    const Clock* clock_;
    std::vector<Issuer> issuers_;
};

}  // namespace otto::identity
