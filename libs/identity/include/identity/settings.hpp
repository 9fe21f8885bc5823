#pragma once
#include <string>
#include <vector>

#include "app/settings.hpp"

/// Whose tokens are believed.
namespace otto::identity {

inline const app::Setting<std::string> kClerkIssuer =
    app::text("clerk-issuer", "", "issuer of users' session tokens (Clerk's Frontend API URL); empty: nobody can sign in");
inline const app::Setting<std::string> kClerkJwksUrl =
    app::text("clerk-jwks-url", "", "where that issuer's public keys are; empty: OTTO_CLERK_ISSUER + /.well-known/jwks.json");
inline const app::Setting<std::vector<std::string>> kClerkParties =
    app::list("clerk-authorized-parties", "", "values of azp that are let in; empty: all");
inline const app::Setting<std::string> kOperatorIssuer =
    app::text("operator-issuer", "", "issuer of operators' tokens; empty: there are no operators");
inline const app::Setting<std::string> kOperatorJwksUrl = app::text(
    "operator-jwks-url", "", "where that issuer's public keys are; empty: OTTO_OPERATOR_ISSUER + /.well-known/jwks.json");
inline const app::Setting<std::string> kMembersSnapshot =
    app::text("members-snapshot", "",
              "file in which who is a member is kept for a start without Kafka, at most an hour old; empty: such a start waits");
/// These, Kafka's, and the addresses that may be private, which the fetching of keys minds.
app::Rows identity_rows();

}  // namespace otto::identity
