#include "identity/authenticator.hpp"

#include <map>

#include "signer.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::identity;

namespace {

class FrozenClock : public Clock {
public:
    Instant now() const override { return Instant{} + std::chrono::seconds(1'700'000'000); }
};

/// The two issuers, each with a key of its own under the same key id.
struct World {
    testing::IssuerKey users, operators, stranger;
    FrozenClock clock;
    std::map<std::string, int> fetched;
    Authenticator authenticator;

    World()
        : authenticator(
              testing::rules("https://users", false), testing::rules("https://operators", true), "https://users/keys",
              "https://operators/keys",
              [this](const std::string& url) -> Result<std::string> {
                  ++fetched[url];
                  return "{\"keys\":[" + (url == "https://users/keys" ? users : operators).jwk("k1") + "]}";
              },
              clock) {}
    Result<Principal> ask(const std::vector<std::string>& headers) const {
        http::Request r;
        for (auto& h : headers) r.headers.add("Authorization", h);
        return authenticator.authenticate(r);
    }
    std::string why(const std::vector<std::string>& headers) const {
        auto who = ask(headers);
        return who ? "let in" : who.error().message;
    }
};

std::string claims(const std::string& issuer, const std::string& more = "") {
    return R"({"iss":")" + issuer + R"(","sub":"user_1","exp":1700000060)" + more + "}";
}

}  // namespace

TEST_CASE("each issuer's tokens are checked with its own keys and rules") {
    World w;
    auto user = w.ask({"Bearer " + w.users.token(claims("https://users", R"(,"v":2,"o":{"id":"org_1","rol":"admin"})"))}).value();
    CHECK(user.role == Role::manager);
    CHECK(user.company->value() == "org_1");
    CHECK(user.issuer == "https://users");
    auto op =
        w.ask({"Bearer " + w.operators.token(claims("https://operators", R"(,"v":2,"o":{"id":"org_1","rol":"admin"})"))}).value();
    CHECK(op.role == Role::operator_);
    CHECK_FALSE(op.company);
    CHECK(op.issuer == "https://operators");
    // Nobody becomes an operator by saying so.
    CHECK(w.why({"Bearer " + w.users.token(claims("https://operators"))}) == "the token's signature does not verify");
    CHECK(w.why({"Bearer " + w.operators.token(claims("https://users"))}) == "the token's signature does not verify");
    CHECK_FALSE(w.ask({"Bearer " + w.users.token(claims("https://users", R"(,"v":2,"o":{"id":"org_1","rol":"operator"})"))})
                    .value()
                    .role);
}

TEST_CASE("a token of another issuer causes no fetch, wherever it says that its keys are") {
    World w;
    auto foreign = claims("https://evil");
    CHECK(w.why({"Bearer " +
                 w.stranger.token(foreign, R"({"alg":"RS256","kid":"k1","jku":"https://evil/keys","x5u":"https://evil/x"})")}) ==
          "the token comes from another issuer");
    CHECK(w.why({"Bearer " + w.stranger.token(claims("https://users/"))}) == "the token comes from another issuer");
    CHECK(w.why({"Bearer " + w.stranger.token(R"({"sub":"user_1","exp":1700000060})")}) == "the token is malformed");
    CHECK(w.fetched.empty());
    // Keys that a token brings along do not count either.
    CHECK(w.why({"Bearer " + w.stranger.token(claims("https://users"),
                                              R"({"alg":"RS256","kid":"k1","jwk":)" + w.stranger.jwk("k1") + "}")}) ==
          "the token's signature does not verify");
    CHECK(w.fetched == std::map<std::string, int>{{"https://users/keys", 1}});
}

TEST_CASE("the Authorization header: once, Bearer in any case, a token and nothing else") {
    World w;
    auto good = w.users.token(claims("https://users"));
    for (const char* scheme : {"Bearer ", "bearer ", "BEARER ", "Bearer   "}) CHECK(w.why({scheme + good}) == "let in");
    CHECK(w.why({"  Bearer " + good + " "}) == "let in");
    CHECK(w.why({}) == "there is no Authorization header");
    CHECK(w.why({""}) == "there is no Authorization header");
    CHECK(w.why({"Bearer " + good, "Bearer " + good}) == "there are two Authorization headers");
    CHECK(w.why({"Bearer " + good, ""}) == "there are two Authorization headers");
    for (std::string form : {"Bearer", "Bearer ", good.c_str(), "Basic dXNlcjpwYXNz", "Token token=x"})
        CHECK(w.why({form}) == "the Authorization header is not of the form 'Bearer <token>'");
    CHECK(w.why({"Bearer" + good}) == "the Authorization header is not of the form 'Bearer <token>'");
    CHECK_FALSE(w.ask({"Bearer " + good + " " + good}).ok());
    CHECK_FALSE(w.ask({"Bearer " + good + "," + good}).ok());
    CHECK(w.why({"Bearer a.b.c"}) == "the token is malformed");
    CHECK(w.why({"Bearer " + std::string(17'000, 'a')}) == "the token is malformed");
}

TEST_CASE("settings: without an issuer nobody comes in; the rows carry their environment names") {
    auto settings = app::Settings::load(identity_rows(), {}, {}).value();
    Authenticator nobody(settings);
    http::Request r;
    r.headers.add("Authorization", "Bearer " + testing::IssuerKey().token(R"({"iss":"","sub":"u","exp":9999999999})"));
    CHECK(nobody.authenticate(r).error().message == "the token comes from another issuer");

    std::vector<std::string> names;
    for (auto& row : identity_rows())
        if (auto name = row.environment(); !name.starts_with("OTTO_KAFKA_")) names.push_back(name);
    CHECK(names == std::vector<std::string>{"OTTO_CLERK_ISSUER", "OTTO_CLERK_JWKS_URL", "OTTO_CLERK_AUTHORIZED_PARTIES",
                                            "OTTO_OPERATOR_ISSUER", "OTTO_OPERATOR_JWKS_URL", "OTTO_MEMBERS_SNAPSHOT",
                                            "OTTO_PRIVATE_ADDRESSES"});
}
