#include "sender/terms.hpp"

#include <algorithm>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "lead-pipeline/sql.hpp"

namespace otto::lead_pipeline {
namespace {

constexpr double kSlowest = 0.1, kFastest = 100;
constexpr const char* kNoZone = "America/New_York";

}  // namespace

std::optional<providers::twilio::Account> twilio_account(const directory::Profile& company,
                                                         const std::optional<providers::twilio::Account>& deployment) {
    const auto& own = company.account("twilio");
    if (own.id.empty()) return deployment;
    if (!own.api_key) return std::nullopt;
    return providers::twilio::Account::with_token(own.id, *own.api_key);
}

bool Terms::may_send_from(const std::string& number, Instant now) const {
    return std::any_of(numbers.begin(), numbers.end(), [&](const directory::Number& n) {
        return n.e164 == number && n.text && n.provider == "twilio" && n.covers(now);
    });
}

std::optional<Instant> quiet_until(pg::Tx& tx, const Terms& terms, std::string_view state, Instant now) {
    if (terms.quiet.none()) return std::nullopt;
    auto zone = zone_of_state(state);
    auto until = tx.value<std::optional<Instant>>(
        sql::quiet_until, {zone.empty() ? terms.zone : std::string(zone), terms.quiet.from, terms.quiet.to, now});
    return until.value_or(std::nullopt);
}

Terms terms_of(const directory::ProfilePtr& company, const std::optional<providers::twilio::Account>& deployment) {
    Terms t;
    t.zone = kNoZone;
    if (!company || !company->active) {
        t.why_not = "The company is suspended; its texts leave when it is active again.";
        return t;
    }
    t.numbers = company->numbers;
    if (!company->timezone.empty()) t.zone = company->timezone;
    if (auto config = JsonDocument::parse(company->workflow_config)) {
        auto root = config->root();
        if (auto rate = root["text_rate_per_second"].number()) t.rate = std::clamp(*rate, kSlowest, kFastest);
        auto hours = root["quiet_hours"];
        t.quiet = quiet_hours(hours.at(0).string().value_or(""), hours.at(1).string().value_or(""));
    }
    t.account = twilio_account(*company, deployment);
    if (!t.account) {
        t.why_not = "No Twilio account is connected; connect one (POST /api/v1/onboarding/twilio/connect).";
        return t;
    }
    t.credentials = hex_encode(sha256(t.account->sid + "\n" + t.account->user + "\n" + t.account->password.reveal()));
    return t;
}

}  // namespace otto::lead_pipeline
