#pragma once
#include <memory>

#include "app/process.hpp"
#include "http/client.hpp"
#include "identity/jwks.hpp"
#include "identity/token.hpp"

namespace otto::identity {

inline const app::Setting<std::string> kClerkIssuer = app::text("clerk-issuer", "", "issuer of users' session tokens (Clerk's Frontend API URL); empty: nobody can sign in");
inline const app::Setting<std::string> kClerkJwksUrl = app::text("clerk-jwks-url", "", "where that issuer's public keys are; empty: OTTO_CLERK_ISSUER + /.well-known/jwks.json");
inline const app::Setting<std::vector<std::string>> kClerkParties = app::list("clerk-authorized-parties", "", "values of azp that are let in; empty: all");
inline const app::Setting<std::string> kOperatorIssuer = app::text("operator-issuer", "", "issuer of operators' tokens; empty: there are no operators");
inline const app::Setting<std::string> kOperatorJwksUrl = app::text("operator-jwks-url", "", "where that issuer's public keys are; empty: OTTO_OPERATOR_ISSUER + /.well-known/jwks.json");
app::Rows identity_rows();

/// Who sent a request: `Authorization: Bearer <token>` of one of the two issuers.
class Authenticator {
public:
    explicit Authenticator(const app::Settings&);
    /// For tests: keys from elsewhere.
    Authenticator(TokenRules users, TokenRules operators, std::string users_url, std::string operators_url, Fetch, const Clock&);
    Result<Principal> authenticate(const http::Request&) const;

private:
    struct Issuer { TokenRules rules; std::unique_ptr<Jwks> keys; };
    std::unique_ptr<http::Client> client_;
    const Clock* clock_;
    std::vector<Issuer> issuers_;
};

}  // namespace otto::identity
