#include "identity/token.hpp"

#include "base/json.hpp"
#include "base/text.hpp"

namespace otto::identity {
namespace {

constexpr std::size_t kLongest = 16u << 10;

struct Parts { std::string_view header, payload, signature; };

std::optional<Parts> split(std::string_view jwt) {
    auto a = jwt.find('.');
    if (a == std::string_view::npos) return std::nullopt;
    auto b = jwt.find('.', a + 1);
    if (b == std::string_view::npos || jwt.find('.', b + 1) != std::string_view::npos) return std::nullopt;
    return Parts{jwt.substr(0, a), jwt.substr(a + 1, b - a - 1), jwt.substr(b + 1)};
}

Result<JsonDocument> json_part(std::string_view part, const char* what) {
    auto bytes = base64url_decode(part);
    if (!bytes) return Error(std::string("the token's ") + what + " is not base64url");
    auto parsed = JsonDocument::parse(*bytes);
    if (!parsed || !parsed->root().is_object()) return Error(std::string("the token's ") + what + " is no JSON object");
    return parsed;
}

std::optional<Instant> moment(const JsonView& v) {
    auto n = v.number();
    if (!n || *n < 0 || *n > 1e11) return std::nullopt;
    return Instant{} + std::chrono::microseconds(static_cast<std::int64_t>(*n * 1e6));
}

bool audience_fits(const JsonView& aud, const std::string& wanted) {
    if (auto one = aud.string()) return *one == wanted;
    for (std::size_t i = 0; aud.is_array() && i < aud.size(); ++i)
        if (aud.at(i).string() == wanted) return true;
    return false;
}

}  // namespace

std::string_view to_text(Role r) {
    switch (r) {
        case Role::csr: return "csr";
        case Role::sales_rep: return "sales_rep";
        case Role::manager: return "manager";
        case Role::executive: return "executive";
        case Role::operator_: return "operator";
    }
    return "";
}

std::optional<Role> role_from(std::string_view claim) {
    auto name = lower(trim(claim));
    if (name.starts_with("org:")) name.erase(0, 4);
    if (name == "csr" || name == "customer_rep") return Role::csr;
    if (name == "sales_rep" || name == "rep" || name == "member" || name == "basic_member") return Role::sales_rep;
    if (name == "manager" || name == "admin") return Role::manager;
    if (name == "executive" || name == "exec") return Role::executive;
    return std::nullopt;
}

std::optional<std::string> claimed_issuer(std::string_view jwt) {
    if (jwt.size() > kLongest) return std::nullopt;
    auto parts = split(jwt);
    if (!parts) return std::nullopt;
    auto payload = json_part(parts->payload, "payload");
    if (!payload) return std::nullopt;
    auto iss = payload->root()["iss"].string();
    return iss ? std::optional<std::string>(*iss) : std::nullopt;
}

Result<Principal> verify_token(std::string_view jwt, const KeyLookup& keys, const TokenRules& rules, Instant now) {
    if (jwt.size() > kLongest) return Error("the token is longer than 16 KiB");
    auto parts = split(jwt);
    if (!parts) return Error("the token has not three parts");
    auto header = json_part(parts->header, "header");
    if (!header) return header.error();
    auto h = header->root();
    if (h["alg"].string() != "RS256") return Error("the token is not signed with RS256");
    if (h["typ"].exists() && !iequals(h["typ"].string().value_or(""), "JWT")) return Error("the token's typ is not JWT");
    if (h["crit"].exists()) return Error("the token asks for extensions that are not understood");
    auto kid = h["kid"].string();
    if (!kid || kid->empty()) return Error("the token names no key");
    auto signature = base64url_decode(parts->signature);
    if (!signature) return Error("the token's signature is not base64url");
    auto key = keys(*kid);
    if (!key) return key.error();
    if (!key->verify_sha256(jwt.substr(0, parts->header.size() + 1 + parts->payload.size()), *signature)) return Error("the token's signature does not verify");

    auto payload = json_part(parts->payload, "payload");
    if (!payload) return payload.error();
    auto p = payload->root();
    if (p["iss"].string() != rules.issuer) return Error("the token comes from another issuer");
    auto sub = p["sub"].string();
    if (!sub || trim(*sub).empty()) return Error("the token names no user");
    auto exp = moment(p["exp"]);
    if (!exp) return Error("the token has no expiry");
    if (*exp <= now - rules.leeway) return Error("the token has expired");
    for (const char* claim : {"nbf", "iat"}) {
        if (!p[claim].exists()) continue;
        auto at = moment(p[claim]);
        if (!at || *at > now + rules.leeway) return Error("the token is not valid yet");
    }
    if (!rules.authorized_parties.empty()) {
        auto azp = p["azp"].string();
        bool known = azp && std::find(rules.authorized_parties.begin(), rules.authorized_parties.end(), *azp) != rules.authorized_parties.end();
        if (!known) return Error("the token was made for another application");
    }
    if (!rules.audience.empty() && p["aud"].exists() && !audience_fits(p["aud"], rules.audience)) return Error("the token was made for another audience");
    if (p["sts"].string() == "pending") return Error("the sign-in is not finished");

    Principal who;
    who.user = UserId{std::string(*sub)};
    who.issuer = rules.issuer;
    who.session = std::string(p["sid"].string().value_or(""));
    who.impersonated = p["act"].exists() && !p["act"].is_null();
    if (rules.operators) {
        who.role = Role::operator_;
        return who;
    }
    // Version 2 has an object `o`; version 1 flat claims.
    auto o = p["o"];
    auto company = o.is_object() ? o["id"].string() : p["org_id"].string();
    auto role = o.is_object() ? o["rol"].string() : p["org_role"].string();
    if (company && !company->empty()) {
        if (company->find_first_of(", \t\r\n") != std::string_view::npos || company->size() > 200) return Error("the token's organisation is malformed");
        who.company = CompanyId{std::string(*company)};
        if (role) who.role = role_from(*role);
    }
    return who;
}

}  // namespace otto::identity
