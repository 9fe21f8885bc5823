#pragma once
#include "http/client.hpp"
#include "http/follow.hpp"
#include "providers/recordings.hpp"
#include "recording_sink.hpp"

namespace otto::providers::callrail {

/// CallRail's recordings. The API key goes with the first request, if that leads to the API's own scheme, host and port, and
/// never along a redirect. The API may say in JSON where the recording is.
class Recordings : public RecordingClient {
public:
    Recordings(FetchOptions, const ObjectStore&);
    FetchOutcome fetch(const RecordingSource&, const tel::TraceContext&, const std::function<bool()>& stopping) override;

private:
    /// Who is asked first, and as whom.
    struct Asked {
        Url place;
        bool by_api, with_key;
    };
    std::variant<Asked, Never> asked(const RecordingSource&) const;
    http::Followed follow(const Url&, const Secret& key, const tel::TraceContext&, RecordingSink&, Millis left);
    std::optional<FetchOutcome> failure(const http::Followed&, const RecordingSink&, const Asked&, bool itself) const;

    FetchOptions options_;
    const ObjectStore& store_;
    Url api_;
    http::Client client_;
};

}  // namespace otto::providers::callrail
