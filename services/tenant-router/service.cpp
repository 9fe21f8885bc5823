#include "service.hpp"

#include "app/common.hpp"
#include "handlers.hpp"
#include "ingress/webhook.hpp"

namespace otto::tenant_router {
namespace {

void wire(app::Service& service) {
    auto& companies = service.own<directory::Companies>(service, "");                             // company profiles, from otto.directory
    companies.hold_start(service);                                                                // without them everything would be held
    auto& router = service.own<Router>(companies, service.settings().get(ingress::kAllowUnsigned));  // number -> company
    rt::Policy known_already;
    known_already.once = false;  // a call that is remembered stays as it is
    service.own<rt::Runtime>(service)
        .add(rt::Consumer{"tenant-router"}.on<&Router::route>(router).aside<&Router::look_up_or_hold>(router))
        .add(rt::Consumer{"tenant-router/calls"}.on<&Router::remember>(router, known_already).gather(Millis{100}))  // asked for minutes later
        .add(rt::Consumer{"tenant-router/jobs"}.on<&Router::remember_jobs>(router, known_already))
        .periodic("release-held", Millis{2'000}, [&router](pg::Connection& db) { router.release(db); });
}

app::Rows rows() {
    auto all = rt::runtime_rows();
    all.push_back(app::kSecretKeys.row);
    all.push_back(ingress::kAllowUnsigned.row);
    return all;
}

}  // namespace

app::Definition definition() { return {"tenant-router", "finds the company of each event; holds what nobody owns", rows(), &wire}; }

}  // namespace otto::tenant_router
