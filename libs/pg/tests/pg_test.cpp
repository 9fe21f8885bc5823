#include <signal.h>

#include <thread>

#include "pg/connection.hpp"
#include "pg/migrate.hpp"
#include "testing/catch.hpp"
#include "testkit/metrics.hpp"
#include "testkit/postgres.hpp"

using namespace otto;
using testkit::TestPostgres;

namespace {

constexpr pg::Query kInsert{"test.insert", "INSERT INTO thing (id, name) VALUES ($1, $2)"};
constexpr pg::Query kCount{"test.count", "SELECT count(*) AS n FROM thing"};
constexpr pg::Query kUpdate{"test.update", "UPDATE thing SET name = $1"};
constexpr pg::Query kBroken{"test.broken", "SELECT nothing FROM nowhere"};
constexpr pg::Query kSleep{"test.sleep", "SELECT 1 AS n FROM pg_sleep(60)"};

struct Count {
    std::int64_t n;
    static Count from(const pg::Fields& f) { return {f.integer("n")}; }
};

struct Database {
    Secret url = TestPostgres::shared().fresh_database();
    pg::Connection connection{url, "pg_test"};
    Database() { connection.execute("CREATE TABLE thing (id bigint PRIMARY KEY, name text NOT NULL CHECK (name <> 'bad'))"); }
    std::int64_t count() {
        auto tx = connection.begin(pg::Scope::none());
        auto n = tx.one<Count>(kCount).n;
        tx.commit();
        return n;
    }
};

pg::FailureClass kind_of(const std::string& state) { return pg::SqlFailure(state, "", "", "").kind(); }

}  // namespace

TEST_CASE("SQLSTATEs fall into the classes of the runtime's protocol") {
    for (auto s : {"", "08006", "25006", "25P03", "26000", "40002", "53300", "57P01", "57P03", "58030"})
        CHECK(kind_of(s) == pg::FailureClass::transient);
    for (auto s : {"40001", "40P01", "55P03", "57014", "XX000", "XX001"}) CHECK(kind_of(s) == pg::FailureClass::contention);
    for (auto s : {"42P01", "42501", "28P01", "0A000", "3F000"}) CHECK(kind_of(s) == pg::FailureClass::schema);
    for (auto s : {"23505", "22P02", "23514", "P0001"}) CHECK(kind_of(s) == pg::FailureClass::data);
}

