#pragma once
#include "http/client.hpp"
#include "http/follow.hpp"
#include "providers/recordings.hpp"
#include "recording_sink.hpp"

namespace otto::providers {

/// Whoever has recordings, asked over HTTP: what the clients of all providers have in common. Thread-safe.
class RecordingPeer {
public:
    struct Words {
        std::string name;    ///< "CallRail"
        std::string listen;  ///< what is left to a person: to listen there
    };
    /// Throws Failure, with the setting's name and `api`'s usual value, if `api` is no URL.
    RecordingPeer(const FetchOptions&, const std::string& api, const char* setting, const char* usual, Words);

    const Url& api() const { return api_; }
    bool is_api(const Url& place) const { return http::origin(place) == http::origin(api_); }
    /// Along redirects; the credentials are for the first address alone.
    http::Followed ask(const Url&, const http::Headers& credentials, const tel::TraceContext&, RecordingSink&, Millis left);
    /// What an answer means that gives no body; nothing: it gives one. `itself`: it is from who was meant to be asked, not from
    /// where that one led; whether it then refuses who asks, its provider's client has looked at before. `cure`: what a person
    /// can do about an address that cannot be reached, "" if nothing.
    std::optional<FetchOutcome> failure(const http::Followed&, const RecordingSink&, bool itself, const std::string& cure) const;

private:
    FetchOptions options_;
    Url api_;
    Words words_;
    http::Client client_;
};

/// How long an answer asks to be left alone, an hour at most: more is taken for a mistake.
std::optional<Millis> pause_asked(const http::Response&);

}  // namespace otto::providers
