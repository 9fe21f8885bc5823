#include "routing.hpp"

#include <algorithm>

#include "providers/callrail.hpp"

namespace otto::tenant_router {
namespace {

namespace pb = otto::inbound::v1;

/// Does a key that the company had when the event came prove it?
enum class Proof { proven, refuted, no_key };
Proof prove(const pb::Receipt& receipt, const directory::Profile& company) {
    auto keys = company.keys_at(from_micros(receipt.received_at_us()));
    if (keys.empty()) return Proof::no_key;
    providers::callrail::SignatureHeaders headers;
    for (const auto& h : receipt.headers()) headers.emplace_back(h.name(), h.value());
    for (const auto& key : keys)
        if (providers::callrail::verifies(headers, receipt.raw_body(), key)) return Proof::proven;
    return Proof::refuted;
}

std::string told(const std::string& number) { return number.empty() ? std::string("(none)") : number; }

}  // namespace

Decision route(const pb::ProviderEvent& event, const directory::Companies& companies, const std::vector<std::string>& allow_unsigned) {
    const auto& receipt = event.receipt();
    if (!event.not_understood().empty())
        return Held{"Not understood: " + event.not_understood(), "Look at the raw body; release it once a version that understands it runs, or discard it.", event.call().tracking_number()};
    if (!event.has_call()) return Held{"Not understood: a kind of event that this version does not route", "Release it once a newer version runs.", ""};
    const auto& call = event.call();
    const auto& number = call.tracking_number();
    auto at = from_micros(call.has_started_at_us() ? call.started_at_us() : receipt.received_at_us());
    auto owners = companies.owners(number, directory::Purpose::voice, at);
    if (owners.size() > 1)
        return Held{"Tracking number " + number + " belongs to several companies", "Leave it to one of them (company_numbers); the event then flows on by itself.", number};

    if (!receipt.proven_company_id().empty()) {
        CompanyId proven{receipt.proven_company_id()};
        if (!owners.empty() && owners.front()->id != proven)
            return Held{"Tracking number " + number + " belongs to another company than the one whose key signed", "Correct the number's owner or the signing key; the event then flows on by itself.", number};
        auto company = companies.find(proven);
        if (company && !company->active) return Held{"The company is suspended", "Set its status to active; the event then flows on by itself.", number};
        return proven;
    }

    // The verdict is still open: whoever could be the owner must prove it with a key.
    std::vector<directory::ProfilePtr> candidates = owners;
    if (owners.empty()) {
        candidates = companies.by_callrail({call.provider_company_ids().begin(), call.provider_company_ids().end()}, call.account_id());
        if (auto claimed = companies.find(CompanyId{call.claimed_company_id()}); claimed && claimed->active) candidates.push_back(claimed);
    }
    bool refuted = false, keyless = false;
    for (const auto& company : candidates) {
        switch (prove(receipt, *company)) {
            case Proof::proven: return company->id;
            case Proof::refuted: refuted = true; break;
            case Proof::no_key: keyless = true; break;
        }
    }
    if (!owners.empty() && keyless && std::find(allow_unsigned.begin(), allow_unsigned.end(), receipt.provider()) != allow_unsigned.end()) return owners.front()->id;
    if (owners.empty() && !refuted)
        return Held{"No company found for tracking number " + told(number), "Register the number with its company (POST /api/v1/numbers, or the company's phone_number); the event then flows on by itself.", number};
    if (keyless && !refuted)
        return Held{"The owner of tracking number " + told(number) + " has set no signing key", "Set it (POST /api/v1/company/set-callrail-signing-key/{id}); the event then flows on by itself.", number};
    return Held{"The signature does not match the key of the owner of tracking number " + told(number), "Check the signing key against CallRail's webhook settings; if it is right, the event is forged: discard it.", number};
}

void hand_over(pb::ProviderEvent& event, const CompanyId& company, routed::v1::CallReported& out) {
    out.set_company_id(company.value());
    out.set_phone(event.call().customer_phone_callable() ? event.call().customer_phone() : event.call().provider_call_id());
    out.mutable_receipt()->Swap(event.mutable_receipt());
    if (out.receipt().verdict() == pb::VERDICT_OPEN) out.mutable_receipt()->set_verdict(pb::VERDICT_AUTHENTIC);
    out.mutable_receipt()->set_proven_company_id(company.value());
    out.mutable_call()->Swap(event.mutable_call());
    out.set_kind(event.kind());
}

routed::v1::CallReported routed(pb::ProviderEvent event, const CompanyId& company) {
    routed::v1::CallReported out;
    hand_over(event, company, out);
    return out;
}

}  // namespace otto::tenant_router
