#include "callrail.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/callrail.hpp"
#include "providers/callrail_report.hpp"

namespace otto::callrail_ingress {

namespace pb = otto::inbound::v1;

namespace {

constexpr std::string_view kPrefix = "/api/v1/callrail/";

}  // namespace

std::vector<std::string> CallRail::paths() const {
    std::vector<std::string> out;
    for (auto name : {"call.incoming", "call.answered", "call.completed", "call.missed", "call.modified", "webhook"}) out.push_back(std::string(kPrefix) + name);
    return out;
}

ingress::Normalized CallRail::normalize(const http::Request& request) const {
    std::string_view path = request.path;
    path.remove_prefix(std::min(path.size(), kPrefix.size()));
    if (path == "webhook") path = "call.completed";
    ingress::Normalized n;
    n.event = std::make_shared<pb::ProviderEvent>();
    auto& event = *n.event;
    providers::callrail::read_report(request.body, request.content_type(), path, event);
    if (event.has_call()) {
        const auto& report = event.call();
        n.identity = report.provider_call_id();
        n.customer = report.customer_phone();
        n.candidates.number = report.tracking_number();
        n.candidates.account = report.account_id();
        n.candidates.provider_companies.assign(report.provider_company_ids().begin(), report.provider_company_ids().end());
        n.candidates.claimed_company = report.claimed_company_id();
    }
    n.log_message = "CallRail " + event.kind() + " webhook";
    return n;
}

std::vector<std::pair<std::string, std::string>> CallRail::signature_headers(const http::Request& request) const {
    std::vector<std::pair<std::string, std::string>> out;
    for (const auto& [name, value] : request.headers.items())
        for (auto wanted : providers::callrail::kSignatureHeaders)
            if (iequals(name, wanted)) out.emplace_back(std::string(wanted), value);
    return out;
}

ingress::Proof CallRail::proof(const http::Request& request) const {
    auto headers = signature_headers(request);
    ingress::Proof proof;
    switch (providers::callrail::signature_of(headers)) {
        case providers::callrail::Signature::absent: proof.missing = "the header Signature is missing"; return proof;
        case providers::callrail::Signature::malformed: proof.missing = "the header Signature is not base64 of a signature"; return proof;
        case providers::callrail::Signature::present: break;
    }
    for (auto& claim : providers::callrail::claims(headers)) proof.claims.push_back({claim.kind, request.body, std::move(claim.digest)});
    return proof;
}

std::vector<Secret> CallRail::keys(const directory::Profile& company, Instant now) const { return company.keys_at(now); }

}  // namespace otto::callrail_ingress
