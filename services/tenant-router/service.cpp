#include "service.hpp"

#include <thread>

#include "app/common.hpp"
#include "handlers.hpp"
#include "ingress/webhook.hpp"

namespace otto::tenant_router {
namespace {

void wire(app::Service& service) {
    auto& companies = service.own<directory::Companies>(service, "");  // company profiles, from otto.directory
    service.on_start("the directory is read", [&companies] {           // without it everything would be held
        for (int i = 0; i < 1'200 && !companies.ready(); ++i) std::this_thread::sleep_for(Millis{50});
        if (!companies.ready()) throw Failure(Error("the companies cannot be read from Kafka", "is it running, and does it have the topic otto.directory (ottoctl topics apply)?"));
    });
    auto& router = service.own<Router>(companies, service.settings().get(ingress::kAllowUnsigned));  // number -> company
    rt::Policy known_already;
    known_already.once = false;  // a call that is remembered stays as it is
    service.own<rt::Runtime>(service)
        .add(rt::Consumer{"tenant-router"}.on<&Router::route>(router).aside<&Router::look_up_or_hold>(router))
        .add(rt::Consumer{"tenant-router/calls"}.on<&Router::remember>(router, known_already))
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
