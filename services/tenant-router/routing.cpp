#include "routing.hpp"

#include <algorithm>

#include "base/text.hpp"
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

std::vector<std::string> names_of(const pb::JobReport& job) {
    std::vector<std::string> out;
    if (!job.shunya_job_id().empty()) out.push_back("job:" + job.shunya_job_id());
    if (job.call_id() != 0) out.push_back("call:" + std::to_string(job.call_id()));
    return out;
}

JobDecision route_job(const pb::ProviderEvent& event, const KnownJob& known, const directory::Companies& companies) {
    if (!event.not_understood().empty())
        return Held{"Not understood: " + event.not_understood(), "Look at the raw body; release it once a version that understands it runs, or discard it.", ""};
    const auto& job = event.job();
    auto name = job.shunya_job_id().empty() ? "of call " + std::to_string(job.call_id()) : job.shunya_job_id();
    std::vector<JobOwner> owners;
    for (const auto* list : {&known.by_job, &known.by_call})
        for (const auto& owner : *list)
            if (std::none_of(owners.begin(), owners.end(), [&](const auto& o) { return o.company == owner.company; })) owners.push_back(owner);
    if (owners.empty())
        return Held{"No job " + name + " is known", "It flows on by itself once its call is on record as handed to Shunya. If that never comes, the job is another deployment's: discard it.", ""};
    if (owners.size() > 1) return Held{"The job " + name + " and its call belong to several companies", "Compare shunya_jobs of both; release the report once one of them is corrected, or discard it.", ""};
    if (!job.claimed_company_id().empty() && job.claimed_company_id() != owners.front().company.value())
        return Held{"The job is another company's: " + name + " was not submitted for company_id " + clip_utf8(job.claimed_company_id(), 200), "Ask Shunya why it reports the job for another company; discard the report if it is wrong.", ""};
    auto company = companies.find(owners.front().company);
    if (company && !company->active) return Held{"The company is suspended", "Set its status to active; the event then flows on by itself.", ""};
    return owners.front();
}

routed::v1::JobReported routed_job(pb::ProviderEvent event, const JobOwner& owner) {
    routed::v1::JobReported out;
    out.set_company_id(owner.company.value());
    out.set_phone(owner.phone);
    out.mutable_receipt()->Swap(event.mutable_receipt());
    out.mutable_receipt()->set_proven_company_id(owner.company.value());
    out.mutable_job()->Swap(event.mutable_job());
    out.set_kind(event.kind());
    return out;
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