TEST_CASE("queued writes commit together, thousands in one pipeline", "[integration]") {
    Database db;
    {
        auto tx = db.connection.begin(pg::Scope::none());
        for (int i = 0; i < 20'000; ++i) tx.write(kInsert, {i, "a name of some length to fill the socket's buffers"});
        tx.commit();
    }
    CHECK(db.count() == 20'000);
}

TEST_CASE("a failed write surfaces at the next read, the flush or the commit, and nothing of the transaction stays",
          "[integration]") {
    Database db;
    auto fails_at = [&](auto&& last_step) {
        auto tx = db.connection.begin(pg::Scope::none());
        tx.write(kInsert, {1, "good"});
        tx.write(kInsert, {2, "bad"});
        tx.write(kInsert, {3, "good"});
        try {
            last_step(tx);
            FAIL("no failure");
        } catch (const pg::SqlFailure& e) {
            CHECK(e.sqlstate() == "23514");
            CHECK(e.constraint() == "thing_name_check");
            CHECK(std::string(e.what()).find("test.insert") != std::string::npos);
        }
    };
    fails_at([](pg::Tx& tx) { tx.commit(); });
    fails_at([](pg::Tx& tx) { tx.flush(); });
    fails_at([](pg::Tx& tx) { tx.one<Count>(kCount); });
    CHECK(db.count() == 0);
}

TEST_CASE("a transaction that is not committed rolls back; its connection goes on", "[integration]") {
    Database db;
    {
        auto tx = db.connection.begin(pg::Scope::none());
        tx.write(kInsert, {1, "x"});
    }
    CHECK(db.count() == 0);
    {
        auto tx = db.connection.begin(pg::Scope::none());
        CHECK_THROWS_AS(tx.one<Count>(kBroken), pg::SqlFailure);
        CHECK_THROWS_AS(tx.commit(), pg::SqlFailure);  // it had failed: never silently
    }
    CHECK(db.count() == 0);
    {
        auto tx = db.connection.begin(pg::Scope::none());
        CHECK(tx.write_counted(kUpdate, {"y"}) == 0);
        tx.write(kInsert, {1, "x"});
        CHECK(tx.write_counted(kUpdate, {"y"}) == 1);
        tx.commit();
    }
    CHECK(db.count() == 1);
}

TEST_CASE("what is to run after the commit runs after it, once, and not without it", "[integration]") {
    Database db;
    int ran = 0;
    {
        auto tx = db.connection.begin(pg::Scope::none());
        tx.on_commit([&] { ++ran; });
    }
    {
        auto tx = db.connection.begin(pg::Scope::none());
        tx.on_commit([&] { ++ran; });
        tx.write(kInsert, {1, "bad"});
        CHECK_THROWS_AS(tx.commit(), pg::SqlFailure);
    }
    CHECK(ran == 0);
    auto tx = db.connection.begin(pg::Scope::none());
    tx.on_commit([&] { ran += static_cast<int>(db.connection.backend().pid > 0); });  // the session is free again
    CHECK(ran == 0);
    tx.commit();
    CHECK(ran == 1);
}

TEST_CASE("values come back as they went in", "[integration]") {
    Database db;
    static constexpr pg::Query query{"test.values",
                                     "SELECT $1::text AS t, $2::bigint AS i, $3::boolean AS b, $4::uuid AS u, $5::timestamptz AS "
                                     "at, $6::bytea AS raw, $7::text AS none, "
                                     "$8::float8 AS f, array_to_string($9::text[], '|', '<null>') AS list"};
    auto id = Uuid::v7(from_micros(1'700'000'000'000'000));
    auto at = from_micros(1'700'000'000'123'456);
    std::string raw("\0\x01\xff\\'", 5), text = "Robert'); DROP TABLE \"thing\";--\n\xc3\xab";
    auto tx = db.connection.begin(pg::Scope::none());
    int rows = 0;
    tx.each(query,
            {text, std::int64_t{1} << 60, true, id, at, pg::Param::bytes(raw), std::optional<std::string>{}, 2.5,
             pg::Param::array(std::vector<std::optional<std::string>>{"plain", "q\"\\,{} '", std::nullopt, "", "NULL"})},
            [&](const pg::Fields& f) {
                ++rows;
                CHECK(f.text("t") == text);
                CHECK(f.integer("i") == std::int64_t{1} << 60);
                CHECK(f.boolean("b"));
                CHECK(f.uuid("u") == id);
                CHECK(f.time("at") == at);
                CHECK(f.bytes("raw") == raw);
                CHECK(f.is_null("none"));
                CHECK_FALSE(f.maybe_text("none"));
                CHECK(f.number("f") == 2.5);
                CHECK(f.text("list") == "plain|q\"\\,{} '|<null>||NULL");
                CHECK_THROWS_AS(f.text("absent"), std::logic_error);
            });
    CHECK(rows == 1);
}

TEST_CASE("a text that Postgres cannot hold is refused as such, not cut", "[integration]") {
    Database db;
    static constexpr pg::Query query{"test.nul", "SELECT length($1::text) AS n"};
    auto tx = db.connection.begin(pg::Scope::none());
    try {
        tx.each(query, {std::string("a\0b", 3)}, [](const pg::Fields&) {});
        FAIL("it was taken");
    } catch (const pg::SqlFailure& e) {
        CHECK(e.kind() == pg::FailureClass::data);
        CHECK(std::string(e.what()).find("NUL") != std::string::npos);
    }
    tx.each(query, {"ab"}, [](const pg::Fields& f) { CHECK(f.integer("n") == 2); });
}

TEST_CASE("a scope is what row-level security sees, in its transaction only", "[integration]") {
    Database db;
    db.connection.execute(
        "DO $$ BEGIN CREATE ROLE test_reader LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        "DO $$ BEGIN CREATE ROLE test_consumer LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;"
        "CREATE TABLE row_of (company_id text, n int); INSERT INTO row_of VALUES ('org_a', 1), ('org_b', 2), ('org_c', 3);"
        "ALTER TABLE row_of ENABLE ROW LEVEL SECURITY; ALTER TABLE row_of FORCE ROW LEVEL SECURITY;"
        "CREATE POLICY one ON row_of TO test_reader USING (company_id = current_setting('otto.company_id', true));"
        "CREATE POLICY many ON row_of TO test_consumer USING (company_id = ANY "
        "(string_to_array(current_setting('otto.company_ids', true), ',')));"
        "GRANT SELECT ON row_of TO test_reader, test_consumer");
    static constexpr pg::Query sum{"test.sum", "SELECT coalesce(sum(n), 0) AS n FROM row_of"};
    pg::Connection reader(TestPostgres::as_role(db.url, "test_reader"), "reader"),
        consumer(TestPostgres::as_role(db.url, "test_consumer"), "consumer");
    auto seen = [](pg::Connection& c, const pg::Scope& scope) {
        auto tx = c.begin(scope);
        auto n = tx.one<Count>(sum).n;
        tx.commit();
        return n;
    };
    CHECK(seen(reader, pg::Scope::company(CompanyId{"org_b"})) == 2);
    CHECK(seen(reader, pg::Scope::none()) == 0);
    CHECK(seen(consumer, pg::Scope::companies({CompanyId{"org_a"}, CompanyId{"org_c"}})) == 4);
    CHECK(seen(consumer, pg::Scope::none()) == 0);
}

TEST_CASE("a lost session is transient, and the next transaction has a new one", "[integration]") {
    Database db;
    pg::Connection victim(db.url, "victim");
    auto pid = victim.backend().pid;
    {
        auto tx = victim.begin(pg::Scope::none());
        tx.write(kInsert, {1, "x"});
        tx.flush();
        db.connection.execute("SELECT pg_terminate_backend(" + std::to_string(pid) + ")");
        try {
            tx.commit();
            FAIL("no failure");
        } catch (const pg::SqlFailure& e) {
            CHECK(e.kind() == pg::FailureClass::transient);
        }
    }
    CHECK(db.count() == 0);
    auto tx = victim.begin(pg::Scope::none());
    tx.write(kInsert, {1, "x"});
    tx.commit();
    CHECK(db.count() == 1);
    CHECK(victim.backend().pid != pid);
}

TEST_CASE("a stopped server is given up at the client's own deadline", "[integration]") {
    Database db;
    pg::SessionLimits limits;
    limits.deadline = Millis{300};
    pg::Connection stuck(db.url, "stuck", limits);
    auto pid = stuck.backend().pid;
    if (::kill(pid, SIGSTOP) != 0) return;  // another host's server (OTTO_TEST_PG_URL) cannot be stopped from here
    auto start = std::chrono::steady_clock::now();
    {
        auto tx = stuck.begin(pg::Scope::none());
        CHECK_THROWS_AS(tx.one<Count>(kCount), pg::SqlFailure);
    }
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(5));
    ::kill(pid, SIGCONT);
}

TEST_CASE(
    "a statement that takes longer than its transaction may is ended, and counts as nobody's fault; the session's own limit is "
    "back in the next one",
    "[integration]") {
    Database db;
    auto limit = [&](pg::Tx& tx) {
        std::string now;
        tx.each({"test.limit", "SHOW statement_timeout"}, {}, [&](const pg::Fields& f) { now = f.text("statement_timeout"); });
        return now;
    };
    {
        auto tx = db.connection.begin(pg::Scope::none(), pg::Limits{.statement = Millis{200}});
        CHECK(limit(tx) == "200ms");
        try {
            tx.one<Count>(kSleep);
            FAIL("it slept");
        } catch (const pg::SqlFailure& e) {
            CHECK(e.timed_out());
            CHECK(e.kind() == pg::FailureClass::contention);
        }
    }
    auto tx = db.connection.begin(pg::Scope::none());
    CHECK(limit(tx) == "30s");
}

TEST_CASE("a transaction is cancelled from outside: its statement ends in the server, its session goes on", "[integration]") {
    Database db;
    pg::Connection asked(db.url, "asked");
    auto pid = asked.backend().pid;
    auto sleeping = [&] {
        std::int64_t n = 0;
        auto tx = db.connection.begin(pg::Scope::none());
        tx.each({"test.sleeping",
                 "SELECT count(*) AS n FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND wait_event = 'PgSleep'"},
                {pid}, [&](const pg::Fields& f) { n = f.integer("n"); });
        tx.commit();
        return n == 1;
    };
    auto start = std::chrono::steady_clock::now();
    pg::Canceller former;
    {
        auto tx = asked.begin(pg::Scope::none());
        tx.write(kInsert, {1, "x"});
        former = tx.canceller();
        std::thread gone([&, c = tx.canceller()] {
            while (!sleeping()) std::this_thread::yield();
            c.cancel();
        });
        CHECK_THROWS_AS(tx.one<Count>(kSleep), pg::Cancelled);
        gone.join();
        CHECK_FALSE(sleeping());
        CHECK_THROWS_AS(tx.one<Count>(kCount), pg::Cancelled);
        CHECK_THROWS_AS(tx.commit(), pg::Cancelled);
    }
    CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(20));
    CHECK(db.count() == 0);
    former.cancel();
    auto tx = asked.begin(pg::Scope::none());  // another transaction is none of that canceller's business
    former.cancel();
    tx.write(kInsert, {1, "x"});
    tx.commit();
    CHECK(db.count() == 1);
    CHECK(asked.backend().pid == pid);
    pg::Canceller().cancel();
}

TEST_CASE("a session keeps the statements that it used last, however many were made", "[integration]") {
    Database db;
    std::vector<std::pair<std::string, std::string>> made;
    for (int i = 0; i < 400; ++i)
        made.emplace_back("test.made \"" + std::to_string(i) + "\"",
                          "SELECT count(*) + " + std::to_string(i) + " AS n FROM thing");
    auto ask = [&](int i) {
        auto tx = db.connection.begin(pg::Scope::none());
        CHECK(tx.one<Count>({made[i].first, made[i].second}).n == i);
        CHECK(tx.one<Count>(kCount).n == 0);
        tx.commit();
    };
    auto kept = [&](const std::string& which) {
        auto tx = db.connection.begin(pg::Scope::none());
        auto text = "SELECT count(*) AS n FROM pg_prepared_statements" + which;
        return tx.one<Count>({"test.kept" + which, text}).n;
    };
    for (int i = 0; i < 400; ++i) ask(i);
    CHECK(kept("") <= 155);
    CHECK(kept("") >= 100);
    CHECK(kept(" WHERE name = 'test.made \"399\"'") == 1);
    CHECK(kept(" WHERE name = 'test.count'") == 1);  // among the first, and used all the time
    CHECK(kept(" WHERE name = 'test.made \"0\"'") == 0);
    ask(0);
    CHECK(kept(" WHERE name = 'test.made \"0\"'") == 1);
    // What was prepared in a transaction that failed is known as well.
    {
        auto tx = db.connection.begin(pg::Scope::none());
        CHECK(tx.one<Count>({made[1].first, made[1].second}).n == 1);
        CHECK_THROWS_AS(tx.one<Count>(kBroken), pg::SqlFailure);
    }
    ask(1);
}

TEST_CASE("a pool gives each thread its own connection and refuses when all are busy", "[integration]") {
    Database db;
    using testkit::metric;
    auto sessions = [](const std::string& state) { return metric("otto_pg_pool", {{"state", state}}); };
    auto errors = [](const std::string& what) { return metric("otto_pg_errors_total", {{"class", what}}); };
    const double unopened = sessions("unopened"), busy = errors("busy"), schema = errors("schema"), away = errors("unreachable");
    pg::Pool pool(db.url, "pool", 2, {}, Millis{50});
    CHECK(sessions("unopened") == unopened + 2);
    {
        auto a = pool.begin(pg::Scope::none()), b = pool.begin(pg::Scope::none());
        CHECK_THROWS_AS(pool.begin(pg::Scope::none()), pg::SqlFailure);
        CHECK(sessions("used") == 2);
        CHECK_THROWS_AS(a.one<Count>(kBroken), pg::SqlFailure);
    }
    CHECK(sessions("used") == 0);
    CHECK(sessions("idle") == 2);
    CHECK(sessions("unopened") == unopened);
    CHECK(sessions("waiting") == 0);
    CHECK(errors("busy") == busy + 1);
    CHECK(errors("schema") == schema + 1);
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 50; ++i) {
                auto tx = pool.begin(pg::Scope::none());
                tx.write(kInsert, {t * 1000 + i, "x"});
                tx.commit();
            }
        });
    for (auto& t : threads) t.join();
    CHECK(db.count() == 100);
    CHECK(pool.ping());
    db.connection.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'pool'");
    for (int i = 0; i < 4; ++i)
        CHECK_NOTHROW(pool.begin(pg::Scope::none()).commit());  // sessions that ended while idle cost nobody a request
    pg::Pool nowhere(Secret("postgresql://nobody@127.0.0.1:1/none"), "nowhere", 1);
    CHECK_FALSE(nowhere.ping());
    CHECK(errors("unreachable") == away + 1);
}

