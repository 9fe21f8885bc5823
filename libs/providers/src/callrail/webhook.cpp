// CallRail's webhooks of calls (Pre-Call, Call Routing Complete, Post-Call, Call Modified, the combined form of seed 002) and of
// texts. Source: providers.md §1.
#include <algorithm>

#include "base/spoken_time.hpp"
#include "callrail/signature.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/callrail_report.hpp"

namespace otto::providers::callrail {

namespace pb = otto::inbound::v1;

namespace {

constexpr std::string_view kPrefix = "/api/v1/callrail/", kTexts = "/sms/callrail-webhook";

class Read final : public Reading {
public:
    explicit Read(const Parts& parts)
        : report_(Report::read(parts.body, parts.content_type, parts.path == kTexts ? Report::Of::text : Report::Of::call)) {}

    const pb::Addressee& addressee() const override { return report_.addressee(); }

    Normalized normalize(const Parts& parts) const override {
        Normalized n;
        n.event = new_event();
        auto& event = *n.event;
        std::string_view path = parts.path;
        path.remove_prefix(std::min(path.size(), kPrefix.size()));
        report_.tell(path == "webhook" ? "call.completed" : path, event);
        if (event.has_message()) {
            n.identity = event.message().provider_message_id();
            n.customer = event.message().customer_phone();
        } else {
            n.identity = event.call().provider_call_id();
            n.customer = event.call().customer_phone();
        }
        n.waits = !event.not_understood().empty();
        return n;
    }

private:
    Report report_;
};

class CallRail final : public Webhook {
public:
    std::string_view name() const override { return "callrail"; }
    std::string_view title() const override { return "CallRail"; }
    std::vector<std::string> paths() const override {
        std::vector<std::string> out;
        for (auto name : {"call.incoming", "call.answered", "call.completed", "call.missed", "call.modified", "webhook"})
            out.push_back(std::string(kPrefix) + name);
        out.emplace_back(kTexts);
        return out;
    }
    std::vector<std::string_view> signature_headers() const override {
        return {std::begin(kSignatureHeaders), std::end(kSignatureHeaders)};
    }
    std::unique_ptr<Reading> read(const Parts& parts) const override { return std::make_unique<Read>(parts); }
    Proof proof(const Parts& parts) const override { return proof_of(parts); }
    Cures cures() const override {
        return {.no_key = "Set it (POST /api/v1/company/set-callrail-signing-key/{id})",
                .no_key_of_account =
                    "Check the API key and the account id, and set them again (POST /api/v1/company/set-callrail-api-key/{id}, "
                    "…/set-callrail-account-id/{id}), or set the signing key itself "
                    "(…/set-callrail-signing-key/{id})",
                .or_set_key = "set the signing key itself (POST /api/v1/company/set-callrail-signing-key/{id})",
                .if_it_is_the_providers =
                    "set the account or company id that it names (POST /api/v1/company/set-callrail-account-id/{id}, PUT "
                    "/api/v1/company/{id})",
                .mapping_reason = "invalid tenant_id or callrail_company_id mapping",  // seed 002's words
                .mapping =
                    "The webhook's tenant_id, its callrail_company_id and the company whose key signed it must be one. Give the "
                    "company that CallRail company (PUT /api/v1/company/{id}, "
                    "callrail_company_id), or correct both where the webhook is set up"};
    }
};

}  // namespace

const Webhook& webhook() {
    static const CallRail one{};
    return one;
}

}  // namespace otto::providers::callrail
