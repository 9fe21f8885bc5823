#include "identity/token.hpp"
#include "signer.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::identity;

namespace {

constexpr std::int64_t kNow = 1'700'000'000;
Instant at(std::int64_t second) { return Instant{} + std::chrono::seconds(second); }

const testing::IssuerKey& issuer_key() {
    static const testing::IssuerKey key;
    return key;
}

TokenRules rules() {
    TokenRules r;
    r.issuer = "https://issuer";
    return r;
}

/// A token that has what every token needs, and `more` members; a member of `more` that is also there by itself must be left out
/// with `without`.
std::string token(const std::string& more, const std::string& without = "") {
    std::string out = "{";
    for (auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
             {"iss", "\"https://issuer\""}, {"sub", "\"user_1\""}, {"exp", std::to_string(kNow + 60)}})
        if (name != without) out += "\"" + name + "\":" + value + ",";
    if (more.empty()) out.pop_back();
    return issuer_key().token(out + more + "}");
}

Result<Principal> verified(const std::string& jwt, const TokenRules& r = rules(), Instant now = at(kNow)) {
    return verify_token(
        jwt, [](std::string_view) -> Result<SigningKey> { return SigningKey(issuer_key().public_key()); }, r, now);
}

std::string why_refused(const std::string& jwt, const TokenRules& r = rules(), Instant now = at(kNow)) {
    auto who = verified(jwt, r, now);
    return who ? "let in" : who.error().message;
}

}  // namespace

TEST_CASE("a claim of a wrong type is a refusal that names it") {
    struct Row {
        const char *claim, *without, *message;
    };
    auto row = GENERATE(
        Row{R"("iss":7)", "iss", "the token comes from another issuer"},
        Row{R"("iss":null)", "iss", "the token comes from another issuer"},
        Row{R"("sub":["user_1"])", "sub", "the token names no user"}, Row{R"("sub":" ")", "sub", "the token names no user"},
        Row{R"("sub":"user\u00001")", "sub", "the token's user is malformed"},
        Row{R"("exp":"1700000060")", "exp", "the token has no expiry"}, Row{R"("exp":-1)", "exp", "the token has no expiry"},
        Row{R"("exp":1e300)", "exp", "the token has no expiry"}, Row{R"("exp":{})", "exp", "the token has no expiry"},
        Row{R"("nbf":"now")", "", "the token's nbf is not a time"}, Row{R"("iat":[1])", "", "the token's iat is not a time"},
        Row{R"("azp":5)", "", "the token's azp is not a text"}, Row{R"("sts":true)", "", "the token's sts is not a text"},
        Row{R"("sid":{"a":1})", "", "the token's sid is not a text"},
        Row{R"("act":"user_2")", "", "the token's act is not an object"},
        Row{R"("v":"2")", "", "the token's v is not a whole number"}, Row{R"("o":"org_1")", "", "the token's o is not an object"},
        Row{R"("o":["org_1"])", "", "the token's o is not an object"},
        Row{R"("v":2,"o":{"id":1,"rol":"admin"})", "", "the token's id is not a text"},
        Row{R"("v":2,"o":{"id":"org_1","rol":["admin"]})", "", "the token's rol is not a text"},
        Row{R"("org_id":1)", "", "the token's org_id is not a text"},
        Row{R"("org_id":"org_1","org_role":{})", "", "the token's org_role is not a text"},
        Row{R"("org_id":"org_1,org_2")", "", "the token's organisation is malformed"},
        Row{R"("org_id":"org\u0000")", "", "the token's organisation is malformed"});
    CAPTURE(row.claim);
    CHECK(why_refused(token(row.claim, row.without)) == row.message);
}

