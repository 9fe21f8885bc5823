#include "identity/jwks.hpp"

#include <algorithm>
#include <system_error>

#include "base/backoff.hpp"
#include "base/json.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::identity {
namespace {

const tel::Counters kFetchFailures{"otto_jwks_fetch_failures_total", "Times that an issuer's keys could not be fetched."};
constexpr std::size_t kMostKeys = 100;  // an issuer has two or three

Error unknown_key() { return Error("the token's key is not one of its issuer's"); }
Error unavailable() { return Error(std::string(kKeysUnavailable), "try again in some seconds"); }

/// A key that may verify RS256; others of the set (encryption, other algorithms, too short) are not ours to use.
std::optional<RsaPublicKey> signing_key(const JsonView& jwk) {
    if (jwk["kty"].string() != "RSA") return std::nullopt;
    if (jwk["use"].exists() && jwk["use"].string() != "sig") return std::nullopt;
    if (jwk["alg"].exists() && jwk["alg"].string() != "RS256") return std::nullopt;
    auto modulus = base64url_decode(jwk["n"].string().value_or("")), exponent = base64url_decode(jwk["e"].string().value_or(""));
    if (!modulus || !exponent) return std::nullopt;
    auto key = RsaPublicKey::from_components(*modulus, *exponent);
    return key ? std::optional<RsaPublicKey>(*key) : std::nullopt;
}

}  // namespace

Jwks::Jwks(Options options, Fetch fetch, const Clock& clock)
    : options_(std::move(options)), fetch_(std::move(fetch)), clock_(clock), pause_(options_.least_pause) {}

Jwks::~Jwks() {
    if (background_.joinable()) background_.join();
}

// A clock that was set back must not keep keys, or the pause between fetches, for as long as it was set back.
bool Jwks::may_fetch(Instant now) const {
    if (fetching_) return false;
    return !tried_ || now < *tried_ || now - *tried_ >= pause_ || (spare_ && failures_ == 0);
}
bool Jwks::old(Instant now) const { return now < fetched_ || now - fetched_ > options_.max_age; }

Result<Jwks::Keys> Jwks::fetch_keys() const try {
    auto text = fetch_(options_.url);
    if (!text) return text.error();
    auto parsed = JsonDocument::parse(*text);
    if (!parsed || !parsed->root()["keys"].is_array()) return Error(options_.url + " holds no key set");
    auto list = parsed->root()["keys"];
    Keys keys;
    for (std::size_t i = 0; i < std::min(list.size(), kMostKeys); ++i) {
        auto kid = list.at(i)["kid"].string();
        if (!kid || kid->empty()) continue;
        if (auto key = signing_key(list.at(i))) keys.emplace(std::string(*kid), std::move(*key));
    }
    if (keys.empty()) return Error(options_.url + " holds no RSA key for RS256");
    return keys;
} catch (const std::exception& e) {
    return Error(e.what());  // in the background nobody could catch it
}

void Jwks::refresh(std::unique_lock<std::mutex>& guard) {
    // While fetching_ is set nobody else writes keys_ or failures_, so that reading them needs no lock.
    guard.unlock();
    auto keys = fetch_keys();
    auto pause = options_.least_pause;
    if (!keys) {
        Backoff growing{options_.least_pause, options_.longest_pause, 2, 0.2};
        pause = std::max(pause, growing.pause(failures_, std::hash<std::string>{}(options_.url)));
        kFetchFailures().inc();
        tel::warn(
            "an issuer's keys could not be fetched; the former ones stay",
            {{"url", options_.url}, {"why", keys.error().message}, {"known", keys_.size()}, {"next_try_ms", pause.count()}});
    }
    guard.lock();
    pause_ = pause;
    failures_ = keys ? 0 : failures_ + 1;
    if (keys) {
        // One that brought keys has another to spare, at once: the issuer may have just begun to rotate.
        spare_ = !std::ranges::equal(keys_, *keys, {}, &Keys::value_type::first, &Keys::value_type::first);
        keys_ = std::move(*keys);
        fetched_ = clock_.now();
    }
    fetching_ = false;
    fetch_ended_.notify_all();
}

void Jwks::refresh_in_background() {
    // A former thread has ended but for its last instructions: it cleared fetching_ under the lock that is held here.
    if (background_.joinable()) background_.join();
    fetching_ = true;
    tried_ = clock_.now();
    try {
        background_ = std::thread([this] {
            std::unique_lock guard(lock_);
            refresh(guard);
        });
    } catch (const std::system_error& e) {
        fetching_ = false;  // no thread to be had: the next caller after the pause tries again
        tel::warn("an issuer's keys could not be refreshed; the former ones stay", {{"url", options_.url}, {"why", e.what()}});
    }
}

Result<SigningKey> Jwks::find(std::string_view kid, bool may_wait) {
    std::unique_lock guard(lock_);
    auto now = clock_.now();
    if (auto known = keys_.find(kid); known != keys_.end()) {
        auto key = known->second;
        if (old(now) && may_fetch(now)) refresh_in_background();
        return key;
    }
    if (!may_wait && (fetching_ || may_fetch(now))) return Error(std::string(kMustWait));
    if (may_fetch(now)) {
        fetching_ = true;
        if (tried_ && now - *tried_ < pause_) spare_ = false;
        tried_ = now;
        refresh(guard);
    } else if (fetching_) {
        // The fetch under way may bring this very key: at a start or a rotation every request is in this place.
        fetch_ended_.wait_for(guard, options_.wait, [this] { return !fetching_; });
    }
    if (auto known = keys_.find(kid); known != keys_.end()) return known->second;
    return fetching_ || failures_ > 0 ? unavailable() : unknown_key();
}

Result<void> Jwks::fetched() const {
    std::lock_guard guard(lock_);
    if (failures_ == 0) return {};
    return Error(options_.url + " could not be fetched " + std::to_string(failures_) + " times in a row", "see the log");
}

}  // namespace otto::identity
