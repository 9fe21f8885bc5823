// Whose a webhook is, and what is kept of it.
#include <deque>

#include "base/text.hpp"
#include "ingress/webhook.hpp"
#include "otto/inbound/v1/inbound.pb.h"

namespace otto::ingress {

namespace pb = otto::inbound::v1;

std::string_view to_text(Verdict v) {
    switch (v) {
        case Verdict::authentic: return "authentic";
        case Verdict::open: return "open";
        case Verdict::unsigned_: return "unsigned";
        case Verdict::forged: return "forged";
    }
    return "";
}

std::vector<Judgement> judge(const Provider& provider, std::span<const Case> cases, const directory::Companies& companies, bool allow_unsigned, Instant now) {
    struct Trial {  // one key on one case: a digest for each of its claims
        std::size_t of;
        const directory::Candidate* candidate;
        bool final_proof;
        std::size_t first;
    };
    std::vector<Judgement> out(cases.size());
    std::vector<Proof> proofs;
    std::vector<std::vector<directory::Candidate>> candidates;
    std::vector<Trial> trials;
    std::deque<Secret> keys;  // where they stand while they are tried
    std::vector<DigestJob> jobs;
    proofs.reserve(cases.size());
    candidates.reserve(cases.size());
    for (std::size_t i = 0; i < cases.size(); ++i) {
        auto& judgement = out[i];
        proofs.push_back(provider.proof(cases[i].request));
        candidates.push_back(companies.candidates(cases[i].asked, cases[i].at, now));
        bool keyed = false;
        for (const auto& candidate : candidates[i]) {
            auto of_company = provider.keys(*candidate.company, now);
            if (of_company.empty()) continue;
            keyed = true;
            if (proofs[i].claims.empty()) continue;
            judgement.refused_for.push_back(candidate.company->id);
            for (auto& key : of_company) {
                keys.push_back(std::move(key.secret));
                trials.push_back({i, &candidate, key.from_provider, jobs.size()});
                for (const auto& claim : proofs[i].claims) jobs.push_back({claim.kind, claim.message, keys.back().reveal()});
            }
        }
        if (keyed) {
            judgement.verdict = Verdict::forged;
            judgement.why = proofs[i].missing.value_or("no key matched");
        } else if (const auto* owner = directory::sole_owner(candidates[i])) {
            (allow_unsigned ? judgement.company : judgement.held_for) = owner->company->id;
            if (allow_unsigned) judgement.verdict = Verdict::unsigned_;
        }
    }
    digest_all(jobs);
    for (const auto& trial : trials) {
        auto& judgement = out[trial.of];
        if (judgement.verdict == Verdict::authentic) continue;
        const auto& claims = proofs[trial.of].claims;
        bool good = true;
        for (std::size_t k = 0; k < claims.size(); ++k) good = constant_time_equal(jobs[trial.first + k].digest, claims[k].digest) && good;
        if (!good) continue;
        const auto& company = *trial.candidate->company;
        judgement = {Verdict::authentic, company.id};
        judgement.final_proof = trial.final_proof;
        judgement.contested = directory::contested(candidates[trial.of], company.id);
        if (judgement.contested || !company.active || companies.mismatched(cases[trial.of].asked, company.id)) judgement.held_for = company.id;
    }
    return out;
}

void fill_receipt(pb::Receipt& receipt, const Provider& provider, const http::Request& request, const Judgement& judgement, Instant received) {
    receipt.set_provider(std::string(provider.name()));
    receipt.set_request_target(mend_utf8(request.target));
    receipt.set_content_type(mend_utf8(request.headers.get("content-type")));
    for (const auto& [name, value] : provider.signature_headers(request)) {
        auto& h = *receipt.add_headers();
        h.set_name(name);
        h.set_value(mend_utf8(value));
    }
    receipt.set_raw_body(request.body);
    receipt.set_received_at_us(to_micros(received));
    receipt.set_verdict(judgement.verdict == Verdict::authentic ? pb::VERDICT_AUTHENTIC : judgement.verdict == Verdict::unsigned_ ? pb::VERDICT_UNSIGNED : pb::VERDICT_OPEN);
    receipt.set_proven_company_id(judgement.company.value());
    receipt.set_final_proof(judgement.final_proof);
    receipt.set_client_address(mend_utf8(request.client_address));
}

}  // namespace otto::ingress
