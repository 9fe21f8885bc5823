#include "callrail.hpp"

#include <algorithm>

#include "base/spoken_time.hpp"
#include "base/text.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/callrail.hpp"
#include "providers/callrail_report.hpp"

namespace otto::callrail_ingress {

namespace pb = otto::inbound::v1;

namespace {

constexpr std::string_view kPrefix = "/api/v1/callrail/", kTexts = "/sms/callrail-webhook";

class Read final : public ingress::Reading {
public:
    explicit Read(const http::Request& request) : text_(request.path == kTexts), report_(providers::callrail::Report::read(request.body, request.content_type())) {
        auto names = text_ ? report_.names_of_text() : report_.names_of_call();
        at = credible(names.at, request.received_at);
        asked = {std::move(names.number), text_ ? directory::Purpose::text : directory::Purpose::voice, std::move(names.provider_companies), std::move(names.account), std::move(names.claimed_company),
                 std::move(names.mapped_company)};
    }

    ingress::Normalized normalize(const http::Request& request) const override {
        ingress::Normalized n;
        n.event = std::make_shared<pb::ProviderEvent>();
        auto& event = *n.event;
        if (text_) {
            report_.tell_text(event);
            n.identity = event.text().provider_message_id();
            n.customer = event.text().customer_phone();
            n.waits = true;
        } else {
            std::string_view path = request.path;
            path.remove_prefix(std::min(path.size(), kPrefix.size()));
            report_.tell_call(path == "webhook" ? "call.completed" : path, event);
            n.identity = event.call().provider_call_id();
            n.customer = event.call().customer_phone();
            n.waits = !event.not_understood().empty();
        }
        return n;
    }

private:
    bool text_;
    providers::callrail::Report report_;
};

}  // namespace

std::vector<std::string> CallRail::paths() const {
    std::vector<std::string> out;
    for (auto name : {"call.incoming", "call.answered", "call.completed", "call.missed", "call.modified", "webhook"}) out.push_back(std::string(kPrefix) + name);
    out.emplace_back(kTexts);
    return out;
}

std::unique_ptr<ingress::Reading> CallRail::read(const http::Request& request) const { return std::make_unique<Read>(request); }

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

std::vector<directory::Key> CallRail::keys(const directory::Profile& company, Instant now) const { return company.keys_at(now); }

}  // namespace otto::callrail_ingress
