#include "app/common.hpp"
#include "app/process.hpp"
#include "identity/api.hpp"
#include "metrics.hpp"
#include "openapi.hpp"
#include "pg/migrate.hpp"
#include "providers/settings.hpp"
#include "reads.hpp"
#include "schema/schema.hpp"
#include "telemetry/log.hpp"

namespace otto::query_service {
namespace {

using identity::Context;
using identity::Role;
using identity::Roles;

void wire(app::Service& service) {
    auto& authenticator = service.own<identity::Authenticator>(service.settings());   // who asks
    auto& api = service.own<identity::Api>(service, authenticator, static_cast<std::size_t>(service.settings().get(app::kHttpWorkers)));  // roles, tenant scope
    const auto& settings = service.settings();
    auto links = providers::MediaLinks::make(settings.get(app::kPublicUrl), settings.get(providers::kMediaKeys), settings.get(app::kSecretKeys));
    if (!links.ok()) tel::warn("recordings cannot be handed out", {{"why", links.error().describe()}});
    auto& reads = service.own<Reads>(std::move(links));                               // what they may see
    auto& metrics = service.own<Metrics>();                                           // what it adds up to
    service.on_start("schema gate", [url = service.pg_url()] {
        pg::Connection db(url, "query-service-start");
        pg::require_schema(db, schema::latest()).value();
    });

    service.routes().add(http::Method::get, "/openapi.json", [](const http::Request&) { return http::Response::json(200, std::string(openapi_json())); });
    service.routes().add(http::Method::get, "/docs", [](const http::Request&) { return http::Response::text(200, std::string(openapi_page()), "text/html; charset=utf-8"); });

    constexpr Roles office{Role::csr, Role::manager, Role::executive}, everybody{Role::csr, Role::sales_rep, Role::manager, Role::executive}, managers{Role::manager};
    auto get = [&](const std::string& path, Roles roles, http::Response (Reads::*read)(Context&) const) {
        api.get(path, roles, [&reads, read](Context& c) { return (reads.*read)(c); });
    };
    auto one = [&](const std::string& path, Roles roles, http::Response (Reads::*read)(Context&) const, identity::Api::Suspended suspended = identity::Api::Suspended::kept_out) {
        auto handler = [&reads, read](Context& c) {
            takes_nothing(c);
            return (reads.*read)(c);
        };
        api.get(path, roles, handler, suspended);
    };
    auto figures = [&](const std::string& path, Roles roles, http::Response (Metrics::*read)(Context&) const) {
        api.get("/api/v1/metrics/" + path, roles, [&metrics, read](Context& c) { return (metrics.*read)(c); });
    };
    get("/api/v1/calls", everybody, &Reads::calls);
    one("/api/v1/calls/{call_id}", everybody, &Reads::call);
    one("/api/v1/calls/{call_id}/analysis", everybody, &Reads::call_analysis);
    one("/api/v1/calls/{call_id}/transcript", everybody, &Reads::call_transcript);
    one("/api/v1/calls/{call_id}/recording", everybody, &Reads::call_recording);
    one("/api/v1/calls/{call_id}/timeline", everybody, &Reads::call_timeline);
    get("/api/v1/leads", everybody, &Reads::leads);
    one("/api/v1/leads/{lead_id}", everybody, &Reads::lead);
    get("/api/v1/contacts", everybody, &Reads::contacts);
    one("/api/v1/contacts/{contact_id}", everybody, &Reads::contact);
    get("/api/v1/appointments", everybody, &Reads::appointments);
    get("/api/v1/appointments/today/self", everybody, &Reads::appointments_today);
    one("/api/v1/appointments/{appointment_id}", everybody, &Reads::appointment);
    get("/api/v1/tasks", everybody, &Reads::tasks);
    one("/api/v1/tasks/{task_id}", everybody, &Reads::task);
    get("/api/v1/users", managers, &Reads::users);
    for (std::string path : {"/api/v1/company/{id}", "/company/{id}"}) one(path, managers, &Reads::company, identity::Api::Suspended::let_in);
    get("/api/v1/numbers", managers, &Reads::numbers);

    constexpr Roles sales{Role::sales_rep, Role::manager, Role::executive}, bosses{Role::manager, Role::executive};
    figures("csr/overview", office, &Metrics::csr_overview);
    figures("csr/overview/self", office, &Metrics::csr_overview_self);
    figures("csr/booking-trend", office, &Metrics::booking_trend);
    figures("csr/booking-trend/self", office, &Metrics::booking_trend_self);
    figures("csr/objections/top", office, &Metrics::top_objections);
    figures("csr/unbooked-appointments", office, &Metrics::unbooked_calls);
    figures("csr/missed-call-recovery", office, &Metrics::missed_call_recovery);
    figures("sales/rep/overview/self", sales, &Metrics::rep_self);
    figures("sales/rep/{rep_id}", sales, &Metrics::rep);
    figures("sales/team", bosses, &Metrics::sales_team);
    for (std::string end : {"", "/overview"}) {
        figures("exec/csr" + end, bosses, &Metrics::exec_csr);
        figures("exec/sales" + end, bosses, &Metrics::exec_sales);
    }
    figures("exec/company-overview", bosses, &Metrics::company_overview);
}

app::Rows rows() {
    auto all = identity::identity_rows();
    for (const auto& r : {app::kPublicUrl.row, app::kSecretKeys.row, providers::kMediaKeys.row}) all.push_back(r);
    return all;
}

}  // namespace

app::Definition definition() { return {"query-service", "every read of the dashboards", rows(), &wire}; }

}  // namespace otto::query_service
