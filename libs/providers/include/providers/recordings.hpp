#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/secret.hpp"
#include "base/time.hpp"
#include "providers/object_store.hpp"
#include "providers/sound.hpp"
#include "telemetry/trace.hpp"

/// Getting a call's recording from the provider that has it. What the answers mean is decided here; when to ask again, and what
/// becomes of the call, elsewhere.
namespace otto::providers {

/// Which recording, and who asks. CallRail: with an API key, account and call its API is asked, else the address that came by
/// webhook. Twilio: the address that came, with an account's credentials if it is below that very account.
struct RecordingSource {
    Secret api_key;          ///< an API key, or at Twilio what goes with `user`: an auth token, an API key's secret; empty = none
    std::string account_id;  ///< ACC…; at Twilio AC…
    std::string provider_call_id;  ///< CAL…, or the number of old
    std::string url;               ///< as the webhook had it, "" if none; it may hold an access key and is never shown
    std::string provider = "callrail";
    std::string user = {};       ///< of basic auth, where that is not the account itself: SK…
    bool of_deployment = false;  ///< the account is the deployment's own, and no company's
    bool complete() const { return !url.empty() || (!api_key.empty() && !account_id.empty() && !provider_call_id.empty()); }
};

/// The whole recording, not yet in the store.
struct Fetched {
    TemporaryFile file;
    std::uint64_t bytes;
    std::string sha256;  ///< hex
    SoundKind format;
    std::optional<double> seconds;  ///< if it can be told
};
/// It is not there, and may come.
struct NotYet {
    std::string why;
};
/// Something failed that may pass; `after` is how long the peer asks to be left alone. How often is the caller's to bound. `cure`
/// is what a person can do meanwhile, "" if nothing. Whoever signs a company's webhooks names addresses, so of those that cannot
/// be reached all are told the same; `detail` is for the operators' log only.
struct Again {
    std::string why;
    std::optional<Millis> after;
    std::string cure, detail;
};
/// Asking again cannot help; `cure` says what a person can do. `another_key`: it helps once the company has one, or another one.
struct Never {
    std::string why, cure;
    bool another_key = false;
};
/// The provider does not let the account in that it was asked with: as long as there are no other credentials of it, nothing of
/// it can be had.
struct NotLetIn {
    std::string why;
};
using FetchOutcome = std::variant<Fetched, NotYet, Again, Never, NotLetIn>;

/// One provider's recordings.
class RecordingClient {
public:
    virtual ~RecordingClient() = default;
    /// `stopping` is asked between pieces; once true, the outcome is Again.
    virtual FetchOutcome fetch(const RecordingSource&, const tel::TraceContext&, const std::function<bool()>& stopping) = 0;
};

/// What people are told where a provider refuses the account that it is asked with, and where it refuses one recording to an
/// account to which it gives others.
struct RefusalWords {
    std::string refused, cure;
    std::string refused_this, cure_of_this;
};
RefusalWords refusal_words(std::string_view provider, bool of_deployment, std::string_view company_id);

/// There is no recording and will be none, as its provider says: "absent" | "failed" (CallRecorded.recording_unavailable).
Never no_recording(std::string_view provider, std::string_view reason);

struct FetchOptions {
    std::string callrail_api = "https://api.callrail.com";  ///< OTTO_CALLRAIL_API: the only place that is shown an API key
    std::string twilio_api =
        "https://api.twilio.com";                ///< OTTO_TWILIO_API: the only place that is shown a Twilio account's credentials
    std::vector<std::string> private_addresses;  ///< OTTO_PRIVATE_ADDRESSES
    std::uint64_t byte_limit = 500ull << 20;     ///< OTTO_RECORDING_MEGABYTES
    Millis total_timeout{600'000};               ///< for one recording, all redirects included
    Millis idle_timeout{30'000};                 ///< without a byte
    std::string ca_file;                         ///< as http::ClientOptions has it
};

/// The recordings of all providers: whoever the source names is asked. Blocks while it fetches, in constant memory whatever the
/// size. Thread-safe; one is made and kept.
class Recordings {
public:
    /// Throws Failure if an API's address is no URL. `store` must outlive it.
    Recordings(const FetchOptions&, const ObjectStore& store);
    FetchOutcome fetch(const RecordingSource&, const tel::TraceContext& = {}, const std::function<bool()>& stopping = {}) const;

private:
    std::map<std::string, std::unique_ptr<RecordingClient>, std::less<>> clients_;  ///< by the provider's name
};

}  // namespace otto::providers
