#include "app/process.hpp"
#include "directory/companies.hpp"
#include "ingress/endpoint.hpp"

namespace otto::callrail_ingress {
namespace {

void wire(app::Service& service) {
    auto& companies = service.own<directory::Companies>(
        service, service.settings().get(ingress::kSpoolDir) + "/" + service.name());         // whose number, whose key
    service.own<ingress::Endpoint>(service, *providers::webhook_of("callrail"), companies);  // verdict, receipt, Kafka or spool
}

}  // namespace

app::Definition definition() {
    return {"callrail-ingress", "takes CallRail's call webhooks and publishes them on otto.inbound",
            ingress::company_keyed_rows(), &wire};
}

}  // namespace otto::callrail_ingress
