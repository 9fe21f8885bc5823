#include "providers/recordings.hpp"

#include "callrail/recordings.hpp"
#include "twilio/recordings.hpp"

namespace otto::providers {

Recordings::Recordings(const FetchOptions& options, const ObjectStore& store) {
    clients_.emplace("callrail", std::make_unique<callrail::Recordings>(options, store));
    clients_.emplace("twilio", std::make_unique<twilio::Recordings>(options, store));
}

FetchOutcome Recordings::fetch(const RecordingSource& source, const tel::TraceContext& trace,
                               const std::function<bool()>& stopping) const {
    auto found = clients_.find(source.provider);
    if (found == clients_.end())
        return Never{"the recordings of " + source.provider + " cannot be fetched", "Listen to the recording where it is."};
    return found->second->fetch(source, trace, stopping);
}

RefusalWords refusal_words(std::string_view provider, bool of_deployment, std::string_view company_id) {
    return provider == "twilio" ? twilio::refusal_words(of_deployment) : callrail::refusal_words(company_id);
}

Never no_recording(std::string_view provider, std::string_view reason) {
    if (provider == "twilio") return twilio::no_recording(reason);
    return {"the provider says that there is none", "Listen to the call at the provider, if it is there."};
}

}  // namespace otto::providers
