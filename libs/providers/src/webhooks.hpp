#pragma once
#include "providers/webhook.hpp"

/// All providers' webhooks; webhook_of() finds them by name.
namespace otto::providers {

namespace callrail {
const Webhook& webhook();
}
namespace shunya {
const providers::Webhook& webhook();
}

inline std::vector<const Webhook*> all_webhooks() { return {&callrail::webhook(), &shunya::webhook()}; }

}  // namespace otto::providers
