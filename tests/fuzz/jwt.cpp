// Session tokens. The first byte chooses:
//   '{' …: a line with a token's header, the rest its payload; signed here, so that what is behind the signature is reached
//   else:  the value of an Authorization header
#include <algorithm>
#include <memory>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "harness.hpp"
#include "identity/authenticator.hpp"
#include "identity/token.hpp"
#include "signer.hpp"

using namespace otto;
using namespace otto::identity;

namespace {

constexpr std::int64_t kNow = 1'700'000'000;

class StandingClock final : public Clock {
public:
    Instant now() const override { return Instant{} + std::chrono::seconds(kNow); }
};

struct World {
    testing::IssuerKey key;
    RsaPublicKey public_key = key.public_key();
    StandingClock clock;
    TokenRules users, operators;
    std::unique_ptr<Authenticator> authenticator;
    World() {
        users.issuer = "https://users.example";
        users.authorized_parties = {"https://app.example"};
        operators.issuer = "https://operators.example";
        operators.operators = true;
        authenticator = std::make_unique<Authenticator>(
            users, operators, "users", "operators",
            [set = "{\"keys\":[" + key.jwk("k1") + "]}"](const std::string&) -> Result<std::string> { return set; }, clock);
    }
    Result<SigningKey> find(std::string_view kid) const {
        if (kid == "k1") return SigningKey(public_key);
        return Error("unknown key");
    }
};

const World& world() {
    static const World w;
    return w;
}

bool plain(std::string_view id) {
    return !id.empty() && id.size() <= 200 &&
           std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < 127 && c != ','; });
}

double number(const JsonView& claims, const char* name, double otherwise) { return claims[name].number().value_or(otherwise); }

/// Who is let in is let in for good reasons: the payload is read again here.
void check(const Principal& who, std::string_view token, const TokenRules& rules) {
    auto dot = token.find('.');
    auto header_bytes = base64url_decode(token.substr(0, dot)),
         payload_bytes = base64url_decode(token.substr(dot + 1, token.rfind('.') - dot - 1));
    OTTO_EXPECT(header_bytes && payload_bytes, std::string(token));
    auto header_json = JsonDocument::parse(*header_bytes), payload_json = JsonDocument::parse(*payload_bytes);
    OTTO_EXPECT(header_json.ok() && payload_json.ok(), *payload_bytes);
    auto header = header_json->root(), claims = payload_json->root();
    OTTO_EXPECT(header["alg"].string() == "RS256" && header["kid"].string() == "k1" && !header["crit"].exists(), *header_bytes);
    OTTO_EXPECT(claims["iss"].string() == rules.issuer && who.issuer == rules.issuer, *payload_bytes);
    OTTO_EXPECT(claims["sub"].string() == who.user.value() && plain(who.user.value()), *payload_bytes);
    OTTO_EXPECT(number(claims, "exp", 0) > kNow - 6, *payload_bytes);
    OTTO_EXPECT(number(claims, "nbf", 0) < kNow + 6 && number(claims, "iat", 0) < kNow + 6, *payload_bytes);
    OTTO_EXPECT(claims["sts"].string() != "pending", *payload_bytes);
    if (!rules.authorized_parties.empty())
        OTTO_EXPECT(claims["azp"].string() == rules.authorized_parties.front(), *payload_bytes);
    OTTO_EXPECT(who.impersonated == (claims["act"].exists() && !claims["act"].is_null()), *payload_bytes);
    if (rules.operators) {
        OTTO_EXPECT(who.role == Role::operator_ && !who.company, *payload_bytes);
    } else {
        OTTO_EXPECT(who.role != Role::operator_, *payload_bytes);
        if (who.role) OTTO_EXPECT(who.company.has_value() && role_from(to_text(*who.role)) == who.role, *payload_bytes);
        if (who.company) {
            OTTO_EXPECT(plain(who.company->value()), *payload_bytes);
            OTTO_EXPECT(claims["o"]["id"].string() == who.company->value() || claims["org_id"].string() == who.company->value(),
                        *payload_bytes);
        }
    }
}

Result<Principal> ask(std::string_view authorization) {
    http::Request request;
    request.headers.add("Authorization", std::string(authorization));
    return world().authenticator->authenticate(request);
}

/// Both issuers' rules, by themselves and as the Authorization header.
bool judge(const std::string& token) {
    const auto& w = world();
    auto keys = [&](std::string_view kid) { return w.find(kid); };
    std::optional<Principal> let_in;
    for (const auto* rules : {&w.users, &w.operators}) {
        auto who = verify_token(token, keys, *rules, w.clock.now());
        if (!who) {
            OTTO_EXPECT(!who.error().message.empty() && valid_utf8(who.error().message), "");
            continue;
        }
        OTTO_EXPECT(!let_in, "one token of two issuers");
        check(*who, token, *rules);
        OTTO_EXPECT(claimed_issuer(token) == rules->issuer, token);
        let_in = std::move(*who);
    }
    auto by_header = ask("Bearer " + token);
    OTTO_EXPECT(by_header.ok() == let_in.has_value(), token);
    if (let_in)
        OTTO_EXPECT(by_header->user == let_in->user && by_header->company == let_in->company && by_header->role == let_in->role,
                    token);
    return let_in.has_value();
}

}  // namespace

void fuzz(std::string_view text) {
    const auto& w = world();
    if (!text.starts_with('{')) {
        OTTO_EXPECT(!ask(text).ok(), "somebody came in without a signature");
        (void)claimed_issuer(text);
        judge(std::string(text));
        return;
    }
    fuzzing::Input input(text);
    std::string header(input.line()), payload(input.rest());
    auto token = w.key.token(payload, header);
    if (!judge(token)) return;
    // One changed character anywhere lets nobody in, nor does another one's signature, nor none.
    auto place = text.size() * 7919 % token.size();
    for (auto at : {place, token.find('.') + 1, token.rfind('.') + 1}) {
        auto changed = token;
        changed[at] = changed[at] == 'A' ? 'B' : 'A';
        OTTO_EXPECT(changed == token || !ask("Bearer " + changed).ok(), changed);
    }
    OTTO_EXPECT(!ask("Bearer " + token.substr(0, token.rfind('.') + 1)).ok() && !ask("Bearer " + token + "A").ok() &&
                    !ask("Bearer " + token + ".").ok(),
                token);
    OTTO_EXPECT(!ask(token).ok() && !ask("Basic " + token).ok(), token);
    auto later = verify_token(
        token, [&](std::string_view kid) { return w.find(kid); }, w.users, w.clock.now() + std::chrono::hours(24 * 365 * 4'000));
    OTTO_EXPECT(!later.ok(), "a token without an end");
}
