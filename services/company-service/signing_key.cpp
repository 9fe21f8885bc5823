#include "signing_key.hpp"

#include "app/common.hpp"
#include "company-service/sql.hpp"
#include "telemetry/log.hpp"

namespace otto::company_service {
namespace {

struct Account {
    std::optional<std::string> signing_key, api_key, account, company;
    bool is_explicit;
    static Account from(const pg::Fields& f) {
        return {f.maybe_text("callrail_signing_key"), f.maybe_text("callrail_api_key"), f.maybe_text("callrail_account_id"),
                f.maybe_text("callrail_company_id"), f.boolean("callrail_signing_key_explicit")};
    }
};

}  // namespace

SigningKeyReader::SigningKeyReader(const app::Settings& s, const providers::callrail::Client& callrail)
    : keys_(s), key_grace_(s.get(kKeyGrace)), callrail_(callrail) {}

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

    auto reply = callrail_.signing_key({*api_key, *account->account}, account->company, tel::TraceContext::fresh());
    if (const auto* error = std::get_if<providers::callrail::ApiError>(&reply)) {
        if (error->not_let_in()) return lease.give_up(error->why + ": check the API key and the account id, and set them again");
        return lease.again(patient, error->why);
    }
    const auto& found = std::get<providers::callrail::FoundKey>(reply);
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
        if (auto open = keys_.open(*now.signing_key, seal_place(company.value(), "callrail_signing_key"));
            open && constant_time_equal(open->reveal(), key))
            return;
    tx.write(sql::set_signing_key,
             {company, keys_.seal(Secret(key), seal_place(company.value(), "callrail_signing_key")), Secret(key).last4(), false,
              static_cast<std::int64_t>(key_grace_.count()), now.signing_key.has_value()});
    tx.on_commit([company] { tel::info("the signing key was read from CallRail", {{"company_id", company.value()}}); });
}

}  // namespace otto::company_service
