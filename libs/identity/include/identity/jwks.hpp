#pragma once
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "base/crypto.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "http/client.hpp"
#include "identity/token.hpp"

namespace otto::identity {

/// Gets a text from a URL.
using Fetch = std::function<Result<std::string>(const std::string& url)>;
Fetch fetch_with(http::Client&);

/// The message of the error that is nobody's fault but the issuer's: the caller may be signed in, it cannot be told at the
/// moment.
inline constexpr std::string_view kKeysUnavailable = "the issuer's keys cannot be had at the moment";

/// The message of the error that says: only the network can tell, and the caller would not wait.
inline constexpr std::string_view kMustWait = "the issuer must be asked for its keys";

/// An issuer's public keys by URL. A known key never waits for the network: past its age the set is fetched again in the
/// background while all go on with the former one, which stays until a fetch succeeds. An unknown key is fetched for by one
/// caller, others wait for that fetch at most `wait`. There is at most one fetch in `least_pause`, so that tokens with made-up
/// key ids do not become a storm, and one more at once after a fetch that brought other keys than before, so that a rotation
/// keeps nobody waiting; after failures the pauses double up to `longest_pause`. Failures count in
/// `otto_jwks_fetch_failures_total` and are logged. Thread-safe.
class Jwks {
public:
    struct Options {
        std::string url;
        Millis max_age{300'000}, least_pause{10'000}, longest_pause{60'000};
        Millis wait{500};  ///< real time, whatever the clock says
    };
    Jwks(Options, Fetch, const Clock& = system_clock());
    ~Jwks();  ///< waits for a fetch in the background
    /// The error tells a key that the issuer does not have from keys that cannot be had at the moment.
    Result<SigningKey> find(std::string_view kid, bool may_wait = true);
    /// Whether the last fetch succeeded; asks nobody. So does one that was never wanted.
    Result<void> fetched() const;

private:
    using Keys = std::map<std::string, SigningKey, std::less<>>;
    Result<Keys> fetch_keys() const;
    bool may_fetch(Instant now) const;            ///< under lock_
    bool old(Instant now) const;                  ///< under lock_
    void refresh_in_background();                 ///< under lock_
    void refresh(std::unique_lock<std::mutex>&);  ///< released while the network is waited for

    const Options options_;
    const Fetch fetch_;
    const Clock& clock_;
    mutable std::mutex lock_;
    std::condition_variable fetch_ended_;
    Keys keys_;
    Instant fetched_{};
    std::optional<Instant> tried_;
    Millis pause_;      ///< until the next fetch, from tried_
    int failures_ = 0;  ///< in a row
    bool fetching_ = false;
    bool spare_ = false;  ///< a fetch need not wait for the pause
    std::thread background_;
};

}  // namespace otto::identity
