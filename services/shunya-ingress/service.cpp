#include "app/process.hpp"
#include "base/text.hpp"
#include "ingress/endpoint.hpp"
#include "providers/settings.hpp"
#include "providers/shunya_webhook.hpp"

namespace otto::shunya_ingress {
namespace {

const app::Setting<std::string> kSignature =
    app::text("shunya-signature", "timestamp_dot_body", "what Shunya signs: timestamp_dot_body, sorted_json or uwc");

void wire(app::Service& service) {
    auto scheme = providers::shunya::scheme_of(service.settings().get(kSignature));
    if (!scheme) throw Failure(scheme.error());
    ingress::DeploymentKey key{{}, "OTTO_SHUNYA_WEBHOOK_SECRET", "OTTO_SHUNYA_SIGNATURE"};
    key.live = app::live_list(service.settings().live(providers::kShunyaWebhookSecret));
    key.secrets = *key.live->now();
    if (key.secrets.empty())
        service.warn(
            "OTTO_SHUNYA_WEBHOOK_SECRET is not set: every webhook of Shunya is answered 401 unless OTTO_ALLOW_UNSIGNED_WEBHOOKS "
            "names shunya; results come by polling only");
    auto& webhook = service.own<providers::shunya::Webhook>(*scheme);  // what is signed, and what a report means
    service.own<ingress::Endpoint>(service, webhook, std::move(key));  // verdict, receipt, Kafka or spool
}

app::Rows rows() {
    auto all = ingress::ingress_rows();
    all.push_back(providers::kShunyaWebhookSecret.row);
    all.push_back(kSignature.row);
    return all;
}

}  // namespace

app::Definition definition() {
    return {"shunya-ingress", "takes Shunya's job webhooks and publishes them on otto.inbound", rows(), &wire};
}

}  // namespace otto::shunya_ingress
