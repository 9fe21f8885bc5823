// migrate, status, topics: brings the database and Kafka to what this build needs.
#include <cstdio>

#include "app/common.hpp"
#include "commands.hpp"
#include "database.hpp"
#include "kafka/topics.hpp"
#include "pg/background.hpp"
#include "pg/connection.hpp"
#include "pg/migrate.hpp"
#include "report.hpp"
#include "schema.hpp"
#include "schema/roles.hpp"
#include "schema/schema.hpp"

namespace otto::ottoctl {
namespace {

int topics(const Invocation& call, bool apply) {
    auto brokers = call.settings().get(app::kKafkaBrokers);
    auto replication = static_cast<int>(call.settings().get(kReplication));
    auto changes =
        (apply ? kafka::apply_topics : kafka::plan_topics)(brokers, kafka::otto_topics(), replication, Millis{20'000}).value();
    Report report;
    bool refused = false;
    std::vector<Record> list;
    for (const auto& c : changes) {
        if (!call.json()) std::printf("%s%s: %s\n", c.refused ? "refused: " : "", c.topic.c_str(), c.what.c_str());
        list.push_back({{"topic", c.topic}, {"change", c.what}, {"refused", c.refused}});
        refused = refused || c.refused;
    }
    report.many("changes", std::move(list));
    if (call.json())
        print(call, report);
    else if (changes.empty())
        std::printf("all topics are as they should be\n");
    return refused || (!apply && !changes.empty()) ? kRefused : kDone;
}

}  // namespace

namespace {

/// As the database's owner.
pg::Connection owners_database(const app::Settings& settings) {
    auto login = login_of(settings, app::kPgUrl, app::kPgPassword);
    if (login.url().empty()) throw Failure(Error("OTTO_PG_URL is not set", "it names the database as its owner"));
    pg::SessionLimits patient;
    patient.statement = Millis{3'600'000};
    // Building an index beside writers takes as long as it takes; a server that is gone is noticed by keepalives.
    patient.deadline = Millis{7 * 24 * 3'600'000};
    return {login, "ottoctl", patient};
}

void tell(const std::string& what) { std::fprintf(stderr, "%s\n", what.c_str()); }

int background(const Invocation& call) {
    auto db = owners_database(call.settings());
    if (auto fits = pg::require_schema(db, schema::all()); !fits) throw Failure(fits.error());
    pg::BackgroundOptions options;
    options.say = tell;
    int finished = pg::run_background(db, schema::background(), options).value();
    if (call.json()) {
        Report report;
        report.one("background", {{"finished", finished}, {"steps", schema::background().size()}});
        print(call, report);
    } else {
        std::printf("%d background steps finished; %zu in all\n", finished, schema::background().size());
    }
    return kDone;
}

}  // namespace

int migrate(const Invocation& call) {
    if (call.has("background")) return background(call);
    auto db = owners_database(call.settings());
    const std::string build(schema::latest());
    auto state = pg::schema_state(db, schema::all());
    if (!state.missing.empty() && state.newer.empty())
        if (auto may = schema::may_migrate(db); !may) throw Failure(may.error());
    pg::MigrateOptions options;
    options.say = tell;
    int ran = pg::migrate(db, schema::all(), options).value();
    state = pg::schema_state(db, schema::all());
    if (call.json()) {
        Report report;
        report.one("schema", {{"applied", ran}, {"version", state.version}, {"build", build}, {"newer", state.newer.size()}});
        print(call, report);
    } else {
        std::printf("%d migrations applied; the schema is at %s\n", ran, state.version.c_str());
        if (!state.newer.empty())
            std::printf(
                "It is a later release's: %zu migrations newer than this build's %s. Nothing was changed; this build's "
                "programs run on it.\n",
                state.newer.size(), build.c_str());
    }
    return kDone;
}

int status(const Invocation& call) {
    auto login = login_of(call.settings(), kPgUrlMaintenance, kPgPasswordMaintenance);
    if (login.url().empty())
        throw Failure(Error("neither OTTO_PG_URL_MAINTENANCE nor OTTO_PG_URL is set", "one of them names the database"));
    pg::Connection db(login, "ottoctl");
    auto state = pg::schema_state(db, schema::all());
    Report report;
    report.one("schema", {{"version", state.version},
                          {"build", schema::latest()},
                          {"missing", state.missing.size()},
                          {"newer", state.newer.size()},
                          {"changed", state.changed.size() + state.unknown.size()}});
    std::vector<Record> steps;
    bool behind = !state.missing.empty();
    for (const auto& p : pg::background_progress(db, schema::background())) {
        behind = behind || !p.finished;
        steps.push_back({{"step", p.version + "_" + p.name},
                         {"percent", p.percent()},
                         {"rows", p.done},
                         {"of_about", std::max(p.total, p.done)},
                         {"begun_at", p.started},
                         {"last_at", p.changed},
                         {"finished_at", p.finished},
                         {"error", p.error}});
    }
    report.many("background", std::move(steps), {"step", "percent", "rows", "of_about", "last_at", "error"},
                "no background steps in this build");
    if (!state.missing.empty())
        report.note("The schema is behind this build: programs wait. Next is " + state.missing.front() +
                    ". Run: ottoctl migrate");
    else if (!state.newer.empty())
        report.note("The schema is a later release's; this build's programs run on it.");
    for (const auto& name : state.changed)
        report.note("Migration " + name + " was applied with another text than this build has.");
    for (const auto& name : state.unknown) report.note("Migration " + name + " is none of this build's.");
    print(call, report);
    return behind || !state.changed.empty() || !state.unknown.empty() ? kRefused : kDone;
}

int topics_plan(const Invocation& call) { return topics(call, false); }
int topics_apply(const Invocation& call) { return topics(call, true); }

}  // namespace otto::ottoctl
