#include "app/process.hpp"
#include "base/text.hpp"
#include "directory/companies.hpp"
#include "ingress/webhook.hpp"
#include "providers/settings.hpp"
#include "shunya.hpp"

namespace otto::shunya_ingress {
namespace {

const app::Setting<std::string> kSignature = app::text("shunya-signature", "timestamp_dot_body", "what Shunya signs: timestamp_dot_body, sorted_json or uwc");

void wire(app::Service& service) {
    auto scheme = scheme_of(service.settings().get(kSignature));
    if (!scheme) throw Failure(scheme.error());
    std::vector<Secret> secrets;
    for (auto& one : split_list(service.settings().get(providers::kShunyaWebhookSecret).reveal())) secrets.emplace_back(std::move(one));
    if (secrets.empty()) service.warn("OTTO_SHUNYA_WEBHOOK_SECRET is not set: every webhook of Shunya is answered 401 unless OTTO_ALLOW_UNSIGNED_WEBHOOKS names shunya; results come by polling only");
    auto& companies = service.own<directory::Companies>(service, service.settings().get(ingress::kSpoolDir) + "/" + service.name());  // not asked here: the key is the deployment's
    service.own<ingress::Endpoint>(service, std::make_shared<Shunya>(*scheme, std::move(secrets)), companies);                        // verdict, receipt, Kafka or spool
}

app::Rows rows() {
    auto all = ingress::ingress_rows();
    all.push_back(providers::kShunyaWebhookSecret.row);
    all.push_back(kSignature.row);
    return all;
}

}  // namespace

app::Definition definition() { return {"shunya-ingress", "takes Shunya's job webhooks and publishes them on otto.inbound", rows(), &wire}; }

}  // namespace otto::shunya_ingress
