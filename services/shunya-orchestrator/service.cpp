#include "app/common.hpp"
#include "app/process.hpp"
#include "commands.hpp"
#include "config.hpp"
#include "directory/companies.hpp"
#include "driver.hpp"
#include "handlers.hpp"
#include "identity/settings.hpp"
#include "media.hpp"
#include "providers/recordings.hpp"
#include "providers/settings.hpp"
#include "providers/twilio.hpp"
#include "runtime/runtime.hpp"

namespace otto::shunya_orchestrator {
namespace {

Rules rules_of(const app::Settings& settings) {
    Rules rules;
    rules.poll_after = parse_polls(settings.get(kPollAfter)).value();
    rules.give_up = settings.get(kGiveUpAfter);
    rules.link_valid = settings.get(kMediaLink);
    return rules;
}

Driver::Options options_of(const app::Settings& settings) {
    Driver::Options o;
    o.rules = rules_of(settings);
    o.shunya_budget = {static_cast<double>(settings.get(kShunyaBudget)), Millis{60'000}};
    o.callrail_budget = {{static_cast<double>(settings.get(kCallRailBudget)), Millis{3'600'000}},
                         {static_cast<double>(settings.get(kCallRailDailyBudget)), Millis{86'400'000}}};
    o.shunya_known = !settings.get(providers::kShunyaTokenSecret).empty();
    return o;
}

providers::shunya::Options shunya_of(const app::Settings& settings) {
    providers::shunya::Options o;
    o.api = settings.get(providers::kShunyaApi);
    o.token_secret = settings.get(providers::kShunyaTokenSecret);
    o.signing_secret = settings.get(providers::kShunyaWebhookSecret);
    o.private_addresses = settings.get(app::kPrivateAddresses);
    return o;
}

providers::FetchOptions fetch_of(const app::Settings& settings) {
    providers::FetchOptions o;
    o.callrail_api = settings.get(providers::kCallRailApi);
    o.twilio_api = settings.get(providers::kTwilioApi);
    o.private_addresses = settings.get(app::kPrivateAddresses);
    o.byte_limit = static_cast<std::uint64_t>(settings.get(kRecordingMegabytes)) << 20;
    return o;
}

/// A store is made by a function that may fail; owned things are made in place.
struct Store {
    explicit Store(const std::string& spec) : it(providers::make_object_store(spec).value()) {}
    std::unique_ptr<providers::ObjectStore> it;
};

using Deployment = std::optional<providers::twilio::Account>;

/// Without its key a company's recordings may be login pages: nobody's are fetched before the directory was read once.
std::optional<RecordingSource> credentials_of(const directory::Companies& companies, const Deployment& deployment,
                                              const KeyOwner& who) {
    RecordingSource source;
    if (who.of_deployment) {
        if (who.provider != "twilio" || !deployment) return source;
        source.api_key = deployment->password;
        source.account_id = deployment->sid;
        source.user = deployment->user;
        return source;
    }
    if (!companies.caught_up()) return std::nullopt;
    auto profile = companies.find(who.company);
    if (!profile) return source;
    const auto& account = profile->account(who.provider);
    if (!account.api_key) return source;
    source.api_key = *account.api_key;
    source.account_id = account.id;
    return source;
}

/// nullopt: the directory was not read yet.
std::optional<KeyWatch::Marks> keys_of(const directory::Companies& companies, const Deployment& deployment) {
    if (!companies.caught_up()) return std::nullopt;
    KeyWatch::Marks marks;
    for (const auto& [id, version] : companies.versions())
        for (const auto& who : {KeyOwner{CompanyId{id}, "callrail", false}, KeyOwner{CompanyId{id}, "twilio", false},
                                KeyOwner{CompanyId{id}, "twilio", true}})
            marks.emplace(who, key_mark(credentials_of(companies, deployment, who).value_or(RecordingSource{})));
    return marks;
}

void wire(app::Service& service) {
    const auto& settings = service.settings();
    auto rules = rules_of(settings);
    auto& companies = service.own<directory::Companies>(service, "");             // who has what at the providers
    auto deployment = providers::twilio::deployment_account(settings);            // whose recordings companies may have
    auto& store = *service.own<Store>(settings.get(providers::kObjectStore)).it;  // recordings
    auto& links = service.own<providers::MediaLinks>(providers::MediaLinks::make(settings.get(app::kPublicUrl),
                                                                                 settings.live(providers::kMediaKeys),
                                                                                 settings.live(app::kSecretKeys))
                                                         .value());
    auto& shunya = service.own<providers::shunya::Client>(shunya_of(settings));        // its API
    auto& recordings = service.own<providers::Recordings>(fetch_of(settings), store);  // theirs, from whoever has them
    auto& failing = service.own<FailingRecordings>();                                  // companies whose recordings are away
    auto& driver = service.own<Driver>(
        Driver::Outside{shunya,
                        [&recordings](const RecordingSource& s, const tel::TraceContext& t,
                                      const std::function<bool()>& stopping) { return recordings.fetch(s, t, stopping); },
                        [&companies, deployment](const KeyOwner& who) { return credentials_of(companies, deployment, who); },
                        store, links, failing},
        options_of(settings));                                            // a call's next step
    auto& calls = service.own<Calls>(failing);                            // calls with a recording
    auto& reports = service.own<Reports>(rules);                          // what Shunya reports
    auto& folds = service.own<Folds>(rules);                              // rows that proved to be one call
    auto& authenticator = service.own<identity::Authenticator>(service);  // who asks
    auto& api = service.own<api::Api>(service, authenticator);
    auto& commands = service.own<Commands>();  // what people correct, and have tried again

    add_media(service.routes(), store, links);
    api.write(http::Method::patch, "/api/v1/calls/{call_id}/analysis", {identity::Role::manager},
              [&commands](api::Context& c) { return commands.correct(c); });
    api.write(http::Method::post, "/api/v1/calls/{call_id}/analysis/retry", {identity::Role::manager},
              [&commands](api::Context& c) { return commands.retry(c); });

    auto& keys = service.own<KeyWatch>([&companies, deployment] { return keys_of(companies, deployment); },
                                       [&companies] { return companies.generation(); });  // who waits for a key

    // A recording takes minutes, and a batch's commit costs more than its rows; what Shunya reports waits for as long as a lane
    // rests.
    service.own<rt::Runtime>(service)
        .add(rt::Consumer{"shunya-orchestrator"}
                 .on<&Calls::record>(calls)
                 .on<&Folds::take>(folds)
                 .on<&Reports::take>(reports)
                 .linger(Millis{60}))
        .work<&Driver::next>(std::string(kQueue), driver)
        .periodic("recording-keys", Millis{500}, [&keys](pg::Connection& db) { keys.look(db); });
    if (settings.get(providers::kShunyaTokenSecret).empty())
        service.warn("OTTO_SHUNYA_TOKEN_SECRET is not set: calls are recorded, but wait to be transcribed until it is");
}

app::Rows rows() {
    auto all = rt::runtime_rows();
    for (auto& r : identity::identity_rows()) all.push_back(r);
    for (auto& r : {app::kSecretKeys.row,
                    app::kPublicUrl.row,
                    app::kPrivateAddresses.row,
                    providers::kCallRailApi.row,
                    providers::kTwilioApi.row,
                    providers::kTwilioAccountSid.row,
                    providers::kTwilioAuthToken.row,
                    providers::kTwilioApiKey.row,
                    providers::kTwilioApiSecret.row,
                    providers::kObjectStore.row,
                    providers::kMediaKeys.row,
                    kRecordingMegabytes.row,
                    providers::kShunyaApi.row,
                    providers::kShunyaTokenSecret.row,
                    providers::kShunyaWebhookSecret.row,
                    kPollAfter.row,
                    kShunyaBudget.row,
                    kCallRailBudget.row,
                    kCallRailDailyBudget.row,
                    kGiveUpAfter.row,
                    kMediaLink.row})
        all.push_back(r);
    return all;
}

}  // namespace

app::Definition definition() {
    return {"shunya-orchestrator", "fetches recordings, has Shunya transcribe and analyse them, and keeps what it found", rows(),
            &wire};
}

}  // namespace otto::shunya_orchestrator