TEST_CASE("a header of a wrong type is a refusal") {
    auto with = [](const char* header) {
        return why_refused(issuer_key().token(R"({"iss":"https://issuer","sub":"u","exp":1700000060})", header));
    };
    CHECK(with(R"({"alg":"RS256","kid":"k1"})") == "let in");
    CHECK(with(R"({"alg":["RS256"],"kid":"k1"})") == "the token is not signed with RS256");
    CHECK(with(R"({"alg":"RS384","kid":"k1"})") == "the token is not signed with RS256");
    CHECK(with(R"({"alg":"rs256","kid":"k1"})") == "the token is not signed with RS256");
    CHECK(with(R"({"kid":"k1"})") == "the token is not signed with RS256");
    CHECK(with(R"({"alg":"RS256","kid":1})") == "the token names no key");
    CHECK(with(R"({"alg":"RS256","kid":""})") == "the token names no key");
    CHECK(with(R"({"alg":"RS256","kid":"k1","typ":1})") == "the token's typ is not JWT");
    CHECK(with(R"({"alg":"RS256","kid":"k1","crit":null})") == "the token asks for extensions that are not understood");
    CHECK(with(R"(["RS256"])") == "the token's header is no JSON object");
}

TEST_CASE("payloads that are no JSON object, though well signed") {
    for (const char* payload : {"", "null", "[]", "\"x\"", "{", "{}x", "{\"iss\":\"\xff\"}"}) {
        CAPTURE(payload);
        CHECK(why_refused(issuer_key().token(payload)) == "the token's payload is no JSON object");
    }
    std::string deep(200, '[');
    CHECK(why_refused(issuer_key().token("{\"a\":" + deep + std::string(200, ']') + "}")) ==
          "the token's payload is no JSON object");
}

TEST_CASE("the leeway is five seconds on either side, to the second") {
    auto edge = token(R"("nbf":1700000010,"iat":1700000010)");
    CHECK(why_refused(edge, rules(), at(kNow + 4)) == "the token is not valid yet");
    CHECK(why_refused(edge, rules(), at(kNow + 5)) == "let in");
    CHECK(why_refused(edge, rules(), at(kNow + 64)) == "let in");
    CHECK(why_refused(edge, rules(), at(kNow + 65)) == "the token has expired");
    CHECK(why_refused(token(R"("iat":1700000006)")) == "the token is not valid yet");
}

TEST_CASE("authorised parties: nothing is asked where none are configured, else azp must be there and one of them") {
    CHECK(why_refused(token("")) == "let in");
    auto r = rules();
    r.authorized_parties = {"https://app", "https://admin"};
    CHECK(why_refused(token(R"("azp":"https://admin")"), r) == "let in");
    CHECK(why_refused(token(R"("azp":"https://app.evil")"), r) == "the token was made for another application");
    CHECK(why_refused(token(""), r) == "the token was made for another application");
    CHECK(why_refused(token(R"("azp":"")"), r) == "the token was made for another application");
}

TEST_CASE("the audience, where both sides have one") {
    auto r = rules();
    r.audience = "otto";
    CHECK(why_refused(token(""), r) == "let in");
    CHECK(why_refused(token(R"("aud":["x",7,"otto"])"), r) == "let in");
    CHECK(why_refused(token(R"("aud":"x")"), r) == "the token was made for another audience");
    CHECK(why_refused(token(R"("aud":7)"), r) == "the token was made for another audience");
    CHECK(why_refused(token(R"("aud":[])"), r) == "the token was made for another audience");
    CHECK(why_refused(token(R"("aud":"x")")) == "let in");
}

TEST_CASE("no configured issuer lets nobody in, not even who claims none") {
    CHECK(why_refused(token(R"("iss":"")", "iss"), TokenRules{}) == "the token comes from another issuer");
}

TEST_CASE("the organisation comes from the claims of the token's own version") {
    auto v2 = verified(token(R"("v":2,"o":{"id":"org_1","slg":"s","rol":"csr","per":"read,manage","fpm":"3,2"},"sid":"sess_1")"))
                  .value();
    CHECK(v2.company->value() == "org_1");
    CHECK(v2.role == Role::csr);
    CHECK(v2.session == "sess_1");
    CHECK(v2.issuer == "https://issuer");
    CHECK_FALSE(v2.impersonated);
    auto v1 = verified(token(R"("org_id":"org_1","org_slug":"s","org_role":"org:admin","org_permissions":[])")).value();
    CHECK(v1.company->value() == "org_1");
    CHECK(v1.role == Role::manager);

    // A version 2 token without an active organisation has no `o`; a custom claim of the instance does not stand in for it.
    auto custom = verified(token(R"("v":2,"org_id":"org_1","org_role":"org:admin")")).value();
    CHECK_FALSE(custom.company);
    CHECK_FALSE(custom.role);
    auto none = verified(token(R"("v":2,"o":null)")).value();
    CHECK_FALSE(none.company);
    // A role without an organisation is a role nowhere.
    auto nowhere = verified(token(R"("v":2,"o":{"rol":"admin"})")).value();
    CHECK_FALSE(nowhere.role);
    CHECK_FALSE(verified(token(R"("v":2,"o":{"id":"org_1","rol":"operator"})")).value().role);
    CHECK(verified(token(R"("act":{"iss":"https://issuer","sid":"s","sub":"user_9"})")).value().impersonated);
}

TEST_CASE("roles by the names that issuers use") {
    struct Row {
        const char* claim;
        std::optional<Role> role;
    };
    auto row = GENERATE(Row{"csr", Role::csr}, Row{"org:csr", Role::csr}, Row{"customer_rep", Role::csr},
                        Row{"org:customer_rep", Role::csr}, Row{"sales_rep", Role::sales_rep}, Row{"rep", Role::sales_rep},
                        Row{"org:rep", Role::sales_rep}, Row{"org:member", Role::sales_rep}, Row{"manager", Role::manager},
                        Row{"org:manager", Role::manager}, Row{"admin", Role::manager}, Row{"org:admin", Role::manager},
                        Row{"executive", Role::executive}, Row{"exec", Role::executive}, Row{"org:exec", Role::executive},
                        Row{"operator", std::nullopt}, Row{"org:operator", std::nullopt}, Row{"operator_", std::nullopt},
                        Row{"", std::nullopt}, Row{"org:", std::nullopt}, Row{"org:org:admin", std::nullopt},
                        Row{"administrator", std::nullopt});
    CAPTURE(row.claim);
    CHECK(role_from(row.claim) == row.role);
}

TEST_CASE("a set of roles; anybody signed in is more than every role") {
    constexpr Roles some{Role::csr, Role::manager};
    static_assert(some.has(Role::csr) && some.has(Role::manager) && !some.has(Role::sales_rep) && !some.has(Role::operator_) &&
                  !some.anybody());
    static_assert(!Roles{}.has(Role::csr) && !Roles{}.anybody());
    static_assert(Roles::any_signed_in().anybody() && Roles::any_signed_in().has(Role::csr) &&
                  !Roles::any_signed_in().has(Role::operator_));
    constexpr Roles all{Role::csr, Role::sales_rep, Role::manager, Role::executive, Role::operator_};
    CHECK_FALSE(all.anybody());  // who has no role yet is still kept out
}
