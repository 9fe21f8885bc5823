#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/callrail.hpp"

/// What CallRail's list says of a call beside ours. Pure functions.
namespace otto::company_service {

using providers::callrail::ListedCall;

/// What we have of a call.
struct KnownCall {
    std::string provider_call_id, status;
    std::optional<std::int64_t> duration_s;
    bool has_recording = false;
    std::optional<std::string> owner_id;
    std::optional<std::string> agent_id;  ///< the user whose e-mail CallRail names as the agent's
};
/// What CallRail knows otherwise, or besides: "status", "duration", "recording", "agent". An empty value of CallRail's is no
/// difference.
std::vector<std::string> differences(const ListedCall&, const KnownCall&);

/// The event that enters for a call we do not have: all that the list says of it.
/// Its stage is Post-Call, so that a webhook received later wins each field, and one of CallRail's changes wins whenever it came:
/// a list never undoes what a webhook said.
inbound::v1::ProviderEvent swept_event(const ListedCall&, const std::string& company_id, const std::string& account_id,
                                       Instant asked_at);
/// For a call we have: only what differs, under the id that we know.
inbound::v1::ProviderEvent swept_event(const ListedCall&, const std::string& company_id, const std::string& account_id,
                                       Instant asked_at, const KnownCall&, const std::vector<std::string>& what);

}  // namespace otto::company_service
