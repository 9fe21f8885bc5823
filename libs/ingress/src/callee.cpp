#include "ingress/callee.hpp"

#include <algorithm>

#include "otto/inbound/v1/inbound.pb.h"

namespace otto::ingress {
namespace {

/// Whether who calls is a number of this deployment, whose flow this call may have come from. Anybody may write down a number:
/// one that no webhook and no provider has proven would keep whom he likes from being put through. Where the call itself proves
/// no number, because the deployment's account signed it or nobody did, none needs to be proven.
bool is_ours(const directory::Companies& companies, const std::string& from, const Judgement& judgement, Instant now) {
    const bool proves_numbers = judgement.verdict == Verdict::authentic && !judgement.by_deployment;
    return companies.is_ours(from, now, proves_numbers ? directory::Standing::proven : directory::Standing::unproven);
}

}  // namespace

std::optional<providers::Callee> callee_of(const directory::Companies& companies, const Judgement& judgement,
                                           const inbound::v1::Addressee& addressee, const std::string& from,
                                           const std::string& public_url, Instant now) {
    const bool proven = judgement.verdict == Verdict::authentic || judgement.verdict == Verdict::unsigned_;
    const auto company = proven ? companies.find(judgement.company) : nullptr;
    if (!company) return std::nullopt;
    const directory::Number* called = nullptr;
    providers::Callee out;
    for (const auto& n : company->numbers) {
        if (!n.voice || !n.covers(now)) continue;
        if (n.provider == "twilio") out.own_numbers.push_back(n.e164);
        // One that is written down for another provider too is the one that this provider serves.
        if (n.e164 == addressee.number() && (!called || n.provider == "twilio")) called = &n;
    }
    if (!called) return std::nullopt;
    if (std::find(out.own_numbers.begin(), out.own_numbers.end(), called->e164) == out.own_numbers.end())
        out.own_numbers.push_back(called->e164);
    out.company_id = company->id.value();
    out.active = company->active;
    out.timezone = company->timezone;
    out.call_flow = company->call_flow;
    out.number = called->e164;
    out.voicemail = called->voicemail;
    out.caller_is_ours = is_ours(companies, from, judgement, now);
    out.public_url = public_url;
    return out;
}

}  // namespace otto::ingress
