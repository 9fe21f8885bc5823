#include "app/common.hpp"
#include "app/process.hpp"
#include "handlers.hpp"
#include "ingress/endpoint.hpp"
#include "providers/settings.hpp"

namespace otto::tenant_router {
namespace {

const app::Setting<std::int64_t> kReleasedDays =
    app::number("held-released-days", 30, 1, 3'650, "days for which an event that was held is kept after it went on");
const app::Setting<std::int64_t> kUnverifiedDays =
    app::number("held-unverified-days", 30, 1, 3'650, "days for which an event that no key proves is held");
const app::Setting<std::int64_t> kConflictDays =
    app::number("held-conflict-days", 90, 1, 3'650,
                "days for which a proven event is held that says of itself what cannot be, such as another company's number");
const app::Setting<std::int64_t> kCallDays =
    app::number("provider-call-days", 400, 30, 3'650,
                "days for which it is remembered which company a provider's call, message or job is of");

void wire(app::Service& service) {
    auto& companies = service.own<directory::Companies>(service, "");  // company profiles, from otto.directory
    companies.hold_start(service);                                     // without them everything would be held
    const HeldLimits limits{service.settings().get(ingress::kHeldEvents), service.settings().get(ingress::kHeldMegabytes) << 20};
    auto own_account =
        ingress::DeploymentAccount::of(service.settings().get(providers::kTwilioAccountSid),
                                       service.settings().live(providers::kTwilioAuthToken), "OTTO_TWILIO_AUTH_TOKEN");
    auto& router = service.own<Router>(companies, service.settings().get(ingress::kAllowUnsigned), limits,
                                       std::move(own_account));  // number -> company
    auto days = [&](const auto& setting) { return Millis{std::chrono::hours(24 * service.settings().get(setting))}; };
    rt::Policy known_already;
    known_already.once = false;  // a call that is remembered stays as it is
    service.own<rt::Runtime>(service)
        .add(rt::Consumer{"tenant-router"}.on<&Router::route>(router).deferred<&Router::look_up_or_hold>(router))
        .add(rt::Consumer{"tenant-router/calls"}
                 .on<&Router::remember>(router, known_already)
                 .on<&Router::remember_messages>(router, known_already)
                 .linger(Millis{100}))  // asked for minutes later
        .add(rt::Consumer{"tenant-router/jobs"}.on<&Router::remember_jobs>(router, known_already))
        .periodic("release-held", Millis{2'000},
                  [&router](pg::Connection& db, tel::Shares& gauges) {
                      router.release(db);
                      router.count(db, gauges);
                  })
        .trim("held_events", "released_at", days(kReleasedDays), kWentOn)
        .trim("held_events", "held_at", days(kUnverifiedDays), kUnverified)
        .trim("held_events", "held_at", days(kConflictDays), kConflicts)
        .trim("provider_calls", "seen_at", days(kCallDays));
}

app::Rows rows() {
    auto all = rt::runtime_rows();
    all.push_back(app::kSecretKeys.row);
    for (const auto& row : {ingress::kAllowUnsigned.row, ingress::kHeldEvents.row, ingress::kHeldMegabytes.row,
                            providers::kTwilioAccountSid.row, providers::kTwilioAuthToken.row})
        all.push_back(row);
    for (const auto* days : {&kReleasedDays, &kUnverifiedDays, &kConflictDays, &kCallDays}) all.push_back(days->row);
    return all;
}

}  // namespace

app::Definition definition() {
    return {"tenant-router", "finds the company of each event; holds what nobody owns", rows(), &wire};
}

}  // namespace otto::tenant_router
