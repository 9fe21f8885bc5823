#include "identity/jwks.hpp"

#include "base/json.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::identity {

Fetch fetch_with(http::Client& client) {
    return [&client](const std::string& url) -> Result<std::string> {
        auto answer = client.send({http::Method::get, url, {}, "", tel::TraceContext::fresh()});
        if (!answer) return answer.error();
        if (answer->status != 200) return Error(url + " answered " + std::to_string(answer->status), "it should answer 200 with the keys");
        return answer->body;
    };
}

Jwks::Jwks(Options options, Fetch fetch, const Clock& clock) : options_(std::move(options)), fetch_(std::move(fetch)), clock_(clock) {}

Jwks::~Jwks() {
    if (background_.joinable()) background_.join();
}

bool Jwks::refresh() {
    std::lock_guard one(fetching_);
    {
        std::lock_guard guard(lock_);
        if (tried_ != Instant{} && clock_.now() - tried_ < options_.least_pause) return why_.empty();  // somebody just did
        tried_ = clock_.now();
    }
    auto text = fetch_(options_.url);
    std::string why;
    std::map<std::string, RsaPublicKey, std::less<>> fresh;
    if (!text) {
        why = text.error().message;
    } else if (auto parsed = JsonDocument::parse(*text); !parsed || !parsed->root()["keys"].is_array()) {
        why = options_.url + " holds no key set";
    } else {
        auto keys = parsed->root()["keys"];
        for (std::size_t i = 0; i < keys.size() && i < 100; ++i) {
            auto k = keys.at(i);
            auto kid = k["kid"].string();
            if (!kid || k["kty"].string() != "RSA" || (k["use"].exists() && k["use"].string() != "sig")) continue;
            auto n = base64url_decode(k["n"].string().value_or("")), e = base64url_decode(k["e"].string().value_or(""));
            if (!n || !e) continue;
            if (auto key = RsaPublicKey::from_components(*n, *e)) fresh.emplace(std::string(*kid), *key);
        }
        if (fresh.empty()) why = options_.url + " holds no RSA key";
    }
    static auto failures = tel::Metrics::counter("jwks_fetch_failures_total", "Times that an issuer's keys could not be fetched.");
    std::lock_guard guard(lock_);
    why_ = why;
    if (!why.empty()) {
        failures.inc();
        tel::warn("an issuer's keys could not be fetched; the former ones stay", {{"url", options_.url}, {"why", why}, {"known", keys_.size()}});
        return false;
    }
    keys_ = std::move(fresh);
    fetched_ = clock_.now();
    return true;
}

Result<RsaPublicKey> Jwks::find(std::string_view kid) {
    {
        std::lock_guard guard(lock_);
        auto known = keys_.find(kid);
        if (known != keys_.end()) {
            bool old = clock_.now() - fetched_ > options_.max_age && clock_.now() - tried_ >= options_.least_pause;
            if (old && !background_runs_) {
                if (background_.joinable()) background_.join();
                background_runs_ = true;
                background_ = std::thread([this] {
                    refresh();
                    std::lock_guard done(lock_);
                    background_runs_ = false;
                });
            }
            return known->second;
        }
        if (tried_ != Instant{} && clock_.now() - tried_ < options_.least_pause && why_.empty()) return Error("the token's key is not one of its issuer's");
    }
    refresh();
    std::lock_guard guard(lock_);
    auto known = keys_.find(kid);
    if (known != keys_.end()) return known->second;
    if (!why_.empty()) return Error("the issuer's keys cannot be had at the moment", "try again in some seconds");
    return Error("the token's key is not one of its issuer's");
}

}  // namespace otto::identity
