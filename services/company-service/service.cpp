#include "api/api.hpp"
#include "app/common.hpp"
#include "app/process.hpp"
#include "callrail_calls.hpp"
#include "callrail_numbers.hpp"
#include "checks.hpp"
#include "clerk_webhook.hpp"
#include "commands.hpp"
#include "creations.hpp"
#include "directory.hpp"
#include "member_book.hpp"
#include "members.hpp"
#include "numbers.hpp"
#include "onboarding.hpp"
#include "people.hpp"
#include "purchases.hpp"
#include "signing_key.hpp"
#include "sweep.hpp"
#include "twilio_messages.hpp"
#include "twilio_numbers.hpp"

namespace otto::company_service {
namespace {

using api::Context;
using identity::Role;
using identity::Roles;

/// What people command.
void add_routes(api::Api& api, const Commands& commands, const Numbers& numbers, const Onboarding& onboarding,
                const Purchases& purchases, const People& people, const Creations& creations) {
    constexpr Roles managers{Role::manager};
    auto route = [&](http::Method method, const std::string& path, Roles roles,
                     http::Response (Commands::*command)(Context&) const) { api.write(method, path, roles, commands, command); };
    auto number_route = [&](http::Method method, const std::string& path, http::Response (Numbers::*command)(Context&) const) {
        api.write(method, path, managers, numbers, command);
    };
    using http::Method;
    for (std::string family : {"/api/v1/company", "/company"}) {
        for (std::string end : {"", "/"})
            api.write(Method::post, family + end, Roles::any_signed_in(), creations, &Creations::create);
        route(Method::put, family + "/{id}", managers, &Commands::update);
        route(Method::post, family + "/set-callrail-api-key/{id}", managers, &Commands::set_api_key);
        route(Method::post, family + "/set-callrail-account-id/{id}", managers, &Commands::set_account_id);
        route(Method::post, family + "/set-callrail-signing-key/{id}", managers, &Commands::set_signing_key);
    }
    route(Method::post, "/api/v1/onboarding/callrail/connect", managers, &Commands::connect_callrail);
    api.write(Method::post, "/api/v1/onboarding/twilio/connect", managers, onboarding, &Onboarding::connect_twilio);
    api.write(Method::post, "/api/v1/onboarding/callrail/test", managers, onboarding, &Onboarding::test_callrail);
    api.write(Method::post, "/api/v1/onboarding/twilio/test", managers, onboarding, &Onboarding::test_twilio);
    number_route(Method::post, "/api/v1/numbers", &Numbers::add);
    number_route(Method::patch, "/api/v1/numbers/{id}", &Numbers::change);
    number_route(Method::del, "/api/v1/numbers/{id}", &Numbers::end);
    api.write(Method::post, "/api/v1/users/invite", managers, people, &People::invite);
    api.write(Method::patch, "/api/v1/users/{id}", managers, people, &People::change);
    api.write(Method::del, "/api/v1/users/{id}", managers, people, &People::remove);
    api.get("/api/telephony/twilio/available-numbers", managers, purchases, &Purchases::available);
    api.write(Method::post, "/api/telephony/twilio/purchase-number", managers, purchases, &Purchases::buy);
    api.write(Method::post, "/api/aloha/configure-webhooks", managers, purchases, &Purchases::configure);
}

void wire(app::Service& service) {
    const auto& settings = service.settings();
    auto& companies = service.own<directory::Companies>(service, "");  // otto.directory read back, without waiting for Postgres
    http::ClientOptions outside;
    outside.private_addresses = settings.get(app::kPrivateAddresses);
    auto& client = service.own<http::Client>(outside);
    auto& clerk = service.own<providers::clerk::Client>(settings.get(kClerkApi), settings.get(kClerkSecretKey),
                                                        client);  // organisations, who works there
    auto& callrail = service.own<providers::callrail::Client>(settings.get(providers::kCallRailApi),
                                                              client);    // accounts: calls, numbers, signing keys
    auto& authenticator = service.own<identity::Authenticator>(service);  // who asks
    auto& api = service.own<api::Api>(service, authenticator);            // routes with roles, tenant scope, Idempotency-Key
    auto& twilio = service.own<providers::twilio::Client>(settings.get(kTwilioApi), client);  // accounts: numbers, messages
    auto& listed = service.own<CallRailNumbers>(settings, callrail);  // what CallRail lists as a company's
    auto& listed_at_twilio = service.own<TwilioNumbers>(settings, twilio);
    auto& numbers = service.own<Numbers>(settings, api.pool(),
                                         std::vector<const NumberList*>{&listed, &listed_at_twilio});  // whose number it is
    auto& commands = service.own<Commands>(settings, api.pool(), numbers, listed);                     // what people command
    auto& creations = service.own<Creations>(settings, clerk, api.pool(), numbers);  // companies, made at Clerk and here
    auto& onboarding =
        service.own<Onboarding>(settings, api.pool(), numbers, listed, listed_at_twilio);  // Twilio connected, accounts tested
    auto& purchases = service.own<Purchases>(settings, api.pool(), listed_at_twilio);      // numbers bought, and led here
    auto& people = service.own<People>(settings, api.pool());                              // invited, given a role, removed
    auto& directory = service.own<DirectoryPublisher>(companies);                          // tables -> otto.directory
    auto& told_members = service.own<MemberPublisher>(identity::Members::of_process(settings));  // tables -> otto.members
    auto& signing_keys = service.own<SigningKeyReader>(settings, callrail);                      // the webhook key, from CallRail
    auto& members = service.own<Members>(clerk);                                                 // who works there, from Clerk
    auto& number_checks = service.own<Checks>(settings.get(kNumbersEvery),
                                              [&listed, &api](const CompanyId& id) { return listed.check(api.pool(), id); });
    auto& twilio_number_checks = service.own<Checks>(settings.get(kNumbersEvery), [&listed_at_twilio, &api](const CompanyId& id) {
        return listed_at_twilio.check_all(api.pool(), id);
    });
    auto& member_checks = service.own<Checks>(settings.get(kMembersEvery),
                                              [&members, &api](const CompanyId& id) { return members.check(api.pool(), id); });
    auto& calls = service.own<CallRailCalls>(settings, callrail, companies);
    auto& sweep = service.own<Sweep>(settings, calls, companies);  // calls whose webhooks never came
    auto& texts = service.own<TwilioMessages>(settings, twilio, companies);
    auto& text_sweep = service.own<Sweep>(settings, texts, companies);  // and texts
    auto& refusals = service.own<Refusals>();                           // webhooks that no key proved

    service.own<ClerkWebhook>(settings, api.pool()).add_routes(service.routes());  // who belongs where, as Clerk tells it
    add_routes(api, commands, numbers, onboarding, purchases, people, creations);

    rt::Policy patient;
    patient.retry = {20, Backoff{Millis{500}, Millis{300'000}, 3, 0.2}};
    service.own<rt::Runtime>(service)
        .add(rt::Consumer{"company-service"}
                 .on<&SigningKeyReader::want>(signing_keys)
                 .on<&Refusals::note>(refusals, patient)
                 .on<&Numbers::note_proof>(numbers, patient)
                 .linger(Millis{100}))
        .work<&SigningKeyReader::next>(std::string(kSigningKeys), signing_keys, {.threads = 2})
        .periodic(
            "directory", Millis{1'000}, [&directory](pg::Connection& db) { directory.publish(db); }, "otto_directory")
        .periodic(
            "members", Millis{1'000}, [&told_members](pg::Connection& db) { told_members.publish(db); }, "otto_members")
        .work<&Sweep::next>(std::string(kSweeps), sweep, {.threads = 2})
        .periodic(
            "sweep", settings.get(kSweepEvery), [&sweep](pg::Connection& db) { sweep.plan(db); }, "otto_sweep")
        .work<&Sweep::next>(std::string(kTwilioSweeps), text_sweep, {.threads = 2})
        .periodic(
            "twilio-sweep", settings.get(kSweepEvery), [&text_sweep](pg::Connection& db) { text_sweep.plan(db); }, "otto_sweep")
        .work<&Checks::next>(std::string(kNumberChecks), number_checks, {.threads = 1})
        .work<&Checks::next>(std::string(kTwilioNumberChecks), twilio_number_checks, {.threads = 1})
        .work<&Checks::next>(std::string(kMemberChecks), member_checks, {.threads = 1})
        .work<&Purchases::next>(std::string(kPurchases), purchases, {.threads = 1})
        .work<&People::next>(std::string(kPeopleChanges), people, {.threads = 2})
        .work<&Creations::next>(std::string(kCreations), creations, {.threads = 1})
        .periodic("managers", Millis{60'000}, [](pg::Connection& db, tel::Shares& gauges) { People::count(db, gauges); })
        .trim("company_creations", "at", std::chrono::hours(1))
        .trim("finished_companies", "at", std::chrono::hours(1))
        .trim("provider_tests", "at", std::chrono::hours(1))
        .trim("clerk_events", "taken_at", std::chrono::hours(24 * 60))
        .trim("clerk_tombstones", "at", std::chrono::hours(24 * 60), "kind = 'invitation'")
        .periodic("members-check", Millis{30'000}, [&told_members](pg::Connection& db) { told_members.reconcile(db); })
        .periodic("directory-check", Millis{30'000}, [&directory](pg::Connection& db) { directory.reconcile(db); });
    service.on_stop("the sweeps", [&sweep, &text_sweep](Millis) {
        sweep.stop();
        text_sweep.stop();
    });
}

app::Rows rows() {
    auto all = rt::runtime_rows();
    for (auto& r : identity::identity_rows()) all.push_back(r);
    for (auto& r : {app::kSecretKeys.row, app::kPublicUrl.row, kClerkApi.row, kClerkSecretKey.row, kClerkWebhookSecret.row,
                    providers::kCallRailApi.row, kTwilioApi.row, kTwilioAccountSid.row, kTwilioAuthToken.row, kTwilioApiKey.row,
                    kTwilioApiSecret.row, kKeyGrace.row, kSweepEvery.row, kSweepRequests.row, kUnprovenNumbers.row,
                    kNumbersEvery.row, kMembersEvery.row, kCompaniesAnHour.row, kTwilioSharedPurchases.row})
        all.push_back(r);
    return all;
}

}  // namespace

app::Definition definition() {
    return {"company-service", "companies, their numbers, users and credentials; publishes otto.directory", rows(), &wire};
}

}  // namespace otto::company_service
