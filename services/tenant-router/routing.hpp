#pragma once
#include <string>
#include <variant>
#include <vector>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "directory/companies.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "otto/routed/v1/routed.pb.h"

namespace otto::tenant_router {

/// Nobody's for now: why, and what to do about it, for the operator's list.
struct Held { std::string reason, cure, number; };
using Decision = std::variant<CompanyId, Held>;

/// Whose event it is. Pure but for what `companies` knows. The number's owner at the time of the call decides; a key of its owner must prove it
/// (architecture.md G4). `allow_unsigned`: providers whose unsigned events are taken for owners without a key.
Decision route(const inbound::v1::ProviderEvent&, const directory::Companies&, const std::vector<std::string>& allow_unsigned);

/// The event as it goes on.
routed::v1::CallReported routed(inbound::v1::ProviderEvent, const CompanyId&);
/// The same into `out`, all of whose fields are set; what `out` held goes into `event`, whose memory the next one can use.
void hand_over(inbound::v1::ProviderEvent& event, const CompanyId&, routed::v1::CallReported& out);

}  // namespace otto::tenant_router
