#include "signing_key.hpp"

#include <set>

#include "app/common.hpp"
#include "base/json_page.hpp"
#include "base/text.hpp"
#include "company-service/sql.hpp"
#include "telemetry/log.hpp"

namespace otto::company_service {
namespace {

struct Account {
    std::optional<std::string> signing_key, api_key, account, company;
    bool is_explicit;
    static Account from(const pg::Fields& f) {
        return {f.maybe_text("callrail_signing_key"), f.maybe_text("callrail_api_key"), f.maybe_text("callrail_account_id"), f.maybe_text("callrail_company_id"), f.boolean("callrail_signing_key_explicit")};
    }
};

}  // namespace

FoundKey key_among(std::string_view text, const std::optional<std::string>& callrail_company_id) {
    auto parsed = JsonPage::parse(text, "integrations");
    auto list = parsed ? parsed->document.root()["integrations"] : JsonView{};
    if (!list.is_array()) return {{}, "CallRail's answer holds no list of integrations"};
    std::set<std::string> all, ours;
    for (std::size_t i = 0; i < list.size(); ++i) {
        auto entry = list.at(i);
        if (!iequals(entry["type"].string().value_or(""), "webhooks")) continue;
        auto key = entry["signing_key"].loose_text();
        if (!key) continue;
        all.insert(*key);
        if (callrail_company_id && (entry["company_id"].loose_text() == callrail_company_id || entry["company_resource_id"].loose_text() == callrail_company_id)) ours.insert(*key);
    }
    const auto& fitting = callrail_company_id && !ours.empty() ? ours : all;
    if (fitting.size() == 1) return {*fitting.begin(), ""};
    if (fitting.empty()) return {{}, "CallRail has no webhook integration for this company yet"};
    return {{}, "the account has webhook integrations of several companies; set callrail_company_id"};
}

SigningKeyReader::SigningKeyReader(const app::Settings& s, http::Client& client)
    : keys_(KeyRing::parse(s.get(app::kSecretKeys)).value()), key_grace_(s.get(kKeyGrace)), api_(s.get(kCallRailApi)), client_(client) {}

rt::Outcome SigningKeyReader::want(rt::In<changes::v1::CallRailConnected> in, pg::Tx& tx, rt::Out<>&) const {
    rt::want(tx, kSigningKeys, CompanyId{in.event.company_id()}, "", system_clock().now());
    return rt::Outcome::done();
}

std::optional<Instant> SigningKeyReader::next(rt::Lease& lease) const {
    const rt::Retry patient{20, Backoff{Millis{500}, Millis{300'000}, 3, 0.2}};
    const auto& company = lease.company;
    auto account = lease.read([&](pg::Tx& tx) { return tx.maybe<Account>(sql::signing_key, {company}); });
    if (!account || !account->api_key || !account->account) return std::nullopt;  // it has no account any more
    if (account->is_explicit) return std::nullopt;                                // a person gave the key
    auto api_key = keys_.open(*account->api_key, seal_place(company.value(), "callrail_api_key"));
    if (!api_key) return lease.again(patient, api_key.error().message);

    http::ClientRequest request{http::Method::get, api_ + "/v3/a/" + percent_encode(*account->account) + "/integrations.json?per_page=250", {}, "", tel::TraceContext::fresh()};
    request.headers.add("Authorization", "Token token=\"" + api_key->reveal() + "\"");
    request.headers.add("Accept", "application/json");
    auto answer = client_.send(request);
    if (!answer) return lease.again(patient, answer.error().message);
    if (answer->status == 401 || answer->status == 403 || answer->status == 404)
        return lease.give_up("CallRail answered " + std::to_string(answer->status) + ": check the API key and the account id, and set them again");
    if (answer->status != 200) return lease.again(patient, "CallRail answered " + std::to_string(answer->status));
    auto found = key_among(answer->body, account->company);
    if (!found.key) tel::warn("no signing key at CallRail", {{"company_id", company.value()}, {"why", found.why}});
    return lease.settle([&](pg::Tx& tx) {
        if (found.key) keep(tx, company, *found.key);
        return std::nullopt;
    });
}

void SigningKeyReader::keep(pg::Tx& tx, const CompanyId& company, const std::string& key) const {
    auto now = tx.one<Account>(sql::signing_key, {company});
    if (now.is_explicit) return;
    if (now.signing_key)
        if (auto open = keys_.open(*now.signing_key, seal_place(company.value(), "callrail_signing_key")); open && constant_time_equal(open->reveal(), key)) return;
    tx.write(sql::set_signing_key, {company, keys_.seal(Secret(key), seal_place(company.value(), "callrail_signing_key")), Secret(key).last4(), false, static_cast<std::int64_t>(key_grace_.count()), now.signing_key.has_value()});
    tx.on_commit([company] { tel::info("the signing key was read from CallRail", {{"company_id", company.value()}}); });
}

}  // namespace otto::company_service
