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
    Result by(const std::vector<Secret>& secrets) const {
        if (secrets.empty()) return Result::no_key;
        return std::any_of(secrets.begin(), secrets.end(), [&](const auto& s) { return providers::proves(proof_, s); })
                   ? Result::proven
                   : Result::refuted;
    }
    Result by(const directory::Profile& company) const {
        auto keys = company.account(webhook_.name()).keys_at(parts_.received_at);
        if (keys.empty()) return Result::no_key;
        for (const auto* key : keys)
            if (providers::proves(proof_, key->secret)) return key->from_provider ? Result::proven_finally : Result::proven;
        return Result::refuted;
    }

private:
    const providers::Webhook& webhook_;
    providers::Parts parts_;
    providers::Proof proof_;
};

const std::string kLookAtIt =
    "Look at its body (ottoctl held show ID); it flows on by itself once a version that understands it runs.";
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
    if (!owner)
        return {"The webhook names no tracking number and no company whose key proves it",
                "Look at its body (ottoctl held show ID): if it is " + title + "'s, " +
                    std::string(cures.if_it_is_the_providers) + "; " + kForgotten,
                ""};
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
/// Former versions wrote into each kind of report whose it could be. Events of theirs come for a week after an upgrade; held ones
/// and dead letters for as long as any of before wait: a release before which all have gone on can drop this, and the fields.
pb::Addressee formerly(const pb::ProviderEvent& event) {
    pb::Addressee a;
    if (event.has_call()) {
        const auto& call = event.call();
        a.set_number(call.tracking_number());
        a.set_purpose(pb::PURPOSE_VOICE);
        a.set_account_id(call.account_id());
        *a.mutable_provider_company_ids() = call.provider_company_ids();
        a.set_claimed_company_id(call.claimed_company_id());
        a.set_mapped_company_id(call.mapped_company_id());
        if (call.has_started_at_us()) a.set_at_us(call.started_at_us());
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

bool has(const directory::Profile& company, const std::string& number) {
    return std::any_of(company.numbers.begin(), company.numbers.end(), [&](const auto& n) { return n.e164 == number; });
}

Held not_routed() {
    return {"Not understood: a kind of event that this version does not route", "Release it once a newer version runs.", ""};
}

/// Why no key of the call's owner proves what names that call alone.
Held unproven_of_call(const providers::Webhook& webhook, const std::string& call, const directory::ProfilePtr& owner,
                      const CompanyId& owner_id, Instant received) {
    if (!owner || owner->account(webhook.name()).keys_at(received).empty())
        return {"The owner of " + call + " has set no signing key", std::string(webhook.cures().no_key) + kFlowsOn, "", owner_id};
    return {"The signature does not match the key of the owner of " + call,
            "Check the signing key against " + std::string(webhook.title()) +
                "'s webhook settings, and set it if it is another; " + kForgotten,
            "", owner_id};
}

/// One event, and whose it could be.
struct Question {
    const providers::Webhook& webhook;
    const pb::Receipt& receipt;
    pb::Addressee addressee;
    const directory::Companies& companies;
    Instant at, now;
    std::vector<directory::Candidate> candidates{};
    std::optional<Proving> proving{};  ///< made when it is asked first: most events are proven already

    void ask() { candidates = companies.candidates(receipt.provider(), addressee, at, now); }
    template <class Keys>
    Proving::Result proven_by(const Keys& keys) {
        if (!proving) proving.emplace(webhook, receipt);
        return proving->by(keys);
    }
    const directory::Candidate* find(const CompanyId& company) const {
        auto found = std::find_if(candidates.begin(), candidates.end(), [&](const auto& c) { return c.company->id == company; });
        return found == candidates.end() ? nullptr : &*found;
    }
};

bool owns(const directory::Candidate& c) { return c.owns_at || c.owns_now; }

/// Whether both have one key: they are on one account, whatever either says of it.
bool share_a_key(const directory::Profile& a, const directory::Profile& b, std::string_view provider) {
    const auto &of_a = a.account(provider).signing_keys, &of_b = b.account(provider).signing_keys;
    return std::any_of(of_a.begin(), of_a.end(), [&](const auto& one) {
        return std::any_of(of_b.begin(), of_b.end(),
                           [&](const auto& other) { return constant_time_equal(one.secret.reveal(), other.secret.reveal()); });
    });
}
bool is_proof(Proving::Result r) { return r == Proving::Result::proven || r == Proving::Result::proven_finally; }

/// Whose key proves an event whose verdict is still open; whether one of theirs refutes it.
bool prove(Question& q, const std::vector<std::string>& allow_unsigned, const ingress::DeploymentAccount& deployment,
           Owner& owner) {
    bool refuted = false;
    for (const auto& candidate : q.candidates) {
        auto proof = q.proven_by(*candidate.company);
        refuted = refuted || (proof == Proving::Result::refuted && !candidate.other_end);
        if (!is_proof(proof)) continue;
        owner = {candidate.company->id, proof == Proving::Result::proven_finally};
        return false;
    }
    if (!deployment.id.empty() && q.addressee.account_id() == deployment.id) {
        auto proof = q.proven_by(*deployment.key.present());
        owner.by_deployment = is_proof(proof);
        if (owner.by_deployment) return false;
        refuted = refuted || proof == Proving::Result::refuted;
    }
    const auto* sole = directory::sole_owner(q.candidates);
    if (!refuted && sole && std::find(allow_unsigned.begin(), allow_unsigned.end(), q.receipt.provider()) != allow_unsigned.end())
        owner = {sole->company->id, false, true};
    return refuted;
}

/// Which end of a text is the company's: the one that it has. What its provider named is a guess.
void turn_to_ours(Question& q, Owner& owner) {
    const auto company = q.companies.find(owner.company);
    const auto other = q.addressee.other_number();
    if (other.empty() || !company || has(*company, q.addressee.number()) || !has(*company, other)) return;
    q.addressee.set_other_number(q.addressee.number());
    q.addressee.set_number(other);
    q.ask();
    owner.turned = true;
}

Held anothers(const std::string& number, const CompanyId& signer) {
    return {"Tracking number " + number + " belongs to another company than the one whose key signed",
            "Correct the number's owner or the signing key" + kFlowsOn, number, signer, true};
}

/// Nobody has the number for what it was used for; `signer` ("": nobody's key proved it) may have it for something else.
Held unregistered(const Question& q, const CompanyId& signer) {
    const auto& number = q.addressee.number();
    const bool text = q.addressee.purpose() == pb::PURPOSE_TEXT;
    const auto for_other = q.companies.owners(number, text ? directory::Purpose::voice : directory::Purpose::text, q.now);
    const bool has_it =
        std::any_of(for_other.begin(), for_other.end(), [&](const auto& c) { return signer.value().empty() || c->id == signer; });
    std::string cure = "Register the number with its company (POST /api/v1/numbers with provider " +
                       std::string(q.webhook.name()) + ", or the company's phone_number)";
    if (has_it)
        cure = text ? "The number is registered for calls only: add the purpose text (PATCH /api/v1/numbers/{id})"
                    : "The number is registered for texts only: add the purpose voice (PATCH /api/v1/numbers/{id})";
    Held held{"No company found for tracking number " + number, cure + kFlowsOn, number, signer};
    // Of several companies that share an account nobody knows whose the number is, and shown to one it would be kept from the
    // others.
    const auto& account = q.addressee.account_id();
    held.seen = !signer.value().empty() && std::count_if(q.candidates.begin(), q.candidates.end(), [&](const auto& c) {
                                               return !account.empty() && c.company->account(q.webhook.name()).id == account;
                                           }) <= 1;
    return held;
}

/// Whose number it is, of a provider whose numbers are registered: among several companies on one account, and of what the
/// deployment's account signed, its owner. Nobody's: whose message it is about.
std::optional<Held> settle_registered(Question& q, const std::vector<CompanyId>& of_message, Owner& owner) {
    const auto& number = q.addressee.number();
    const bool by_deployment = owner.by_deployment;
    const auto* signer = by_deployment ? nullptr : q.find(owner.company);
    if (signer && signer->owns_at) return std::nullopt;
    if (by_deployment) {
        const auto* sole = directory::sole_owner(q.candidates);
        owner.company = sole ? sole->company->id : CompanyId{};
        if (sole) return std::nullopt;
        if (std::any_of(q.candidates.begin(), q.candidates.end(), [](const auto& c) { return owns(c) && c.company->active; }))
            return Held{"Tracking number " + number + " belongs to several companies",
                        "Leave the number with one of them (ottoctl held show ID)" + kFlowsOn, number};
        if (auto c = std::find_if(q.candidates.begin(), q.candidates.end(), owns); c != q.candidates.end())
            return suspended(number, c->company->id);
    }
    const bool has_it_now = signer && signer->owns_now;
    bool anothers_too = false;
    for (const auto& c : q.candidates) {
        if (&c == signer || by_deployment || !(c.owns_at || (c.owns_now && !has_it_now))) continue;
        // What was found in the account's list carries no signature: there the account's token stands for it.
        const bool listed_for = q.receipt.swept() && signer && share_a_key(*signer->company, *c.company, q.webhook.name());
        if (auto proof = q.proven_by(*c.company); is_proof(proof) || listed_for) {
            owner = {c.company->id, proof == Proving::Result::proven_finally};
            return std::nullopt;
        }
        anothers_too = anothers_too || (c.company->active && c.owns_at && *c.owns_at >= directory::Standing::proven);
    }
    if (anothers_too) return anothers(number, owner.company);
    if (has_it_now) return std::nullopt;
    for (const auto& company : of_message) {
        const auto profile = q.companies.find(company);
        const bool theirs =
            by_deployment ? of_message.size() == 1 : company == owner.company || (profile && is_proof(q.proven_by(*profile)));
        if (!theirs) continue;
        owner.company = company;
        return std::nullopt;
    }
    if (number.empty())
        return Held{"The webhook names no tracking number of a company", "Look at its body (ottoctl held show ID).", "",
                    owner.company};
    // Its own numbers end with its suspension, and are its own again when it is active.
    if (const auto company = q.companies.find(owner.company); company && !company->active)
        return suspended(number, owner.company);
    return unregistered(q, owner.company);
}

}  // namespace

pb::Addressee addressee_of(const pb::ProviderEvent& event) {
    auto a = event.has_addressee() ? event.addressee() : formerly(event);
    if (!a.number().empty()) a.set_number(normalize_phone(a.number()).text);  // a former version may have read it otherwise
    return a;
}

bool read_anew(pb::ProviderEvent& event) {
    const bool unread = !event.not_understood().empty() || event.report_case() == pb::ProviderEvent::REPORT_NOT_SET;
    const auto* webhook = providers::webhook_of(event.receipt().provider());
    if (!unread || !webhook || event.receipt().swept()) return false;  // what was swept is no webhook's body
    const auto parts = providers::Parts::of(event.receipt());
    auto read = webhook->read(parts)->normalize(parts);
    if (!read.event->not_understood().empty()) return false;
    read.event->mutable_receipt()->Swap(event.mutable_receipt());
    event.Swap(read.event.get());
    return true;
}

std::string message_name(const pb::MessageReport& message) { return "message:" + message.provider_message_id(); }

Decision route(const pb::ProviderEvent& event, const directory::Companies& companies,
               const std::vector<std::string>& allow_unsigned, Instant now, const std::vector<CompanyId>& of_message,
               const ingress::DeploymentAccount& deployment) {
    const auto& receipt = event.receipt();
    CompanyId proven{receipt.proven_company_id()};
    auto addressee = addressee_of(event);
    const auto* webhook = providers::webhook_of(receipt.provider());
    if (!event.not_understood().empty())
        return Held{"Not understood: " + event.not_understood(), kLookAtIt, addressee.number(), proven};
    if (!webhook || !Kinds::fit(event)) {
        auto held = not_routed();
        held.held_for = proven;
        return held;
    }

    const auto at = own_time(addressee, from_micros(receipt.received_at_us()));
    Question q{*webhook, receipt, std::move(addressee), companies, at, now};
    q.ask();
    const auto& number = q.addressee.number();
    Owner owner{proven, receipt.final_proof(), receipt.verdict() == pb::VERDICT_UNSIGNED, receipt.proven_by_deployment()};
    auto mismatched = [&] { return companies.mismatched(receipt.provider(), q.addressee, owner.company); };
    if (proven.value().empty() && !owner.by_deployment) {  // whoever it could be of must prove it with a key
        bool refuted = prove(q, allow_unsigned, deployment, owner);
        if (owner.company.value().empty() && !owner.by_deployment && !mismatched())
            return std::any_of(q.candidates.begin(), q.candidates.end(), owns) || refuted || number.empty()
                       ? unproven(*webhook, q.addressee, q.candidates, refuted)
                       : unregistered(q, {});
    }
    if (mismatched())
        return Held{std::string(webhook->cures().mapping_reason), std::string(webhook->cures().mapping) + kFlowsOn, number,
                    owner.company, !owner.company.value().empty()};
    if (!webhook->numbers_are_registered())
        turn_to_ours(q, owner);
    else if (auto held = settle_registered(q, of_message, owner))
        return *held;
    if (directory::contested(q.candidates, owner.company)) return anothers(number, owner.company);
    if (auto company = companies.find(owner.company); company && !company->active) return suspended(number, owner.company);
    return owner;
}

bool names_its_call(const pb::ProviderEvent& event) {
    return event.not_understood().empty() && event.has_call() && event.addressee().number().empty() &&
           !event.addressee().provider_call_id().empty();
}

Decision route_of_call(const pb::ProviderEvent& event, const directory::Companies& companies,
                       const std::vector<std::string>& allow_unsigned, Instant now, const std::vector<JobOwner>& of_call,
                       const ingress::DeploymentAccount& deployment) {
    const auto& receipt = event.receipt();
    const auto* webhook = providers::webhook_of(receipt.provider());
    if (!webhook) return not_routed();
    const auto received = from_micros(receipt.received_at_us());
    Question q{*webhook, receipt, event.addressee(), companies, received, now};
    q.ask();
    const auto call = "call " + clip_utf8(q.addressee.provider_call_id(), 60);
    Owner signer{CompanyId{receipt.proven_company_id()}, receipt.final_proof(), receipt.verdict() == pb::VERDICT_UNSIGNED,
                 receipt.proven_by_deployment()};
    bool refuted = false;
    if (signer.company.value().empty() && !signer.by_deployment) refuted = prove(q, allow_unsigned, deployment, signer);
    if (of_call.empty())
        return Held{"No " + call + " is on record",
                    "It flows on by itself once its call does. If that never comes, the call is none of this deployment's: check "
                    "where its number's webhooks go (GET /api/v1/numbers).",
                    "", signer.company};
    if (signer.by_deployment && of_call.size() > 1)
        return Held{"The " + call + " is on record for several companies",
                    "Look at its body (ottoctl held show ID); Twilio never gave one call to two numbers.",
                    "",
                    {},
                    true};
    const bool may_be_unsigned =
        signer.company.value().empty() && !refuted &&
        std::find(allow_unsigned.begin(), allow_unsigned.end(), receipt.provider()) != allow_unsigned.end();
    for (const auto& one : of_call) {
        const auto company = companies.find(one.company);
        auto owner = signer;
        if (!signer.by_deployment && signer.company != one.company) {
            const auto proof = company ? q.proven_by(*company) : Proving::Result::no_key;
            const bool is_unsigned = may_be_unsigned && proof == Proving::Result::no_key;
            if (!is_proof(proof) && !is_unsigned) continue;
            owner = {one.company, proof == Proving::Result::proven_finally, is_unsigned};
        }
        if (company && !company->active) return suspended("", one.company);
        owner.company = one.company;
        owner.phone = one.phone;
        return owner;
    }
    if (!signer.company.value().empty())
        return Held{"The " + call + " belongs to another company than the one whose key signed",
                    "Look at its body (ottoctl held show ID), and correct the account or the signing key" + kFlowsOn, "",
                    signer.company, true};
    return unproven_of_call(*webhook, call, companies.find(of_call.front().company), of_call.front().company, received);
}

std::vector<std::string> names_of(const pb::JobReport& job) {
    std::vector<std::string> out;
    if (!job.shunya_job_id().empty()) out.push_back("job:" + job.shunya_job_id());
    if (job.call_id() != 0) out.push_back("call:" + std::to_string(job.call_id()));
    return out;
}

JobDecision route_job(const pb::ProviderEvent& event, const KnownJob& known, const directory::Companies& companies) {
    if (!event.not_understood().empty()) return Held{"Not understood: " + event.not_understood(), kLookAtIt, ""};
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
