#include "ingress/judge.hpp"

#include <deque>

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

std::vector<Judgement> KeyedByCompany::judge(std::span<const Case> cases, Instant now) const {
    struct OfCase {  // one key on one case, in the order of the trials
        std::size_t of;
        const directory::Candidate* candidate;
        bool final_proof;
    };
    std::vector<Judgement> out(cases.size());
    std::vector<providers::Proof> proofs;
    std::vector<std::vector<directory::Candidate>> candidates;
    std::deque<Secret> keys;  // where they stand while they are tried
    providers::Trials trials;
    std::vector<OfCase> tried;
    proofs.reserve(cases.size());
    candidates.reserve(cases.size());
    for (std::size_t i = 0; i < cases.size(); ++i) {
        auto& judgement = out[i];
        proofs.push_back(webhook_.proof(cases[i].parts));
        candidates.push_back(companies_.candidates(webhook_.name(), cases[i].addressee, own_time(cases[i]), now));
        bool keyed = false;
        for (const auto& candidate : candidates[i]) {
            auto of_company = candidate.company->account(webhook_.name()).keys_at(now);
            if (of_company.empty()) continue;
            // That it may have written a text to whom nobody knows is no reason to refuse the text.
            keyed = keyed || !candidate.other_end;
            if (proofs[i].alternatives.empty()) continue;
            if (!candidate.other_end) judgement.refused_for.push_back(candidate.company->id);
            for (auto& key : of_company) {
                keys.push_back(std::move(key.secret));
                trials.add(proofs[i], keys.back().reveal());
                tried.push_back({i, &candidate, key.from_provider});
            }
        }
        if (keyed) {
            judgement.verdict = Verdict::forged;
            judgement.refusal = proofs[i].missing.value_or(providers::Refusal{"no key matched"});
        } else if (const auto* owner = directory::sole_owner(candidates[i])) {
            (allow_unsigned_ ? judgement.company : judgement.held_for) = owner->company->id;
            if (allow_unsigned_)
                judgement.verdict = Verdict::unsigned_;
            else
                judgement.held_limited = owner->company->held_limited;
        }
    }
    trials.run();
    for (std::size_t trial = 0; trial < tried.size(); ++trial) {
        auto [of, candidate, final_proof] = tried[trial];
        auto& judgement = out[of];
        if (judgement.verdict == Verdict::authentic || !trials.good(trial)) continue;
        const auto& company = *candidate->company;
        judgement = {Verdict::authentic, company.id};
        judgement.final_proof = final_proof;
        judgement.contested = directory::contested(candidates[of], company.id);
        if (!judgement.contested && company.active && !companies_.mismatched(webhook_.name(), cases[of].addressee, company.id))
            continue;
        judgement.held_for = company.id;
        judgement.held_limited = company.held_limited;
    }
    return out;
}

providers::Refusal KeyedByDeployment::no_secret() const {
    return {"this deployment has no secret for it", "It is to be set where the webhook is received.",
            "set " + key_.setting + " to what " + std::string(webhook_.title()) + " signs with"};
}

std::optional<providers::Refusal> KeyedByDeployment::refused_by_head(const providers::Parts& head) const {
    if (key_.secrets.empty() && allow_unsigned_) return std::nullopt;
    if (auto refusal = webhook_.refused_by_head(head)) return refusal;
    if (key_.secrets.empty()) return no_secret();
    return std::nullopt;
}

std::vector<Judgement> KeyedByDeployment::judge(std::span<const Case> cases, Instant) const {
    std::vector<Judgement> out(cases.size());
    std::vector<providers::Proof> proofs;
    providers::Trials trials;
    std::vector<std::size_t> of_case;  // of each trial
    proofs.reserve(cases.size());
    for (std::size_t i = 0; i < cases.size(); ++i) {
        if (key_.secrets.empty() && allow_unsigned_) {
            out[i].verdict = Verdict::unsigned_;
            continue;
        }
        // Without a secret no more than the head is looked at.
        proofs.push_back(key_.secrets.empty() ? providers::Proof::none(refused_by_head(cases[i].parts).value_or(no_secret()))
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
        for (const auto& secret : key_.secrets) {
            of_case.push_back(i);
            trials.add(proof, secret.reveal());
        }
    }
    trials.run();
    for (std::size_t trial = 0; trial < of_case.size(); ++trial)
        if (trials.good(trial)) out[of_case[trial]] = {Verdict::authentic};
    return out;
}

void fill_receipt(pb::Receipt& receipt, const providers::Webhook& webhook, const http::Request& request,
                  const Judgement& judgement, Instant received) {
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
    receipt.set_client_address(mend_utf8(request.client_address));
}

}  // namespace otto::ingress
