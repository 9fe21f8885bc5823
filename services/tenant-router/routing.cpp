#include "routing.hpp"

#include <algorithm>

#include "base/phone.hpp"
#include "base/spoken_time.hpp"
#include "base/text.hpp"
#include "providers/callrail.hpp"

namespace otto::tenant_router {
namespace {

namespace pb = otto::inbound::v1;

/// Does a key that the company had when the event came prove it?
enum class Proof { proven, proven_finally, refuted, no_key };
Proof prove(const pb::Receipt& receipt, const directory::Profile& company) {
    auto keys = company.keys_at(from_micros(receipt.received_at_us()));
    if (keys.empty()) return Proof::no_key;
    providers::callrail::SignatureHeaders headers;
    for (const auto& h : receipt.headers()) headers.emplace_back(h.name(), h.value());
    for (const auto& key : keys)
        if (providers::callrail::verifies(headers, receipt.raw_body(), key.secret)) return key.from_provider ? Proof::proven_finally : Proof::proven;
    return Proof::refuted;
}

const std::string kFlowsOn = "; the event then flows on by itself.";
const std::string kForgotten = "else leave it: what no key proves is removed after OTTO_HELD_UNVERIFIED_DAYS.";

std::string without_stop(std::string sentence) {
    if (sentence.ends_with('.')) sentence.pop_back();
    return sentence;
}

Held suspended(const std::string& number, const CompanyId& company) { return {"The company is suspended", "Set its status to active" + kFlowsOn, number, company}; }

/// Why nobody's key proves it.
Held unproven(const directory::Asked& asked, const std::vector<directory::Candidate>& candidates, bool refuted) {
    const auto& number = asked.number;
    const directory::Candidate* owner = nullptr;
    for (const auto& c : candidates)
        if (!owner && (c.owns_at || c.owns_now)) owner = &c;
    auto account = owner ? owner->company->id : CompanyId{};
    if (refuted)
        return {owner ? "The signature does not match the key of the owner of tracking number " + number : "The signature matches no key of the companies that the webhook names",
                "Check the signing key against CallRail's webhook settings, and set it if it is another; " + kForgotten, number, account};
    if (owner && !owner->company->active) return suspended(number, account);
    if (owner && !owner->company->callrail_problem.empty())
        return {"The owner of tracking number " + number + " has no signing key: " + without_stop(owner->company->callrail_problem),
                without_stop(owner->company->callrail_problem_cure) + "; or set the signing key itself (POST /api/v1/company/set-callrail-signing-key/{id})" + kFlowsOn, number, account};
    if (owner && owner->company->callrail_api_key)
        return {"The owner of tracking number " + number + " has no signing key: CallRail has given none for its API key",
                "Check the API key and the account id, and set them again (POST /api/v1/company/set-callrail-api-key/{id}, …/set-callrail-account-id/{id}), or set the signing key itself "
                "(…/set-callrail-signing-key/{id})" + kFlowsOn, number, account};
    if (owner)
        return {"The owner of tracking number " + number + " has set no signing key", "Set it (POST /api/v1/company/set-callrail-signing-key/{id})" + kFlowsOn, number, account};
    if (number.empty())
        return {"The webhook names no tracking number and no company whose key proves it",
                "Look at its body (ottoctl held show ID): if it is CallRail's, set the account or company id that it names (POST /api/v1/company/set-callrail-account-id/{id}, PUT /api/v1/company/{id}); " + kForgotten, ""};
    return {"No company found for tracking number " + number, "Register the number with its company (POST /api/v1/numbers, or the company's phone_number)" + kFlowsOn, number};
}

template <class Report>
directory::Asked asked_of_report(const Report& report, directory::Purpose purpose) {
    return {normalize_phone(report.tracking_number()).text, purpose, {report.provider_company_ids().begin(), report.provider_company_ids().end()}, report.account_id(), report.claimed_company_id()};
}

}  // namespace

directory::Asked asked_of(const pb::ProviderEvent& event) {
    if (event.has_text()) return asked_of_report(event.text(), directory::Purpose::text);
    auto asked = asked_of_report(event.call(), directory::Purpose::voice);
    asked.mapped_company = event.call().mapped_company_id();
    return asked;
}

Instant own_time(const pb::ProviderEvent& event) {
    auto received = from_micros(event.receipt().received_at_us());
    std::optional<Instant> said;
    if (event.has_text() && event.text().has_sent_at_us()) said = from_micros(event.text().sent_at_us());
    if (event.call().has_started_at_us()) said = from_micros(event.call().started_at_us());
    return credible(said, received).value_or(received);
}

Decision route(const pb::ProviderEvent& event, const directory::Companies& companies, const std::vector<std::string>& allow_unsigned, Instant now) {
    const auto& receipt = event.receipt();
    CompanyId proven{receipt.proven_company_id()};
    auto asked = asked_of(event);
    const auto& number = asked.number;
    if (!event.not_understood().empty())
        return Held{"Not understood: " + event.not_understood(), "Look at its body (ottoctl held show ID); release it once a version that understands it runs.", number, proven};
    if (!event.has_call() && !event.has_text()) return Held{"Not understood: a kind of event that this version does not route", "Release it once a newer version runs.", "", proven};

    auto candidates = companies.candidates(asked, own_time(event), now);
    Owner owner{proven, receipt.final_proof(), receipt.verdict() == pb::VERDICT_UNSIGNED};
    if (proven.value().empty()) {  // the verdict is still open: whoever it could be of must prove it with a key
        bool refuted = false;
        for (const auto& candidate : candidates) {
            auto proof = prove(receipt, *candidate.company);
            refuted = refuted || proof == Proof::refuted;
            if (proof != Proof::proven && proof != Proof::proven_finally) continue;
            owner = {candidate.company->id, proof == Proof::proven_finally};
            break;
        }
        const auto* sole = directory::sole_owner(candidates);
        if (owner.company.value().empty() && !refuted && sole && std::find(allow_unsigned.begin(), allow_unsigned.end(), receipt.provider()) != allow_unsigned.end())
            owner = {sole->company->id, false, true};
        if (owner.company.value().empty() && !companies.mismatched(asked, owner.company)) return unproven(asked, candidates, refuted);
    }
    if (companies.mismatched(asked, owner.company))  // seed 002's words
        return Held{"invalid tenant_id or callrail_company_id mapping",
                    "The webhook's tenant_id, its callrail_company_id and the company whose key signed it must be one. Give the company that CallRail company (PUT /api/v1/company/{id}, callrail_company_id), or "
                    "correct both where the webhook is set up" + kFlowsOn, number, owner.company, !owner.company.value().empty()};
    if (directory::contested(candidates, owner.company))
        return Held{"Tracking number " + number + " belongs to another company than the one whose key signed", "Correct the number's owner or the signing key" + kFlowsOn, number, owner.company, true};
    if (auto company = companies.find(owner.company); company && !company->active) return suspended(number, owner.company);
    if (event.has_text()) return Held{"Texts are not recorded yet; it flows on once they are", "Nothing to do.", number, owner.company};
    return owner;
}

std::vector<std::string> names_of(const pb::JobReport& job) {
    std::vector<std::string> out;
    if (!job.shunya_job_id().empty()) out.push_back("job:" + job.shunya_job_id());
    if (job.call_id() != 0) out.push_back("call:" + std::to_string(job.call_id()));
    return out;
}

JobDecision route_job(const pb::ProviderEvent& event, const KnownJob& known, const directory::Companies& companies) {
    if (!event.not_understood().empty())
        return Held{"Not understood: " + event.not_understood(), "Look at its body (ottoctl held show ID); release it once a version that understands it runs.", ""};
    const auto& job = event.job();
    auto name = job.shunya_job_id().empty() ? "of call " + std::to_string(job.call_id()) : job.shunya_job_id();
    std::vector<JobOwner> owners;
    for (const auto* list : {&known.by_job, &known.by_call})
        for (const auto& owner : *list)
            if (std::none_of(owners.begin(), owners.end(), [&](const auto& o) { return o.company == owner.company; })) owners.push_back(owner);
    if (owners.empty())
        return Held{"No job " + name + " is known", "It flows on by itself once its call is on record as handed to Shunya. If that never comes, the job is another deployment's.", "", {}, true};
    if (owners.size() > 1) return Held{"The job " + name + " and its call belong to several companies", "Ask Shunya whose the job is (ottoctl held show ID prints the report); Otto never gave one job to two companies.", "", {}, true};
    if (!job.claimed_company_id().empty() && job.claimed_company_id() != owners.front().company.value())
        return Held{"The job is another company's: " + name + " was not submitted for company_id " + clip_utf8(job.claimed_company_id(), 200), "Ask Shunya why it reports the job for another company.", "", {}, true};
    auto company = companies.find(owners.front().company);
    if (company && !company->active) return suspended("", company->id);
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

void hand_over(pb::ProviderEvent& event, const Owner& owner, routed::v1::CallReported& out) {
    // An ingress of a former version may have read the numbers otherwise, today or when what was held came.
    auto& call = *event.mutable_call();
    auto customer = normalize_phone(call.customer_phone());
    call.set_customer_phone(std::move(customer.text));
    call.set_customer_phone_callable(customer.e164);
    call.set_tracking_number(normalize_phone(call.tracking_number()).text);
    out.set_company_id(owner.company.value());
    out.set_phone(call.customer_phone_callable() ? call.customer_phone() : call.provider_call_id());
    out.mutable_receipt()->Swap(event.mutable_receipt());
    out.mutable_receipt()->set_verdict(owner.unsigned_ ? pb::VERDICT_UNSIGNED : pb::VERDICT_AUTHENTIC);
    out.mutable_receipt()->set_proven_company_id(owner.company.value());
    out.mutable_receipt()->set_final_proof(owner.final_proof);
    out.mutable_call()->Swap(event.mutable_call());
    out.set_kind(event.kind());
}

routed::v1::CallReported routed(pb::ProviderEvent event, const Owner& owner) {
    routed::v1::CallReported out;
    hand_over(event, owner, out);
    return out;
}

}  // namespace otto::tenant_router
