#include "identity/token.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <mutex>

#include "base/json.hpp"
#include "base/text.hpp"

namespace otto::identity {
namespace {

constexpr std::size_t kLongest = 16u << 10;
constexpr std::size_t kLongestId = 200;

struct Parts {
    std::string_view header, payload, signature;
};

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

/// A claim that may be absent (null counts as that) but if it is there must be a text.
Result<std::optional<std::string_view>> optional_text(const JsonView& claims, const char* name) {
    auto v = claims[name];
    if (!v.exists() || v.is_null()) return std::optional<std::string_view>{};
    if (!v.is_string()) return Error(std::string("the token's ") + name + " is not a text");
    return v.string();
}

/// Ids end up in rows, headers and lists with commas.
bool plain_id(std::string_view id) {
    return id.size() <= kLongestId && std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < 127 && c != ','; });
}

/// The organisation that the user acts in, and the role there. Version 2 has an object `o`, which is absent without an
/// organisation; version 1 flat claims. Flat claims of a version 2 token are not Clerk's but the instance's own custom ones, and
/// count for nothing.
Result<void> read_organisation(const JsonView& claims, Principal& who) {
    auto version = claims["v"];
    if (version.exists() && !version.is_null() && !version.integer()) return Error("the token's v is not a whole number");
    auto o = claims["o"];
    bool nested = o.exists() && !o.is_null();
    if (nested && !o.is_object()) return Error("the token's o is not an object");
    bool flat = !nested && version.integer().value_or(1) < 2;
    auto source = nested ? o : flat ? claims : JsonView{};
    auto company = optional_text(source, nested ? "id" : "org_id"), role = optional_text(source, nested ? "rol" : "org_role");
    if (!company) return company.error();
    if (!role) return role.error();
    if (!*company || (*company)->empty()) return {};
    if (!plain_id(**company)) return Error("the token's organisation is malformed");
    who.company = CompanyId{std::string(**company)};
    if (*role) who.role = role_from(**role);
    return {};
}

bool audience_fits(const JsonView& aud, const std::string& wanted) {
    if (auto one = aud.string()) return *one == wanted;
    for (std::size_t i = 0; aud.is_array() && i < aud.size(); ++i)
        if (aud.at(i).string() == wanted) return true;
    return false;
}

}  // namespace

/// Digests of what was proven; a new one takes the place of whichever had its slot.
struct SigningKey::Proven {
    static constexpr std::size_t kSlots = 4096;
    std::mutex lock;
    std::vector<std::array<char, 32>> slots;  ///< none before the first
};

SigningKey::SigningKey(RsaPublicKey key) : key_(std::move(key)), proven_(std::make_shared<Proven>()) {}

bool SigningKey::verify(std::string_view message, std::string_view signature) const {
    std::array<char, 32> digest;
    {
        auto both = std::to_string(signature.size()) + ":";  // nothing can move from one to the other
        both.append(signature).append(message);
        const auto sum = sha256(both);
        std::copy(sum.begin(), sum.end(), digest.begin());
    }
    std::uint32_t at = 0;
    std::memcpy(&at, digest.data(), sizeof at);
    at %= Proven::kSlots;
    {
        std::lock_guard guard(proven_->lock);
        if (!proven_->slots.empty() && proven_->slots[at] == digest) return true;
    }
    if (!key_.verify_sha256(message, signature)) return false;
    std::lock_guard guard(proven_->lock);
    if (proven_->slots.empty()) proven_->slots.resize(Proven::kSlots);
    proven_->slots[at] = digest;
    return true;
}

std::string_view to_text(Role r) {
    switch (r) {
        case Role::csr:
            return "csr";
        case Role::sales_rep:
            return "sales_rep";
        case Role::manager:
            return "manager";
        case Role::executive:
            return "executive";
        case Role::operator_:
            return "operator";
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
    if (!key->verify(jwt.substr(0, parts->header.size() + 1 + parts->payload.size()), *signature))
        return Error("the token's signature does not verify");

    auto payload = json_part(parts->payload, "payload");
    if (!payload) return payload.error();
    auto p = payload->root();
    // No configured issuer means that nobody comes in, not who claims to come from nowhere.
    if (rules.issuer.empty() || p["iss"].string() != rules.issuer) return Error("the token comes from another issuer");
    auto sub = p["sub"].string();
    if (!sub || trim(*sub).empty()) return Error("the token names no user");
    if (!plain_id(*sub)) return Error("the token's user is malformed");
    auto exp = moment(p["exp"]);
    if (!exp) return Error("the token has no expiry");
    if (*exp <= now - rules.leeway) return Error("the token has expired");
    std::optional<Instant> issued_at;
    for (const char* claim : {"nbf", "iat"}) {
        if (!p[claim].exists()) continue;
        auto at = moment(p[claim]);
        if (!at) return Error(std::string("the token's ") + claim + " is not a time");
        if (*at > now + rules.leeway) return Error("the token is not valid yet");
        issued_at = at;  // iat, the last; a token without one is as old as it can be
    }
    auto azp = optional_text(p, "azp");
    if (!azp) return azp.error();
    if (!rules.authorized_parties.empty()) {
        bool known = *azp && std::find(rules.authorized_parties.begin(), rules.authorized_parties.end(), **azp) !=
                                 rules.authorized_parties.end();
        if (!known) return Error("the token was made for another application");
    }
    if (!rules.audience.empty() && p["aud"].exists() && !audience_fits(p["aud"], rules.audience))
        return Error("the token was made for another audience");
    auto status = optional_text(p, "sts"), session = optional_text(p, "sid");
    if (!status) return status.error();
    if (!session) return session.error();
    if (*status == "pending") return Error("the sign-in is not finished");
    auto actor = p["act"];
    bool impersonated = actor.exists() && !actor.is_null();
    if (impersonated && !actor.is_object()) return Error("the token's act is not an object");

    Principal who;
    who.user = UserId{std::string(*sub)};
    who.issuer = rules.issuer;
    who.session = std::string(session->value_or(""));
    who.impersonated = impersonated;
    if (p["iat"].exists()) who.issued_at = issued_at;
    if (rules.operators) {
        who.role = Role::operator_;  // of no company, whatever else the token says
        return who;
    }
    if (auto read = read_organisation(p, who); !read) return read.error();
    return who;
}

}  // namespace otto::identity
