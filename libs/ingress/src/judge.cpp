#include "ingress/judge.hpp"

#include "base/spoken_time.hpp"
#include "base/text.hpp"
#include "otto/inbound/v1/inbound.pb.h"

namespace otto::ingress {

namespace pb = otto::inbound::v1;

namespace {

Instant own_time(const Judge::Case& one) {
    return credible(one.addressee.has_at_us() ? std::optional(from_micros(one.addressee.at_us())) : std::nullopt,
                    one.parts.received_at)
        .value_or(one.received);
}

Judgement forged(providers::Refusal refusal) {
    Judgement out{Verdict::forged};
    out.refusal = std::move(refusal);
    return out;
}

}  // namespace

std::string_view to_text(Verdict v) {
    switch (v) {
        case Verdict::authentic:
            return "authentic";
        case Verdict::open:
            return "open";
        case Verdict::unsigned_:
            return "unsigned";
        case Verdict::forged:
            return "forged";
    }
    return "";
}

DeploymentAccount DeploymentAccount::of(std::string id, const app::LiveSecret& secrets, std::string setting) {
    DeploymentAccount account{std::move(id), {{}, std::move(setting)}};
    account.key.live = app::live_list(secrets);
    account.key.secrets = *account.key.live->now();
    return account;
}

/// What is tried of several cases at once.
struct KeyedByCompany::Try {
    struct OfCase {  // one key on one case, in the order of the trials
        std::size_t of;
        const directory::Candidate* candidate;  ///< null: the deployment's key
        bool final_proof;
    };
    explicit Try(std::size_t cases) {
        proofs.reserve(cases);
        candidates.reserve(cases);
    }
    std::vector<providers::Proof> proofs;
    std::vector<std::vector<directory::Candidate>> candidates;
    providers::Trials trials;
    std::vector<OfCase> tried;
    std::shared_ptr<const std::vector<Secret>> of_deployment;  ///< its keys, while they are tried
};

void KeyedByCompany::try_all(Try& t, const Case& one, std::size_t number, Instant now, Judgement& judgement) const {
    const auto& proof = t.proofs.emplace_back(webhook_.proof(one.parts));
    const auto& candidates = t.candidates.emplace_back(companies_.candidates(webhook_.name(), one.addressee, own_time(one), now));
    bool keyed = false;
    for (const auto& candidate : candidates) {
        auto of_company = candidate.company->account(webhook_.name()).keys_at(now);
        if (of_company.empty()) continue;
        // That it may have written a text to whom nobody knows is no reason to refuse the text.
        keyed = keyed || !candidate.other_end;
        if (proof.alternatives.empty()) continue;
        if (!candidate.other_end) judgement.refused_for.push_back(candidate.company->id);
        for (const auto* key : of_company) {
            t.trials.add(proof, key->secret.reveal());
            t.tried.push_back({number, &candidate, key->from_provider});
        }
    }
    if (!deployment_.id.empty() && one.addressee.account_id() == deployment_.id)
        for (const auto& secret : *t.of_deployment) {
            keyed = true;
            if (proof.alternatives.empty()) continue;
            t.trials.add(proof, secret.reveal());
            t.tried.push_back({number, nullptr, false});
        }
    if (keyed) {
        providers::Refusal no_match{"no key matched"};
        if (webhook_.signs_address())
            no_match.operators_cure = "compare OTTO_PUBLIC_URL with the address that " + std::string(webhook_.title()) +
                                      " is given, and the key with the one that it signs with";
        judgement.verdict = Verdict::forged;
        judgement.refusal = proof.missing.value_or(std::move(no_match));
    } else if (const auto* owner = directory::sole_owner(candidates)) {
        (allow_unsigned_ ? judgement.company : judgement.held_for) = owner->company->id;
        if (allow_unsigned_)
            judgement.verdict = Verdict::unsigned_;
        else
            judgement.held_limited = owner->company->held_limited;
    }
}

/// Whose a case is that this trial's key proves, and whether it will wait all the same, as far as is known here.
Judgement KeyedByCompany::proven(const Try& t, const Case& one, std::size_t trial) const {
    const auto& [of, candidate, final_proof] = t.tried[trial];
    const auto& candidates = t.candidates[of];
    Judgement out{Verdict::authentic};
    if (!candidate) {
        out.by_deployment = true;
        if (const auto* owner = directory::sole_owner(candidates)) out.company = owner->company->id;
        return out;
    }
    const auto& company = *candidate->company;
    out.company = company.id;
    out.final_proof = final_proof;
    out.contested = directory::contested(candidates, company.id);
    // What names only its call goes where that went.
    const bool registered = candidate->owns_at || candidate->owns_now || !webhook_.numbers_are_registered() ||
                            !one.addressee.provider_call_id().empty();
    if (!out.contested && company.active && registered && !companies_.mismatched(webhook_.name(), one.addressee, company.id))
        return out;
    out.held_for = company.id;
    out.held_limited = company.held_limited;
    return out;
}

std::vector<Judgement> KeyedByCompany::judge(std::span<const Case> cases, Instant now) const {
    std::vector<Judgement> out(cases.size());
    Try t(cases.size());
    t.of_deployment = deployment_.key.present();
    for (std::size_t i = 0; i < cases.size(); ++i) try_all(t, cases[i], i, now, out[i]);
    t.trials.run();
    for (std::size_t trial = 0; trial < t.tried.size(); ++trial) {
        const auto of = t.tried[trial].of;
        if (out[of].verdict != Verdict::authentic && t.trials.good(trial)) out[of] = proven(t, cases[of], trial);
    }
    return out;
}

providers::Refusal KeyedByDeployment::no_secret() const {
    return {"this deployment has no secret for it", "It is to be set where the webhook is received.",
            "set " + key_.setting + " to what " + std::string(webhook_.title()) + " signs with"};
}

std::optional<providers::Refusal> KeyedByDeployment::refused_by_head(const providers::Parts& head) const {
    const bool none = key_.present()->empty();
    if (none && allow_unsigned_) return std::nullopt;
    if (auto refusal = webhook_.refused_by_head(head)) return refusal;
    if (none) return no_secret();
    return std::nullopt;
}

std::vector<Judgement> KeyedByDeployment::judge(std::span<const Case> cases, Instant) const {
    std::vector<Judgement> out(cases.size());
    std::vector<providers::Proof> proofs;
    const auto secrets = key_.present();
    providers::Trials trials;
    std::vector<std::size_t> of_case;  // of each trial
    proofs.reserve(cases.size());
    for (std::size_t i = 0; i < cases.size(); ++i) {
        if (secrets->empty() && allow_unsigned_) {
            out[i].verdict = Verdict::unsigned_;
            continue;
        }
        // Without a secret no more than the head is looked at.
        proofs.push_back(secrets->empty() ? providers::Proof::none(refused_by_head(cases[i].parts).value_or(no_secret()))
                                          : webhook_.proof(cases[i].parts));
        const auto& proof = proofs.back();
        if (proof.missing) {
            out[i] = forged(*proof.missing);
            continue;
        }
        const auto title = std::string(webhook_.title());
        out[i] = forged(
            {"no secret matched", "Sign with the deployment's " + title + " webhook secret.",
             "compare " + key_.setting + " with what " + title + " signs with" +
                 (key_.signature_setting.empty() ? "" : ", and " + key_.signature_setting + " with the message that it signs")});
        for (const auto& secret : *secrets) {
            of_case.push_back(i);
            trials.add(proof, secret.reveal());
        }
    }
    trials.run();
    for (std::size_t trial = 0; trial < of_case.size(); ++trial)
        if (trials.good(trial)) out[of_case[trial]] = {Verdict::authentic};
    return out;
}

std::vector<std::string> addresses_of(const std::string& public_url, const http::Request& request) {
    std::vector<std::string> out{public_url + request.target};
    const auto scheme_said = request.headers.get("x-forwarded-proto"), host_said = request.headers.get("x-forwarded-host");
    if (scheme_said.empty() && host_said.empty()) return out;
    // Behind several proxies each adds what it was asked under; the last one is ours.
    auto last = [](std::string_view list) { return trim(list.substr(list.rfind(',') + 1)); };
    auto scheme = scheme_said.empty() ? public_url.substr(0, public_url.find(':')) : lower(last(scheme_said));
    auto host = last(host_said.empty() ? request.headers.get("host") : host_said);
    auto url = scheme + "://" + std::string(host);
    if (host.find_first_of("/?#") != std::string_view::npos || !Url::parse(url)) return out;
    url += request.target;
    if (url != out.front()) out.push_back(std::move(url));
    return out;
}

void fill_receipt(pb::Receipt& receipt, const providers::Webhook& webhook, const http::Request& request,
                  const Judgement& judgement, Instant received, std::span<const std::string> urls) {
    receipt.set_provider(std::string(webhook.name()));
    receipt.set_request_target(mend_utf8(request.target));
    receipt.set_content_type(mend_utf8(request.headers.get("content-type")));
    const auto kept = webhook.signature_headers();
    for (const auto& [name, value] : request.headers.items())
        for (auto wanted : kept)
            if (iequals(name, wanted)) {
                auto& h = *receipt.add_headers();
                h.set_name(std::string(wanted));
                h.set_value(mend_utf8(value));
            }
    receipt.set_raw_body(request.body);
    receipt.set_received_at_us(to_micros(received));
    receipt.set_verdict(judgement.verdict == Verdict::authentic   ? pb::VERDICT_AUTHENTIC
                        : judgement.verdict == Verdict::unsigned_ ? pb::VERDICT_UNSIGNED
                                                                  : pb::VERDICT_OPEN);
    receipt.set_proven_company_id(judgement.company.value());
    receipt.set_final_proof(judgement.final_proof);
    receipt.set_proven_by_deployment(judgement.by_deployment);
    for (const auto& url : urls) receipt.add_judged_urls(mend_utf8(url));
    receipt.set_client_address(mend_utf8(request.client_address));
}

}  // namespace otto::ingress
