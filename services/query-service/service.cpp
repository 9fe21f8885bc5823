#include "aloha.hpp"
#include "analyses.hpp"
#include "app/common.hpp"
#include "app/process.hpp"
#include "appointments.hpp"
#include "audit.hpp"
#include "calls.hpp"
#include "company.hpp"
#include "contacts.hpp"
#include "csr_figures.hpp"
#include "dashboard.hpp"
#include "exec_figures.hpp"
#include "leads.hpp"
#include "messages.hpp"
#include "openapi.hpp"
#include "people.hpp"
#include "providers/settings.hpp"
#include "sales_figures.hpp"
#include "stream.hpp"
#include "tasks.hpp"
#include "telemetry/log.hpp"
#include "voicemails.hpp"

namespace otto::query_service {
namespace {

void wire(app::Service& service) {
    const auto& settings = service.settings();
    auto& authenticator = service.own<identity::Authenticator>(service);  // who asks
    auto& api = service.own<api::Api>(
        service, authenticator, static_cast<std::size_t>(settings.get(app::kHttpWorkers)));  // routes with roles, tenant scope
    auto& lists = service.own<Lists>();                                                      // of what they may see
    auto& links = service.own<Links>(settings.get(app::kPublicUrl), settings.live(providers::kMediaKeys),
                                     settings.live(app::kSecretKeys));  // to recordings and pictures
    if (!links.made().ok()) tel::warn("recordings and pictures cannot be handed out", {{"why", links.made().error().describe()}});

    // Each noun with its own routes.
    service.own<Calls>(lists).routes(api);
    service.own<Analyses>(links).routes(api);
    service.own<Aloha>(lists).routes(api);
    service.own<Leads>(lists).routes(api);
    service.own<Contacts>(lists).routes(api);
    service.own<Appointments>(lists).routes(api);
    service.own<Tasks>(lists).routes(api);
    service.own<Messages>(lists, links).routes(api);
    service.own<Voicemails>(lists).routes(api);
    service.own<Company>().routes(api);
    service.own<People>().routes(api);
    service.own<Audit>().routes(api);
    service.own<CsrFigures>().routes(api);
    service.own<SalesFigures>().routes(api);
    service.own<ExecFigures>().routes(api);

    auto& stream =
        service.own<Stream>(settings.get(app::kKafkaBrokers), identity::Members::of_process(settings));  // what changes
    stream.routes(api);
    service.on_start("stream", [&stream] { stream.start(); });
    service.on_stop("stream", [&stream](Millis) { stream.stop(); });

    auto& open = service.routes();  // for everybody
    const DashboardConfig surroundings{settings.get(identity::kClerkIssuer), settings.get(kSignInUrl),
                                       settings.get(kClerkPublishableKey)};
    service.own<Dashboard>(settings.get(kDashboardDir), surroundings).routes(open);
    open.add(http::Method::get, "/openapi.json",
             [](const http::Request&) { return http::Response::json(200, std::string(openapi_json())); });
    open.add(http::Method::get, "/docs", [](const http::Request&) {
        return http::Response::text(200, std::string(openapi_page()), "text/html; charset=utf-8");
    });
}

app::Rows rows() {
    auto all = identity::identity_rows();
    for (const auto& r : {app::kPgUrl.row, app::kPublicUrl.row, app::kSecretKeys.row, providers::kMediaKeys.row,
                          kDashboardDir.row, kSignInUrl.row, kClerkPublishableKey.row})
        all.push_back(r);
    return all;
}

}  // namespace

app::Definition definition() { return {"query-service", "every read of the dashboards", rows(), &wire}; }

}  // namespace otto::query_service
