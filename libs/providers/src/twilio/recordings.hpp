#pragma once
#include "recording_peer.hpp"

namespace otto::providers::twilio {

/// Twilio's recordings: `{RecordingUrl}.mp3`. At OTTO_TWILIO_API only what is a recording of the very account that was given is
/// asked for, and with its credentials; it gives the sound or leads, without them, to where that is stored. Another place is
/// shown none.
class Recordings : public RecordingClient {
public:
    Recordings(const FetchOptions&, const ObjectStore&);
    FetchOutcome fetch(const RecordingSource&, const tel::TraceContext&, const std::function<bool()>& stopping) override;

private:
    Millis total_timeout_;
    const ObjectStore& store_;
    RecordingPeer peer_;
};

RefusalWords refusal_words(bool of_deployment);
Never no_recording(std::string_view reason);

}  // namespace otto::providers::twilio
