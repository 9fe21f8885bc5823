#pragma once
#include <string_view>

namespace otto::inbound::v1 {
class ProviderEvent;
}

/// What CallRail says of a call, in our words; the same for its webhooks and for its API's list of calls (providers.md §1.4, §1.6).
namespace otto::providers::callrail {

/// Sets kind, key, call and, where no report can be made of it, not_understood. `path` is the last part of where a webhook was posted ("call.completed"); it
/// decides only where the body cannot tell. `content_type`: lower-case, without parameters; forms are read as one, all else as JSON.
void read_report(std::string_view body, std::string_view content_type, std::string_view path, inbound::v1::ProviderEvent& event);

}  // namespace otto::providers::callrail
