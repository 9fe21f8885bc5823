#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "app/settings.hpp"
#include "base/secret.hpp"
#include "base/text.hpp"
#include "base/time.hpp"
#include "http/client.hpp"
#include "providers/object_store.hpp"
#include "providers/sound.hpp"
#include "telemetry/trace.hpp"

/// Getting a call's recording from CallRail. What the answers mean is decided here; when to ask again, and what becomes of the call, elsewhere.
namespace otto::shunya_orchestrator {

inline const app::Setting<std::int64_t> kRecordingMegabytes = app::number("recording-megabytes", 500, 1, 100'000, "size above which a recording is not taken, MiB");

/// "<company>/calls/<call_id>.mp3".
std::string recording_key(std::string_view company_id, std::int64_t call_id, providers::SoundKind);

/// Where a redirect leads (RFC 3986, 5.2). An Error says why one does not follow it: no usable URL, or from https to http.
Result<Url> redirect_target(const Url& from, std::string_view location);

/// How long to wait before asking again for a recording that was not there: 1, 2, 4, 8 s, then doubling up to 15 minutes. `attempts`: how often it was asked
/// for in vain, at least 1; `age`: since the call ended, or since it was first asked for. The last question comes at `give_up`; nullopt = it was asked.
std::optional<Millis> recording_pause(int attempts, Millis age, Millis give_up);

/// Which recording. With an API key, account and call it is CallRail's API that is asked; else the address that came by webhook.
struct RecordingSource {
    Secret api_key;                ///< the company's; empty = none
    std::string account_id;        ///< ACC…
    std::string provider_call_id;  ///< CAL…, or the number of old
    std::string url;               ///< as the webhook had it, "" if none; it may hold an access key and is never shown
    bool complete() const { return !url.empty() || (!api_key.empty() && !account_id.empty() && !provider_call_id.empty()); }
};

/// The whole recording, not yet in the store.
struct Fetched {
    providers::TemporaryFile file;
    std::uint64_t bytes;
    std::string sha256;            ///< hex
    providers::SoundKind format;
    std::optional<double> seconds; ///< if it can be told
};
/// It is not there, and may come: see recording_pause().
struct NotYet { std::string why; };
/// Something failed that may pass; `after` is how long the peer asks to be left alone. How often is the caller's to bound. `cure` is what a person can do meanwhile, "" if nothing. Whoever signs a company's
/// webhooks names addresses, so of those that cannot be reached all are told the same; `detail` is for the operators' log only.
struct Again { std::string why; std::optional<Millis> after; std::string cure, detail; };
/// Asking again cannot help; `cure` says what a person can do. `another_key`: it helps once the company has one, or another one.
struct Never { std::string why, cure; bool another_key = false; };
/// CallRail does not let the company's API key in: as long as it has no other one, nothing of it can be had.
struct NotLetIn { std::string why; };
using FetchOutcome = std::variant<Fetched, NotYet, Again, Never, NotLetIn>;

struct FetchOptions {
    std::string callrail_api = "https://api.callrail.com";  ///< OTTO_CALLRAIL_API: the only place that is shown an API key
    std::vector<std::string> private_addresses;             ///< OTTO_PRIVATE_ADDRESSES
    std::uint64_t byte_limit = 500ull << 20;                ///< OTTO_RECORDING_MEGABYTES
    Millis total_timeout{600'000};                          ///< for one recording, all redirects included
    Millis idle_timeout{30'000};                            ///< without a byte
    std::string ca_file;                                    ///< as ClientOptions has it
};

/// Blocks while it fetches, in constant memory whatever the size. Thread-safe; one is made and kept.
/// The API key goes with the first request, if that leads to the API's own scheme, host and port, and never along a redirect. Redirects, at most 5, are
/// followed by hand, from https to https only, each address judged like the first.
class RecordingFetcher {
public:
    /// Throws Failure if `callrail_api` is no URL. `store` must outlive it.
    RecordingFetcher(FetchOptions, const providers::ObjectStore& store);
    /// `stopping` is asked between pieces; once true, the outcome is Again.
    FetchOutcome fetch(const RecordingSource&, const tel::TraceContext& = {}, const std::function<bool()>& stopping = {});

private:
    FetchOptions options_;
    const providers::ObjectStore& store_;
    Url api_;
    http::Client client_;
};

}  // namespace otto::shunya_orchestrator
