#include "sender/pauses.hpp"

#include <algorithm>

#include "lead-pipeline/sql.hpp"
#include "telemetry/log.hpp"

namespace otto::lead_pipeline {
namespace {

constexpr Millis kLook{5'000};   ///< how soon other credentials, or a company that is active again, are noticed
constexpr Millis kTry{300'000};  ///< until the same credentials are tried again: an account that was paid for needs no others

void set(pg::Tx& tx, const CompanyId& company, const Pause& p) {
    tx.write(sql::pause_texts, {company, p.why, p.credentials, p.until});
    tx.on_commit([company, why = p.why] {
        tel::warn("the texts of a company wait", {{"company_id", company.value()}, {"why", why}});
    });
}

}  // namespace

std::map<CompanyId, Pause> pauses_of(pg::Tx& tx, const std::set<CompanyId>& companies) {
    std::vector<std::string> ids;
    for (const auto& c : companies) ids.push_back(c.value());
    std::map<CompanyId, Pause> out;
    if (ids.empty()) return out;
    tx.each(sql::text_pauses, {pg::Param::array(ids)}, [&](const pg::Fields& f) {
        out.emplace(CompanyId{f.text("company_id")}, Pause{f.text("why"), f.text("credentials"), *f.time("until")});
    });
    return out;
}

std::optional<Pause> pause_of(pg::Tx& tx, const CompanyId& company) {
    auto found = pauses_of(tx, {company});
    return found.empty() ? std::nullopt : std::optional(std::move(found.begin()->second));
}

std::optional<Instant> held_until(const Terms& terms, const std::optional<Pause>& pause, Instant now) {
    if (!terms.why_not.empty()) return now + kLook;
    bool stands = pause && pause->credentials == terms.credentials && now < pause->until;
    return stands ? std::optional(std::min(pause->until, Instant{now + kLook})) : std::nullopt;
}

void keep_pause(pg::Tx& tx, const CompanyId& company, const Terms& terms, const std::optional<Pause>& pause, Instant now) {
    if (!terms.why_not.empty()) {
        if (!pause || pause->why != terms.why_not) set(tx, company, {terms.why_not, "", now});
    } else if (pause && pause->credentials != terms.credentials) {
        resume(tx, company);
    }
}

void refuse(pg::Tx& tx, const CompanyId& company, const Terms& terms, const std::string& why, Instant now) {
    set(tx, company,
        {"Twilio does not let the account in (" + why +
             "): its SID and auth token do not fit together, or it is suspended there. Texts wait until it does: look at the "
             "account in Twilio's console, or connect it anew (POST /api/v1/onboarding/twilio/connect).",
         terms.credentials, now + kTry});
}

void resume(pg::Tx& tx, const CompanyId& company) {
    tx.write(sql::resume_texts, {company});
    tx.on_commit([company] { tel::info("the texts of a company go on", {{"company_id", company.value()}}); });
}

}  // namespace otto::lead_pipeline
