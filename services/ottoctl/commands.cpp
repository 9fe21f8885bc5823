#include "commands.hpp"

#include <cstdio>

#include "app/common.hpp"
#include "app/process.hpp"
#include "database.hpp"
#include "ingress/endpoint.hpp"
#include "pg/connection.hpp"
#include "runtime/runtime.hpp"
#include "schema.hpp"
#include "schema/schema.hpp"
#include "telemetry/log.hpp"

namespace otto::ottoctl {
namespace {

constexpr std::size_t kAny = 10'000;
constexpr const char* kAbout = "the operators' command";
constexpr const char* kRole =
    "Logs in by OTTO_PG_URL_MAINTENANCE, else OTTO_PG_URL, as otto_maintenance or another role that sees the rows of all "
    "companies.";

const Option kPersons{"show-persons", "", "telephone numbers, names and payloads unmasked"};
const Option kLimit{"limit", "N", "how many at most; default 50"};
const Option kYes{"yes", "", "do it; without it only what would be done is shown"};
const Option kWait{"wait", "TIME", "how long to watch what becomes of it; default 15s"};
const Option kReason{"reason", "TEXT", "why, for the record"};

}  // namespace

std::span<const Command> commands() {
    static const std::vector<Command> all{
        {"migrate",
         "",
         0,
         0,
         "brings the database to this build's schema",
         "Logs in by OTTO_PG_URL, as the database's owner, who needs no CREATEROLE where the roles are there (ottoctl roles "
         "plan). "
         "Forward only. Twice at once: one waits.\n"
         "A schema of a later release is left as it is, with exit code 0. --background does the large changes that no rollout "
         "waits "
         "for, in batches;\n"
         "it may be stopped at any time, and goes on where it was.",
         {{"background", "", "the background steps, once the schema is there; ottoctl status says how far they are"}},
         "ottoctl migrate",
         &migrate},
        {"status",
         "",
         0,
         0,
         "how the database's schema stands to this build, and how far background steps are",
         "Logs in by OTTO_PG_URL_MAINTENANCE, else OTTO_PG_URL. Exit code 3 if the schema is behind or a step is not finished.",
         {},
         "ottoctl status --json",
         &status},
        {"roles plan",
         "",
         0,
         0,
         "says, as SQL, what Otto's roles at Postgres lack: roles, logins, attributes, memberships",
         "Logs in by OTTO_PG_URL_ADMIN, else OTTO_PG_URL; any login can look. Exit code 3 if something that Otto needs is "
         "missing. "
         "Passwords are not looked at.",
         {},
         "ottoctl roles plan",
         &roles_plan},
        {"roles apply",
         "",
         0,
         0,
         "makes it so, as an administrator",
         "Logs in by OTTO_PG_URL_ADMIN, else OTTO_PG_URL. What is needed is one transaction; what is advised only a superuser "
         "can do. "
         "Passwords reach Postgres as their SCRAM verifiers.",
         {{"passwords", "DIR", "also sets passwords: a file for each login, named like it (otto_lead_pipeline)"}},
         "ottoctl roles apply --passwords /run/secrets/otto-roles",
         &roles_apply},
        {"topics plan",
         "",
         0,
         0,
         "says what of Otto's topics differs on OTTO_KAFKA_BROKERS",
         "Exit code 3 if something does.",
         {},
         "ottoctl topics plan",
         &topics_plan},
        {"topics apply",
         "",
         0,
         0,
         "makes it so; never deletes, never changes a partition count",
         "",
         {},
         "ottoctl topics apply --replication=3",
         &topics_apply},

        {"held list",
         "",
         0,
         0,
         "events that nobody owns, or nobody's key proves",
         kRole,
         {{"number", "N", "of this tracking number, in any form"},
          {"reason", "WORDS", "whose reason holds these words"},
          {"released", "", "also those that went on"},
          kLimit},
         "ottoctl held list --number '(520) 523-2772'",
         &held_list},
        {"held show",
         "ID",
         1,
         1,
         "one held event: why, the cure, whose the number is",
         kRole,
         {kPersons},
         "ottoctl held show 0d6c1f0a-5b1e-5d43-9d3a-2f2a53b0a001",
         &held_show},
        {"held release",
         "[ID ...]",
         0,
         kAny,
         "has the router try held events now, and says what came of it",
         "The router decides: an event goes on when its number has an owner whose key proves it, and stays held otherwise, with "
         "the reason and the cure. It is never\n"
         "published past the router. Exit code 0: all went on; 3: some stay held; 1: not tried in time. Several at once need "
         "--yes.",
         {{"number", "N", "all of this tracking number"},
          {"reason", "WORDS", "all whose reason holds these words"},
          {"all", "", "all"},
          kWait,
          kYes},
         "ottoctl held release --number +15205232772 --yes",
         &held_release},

        {"dead-letters list",
         "",
         0,
         0,
         "events that a consumer gave up",
         kRole,
         {{"consumer", "NAME", "of this consumer"},
          {"company", "ID", "of this company"},
          {"error", "WORDS", "whose error holds these words"},
          kPersons,
          kLimit},
         "ottoctl dead-letters list --consumer lead-pipeline",
         &dead_letters_list},
        {"dead-letters show",
         "ID",
         1,
         1,
         "one dead letter: payload, error, history, what operators did",
         kRole,
         {kPersons},
         "ottoctl dead-letters show 7c1c7a3e-6d1d-4b60-9a52-0f6f4b7f0c11 --show-persons --json",
         &dead_letters_show},
        {"dead-letters edit",
         "ID",
         1,
         1,
         "replaces the payload; the former one stays in its history",
         "The payload is given as JSON with the fields of its proto (dead-letters show --show-persons --json prints it), or by "
         "field. An event keeps its id and its company.",
         {{"file", "FILE", "the whole payload as JSON"},
          {"set", "FIELD=VALUE", "one field, as call.duration_s=35; may be given several times"},
          {"type", "TYPE", "of a record that does not say it: otto.routed.v1.CallReported"},
          kReason,
          kPersons,
          kYes},
         "ottoctl dead-letters edit 7c1c7a3e-6d1d-4b60-9a52-0f6f4b7f0c11 --set call.duration_s=35 --yes",
         &dead_letters_edit},
        {"dead-letters redrive",
         "[ID ...]",
         0,
         kAny,
         "has consumers try dead letters again, and says what came of it",
         "Back among the parked events of its partition; of a pass-through (tenant-router), back onto its topic. Exit code 0: "
         "done; 3: failed again, or cannot be read\n"
         "and must be edited first; 1: not tried in time. Several at once need --yes.",
         {{"consumer", "NAME", "all of this consumer"},
          {"company", "ID", "all of this company"},
          {"error", "WORDS", "all whose error holds these words"},
          {"all", "", "all"},
          kReason,
          kPersons,
          kWait,
          kYes},
         "ottoctl dead-letters redrive --consumer lead-pipeline --error 'division by zero' --yes",
         &dead_letters_redrive},
        {"dead-letters discard",
         "[ID ...]",
         0,
         kAny,
         "gives dead letters up for good; who, when and why stay on record",
         "The letters themselves stay in the table operator_actions.",
         {{"consumer", "NAME", "all of this consumer"},
          {"company", "ID", "all of this company"},
          {"error", "WORDS", "all whose error holds these words"},
          {"all", "", "all"},
          kReason,
          kPersons,
          kYes},
         "ottoctl dead-letters discard 7c1c7a3e-6d1d-4b60-9a52-0f6f4b7f0c11 --reason 'a test of CallRail, no call' --yes",
         &dead_letters_discard},

        {"lag",
         "",
         0,
         0,
         "what each consumer has still to do, and what waits: outbox, parked, queues, held, dead letters",
         kRole,
         {{"partitions", "", "each partition too"}, {"above", "N", "exit code 3 if a partition is more than N events behind"}},
         "ottoctl lag --above 10000 --json",
         &lag},
        {"spool",
         "[DIR]",
         0,
         1,
         "webhooks that an ingress has on disk because Kafka does not have them yet",
         "Reads the folder of an ingress (OTTO_SPOOL_DIR), also of one that runs; changes nothing and needs no database.",
         {{"above", "N", "exit code 3 if more than N events are in it"}},
         "ottoctl spool /var/lib/otto/spool",
         &spool},
        {"spool drain",
         "[DIR]",
         0,
         1,
         "sends what lies in spools and what no ingress sends: put aside as too old, or left without its ingress",
         "Shows what is there; with --yes it goes to Kafka in its order, and from the disk once Kafka has confirmed it. A spool "
         "that is "
         "older than OTTO_INBOX_DAYS is put aside\n"
         "by the ingress that finds it, because repeats of what is in it are no longer known. Exit code 3: there is nothing, or "
         "--yes is "
         "missing.",
         {{"older", "TIME", "only what was received longer ago than this: 10d"},
          {"wait", "TIME", "how long Kafka may take for a part of it; default 30s"},
          kYes},
         "ottoctl spool drain /var/lib/otto/spool --older 8d --yes",
         &spool_drain},
        {"sweep",
         "[ACCOUNT|COMPANY ...]",
         0,
         kAny,
         "CallRail's lists of calls and Twilio's of texts held against ours: when, what was missing, what differed; signatures "
         "that failed",
         "Of all companies with an account there, or of those named by their id or their account's. --now asks company-service "
         "to sweep those named at once, and waits. Exit code 0: done;\n"
         "3: nobody is swept that fits, or (with --now) a sweep ended with an error; 1: not swept in time.",
         {{"now", "", "sweep those named at once"}, {"wait", "TIME", "how long to wait for that; default 60s"}},
         "ottoctl sweep --now ACC0190b1c2",
         &sweep},
        {"texts",
         "[COMPANY ...]",
         0,
         kAny,
         "texts that are still to leave: waiting, in doubt, put off, paused, by company",
         "Of all companies that have any, or of those named. In doubt: Twilio was asked and nobody knows whether it took it, "
         "which "
         "its list will tell. Put off: it was asked, did not take\n"
         "it, and is asked again. Paused: Twilio does not let the company's account in, or the company is suspended. Exit code 3 "
         "if nothing waits.",
         {kPersons, kLimit},
         "ottoctl texts",
         &texts},
        {"texts retry",
         "[ID ...]",
         0,
         kAny,
         "has texts that are in doubt, put off or paused looked at now, and says what came of it",
         "lead-pipeline decides, by the same rules as ever: none leaves twice, and none to who asked for no texts. What failed "
         "for "
         "good is not sent again. Exit code 0: what became\n"
         "of each is known; 3: some wait still or are in doubt, or nothing is held up that fits; 1: not looked at in time. "
         "Several "
         "at once need --yes.",
         {{"company", "ID", "all of this company that are held up"}, {"all", "", "all that are held up"}, kReason, kWait, kYes},
         "ottoctl texts retry --company org_1 --yes",
         &texts_retry},
        {"event",
         "ID",
         1,
         1,
         "everything known of one event: receipt, verdict, route, consumers, attempts, rows",
         "Searches the newest records of each topic, and the tables. The id is that of the logs (event_id) or of any event that "
         "followed from it. Exit code 3 if nothing is known.",
         {{"limit", "N", "records of each topic to search, newest first; default 100000"},
          {"since", "TIME", "search only what was appended within this time: 6h"},
          {"patience", "TIME", "how long the search may take; default 60s"},
          {"no-topics", "", "ask the tables only"},
          kPersons},
         "ottoctl event 0d6c1f0a-5b1e-5d43-9d3a-2f2a53b0a001 --since 6h",
         &event},
        {"support-bundle",
         "",
         0,
         0,
         "writes a folder with what Otto's support asks for, without secrets and persons",
         "Company profile, numbers, calls, held events and dead letters around the moment, lines of the logs, versions, lag, "
         "settings. The folder is new; pack it with tar.",
         {{"company", "ID", "the company"},
          {"number", "N", "its tracking number"},
          {"at", "TIME", "when the call was: 2026-11-21T14:05:00Z"},
          {"window", "TIME", "how far around it; default 2h"},
          {"logs", "DIR", "where the services' *.log files are"},
          {"out", "DIR", "the folder to make"}},
         "ottoctl support-bundle --company org_1 --number +15205232772 --at 2026-11-21T14:05:00Z --logs .run/logs",
         &support_bundle},
    };
    return all;
}

app::Rows rows() {
    app::Rows all{app::kStrict.row, kPgUrlMaintenance.row, kPgPasswordMaintenance.row,
                  kPgUrlAdmin.row,  app::kPgUrl.row,       app::kPgPassword.row};
    for (auto& row : app::kafka_rows()) all.push_back(std::move(row));
    for (const auto& row : {ingress::kSpoolDir.row, ingress::kSpoolMegabytes.row, rt::kInboxDays.row, app::kLogHashKey.row,
                            kOperator.row, app::kLogLevel.row, kReplication.row})
        all.push_back(row);
    return all;
}

std::string help_of(const Command& c) {
    std::string out = "usage: ottoctl " + std::string(c.words) + (c.operands.empty() ? "" : " " + std::string(c.operands)) +
                      " [OPTIONS] [--SETTING=VALUE…]\n\n  " + std::string(c.about) + "\n";
    if (!c.more.empty()) out += "\n" + std::string(c.more) + "\n";
    out += "\nOptions:\n";
    auto list = c.options;
    list.insert(list.end(), kCommonOptions.begin(), kCommonOptions.end());
    for (const auto& o : list) {
        std::string name = "  --" + std::string(o.name) + (o.value.empty() ? "" : " " + std::string(o.value));
        name.resize(std::max<std::size_t>(name.size() + 2, 26), ' ');
        out += name + std::string(o.help) + "\n";
    }
    return out + "\nExample:\n  " + std::string(c.example) + "\n";
}

std::string help_of_all() {
    std::string out = "usage: ottoctl COMMAND [OPTIONS] [--SETTING=VALUE…]\n\n";
    for (const auto& c : commands()) {
        std::string name = "  " + std::string(c.words) + (c.operands.empty() ? "" : " " + std::string(c.operands));
        name.resize(std::max<std::size_t>(name.size() + 2, 30), ' ');
        out += name + std::string(c.about) + "\n";
    }
    return out +
           "\nottoctl COMMAND --help shows a command's options and an example. --json answers as JSON. Persons are masked unless "
           "--show-persons is given.\n"
           "\nExit codes: 0 done, 1 failed, 2 wrong usage, 3 refused, nothing found, or something to do.\n" +
           "\n" + kRole +
           "\n(migrate: OTTO_PG_URL as the database's owner; roles apply: OTTO_PG_URL_ADMIN; topics and spool need no "
           "database.)\n";
}

int run(const std::vector<std::string>& typed) {
    auto say = [](const Error& e) {
        std::fprintf(stderr, "ottoctl: %s%s%s\n", e.message.c_str(), e.hint.empty() ? "" : "\n  ", e.hint.c_str());
    };
    if (typed == std::vector<std::string>{"--describe"}) {
        std::fputs(app::describe({"ottoctl", OTTO_VERSION, schema::latest()}, kAbout, rows(), {}).c_str(), stdout);
        return kDone;
    }
    try {
        auto arguments = parse_arguments(commands(), typed);
        if (arguments.help) {
            auto help = arguments.command ? help_of(*arguments.command)
                                          : help_of_all() + "\n" + app::help_text("ottoctl", kAbout, rows());
            std::fputs(help.c_str(), stdout);
            return kDone;
        }
        auto settings = app::Settings::load(rows(), arguments.settings, app::environment_of_process());
        if (!settings) throw UsageError(settings.error().message, settings.error().hint);
        if (auto missing = settings->missing_secret()) throw UsageError(missing->message, missing->hint);
        if (auto fits = app::use_kafka_settings(*settings); !fits) throw UsageError(fits.error().message, fits.error().hint);
        tel::configure_log("ottoctl", tel::Level::error, settings->get(app::kLogHashKey));
        // Standard output is the answer's alone.
        tel::set_log_sink(
            [](std::string_view line) { std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data()); });
        return arguments.command->run(Invocation(arguments, *settings));
    } catch (const UsageError& e) {
        say(e.error());
        return kUsage;
    } catch (const Failure& e) {
        say(e.error());
        return kFailed;
    } catch (const pg::SqlFailure& e) {
        say(Error(std::string("the database: ") + e.what(),
                  e.sqlstate() == "42501" ? "operators' commands log in as otto_maintenance (OTTO_PG_URL_MAINTENANCE)"
                  : e.kind() == pg::FailureClass::transient ? "is Postgres running, and does OTTO_PG_URL_MAINTENANCE name it?"
                                                            : ""));
        return kFailed;
    } catch (const std::exception& e) {
        say(Error(e.what()));
        return kFailed;
    }
}

}  // namespace otto::ottoctl
