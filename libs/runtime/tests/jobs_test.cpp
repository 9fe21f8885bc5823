// Periodic jobs: in one process at a time, and what is told of them; and what is deleted because of its age.
#include "jobs.hpp"
#include "rig.hpp"
#include "trim.hpp"

using namespace otto;
using namespace otto::rt;
using namespace otto::rt::tests;

namespace {

const tel::SharedGauges kJob{"otto_test_job", "A job's.", {"who"}};

bool shown(const std::string& line) { return tel::expose_metrics().find(line) != std::string::npos; }

}  // namespace

TEST_CASE("a job's gauges go when another process takes it over", "[integration]") {
    World::shared();
    StopSignal stop;
    std::atomic<bool> broken{false};
    auto job = [&](const std::string& who, std::atomic<bool>* fails) {
        return Job{"counting", Millis{20},
                   [who, fails](pg::Connection&, tel::Shares& gauges) {
                       if (fails && *fails) throw std::runtime_error("it broke");
                       gauges.set(kJob, {who}, 1);
                   },
                   ""};
    };
    Heard heard;
    CHECK_FALSE(heard.known().ok());  // nobody has asked yet
    auto one = job("one", &broken), two = job("two", nullptr);
    std::thread first([&] { run_job(World::shared().role, "test", one, stop, heard); });
    CHECK(eventually([&] { return shown("otto_test_job{who=\"one\"} 1"); }));
    std::thread second([&] { run_job(World::shared().role, "test", two, stop, heard); });
    broken = true;
    CHECK(eventually([&] { return shown("otto_test_job{who=\"two\"} 1"); }));
    CHECK_FALSE(shown("otto_test_job{who=\"one\"}"));
    CHECK(heard.known().ok());  // a job that fails by itself says nothing of Postgres
    stop.stop();
    first.join();
    second.join();
    CHECK_FALSE(shown("otto_test_job{"));
}

TEST_CASE("what jobs hear of Postgres says whether it is there") {
    Heard heard;
    heard.answered();
    CHECK(heard.known().ok());
    heard.failed(std::runtime_error("a fault of ours"));
    heard.failed(pg::SqlFailure("40P01", "deadlock detected", "", ""));
    CHECK(heard.known().ok());
    heard.failed(pg::SqlFailure("", "Postgres cannot be reached: Connection refused", "", ""));
    REQUIRE_FALSE(heard.known().ok());
    CHECK(heard.known().error().message.find("Connection refused") != std::string::npos);
    heard.answered();
    CHECK(heard.known().ok());
}

TEST_CASE("what is too old is deleted, some rows a transaction, and a table that fails keeps no other from it", "[integration]") {
    World::shared();
    pg::Connection owner(World::shared().owner, "owner"), db(World::shared().role, "trim");
    const auto name = consumer_of(fresh_company());
    auto fill = [&](const std::string& age, int rows) {
        owner.execute("INSERT INTO dead_letters (consumer, topic, partition, key, value, headers, error, dead_at) SELECT '" +
                      name + "', 'otto.routed', 0, 'k', 'v', '[]', '" + age + "', now() - interval '" + age +
                      "' FROM generate_series(1, " + std::to_string(rows) + ")");
    };
    fill("91 days", 2 * kTrimmedAtOnce + 7);
    fill("89 days", 3);
    owner.execute(
        "CREATE TABLE trimmed (n bigint); CREATE FUNCTION note_trimmed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ "
        "BEGIN INSERT INTO trimmed SELECT count(*) FROM gone; RETURN NULL; END $$;"
        "CREATE TRIGGER note_trimmed AFTER DELETE ON dead_letters REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE "
        "FUNCTION note_trimmed()");
    StopSignal stop;
    trim(db,
         {{"no_such_table", "dead_at", std::chrono::days(90), ""},
          {"dead_letters", "dead_at", std::chrono::days(90), "key = 'k'"}},
         stop);
    owner.execute("DROP TRIGGER note_trimmed ON dead_letters");
    CHECK(count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name + "'") == 3);
    CHECK(count("SELECT max(n) AS n FROM trimmed") == kTrimmedAtOnce);
    CHECK(count("SELECT sum(n)::bigint AS n FROM trimmed") == 2 * kTrimmedAtOnce + 7);
    CHECK(shown("otto_trimmed_rows_total{table=\"dead_letters\"} 20007"));
}
