#include "identity/authenticator.hpp"

#include "app/common.hpp"
#include "app/process.hpp"
#include "base/text.hpp"

namespace otto::identity {
namespace {

http::ClientOptions client_options(const app::Settings& s) {
    http::ClientOptions o;
    o.connect_timeout = Millis{2'000};
    o.total_timeout = Millis{5'000};
    o.body_limit = 1u << 20;
    o.private_addresses = s.get(app::kPrivateAddresses);
    return o;
}

std::string keys_url(const std::string& given, const std::string& issuer) {
    return given.empty() ? issuer + "/.well-known/jwks.json" : given;
}

}  // namespace

app::Rows identity_rows() {
    auto rows = app::kafka_rows();
    for (const auto& r : {kClerkIssuer.row, kClerkJwksUrl.row, kClerkParties.row, kOperatorIssuer.row, kOperatorJwksUrl.row,
                          kMembersSnapshot.row, app::kPrivateAddresses.row})
        rows.push_back(r);
    return rows;
}

Authenticator::Authenticator(app::Service& service) : Authenticator(service.settings()) {
    members_ = Members::of_process(service.settings());
    // No start of its own: those that wait on either side of one wait one after another.
    service.ready_after("members", [this]() -> std::optional<app::Awaited> {
        members_->start();
        auto known = members_->whether_known();
        if (known) return std::nullopt;
        if (auto kafka = members_->kafka_answers(); !kafka) return app::Awaited{"kafka", kafka.error().describe()};
        return app::Awaited{"members", known.error().describe()};
    });
    service.ready_when("members", [this] { return members_->whether_known(); });
}

Authenticator::Authenticator(const app::Settings& s)
    : client_(std::make_unique<http::Client>(client_options(s))), clock_(&system_clock()) {
    auto add = [&](const std::string& issuer, const std::string& url, bool operators) {
        if (issuer.empty()) return;
        TokenRules rules;
        rules.issuer = issuer;
        rules.operators = operators;
        if (!operators) rules.authorized_parties = s.get(kClerkParties);
        issuers_.push_back(
            {std::move(rules), std::make_unique<Jwks>(Jwks::Options{keys_url(url, issuer)}, fetch_with(*client_))});
    };
    add(s.get(kClerkIssuer), s.get(kClerkJwksUrl), false);
    add(s.get(kOperatorIssuer), s.get(kOperatorJwksUrl), true);
}

Authenticator::Authenticator(TokenRules users, TokenRules operators, std::string users_url, std::string operators_url,
                             Fetch fetch, const Clock& clock)
    : clock_(&clock) {
    issuers_.push_back({std::move(users), std::make_unique<Jwks>(Jwks::Options{std::move(users_url)}, fetch, clock)});
    issuers_.push_back({std::move(operators), std::make_unique<Jwks>(Jwks::Options{std::move(operators_url)}, fetch, clock)});
}

Result<Principal> Authenticator::authenticate(const http::Request& request, bool may_wait) const {
    if (request.headers.count("authorization") > 1) return Error("there are two Authorization headers");
    auto header = trim(request.headers.get("authorization"));
    if (header.empty()) return Error("there is no Authorization header");
    if (header.size() < 7 || !iequals(header.substr(0, 7), "Bearer "))
        return Error("the Authorization header is not of the form 'Bearer <token>'");
    auto token = trim(header.substr(7));
    auto issuer = claimed_issuer(token);
    if (!issuer) return Error("the token is malformed");
    for (const auto& known : issuers_)
        if (known.rules.issuer == *issuer) {
            auto who = verify_token(
                token, [&](std::string_view kid) { return known.keys->find(kid, may_wait); }, known.rules, clock_->now());
            if (who && who->company && members_) stand(*who);
            return who;
        }
    return Error("the token comes from another issuer");
}

/// What is known of the member beyond the token: a removal counts at once, and whoever issued a token after a role changed knew
/// the role.
void Authenticator::stand(Principal& who) const {
    if (!members_->known()) {
        who.membership = Membership::not_known_yet;
        return;
    }
    auto member = members_->find(who.company->value(), who.user.value());
    if (!member) return;
    if (member->removed) {
        who.membership = Membership::removed;
    } else if (!who.issued_at || *who.issued_at < member->changed_at) {
        who.role = member->role;
    }
}

Result<void> Authenticator::keys_can_be_had() const {
    for (const auto& issuer : issuers_)
        if (auto fetched = issuer.keys->fetched(); !fetched) return fetched;
    return {};
}

}  // namespace otto::identity
