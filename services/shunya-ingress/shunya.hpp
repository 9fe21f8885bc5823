#pragma once
#include "ingress/webhook.hpp"
#include "signature.hpp"

namespace otto::shunya_ingress {

/// Shunya's reports of how its jobs stand. Its key is the deployment's, so that it proves no company: whose job it is, tenant-router knows by the job's id.
/// Source: providers.md §6.4.
class Shunya final : public ingress::Provider {
public:
    Shunya(Scheme scheme, std::vector<Secret> secrets) : scheme_(scheme), secrets_(std::move(secrets)) {}
    std::string_view name() const override { return "shunya"; }
    std::string_view title() const override { return "Shunya"; }
    std::vector<std::string> paths() const override { return {"/api/v1/shunya/webhook"}; }
    std::size_t body_limit() const override { return 32u << 20; }
    std::optional<ingress::Judgement> judge_alone(const http::Request&, bool allow_unsigned, Instant now) const override;
    std::optional<ingress::Judgement> refused_by_head(const http::Request&, bool allow_unsigned, Instant now) const override;
    /// Names nobody: whose the job is, is not asked here. The event knows both shapes of a body and all names of its ids. What says neither of which job or call it is, nor how that
    /// stands, is not understood.
    std::unique_ptr<ingress::Reading> read(const http::Request&) const override;
    std::vector<std::pair<std::string, std::string>> signature_headers(const http::Request&) const override;
    ingress::Proof proof(const http::Request&) const override { return {}; }
    std::vector<directory::Key> keys(const directory::Profile&, Instant) const override { return {}; }

private:
    Scheme scheme_;
    std::vector<Secret> secrets_;
};

}  // namespace otto::shunya_ingress
