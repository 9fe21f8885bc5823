#include <signal.h>

#include <future>
#include <thread>

#include "base/crypto.hpp"
#include "pg/connection.hpp"
#include "pg/login.hpp"
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

TEST_CASE("a password beside the URL is asked for at each connection, and gives way to the URL's own", "[integration]") {
    Database db;
    const auto url = db.url.reveal();
    std::vector<std::string> asked;
    // The test server believes whoever connects by its address: what libpq would send is seen by what a password file cannot
    // give.
    pg::Connection c(pg::Login([&] { return Secret(url); },
                               [&] {
                                   asked.push_back("password");
                                   return Secret("p");
                               }),
                     "login");
    c.begin(pg::Scope::none()).commit();
    c.begin(pg::Scope::none()).commit();
    CHECK(asked.size() == 1);
    c.close();
    c.begin(pg::Scope::none()).commit();
    CHECK(asked.size() == 2);
}

TEST_CASE("a notification wakes who listens", "[integration]") {
    Database db;
    pg::Connection listener(db.url, "listener");
    listener.execute("LISTEN otto_test");
    CHECK_FALSE(listener.wait_notification(Millis{1}));
    db.connection.execute("NOTIFY otto_test");
    CHECK(listener.wait_notification(Millis{5'000}));
}

TEST_CASE("statements are told apart by what Postgres reads, not by every semicolon") {
    CHECK(pg::statements_of("-- otto: no-transaction\nSELECT 1; -- a; b\nSELECT 'x;''y', \"a;b\" /* ; /* ; */ */;;\n"
                            "CREATE FUNCTION f() AS $body$ SELECT ';'; $$;$$ $body$;\nSELECT E'\\';', $1;") ==
          std::vector<std::string>{"SELECT 1", "SELECT 'x;''y', \"a;b\"",
                                   "CREATE FUNCTION f() AS $body$ SELECT ';'; $$;$$ $body$", "SELECT E'\\';', $1"});
    CHECK(pg::instruction_of("-- otto: no-transaction\nSELECT 1") == "no-transaction");
    CHECK(pg::instruction_of("-- otto: background t (id) 5") == "background t (id) 5");
    CHECK(pg::instruction_of("-- What it is for.\n-- otto: no-transaction") == "");
}

TEST_CASE("sessions of a login plan as the login says, whoever connects and whatever the URL sets", "[integration]") {
    CHECK(pg::session_settings("otto_texts") ==
          "-c enable_seqscan=off -c jit=off -c plan_cache_mode=force_generic_plan -c random_page_cost=1.1");
    CHECK(pg::session_settings("otto_lead_pipeline").find("-c enable_mergejoin=off") != std::string::npos);
    CHECK(pg::session_settings("otto_query_service").find("-c enable_memoize=off") != std::string::npos);
    for (const char* other : {"otto_maintenance", "postgres", "", "otto"}) CHECK(pg::session_settings(other) == "");
    CHECK(pg::login_of("postgresql://otto_x:p%40ss@h1:1,h2:2/otto?options=-c%20jit%3Don").user == "otto_x");
    CHECK(pg::login_of("postgresql://otto_x@h/otto?options=-c%20jit%3Don").options == "-c jit=on");
    CHECK(pg::login_of("host=h user=otto_y password='a b'").user == "otto_y");
    CHECK(pg::login_of("postgresql://[nonsense").user == "");
    auto url = TestPostgres::shared().fresh_database();
    pg::Connection owner(url, "owner");
    owner.execute("DROP ROLE IF EXISTS otto_planned; CREATE ROLE otto_planned LOGIN");
    auto as = TestPostgres::as_role(url, "otto_planned").reveal();
    for (const auto& [suffix, jit] : {std::pair{"", "off"}, std::pair{"?options=-c%20jit%3Don", "on"}}) {
        INFO(suffix);
        pg::Connection planned(Secret(as + suffix), "planned");
        auto tx = planned.begin(pg::Scope::none());
        CHECK(tx.value<std::string>({"settings",
                                     "SELECT concat_ws(' ', current_setting('jit'), current_setting('random_page_cost'), "
                                     "current_setting('TimeZone'), current_setting('lock_timeout'))"}) ==
              std::string(jit) + " 1.1 UTC 5s");
    }
    owner.execute("DROP ROLE otto_planned");
}

TEST_CASE("a newer schema is left alone, a gap is an error, and a former text is as good", "[integration]") {
    auto url = TestPostgres::shared().fresh_database();
    pg::Connection c(url, "migrate");
    std::vector<pg::Migration> steps{{"20260101000000", "first", "CREATE TABLE t (a int)"},
                                     {"20260102000000", "second", "ALTER TABLE t ADD COLUMN b int"},
                                     {"20260103000000", "third", "ALTER TABLE t ADD COLUMN c int"}};
    auto former = std::span(steps).first(2);
    CHECK(pg::require_schema(c, former).error().message.find("20260102000000_second and 1 before it") != std::string::npos);
    CHECK(pg::migrate(c, steps).value() == 3);
    CHECK(pg::migrate(c, former).value() == 0);  // the release before, on the newer schema
    CHECK(pg::require_schema(c, former));
    CHECK(pg::schema_state(c, former).newer == std::vector<std::string>{"20260103000000_third"});
    CHECK(pg::schema_state(c, former).missing.empty());
    // Something in between is missing: that is no newer schema.
    std::vector<pg::Migration> other{steps[0], {"20260101120000", "lost", "SELECT 1"}, steps[1]};
    CHECK(pg::migrate(c, other).error().message.find("lacks 20260101120000_lost") != std::string::npos);
    CHECK(pg::require_schema(c, other).error().message.find("20260101120000_lost") != std::string::npos);
    std::vector<pg::Migration> strange{steps[0], steps[2]};
    CHECK(pg::migrate(c, strange).error().message.find("20260102000000_second, which this build does not know") !=
          std::string::npos);
    // A file that was replaced after it was applied, with its former checksum on record.
    auto replaced = steps;
    replaced[1].sql = "ALTER TABLE t ADD COLUMN b int -- as before";
    CHECK(pg::migrate(c, replaced).error().message.find("second was changed") != std::string::npos);
    const auto checksums = "0000 " + hex_encode(sha256(steps[1].sql));
    replaced[1].former = checksums;
    CHECK(pg::migrate(c, replaced).value() == 0);
    CHECK(pg::schema_state(c, replaced).changed.empty());
}

TEST_CASE("two that migrate at once take turns, and both succeed; who is killed half-way is gone on with", "[integration]") {
    auto url = TestPostgres::shared().fresh_database();
    pg::Connection watcher(url, "watcher");
    // The second migration waits until the test lets it go, so that the other one comes meanwhile.
    std::vector<pg::Migration> steps{{"20260101000000", "first", "CREATE TABLE t (a int)"},
                                     {"20260102000000", "second", "SET LOCAL lock_timeout = 0; SELECT pg_advisory_xact_lock(42)"},
                                     {"20260103000000", "third", "CREATE TABLE u (a int)"}};
    watcher.execute("SELECT pg_advisory_lock(42)");
    std::promise<void> other_waits;
    auto run = [&](const char* name, bool tells) {
        pg::Connection c(url, name);
        pg::MigrateOptions options;
        std::once_flag once;
        options.say = [&](const std::string& what) {
            if (tells && what.find("waits for it") != std::string::npos) std::call_once(once, [&] { other_waits.set_value(); });
        };
        return pg::migrate(c, steps, options).value();
    };
    auto first = std::async(std::launch::async, run, "migrate-a", false);
    auto blocked = [&] {  // until the first is in its second migration
        for (;;) {
            auto tx = watcher.begin(pg::Scope::none());
            auto n =
                tx.value<std::int64_t>({"blocked", "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"});
            tx.commit();
            if (n == 1) return;
            std::this_thread::yield();
        }
    };
    SECTION("two at once") {
        blocked();
        auto second = std::async(std::launch::async, run, "migrate-b", true);
        other_waits.get_future().get();
        watcher.execute("SELECT pg_advisory_unlock(42)");
        CHECK(first.get() + second.get() == 3);
    }
    SECTION("killed half-way") {
        blocked();
        watcher.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'migrate-a'");
        CHECK_THROWS(first.get());
        watcher.execute("SELECT pg_advisory_unlock(42)");
        CHECK(run("migrate-b", false) == 2);
    }
}

TEST_CASE("a migration that does not get its lock lets others by and tries again; for ever is an error that says so",
          "[integration]") {
    auto url = TestPostgres::shared().fresh_database();
    pg::SessionLimits quick;
    quick.lock = Millis{50};
    pg::Connection c(url, "migrate", quick), holder(url, "holder");
    std::vector<pg::Migration> steps{{"20260101000000", "first", "CREATE TABLE t (a int)"}};
    CHECK(pg::migrate(c, steps).value() == 1);
    steps.push_back({"20260102000000", "second", "ALTER TABLE t ADD COLUMN b int"});
    auto held = std::make_unique<pg::Tx>(holder.begin(pg::Scope::none()));
    held->write({"read", "SELECT * FROM t"});
    held->flush();
    pg::MigrateOptions options;
    options.pause = Backoff{Millis{1}, Millis{5}};
    options.tries = 3;
    auto failed = pg::migrate(c, steps, options);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().message.find("second gets no lock") != std::string::npos);
    options.tries = 1'000;
    options.say = [&](const std::string& what) {
        if (what.find("tries again") != std::string::npos) held.reset();
    };
    CHECK(pg::migrate(c, steps, options).value() == 1);
}

TEST_CASE("a migration without a transaction builds an index beside writers, and anew what a kill left half-built",
          "[integration]") {
    auto url = TestPostgres::shared().fresh_database();
    pg::Connection c(url, "migrate"), other(url, "other");
    std::vector<pg::Migration> steps{
        {"20260101000000", "first",
         "CREATE TABLE t (a int, b int); INSERT INTO t SELECT i % 1000, i FROM generate_series(1, 300000) i"}};
    CHECK(pg::migrate(c, steps).value() == 1);
    steps.push_back(
        {"20260102000000", "index",
         "-- otto: no-transaction\n-- Why; and more.\nCREATE UNIQUE INDEX CONCURRENTLY t_ab ON t (a, b);\nCREATE INDEX "
         "CONCURRENTLY IF NOT EXISTS t_b ON t (b);\nALTER TABLE t ADD COLUMN IF NOT EXISTS c int;\n"});
    auto valid = [&] {
        auto tx = other.begin(pg::Scope::none());
        return tx.value<std::string>({"valid",
                                      "SELECT string_agg(indexrelid::regclass || ' ' || indisvalid, ', ' ORDER BY 1) FROM "
                                      "pg_index WHERE indrelid = 't'::regclass GROUP BY indrelid"});
    };
    // A former attempt was killed: Postgres leaves an index that is kept up and not used.
    other.execute("INSERT INTO t VALUES (1, 1)");
    CHECK_THROWS_AS(other.execute("CREATE UNIQUE INDEX CONCURRENTLY t_ab ON t (a, b)"), pg::SqlFailure);
    CHECK(valid() == "t_ab false");
    // As it stands it fails; what it did and did not do is said, and nothing is on record.
    auto failed = pg::migrate(c, steps);
    REQUIRE_FALSE(failed);
    CHECK(failed.error().hint.find("run again") != std::string::npos);
    CHECK(pg::schema_state(c, steps).missing == std::vector<std::string>{"20260102000000_index"});
    other.execute("DELETE FROM t WHERE ctid = (SELECT max(ctid) FROM t WHERE a = 1 AND b = 1)");
    std::string said;
    pg::MigrateOptions options;
    options.say = [&](const std::string& what) { said += what + "\n"; };
    CHECK(pg::migrate(c, steps, options).value() == 1);
    CHECK(said.find("t_ab was left half-built") != std::string::npos);
    CHECK(valid() == "t_ab true, t_b true");
    CHECK(pg::migrate(c, steps).value() == 0);

    // Killed between the last statement and the record of it: what is there is met again.
    other.execute("DELETE FROM schema_migrations WHERE name = 'index'");
    CHECK(pg::migrate(c, steps).value() == 1);
    steps.push_back({"20260103000000", "odd", "-- otto: no-transactions\nSELECT 1"});
    CHECK(pg::migrate(c, steps).error().message.find("says 'no-transactions'") != std::string::npos);
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
    CHECK(pg::migrate(c, std::span(steps).first(1)).error().message.find("first") != std::string::npos);  // older, and unknown

    auto broken = steps;
    broken.push_back({"20260103000000", "broken", "CREATE TABLE u (a int); SELECT nonsense"});
    CHECK(pg::migrate(c, broken).error().message.find("broken") != std::string::npos);
    CHECK_FALSE(pg::require_schema(c, "20260103000000"));
    broken.back().sql = "CREATE TABLE u (a int)";  // the table of the failed try is not there
    CHECK(pg::migrate(c, broken).value() == 1);
}
