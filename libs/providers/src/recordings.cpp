#include "providers/recordings.hpp"

#include "callrail/recordings.hpp"

namespace otto::providers {

Recordings::Recordings(const FetchOptions& options, const ObjectStore& store) {
    clients_.emplace("callrail", std::make_unique<callrail::Recordings>(options, store));
}

FetchOutcome Recordings::fetch(const RecordingSource& source, const tel::TraceContext& trace,
                               const std::function<bool()>& stopping) const {
    auto found = clients_.find(source.provider);
    if (found == clients_.end())
        return Never{"the recordings of " + source.provider + " cannot be fetched", "Listen to the recording where it is."};
    return found->second->fetch(source, trace, stopping);
}

}  // namespace otto::providers
