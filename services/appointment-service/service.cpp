#include "app/common.hpp"
#include "app/process.hpp"
#include "bookings.hpp"
#include "commands.hpp"
#include "leavers.hpp"
#include "moves.hpp"

namespace otto::appointment_service {
namespace {

using identity::Role;
using identity::Roles;

void wire(app::Service& service) {
    auto& companies = service.own<directory::Companies>(service, "");  // time zones, how long an appointment lasts
    companies.hold_start(service);  // a zone that is not known yet would be another hour of the day
    auto& authenticator = service.own<identity::Authenticator>(service);  // who asks
    auto& api = service.own<api::Api>(service, authenticator);            // routes with roles, tenant scope, Idempotency-Key
    auto& commands = service.own<Commands>(companies);                    // what people do
    auto& bookings = service.own<Bookings>(companies);                    // analysis -> appointment
    auto& moves = service.own<Moves>(bookings);                           // leads that go elsewhere, with their appointments
    auto& leavers = service.own<Leavers>();                               // appointments of who was removed

    api.write(http::Method::post, "/api/v1/appointments", Roles{Role::csr, Role::manager}, commands, &Commands::create);
    api.write(http::Method::patch, "/api/v1/appointments/{appointment_id}", Roles{Role::csr, Role::sales_rep, Role::manager},
              commands, &Commands::change);

    service.own<rt::Runtime>(service)
        .add(rt::Consumer{"appointment-service"}.on<&Bookings::analysed>(bookings).on<&Moves::moved>(moves))
        .add(rt::Consumer{"appointment-service/members"}.on<&Leavers::give_back>(leavers));
}

app::Rows rows() {
    auto all = rt::runtime_rows();
    for (auto& r : identity::identity_rows()) all.push_back(r);
    all.push_back(app::kSecretKeys.row);
    return all;
}

}  // namespace

app::Definition definition() { return {"appointment-service", "books the appointments that calls end in", rows(), &wire}; }

}  // namespace otto::appointment_service
