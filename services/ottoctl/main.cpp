// The operators' command.
#include <cstdio>
#include <string>
#include <vector>

#include "app/common.hpp"
#include "kafka/topics.hpp"
#include "pg/connection.hpp"
#include "pg/migrate.hpp"
#include "schema/schema.hpp"
#include "telemetry/log.hpp"

using namespace otto;

namespace {

const app::Setting<std::int64_t> kReplication = app::number("replication", 1, 1, 10, "copies of each partition of topics that are made");

constexpr const char* kUsage = R"(usage: ottoctl COMMAND [--SETTING=VALUE…]

  migrate         brings the database (OTTO_PG_URL, its owner) to this build's schema
  topics plan     says what of Otto's topics differs on OTTO_KAFKA_BROKERS
  topics apply    makes it so; never deletes, never changes a partition count

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused or (plan) something to do.
)";

int fail(const Error& e) {
    std::fprintf(stderr, "ottoctl: %s%s%s\n", e.message.c_str(), e.hint.empty() ? "" : "\n  ", e.hint.c_str());
    return 1;
}

int migrate(const app::Settings& settings) {
    auto url = settings.get(app::kPgUrl);
    if (url.empty()) return fail(Error("OTTO_PG_URL is not set", "it names the database as its owner"));
    pg::SessionLimits patient;
    patient.statement = Millis{3'600'000};
    patient.deadline = Millis{3'700'000};
    pg::Connection db(url, "ottoctl", patient);
    auto ran = pg::migrate(db, schema::all());
    if (!ran) return fail(ran.error());
    std::printf("%d migrations applied; the schema is at %s\n", *ran, std::string(schema::latest()).c_str());
    return 0;
}

int topics(const app::Settings& settings, bool apply) {
    auto brokers = settings.get(app::kKafkaBrokers);
    auto replication = static_cast<int>(settings.get(kReplication));
    auto changes = apply ? kafka::apply_topics(brokers, kafka::otto_topics(), replication, Millis{20'000}) : kafka::plan_topics(brokers, kafka::otto_topics(), replication, Millis{20'000});
    if (!changes) return fail(changes.error());
    bool refused = false;
    for (const auto& c : *changes) {
        std::printf("%s%s: %s\n", c.refused ? "refused: " : "", c.topic.c_str(), c.what.c_str());
        refused = refused || c.refused;
    }
    if (changes->empty()) std::printf("all topics are as they should be\n");
    return refused || (!apply && !changes->empty()) ? 3 : 0;
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> words, options;
    for (int i = 1; i < argc; ++i) (std::string(argv[i]).starts_with("--") ? options : words).emplace_back(argv[i]);
    app::Rows rows{app::kPgUrl.row, app::kKafkaBrokers.row, app::kLogLevel.row, kReplication.row};
    for (const auto& o : options)
        if (o == "--help") {
            std::fputs((std::string(kUsage) + "\n" + app::help_text("ottoctl", "the operators' command", rows)).c_str(), stdout);
            return 0;
        }
    auto settings = app::Settings::load(rows, options, app::environment_of_process());
    if (!settings) {
        std::fprintf(stderr, "ottoctl: %s (%s)\n", settings.error().message.c_str(), settings.error().hint.c_str());
        return 2;
    }
    tel::configure_log("ottoctl", tel::Level::warn, Secret());
    try {
        if (words == std::vector<std::string>{"migrate"}) return migrate(*settings);
        if (words == std::vector<std::string>{"topics", "plan"}) return topics(*settings, false);
        if (words == std::vector<std::string>{"topics", "apply"}) return topics(*settings, true);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "ottoctl: %s\n", e.what());
        return 1;
    }
    std::fputs(kUsage, stderr);
    return 2;
}