TEST_CASE("a notification wakes who listens", "[integration]") {
    Database db;
    pg::Connection listener(db.url, "listener");
    listener.execute("LISTEN otto_test");
    CHECK_FALSE(listener.wait_notification(Millis{1}));
    db.connection.execute("NOTIFY otto_test");
    CHECK(listener.wait_notification(Millis{5'000}));
}

TEST_CASE("migrations run once, in order of version; a changed or unknown one is refused by name", "[integration]") {
    auto url = TestPostgres::shared().fresh_database();
    pg::Connection c(url, "migrate");
    CHECK(pg::require_schema(c, "20260101000000").error().hint.find("ottoctl migrate") != std::string::npos);
    std::vector<pg::Migration> steps{{"20260102000000", "second", "ALTER TABLE t ADD COLUMN b int"},
                                     {"20260101000000", "first", "CREATE TABLE t (a int)"}};
    CHECK(pg::migrate(c, steps).value() == 2);
    CHECK(pg::migrate(c, steps).value() == 0);
    CHECK(pg::require_schema(c, "20260102000000"));
    CHECK_FALSE(pg::require_schema(c, "20260103000000"));

    auto changed = steps;
    changed[1].sql = "CREATE TABLE t (a bigint)";
    CHECK(pg::migrate(c, changed).error().message.find("first") != std::string::npos);
    CHECK(pg::migrate(c, std::span(steps).subspan(1)).error().message.find("second") != std::string::npos);

    auto broken = steps;
    broken.push_back({"20260103000000", "broken", "CREATE TABLE u (a int); SELECT nonsense"});
    CHECK(pg::migrate(c, broken).error().message.find("broken") != std::string::npos);
    CHECK_FALSE(pg::require_schema(c, "20260103000000"));
    broken.back().sql = "CREATE TABLE u (a int)";  // the table of the failed try is not there
    CHECK(pg::migrate(c, broken).value() == 1);
}
