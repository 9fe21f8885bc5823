// migrate, topics: brings the database and Kafka to what this build needs.
#include <cstdio>

#include "app/common.hpp"
#include "commands.hpp"
#include "database.hpp"
#include "kafka/topics.hpp"
#include "pg/connection.hpp"
#include "pg/migrate.hpp"
#include "report.hpp"
#include "schema.hpp"
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

int migrate(const Invocation& call) {
    auto url = call.settings().get(app::kPgUrl);
    if (url.empty()) throw Failure(Error("OTTO_PG_URL is not set", "it names the database as its owner"));
    pg::SessionLimits patient;
    patient.statement = Millis{3'600'000};
    patient.deadline = Millis{3'700'000};
    pg::Connection db(url, "ottoctl", patient);
    int ran = pg::migrate(db, schema::all()).value();
    std::string latest(schema::latest());
    if (call.json()) {
        Report report;
        report.one("schema", {{"applied", ran}, {"version", latest}});
        print(call, report);
    } else {
        std::printf("%d migrations applied; the schema is at %s\n", ran, latest.c_str());
    }
    return kDone;
}

int topics_plan(const Invocation& call) { return topics(call, false); }
int topics_apply(const Invocation& call) { return topics(call, true); }

}  // namespace otto::ottoctl
