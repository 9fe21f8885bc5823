#pragma once
#include "ingress/webhook.hpp"

namespace otto::callrail_ingress {

/// CallRail's webhooks of calls (Pre-Call, Call Routing Complete, Post-Call, Call Modified, the combined form of seed 002) and of texts. Source: providers.md §1.
class CallRail final : public ingress::Provider {
public:
    std::string_view name() const override { return "callrail"; }
    std::string_view title() const override { return "CallRail"; }
    std::vector<std::string> paths() const override;
    std::unique_ptr<ingress::Reading> read(const http::Request&) const override;
    std::vector<std::pair<std::string, std::string>> signature_headers(const http::Request&) const override;
    ingress::Proof proof(const http::Request&) const override;
    std::vector<directory::Key> keys(const directory::Profile&, Instant now) const override;
};

}  // namespace otto::callrail_ingress
