#pragma once
#include "ingress/webhook.hpp"

namespace otto::callrail_ingress {

/// CallRail's call webhooks: Pre-Call, Call Routing Complete, Post-Call, Call Modified, and the combined form of seed 002. Source: providers.md §1.
class CallRail final : public ingress::Provider {
public:
    std::string_view name() const override { return "callrail"; }
    std::vector<std::string> paths() const override;
    ingress::Normalized normalize(const http::Request&) const override;
    std::vector<std::pair<std::string, std::string>> signature_headers(const http::Request&) const override;
    ingress::Proof proof(const http::Request&) const override;
    std::vector<Secret> keys(const directory::Profile&, Instant now) const override;
};

}  // namespace otto::callrail_ingress
