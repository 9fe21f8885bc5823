#include "service.hpp"

#include "app/common.hpp"
#include "identity/api.hpp"
#include "openapi.hpp"
#include "pg/migrate.hpp"
#include "reads.hpp"
#include "schema/schema.hpp"

namespace otto::query_service {
namespace {

using identity::Context;
using identity::Role;
using identity::Roles;

void wire(app::Service& service) {
    auto& authenticator = service.own<identity::Authenticator>(service.settings());   // who asks
    auto& api = service.own<identity::Api>(service, authenticator, static_cast<std::size_t>(service.settings().get(app::kHttpWorkers)));  // roles, tenant scope
    auto& reads = service.own<Reads>();                                               // what they may see
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
    get("/api/v1/calls", everybody, &Reads::calls);
    get("/api/v1/calls/{call_id}", everybody, &Reads::call);
    get("/api/v1/calls/{call_id}/timeline", everybody, &Reads::call_timeline);
    get("/api/v1/leads", everybody, &Reads::leads);
    get("/api/v1/leads/{lead_id}", everybody, &Reads::lead);
    get("/api/v1/contacts", everybody, &Reads::contacts);
    get("/api/v1/contacts/{contact_id}", everybody, &Reads::contact);
    get("/api/v1/company/{id}", managers, &Reads::company);
    get("/company/{id}", managers, &Reads::company);
    get("/api/v1/numbers", managers, &Reads::numbers);
    get("/api/v1/metrics/csr/overview", office, &Reads::csr_overview);
    get("/api/v1/metrics/csr/overview/self", office, &Reads::csr_overview_self);
}

app::Rows rows() { return identity::identity_rows(); }

}  // namespace

app::Definition definition() { return {"query-service", "every read of the dashboards", rows(), &wire}; }

}  // namespace otto::query_service
