#pragma once
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "base/crypto.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "http/client.hpp"

namespace otto::identity {

/// Gets a text from a URL.
using Fetch = std::function<Result<std::string>(const std::string& url)>;
Fetch fetch_with(http::Client&);

/// An issuer's public keys by URL. A known key never waits for the network: past its age the set is fetched again by one caller while the others go
/// on with the former one, which stays until a fetch succeeds. An unknown key causes a fetch at most every ten seconds, so that tokens with
/// made-up key ids do not become a storm. Thread-safe.
class Jwks {
public:
    struct Options {
        std::string url;
        Millis max_age{300'000}, least_pause{10'000};
    };
    Jwks(Options, Fetch, const Clock& = system_clock());
    ~Jwks();
    Result<RsaPublicKey> find(std::string_view kid);

private:
    bool refresh();   ///< by one thread at a time; false if it failed
    Options options_;
    Fetch fetch_;
    const Clock& clock_;
    std::mutex lock_, fetching_;
    std::map<std::string, RsaPublicKey, std::less<>> keys_;
    Instant fetched_{}, tried_{};
    std::string why_;
    std::thread background_;
    bool background_runs_ = false;
};

}  // namespace otto::identity
