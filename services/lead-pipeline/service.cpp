#include "app/common.hpp"
#include "app/process.hpp"
#include "commands/commands.hpp"
#include "commands/messages.hpp"
#include "commands/opt_outs.hpp"
#include "commands/voicemails.hpp"
#include "config.hpp"
#include "directory/companies.hpp"
#include "handlers/analyses.hpp"
#include "handlers/calls.hpp"
#include "handlers/doubts.hpp"
#include "handlers/due.hpp"
#include "handlers/leavers.hpp"
#include "handlers/media.hpp"
#include "handlers/messages.hpp"
#include "handlers/renumber.hpp"
#include "handlers/text_backs.hpp"
#include "handlers/voicemails.hpp"
#include "providers/call_flow.hpp"
#include "providers/settings.hpp"
#include "runtime/runtime.hpp"
#include "sender/numbers.hpp"
#include "sender/outside.hpp"
#include "sender/queues.hpp"

namespace otto::lead_pipeline {
namespace {

using identity::Role;
using identity::Roles;

using providers::twilio::Account;

/// A store is made by a function that may fail; owned things are made in place.
struct Store {
    explicit Store(const std::string& spec) : it(providers::make_object_store(spec).value()) {}
    std::unique_ptr<providers::ObjectStore> it;
};

providers::AttachmentOptions attachments_of(const app::Settings& settings) {
    providers::AttachmentOptions o;
    o.twilio_api = settings.get(providers::kTwilioApi);
    o.private_addresses = settings.get(app::kPrivateAddresses);
    return o;
}

/// nullopt: the directory was not read yet.
std::optional<std::optional<Account>> own_account(const directory::Companies& companies, const CompanyId& company) {
    if (!companies.caught_up()) return std::nullopt;
    auto profile = companies.find(company);
    return profile ? twilio_account(*profile, std::nullopt) : std::optional<Account>{};
}

/// What texts in return for missed calls need to know of companies, and of their callers.
TextBacks::Outside texts_back(const directory::Companies& companies, TermsOf terms) {
    return {std::move(terms),
            [&companies](const CompanyId& c) -> std::optional<std::optional<std::string>> {
                if (!companies.caught_up()) return std::nullopt;
                auto profile = companies.find(c);
                return profile ? providers::missed_call_text(profile->call_flow) : std::optional<std::string>{};
            },
            [&companies](const std::string& number) {
                return companies.is_ours(number, system_clock().now(), directory::Standing::proven);
            }};
}

void wire(app::Service& service) {
    const auto& settings = service.settings();
    auto& calls = service.own<Calls>(settings.get(kMissedCallGrace));  // contact card, lead and call of each report
    auto& messages = service.own<Messages>();                          // texts on the customers' cards, and who wants none
    auto& analyses = service.own<Analyses>();                          // what they said: status, contact, tasks
    auto& doubts = service.own<Doubts>();                              // what calls say against appointments that people planned
    auto& transcripts = service.own<Voicemails>();                     // what voicemails say, once they are transcribed
    auto& leavers = service.own<Leavers>();                            // what was a removed person's to work on
    auto& companies = service.own<directory::Companies>(service, "");  // who has what at Twilio
    auto& store = *service.own<Store>(settings.get(providers::kObjectStore)).it;
    auto& attachments = service.own<providers::Attachments>(attachments_of(settings), store);  // of texts, from whoever has them
    auto& media = service.own<Media>(
        Media::Outside{[&attachments](const providers::AttachmentSource& s, const std::function<bool()>& stopping) {
                           return attachments.fetch(s, {}, stopping);
                       },
                       [&companies, deployments = providers::twilio::deployment_account(settings)](
                           const CompanyId& c, bool of_deployment) -> std::optional<std::optional<Account>> {
                           if (of_deployment) return deployments;
                           return own_account(companies, c);
                       },
                       store});  // what came with texts
    TermsOf terms = [&companies,
                     own = providers::twilio::deployment_account(settings)](const CompanyId& c) -> std::optional<Terms> {
        return companies.caught_up() ? std::optional(terms_of(companies.find(c), own)) : std::nullopt;
    };
    auto& outside = service.own<Outside>(settings);                           // Twilio, each request once
    auto& numbers = service.own<Numbers>(terms);                              // what of each sending number may leave by now
    auto& text_backs = service.own<TextBacks>(texts_back(companies, terms));  // missed calls answered with a text
    auto& due = service.own<DueWork>(
        [&text_backs](const CompanyId& c) { return text_backs.may_be_wanted(c); });  // call-backs and overdue tasks
    auto unwanted = [&text_backs](pg::Tx& tx, const MessageKey& key, const std::string& reason, Instant now) {
        return reason == kMissedCall ? text_backs.unwanted(tx, key, now) : std::nullopt;
    };
    auto& sender = service.own<Sender>(outside.texts(terms, unwanted));      // a text leaves
    auto& statuses = service.own<Statuses>(outside.statuses(terms));         // how it stands, where nobody says
    auto& renumber = service.own<Renumber>(settings.get(kMissedCallGrace));  // what is on record, as the present rules have it
    auto& authenticator = service.own<identity::Authenticator>(service);     // who asks
    auto& api = service.own<api::Api>(service, authenticator);               // routes with roles, tenant scope, Idempotency-Key
    auto& commands = service.own<Commands>();                                // what people command
    auto& opt_outs = service.own<OptOuts>();                                 // the same of the opt-out ledger
    auto& texts = service.own<MessageCommands>(companies);                   // texts that people send
    auto& voicemails = service.own<VoicemailCommands>();                     // how far they are with what callers left

    constexpr Roles everybody{Role::csr, Role::sales_rep, Role::manager}, office{Role::csr, Role::manager};
    using http::Method;
    api.write(Method::post, "/api/v1/tasks", everybody, commands, &Commands::create_task);
    api.write(Method::patch, "/api/v1/tasks/{task_id}", everybody, commands, &Commands::change_task);
    api.write(Method::post, "/api/v1/tasks/{task_id}/complete", everybody, commands, &Commands::complete_task);
    api.write(Method::del, "/api/v1/tasks/{task_id}", everybody, commands, &Commands::cancel_task);
    api.write(Method::patch, "/api/v1/leads/{lead_id}", office, commands, &Commands::change_lead);
    api.write(Method::post, "/api/v1/leads/{lead_id}/claim", office, commands, &Commands::claim_lead);
    api.write(Method::post, "/api/v1/messages", everybody, texts, &MessageCommands::send);
    api.write(Method::del, "/api/v1/messages/{message_id}", everybody, texts, &MessageCommands::cancel);
    api.write(Method::post, "/api/v1/opt-outs", office, opt_outs, &OptOuts::enter);
    api.write(Method::del, "/api/v1/opt-outs/{opt_out_id}", office, opt_outs, &OptOuts::take_back);
    api.write(Method::patch, "/api/v1/voicemails/{voicemail_id}", office, voicemails, &VoicemailCommands::change);

    service.own<rt::Runtime>(service)
        .add(rt::Consumer{"lead-pipeline"}.on<&Calls::record>(calls).lanes_per_core(
            2))  // with one, half of the cores' time was waited away
        .add(rt::Consumer{"lead-pipeline/messages"}.on<&Messages::record>(messages))
        .add(rt::Consumer{"lead-pipeline/analysis"}.on<&Analyses::record>(analyses).on<&Doubts::look_into>(doubts))
        // Of its own: among analyses it would break their batches into runs of two or three. Nobody waits for a transcript.
        .add(rt::Consumer{"lead-pipeline/voicemails"}
                 .on<&Voicemails::transcribed>(transcripts, {.once = false})
                 .linger(Millis{500}))
        .add(rt::Consumer{"lead-pipeline/members"}.on<&Leavers::give_back>(leavers))
        .work<&DueWork::call_back>(std::string(kMissedCalls), due)
        .work<&DueWork::make_overdue>(std::string(kOverdueTasks), due)
        .work<&TextBacks::next>(std::string(kTextBacks), text_backs, {.threads = 2})
        .work<&Media::next>(std::string(kMedia), media)
        .work<&Numbers::release>(std::string(kTextNumbers), numbers)
        .work<&Sender::next>(std::string(kTexts), sender,
                             {.threads = static_cast<int>(settings.get(kTextSenders)), .share = 0.25})
        .work<&Statuses::next>(std::string(kTextStatuses), statuses, {.threads = 2})
        .periodic("texts-waiting", Millis{15'000},
                  [&numbers](pg::Connection& db, tel::Shares& gauges) { numbers.count(db, gauges); })
        .periodic("renumber", Millis{1'000}, [&renumber](pg::Connection& db) { renumber.run(db); });
}

app::Rows rows() {
    auto all = rt::runtime_rows();
    for (auto& r : identity::identity_rows()) all.push_back(r);
    for (auto& r : {kMissedCallGrace.row, kTextSenders.row, app::kSecretKeys.row, app::kPrivateAddresses.row, app::kPublicUrl.row,
                    providers::kObjectStore.row, providers::kTwilioApi.row, providers::kTwilioAccountSid.row,
                    providers::kTwilioAuthToken.row, providers::kTwilioApiKey.row, providers::kTwilioApiSecret.row})
        all.push_back(r);
    return all;
}

}  // namespace

app::Definition definition() { return {"lead-pipeline", "records who called and what came of it", rows(), &wire}; }

}  // namespace otto::lead_pipeline
