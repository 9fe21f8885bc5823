#pragma once
#include "recording_peer.hpp"

namespace otto::providers::callrail {

/// CallRail's recordings. The API key goes with the first request, if that leads to the API's own scheme, host and port, and
/// never along a redirect. The API may say in JSON where the recording is.
class Recordings : public RecordingClient {
public:
    Recordings(const FetchOptions&, const ObjectStore&);
    FetchOutcome fetch(const RecordingSource&, const tel::TraceContext&, const std::function<bool()>& stopping) override;

private:
    /// Who is asked first, and as whom.
    struct Asked {
        Url place;
        bool by_api, with_key;
    };
    std::variant<Asked, Never> asked(const RecordingSource&) const;

    Millis total_timeout_;
    const ObjectStore& store_;
    RecordingPeer peer_;
};

RefusalWords refusal_words(std::string_view company_id);

}  // namespace otto::providers::callrail
