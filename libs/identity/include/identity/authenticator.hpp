#pragma once
#include <memory>

#include "http/client.hpp"
#include "identity/jwks.hpp"
#include "identity/members.hpp"
#include "identity/settings.hpp"
#include "identity/token.hpp"

namespace otto::app {
class Service;
}

namespace otto::identity {

/// Who sent a request: `Authorization: Bearer <token>` of one of the two issuers.
class Authenticator {
public:
    /// Beside the tokens it minds who was removed and whose role changed since (Members); the service is not ready before that is
    /// known.
    explicit Authenticator(app::Service&);
    explicit Authenticator(const app::Settings&);
    /// For tests: keys from elsewhere.
    Authenticator(TokenRules users, TokenRules operators, std::string users_url, std::string operators_url, Fetch, const Clock&);
    /// Without `may_wait` it never waits for the network: the error is kMustWait where that alone can tell.
    Result<Principal> authenticate(const http::Request&, bool may_wait = true) const;
    /// For tests.
    void mind(std::shared_ptr<Members> members) { members_ = std::move(members); }
    /// Whether all issuers gave their keys when they were asked last.
    Result<void> keys_can_be_had() const;

private:
    void stand(Principal&) const;
    struct Issuer {
        TokenRules rules;
        std::unique_ptr<Jwks> keys;
    };
    std::unique_ptr<http::Client> client_;
    const Clock* clock_;
    std::vector<Issuer> issuers_;
    std::shared_ptr<Members> members_;  ///< none: tokens alone count
};

}  // namespace otto::identity
