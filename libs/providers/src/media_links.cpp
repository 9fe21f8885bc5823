#include "providers/media_links.hpp"

#include <charconv>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "providers/object_store.hpp"

namespace otto::providers {
namespace {

constexpr std::size_t kLeastKey = 32;

/// The purpose is part of what is signed, so that no other signature under the same key is ever a link's.
std::string mac_of(const Secret& key, std::string_view payload) {
    return hmac_sha256(key.reveal(), std::string("otto media link 1\n").append(payload));
}

Result<std::vector<Secret>> listed(const Secret& keys) {
    std::vector<Secret> found;
    for (auto& key : split_list(keys.reveal())) {
        if (key.size() < kLeastKey)
            return Error("a key of OTTO_MEDIA_KEYS has fewer than 32 characters", "openssl rand -base64 32 makes one");
        found.emplace_back(std::move(key));
    }
    if (found.empty()) return Error("OTTO_MEDIA_KEYS has no key", "openssl rand -base64 32 makes one");
    return found;
}

Result<std::vector<Secret>> derived(const Secret& ring) {
    auto parsed = KeyRing::parse(ring);
    if (!parsed) return parsed.error();
    return parsed->derived("otto media links");
}

}  // namespace

Result<MediaLinks> MediaLinks::make(std::string public_url, app::LiveSecret keys, app::LiveSecret ring) {
    auto url = Url::parse(public_url);
    if (!url || url->target.find('?') != std::string::npos)
        return Error("OTTO_PUBLIC_URL is no usable URL",
                     "the address under which providers reach Otto: https://otto.example.com");
    while (public_url.ends_with('/')) public_url.pop_back();
    const bool own = !split_list(keys.now().reveal()).empty();
    if (!own && ring.now().empty())
        return Error("there is no key for the links under /media",
                     "set OTTO_MEDIA_KEYS, or OTTO_SECRET_KEYS from which they are derived");
    if (auto first = own ? listed(keys.now()) : derived(ring.now()); !first) return first.error();
    return MediaLinks(std::move(public_url), own ? app::Live<std::vector<Secret>>(std::move(keys), &listed)
                                                 : app::Live<std::vector<Secret>>(std::move(ring), &derived));
}

std::string MediaLinks::url_until(std::string_view company_id, std::string_view object_key, Instant expires_at) const {
    bool own = !company_id.empty() && object_key.size() > company_id.size() + 1 && object_key.starts_with(company_id) &&
               object_key[company_id.size()] == '/';
    if (!own || !valid_key(object_key))
        throw Failure(Error("the object '" + std::string(object_key) + "' is not of company '" + std::string(company_id) + "'",
                            "an object's key begins with its company"));
    auto seconds = std::chrono::floor<std::chrono::seconds>(expires_at).time_since_epoch().count();
    std::string payload = std::to_string(seconds);
    payload.append("\n").append(company_id).append("\n").append(object_key);
    return public_url_ + "/media/" + base64url_encode(payload) + "." + base64url_encode(mac_of(keys_.now()->front(), payload));
}

std::string MediaLinks::url(std::string_view company_id, std::string_view object_key, Millis valid_for,
                            const Clock& clock) const {
    return url_until(company_id, object_key, clock.now() + valid_for);
}

std::optional<MediaLinks::Target> MediaLinks::open(std::string_view token, Instant now) const {
    auto dot = token.find('.');
    if (dot == std::string_view::npos || token.size() > 2048) return std::nullopt;
    auto payload = base64url_decode(token.substr(0, dot)), mac = base64url_decode(token.substr(dot + 1));
    if (!payload || !mac) return std::nullopt;
    bool good = false;
    const auto keys = keys_.now();
    for (const auto& key : *keys) good = constant_time_equal(mac_of(key, *payload), *mac) || good;
    if (!good) return std::nullopt;
    // Signed by us, so of our own form; what is not would be another version's.
    auto first = payload->find('\n'), second = payload->find('\n', first + 1);
    if (first == std::string::npos || second == std::string::npos) return std::nullopt;
    std::int64_t seconds = 0;
    auto read = std::from_chars(payload->data(), payload->data() + first, seconds);
    if (read.ec != std::errc{} || read.ptr != payload->data() + first) return std::nullopt;
    Target target{payload->substr(first + 1, second - first - 1), payload->substr(second + 1),
                  Instant(std::chrono::seconds(seconds))};
    if (now >= target.expires_at) return std::nullopt;
    return target;
}

}  // namespace otto::providers
