#include "app/common.hpp"
#include "app/process.hpp"
#include "base/text.hpp"
#include "directory/companies.hpp"
#include "ingress/endpoint.hpp"
#include "providers/settings.hpp"

namespace otto::twilio_ingress {
namespace {

/// The deployment's own account, beside which each company may have one.
ingress::DeploymentAccount own_account(app::Service& service) {
    auto account = ingress::DeploymentAccount::of(service.settings().get(providers::kTwilioAccountSid),
                                                  service.settings().live(providers::kTwilioAuthToken), "OTTO_TWILIO_AUTH_TOKEN");
    if (!account.id.empty() && account.key.secrets.empty())
        service.warn(
            "OTTO_TWILIO_AUTH_TOKEN is not set: no webhook of OTTO_TWILIO_ACCOUNT_SID can be proven, for Twilio signs with the "
            "account's auth token and never with an API key; they are held unless an owner of the number has a token");
    if (account.id.empty() && !account.key.secrets.empty())
        service.warn("OTTO_TWILIO_AUTH_TOKEN is set, and OTTO_TWILIO_ACCOUNT_SID is not: nothing is proven by that token");
    return account;
}

void wire(app::Service& service) {
    auto& companies = service.own<directory::Companies>(
        service, service.settings().get(ingress::kSpoolDir) + "/" + service.name());  // whose number, whose account and token
    service.own<ingress::Endpoint>(service, *providers::webhook_of("twilio"), companies,
                                   own_account(service));  // verdict, receipt, Kafka or spool
}

app::Rows rows() {
    auto all = ingress::company_keyed_rows();
    for (const auto& row : {app::kPublicUrl.row, providers::kTwilioAccountSid.row, providers::kTwilioAuthToken.row})
        all.push_back(row);
    return all;
}

}  // namespace

app::Definition definition() {
    return {"twilio-ingress", "takes Twilio's webhooks and publishes them on otto.inbound", rows(), &wire};
}

}  // namespace otto::twilio_ingress
