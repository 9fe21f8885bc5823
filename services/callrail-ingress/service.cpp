#include "app/process.hpp"
#include "callrail.hpp"
#include "directory/companies.hpp"
#include "ingress/webhook.hpp"

namespace otto::callrail_ingress {
namespace {

void wire(app::Service& service) {
    auto& companies = service.own<directory::Companies>(service, service.settings().get(ingress::kSpoolDir) + "/" + service.name());  // whose number, whose key
    service.own<ingress::Endpoint>(service, std::make_shared<CallRail>(), companies);                                                 // verdict, receipt, Kafka or spool
}

}  // namespace

app::Definition definition() { return {"callrail-ingress", "takes CallRail's call webhooks and publishes them on otto.inbound", ingress::ingress_rows(), &wire}; }

}  // namespace otto::callrail_ingress
