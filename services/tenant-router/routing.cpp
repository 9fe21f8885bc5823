#include "routing.hpp"

#include <algorithm>

#include "base/phone.hpp"
#include "base/spoken_time.hpp"
#include "base/text.hpp"
#include "kinds.hpp"
#include "providers/webhook.hpp"

namespace otto::tenant_router {
namespace {

namespace pb = otto::inbound::v1;

/// Tries what was kept of a webhook on the keys that companies had when it came; those it was asked with prove it as they would
/// have then.
class Proving {
public:
    Proving(const providers::Webhook& webhook, const pb::Receipt& receipt)
        : webhook_(webhook), parts_(providers::Parts::of(receipt)), proof_(webhook.proof(parts_)) {}
    enum class Result { proven, proven_finally, refuted, no_key };
    Result by(const directory::Profile& company) const {
        auto keys = company.account(webhook_.name()).keys_at(parts_.received_at);
        if (keys.empty()) return Result::no_key;
        for (const auto& key : keys)
            if (providers::proves(proof_, key.secret)) return key.from_provider ? Result::proven_finally : Result::proven;
        return Result::refuted;
    }

private:
    const providers::Webhook& webhook_;
    providers::Parts parts_;
    providers::Proof proof_;
};

const std::string kFlowsOn = "; the event then flows on by itself.";
const std::string kForgotten = "else leave it: what no key proves is removed after OTTO_HELD_UNVERIFIED_DAYS.";

std::string without_stop(std::string sentence) {
    if (sentence.ends_with('.')) sentence.pop_back();
    return sentence;
}

Held suspended(const std::string& number, const CompanyId& company) {
    return {"The company is suspended", "Set its status to active" + kFlowsOn, number, company};
}

/// Why nobody's key proves it.
Held unproven(const providers::Webhook& webhook, const pb::Addressee& addressee,
              const std::vector<directory::Candidate>& candidates, bool refuted) {
    const auto& number = addressee.number();
    const std::string title(webhook.title());
    const auto cures = webhook.cures();
    auto cure = [](std::string_view what) { return std::string(what) + kFlowsOn; };
    const directory::Candidate* owner = nullptr;
    for (const auto& c : candidates)
        if (!owner && (c.owns_at || c.owns_now)) owner = &c;
    auto held_for = owner ? owner->company->id : CompanyId{};
    if (refuted)
        return {owner ? "The signature does not match the key of the owner of tracking number " + number
                      : "The signature matches no key of the companies that the webhook names",
                "Check the signing key against " + title + "'s webhook settings, and set it if it is another; " + kForgotten,
                number, held_for};
    if (!owner && number.empty())
        return {"The webhook names no tracking number and no company whose key proves it",
                "Look at its body (ottoctl held show ID): if it is " + title + "'s, " +
                    std::string(cures.if_it_is_the_providers) + "; " + kForgotten,
                ""};
    if (!owner)
        return {"No company found for tracking number " + number,
                cure("Register the number with its company (POST /api/v1/numbers, or the company's phone_number)"), number};
    if (!owner->company->active) return suspended(number, held_for);
    const auto& account = owner->company->account(webhook.name());
    const auto owners = "The owner of tracking number " + number;
    if (!account.problem.empty())
        return {owners + " has no signing key: " + without_stop(account.problem),
                cure(without_stop(account.problem_cure) + "; or " + std::string(cures.or_set_key)), number, held_for};
    if (account.api_key)
        return {owners + " has no signing key: " + title + " has given none for its API key", cure(cures.no_key_of_account),
                number, held_for};
    return {owners + " has set no signing key", cure(cures.no_key), number, held_for};
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
template <class Report>
pb::Addressee former_addressee(const Report& report, pb::Purpose purpose) {
    pb::Addressee a;
    a.set_number(report.tracking_number());
    a.set_purpose(purpose);
    a.set_account_id(report.account_id());
    *a.mutable_provider_company_ids() = report.provider_company_ids();
    a.set_claimed_company_id(report.claimed_company_id());
    return a;
}

/// Former versions wrote into each kind of report whose it could be. Events of theirs come for a week after an upgrade; held ones
/// and dead letters for as long as any of before wait, which of proven texts is until texts are recorded: a release that has
/// recorded them all can drop this, and the fields.
pb::Addressee formerly(const pb::ProviderEvent& event) {
    pb::Addressee a;
    if (event.has_text()) {
        a = former_addressee(event.text(), pb::PURPOSE_TEXT);
        if (event.text().has_sent_at_us()) a.set_at_us(event.text().sent_at_us());
    } else if (event.has_call()) {
        a = former_addressee(event.call(), pb::PURPOSE_VOICE);
        a.set_mapped_company_id(event.call().mapped_company_id());
        if (event.call().has_started_at_us()) a.set_at_us(event.call().started_at_us());
    } else if (event.has_job()) {
        a.set_claimed_company_id(event.job().claimed_company_id());
    }
    return a;
}
#pragma GCC diagnostic pop

Instant own_time(const pb::Addressee& addressee, Instant received) {
    return credible(addressee.has_at_us() ? std::optional(from_micros(addressee.at_us())) : std::nullopt, received)
        .value_or(received);
}

}  // namespace

pb::Addressee addressee_of(const pb::ProviderEvent& event) {
    auto a = event.has_addressee() ? event.addressee() : formerly(event);
    if (!a.number().empty()) a.set_number(normalize_phone(a.number()).text);  // a former version may have read it otherwise
    return a;
}

Decision route(const pb::ProviderEvent& event, const directory::Companies& companies,
               const std::vector<std::string>& allow_unsigned, Instant now) {
    const auto& receipt = event.receipt();
    CompanyId proven{receipt.proven_company_id()};
    const auto addressee = addressee_of(event);
    const auto& number = addressee.number();
    const auto* webhook = providers::webhook_of(receipt.provider());
    if (!event.not_understood().empty())
        return Held{"Not understood: " + event.not_understood(),
                    "Look at its body (ottoctl held show ID); release it once a version that understands it runs.", number,
                    proven};
    if (!webhook || (!Kinds::fit(event) && !event.has_text()))
        return Held{"Not understood: a kind of event that this version does not route", "Release it once a newer version runs.",
                    "", proven};

    auto candidates =
        companies.candidates(receipt.provider(), addressee, own_time(addressee, from_micros(receipt.received_at_us())), now);
    Owner owner{proven, receipt.final_proof(), receipt.verdict() == pb::VERDICT_UNSIGNED};
    if (proven.value().empty()) {  // the verdict is still open: whoever it could be of must prove it with a key
        const Proving proving(*webhook, receipt);
        bool refuted = false;
        for (const auto& candidate : candidates) {
            auto proof = proving.by(*candidate.company);
            refuted = refuted || proof == Proving::Result::refuted;
            if (proof != Proving::Result::proven && proof != Proving::Result::proven_finally) continue;
            owner = {candidate.company->id, proof == Proving::Result::proven_finally};
            break;
        }
        const auto* sole = directory::sole_owner(candidates);
        if (owner.company.value().empty() && !refuted && sole &&
            std::find(allow_unsigned.begin(), allow_unsigned.end(), receipt.provider()) != allow_unsigned.end())
            owner = {sole->company->id, false, true};
        if (owner.company.value().empty() && !companies.mismatched(receipt.provider(), addressee, owner.company))
            return unproven(*webhook, addressee, candidates, refuted);
    }
    if (companies.mismatched(receipt.provider(), addressee, owner.company))
        return Held{std::string(webhook->cures().mapping_reason), std::string(webhook->cures().mapping) + kFlowsOn, number,
                    owner.company, !owner.company.value().empty()};
    if (directory::contested(candidates, owner.company))
        return Held{"Tracking number " + number + " belongs to another company than the one whose key signed",
                    "Correct the number's owner or the signing key" + kFlowsOn, number, owner.company, true};
    if (auto company = companies.find(owner.company); company && !company->active) return suspended(number, owner.company);
    if (event.has_text())
        return Held{"Texts are not recorded yet; it flows on once they are", "Nothing to do.", number, owner.company};
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
        return Held{"Not understood: " + event.not_understood(),
                    "Look at its body (ottoctl held show ID); release it once a version that understands it runs.", ""};
    const auto& job = event.job();
    auto name = job.shunya_job_id().empty() ? "of call " + std::to_string(job.call_id()) : job.shunya_job_id();
    std::vector<JobOwner> owners;
    for (const auto* list : {&known.by_job, &known.by_call})
        for (const auto& owner : *list)
            if (std::none_of(owners.begin(), owners.end(), [&](const auto& o) { return o.company == owner.company; }))
                owners.push_back(owner);
    if (owners.empty())
        return Held{"No job " + name + " is known",
                    "It flows on by itself once its call is on record as handed to Shunya. If that never comes, the job is "
                    "another deployment's.",
                    "",
                    {},
                    true};
    if (owners.size() > 1)
        return Held{
            "The job " + name + " and its call belong to several companies",
            "Ask Shunya whose the job is (ottoctl held show ID prints the report); Otto never gave one job to two companies.",
            "",
            {},
            true};
    const auto claimed = addressee_of(event).claimed_company_id();
    if (!claimed.empty() && claimed != owners.front().company.value())
        return Held{"The job is another company's: " + name + " was not submitted for company_id " + clip_utf8(claimed, 200),
                    "Ask Shunya why it reports the job for another company.",
                    "",
                    {},
                    true};
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

}  // namespace otto::tenant_router
