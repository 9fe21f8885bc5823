// Work in queues: each key is one worker's, what is wanted is not lost, whoever dies or fails leaves it to the next, and no
// company takes all workers.
#include "runtime/work_queue.hpp"

#include "rig.hpp"
#include "runtime/budgets.hpp"
#include "tables.hpp"
#include "workers.hpp"

using namespace otto;
using namespace otto::rt;
using namespace otto::rt::tests;

namespace {

pg::Pool& pool() {
    static pg::Pool pool(World::shared().role, "test", 8, pg::SessionLimits{}, Millis{20'000});
    return pool;
}
void as_owner(const std::string& sql) {
    pg::Connection db(World::shared().owner, "owner");
    db.execute(sql);
}
std::string fresh_queue() {
    static char n = 'a';
    return std::string("lead-pipeline/test-") + n++;
}

/// An author that does as it is told and writes down what it did.
struct Steps {
    std::function<std::optional<Instant>(Lease&)> does = [](Lease& l) { return l.settle([](pg::Tx&) { return std::nullopt; }); };
    std::function<void(std::span<Due>, pg::Tx&)> settles;
    mutable std::mutex lock;
    mutable std::vector<std::string> put_off_for;
    std::optional<Instant> next(Lease& l) const { return does(l); }
    void batch(std::span<Due> due, pg::Tx& tx) const { settles(due, tx); }
    void put_off(pg::Tx& tx, const Lease& l, std::string_view why) const {
        tx.write(kNote, {l.company, l.key, "put off"});
        std::lock_guard guard(lock);
        put_off_for.emplace_back(why);
    }
};

struct Setting {
    std::string queue = fresh_queue(), company = fresh_company();
    Steps steps;
    std::unique_ptr<WorkQueue> make(QueueOptions how = {}, int threads = 8) {
        return std::make_unique<WorkQueue>(work_of<&Steps::next>(queue, steps, how), threads);
    }
    std::unique_ptr<WorkQueue> make_batch(QueueOptions how = {}) {
        return std::make_unique<WorkQueue>(work_of<&Steps::batch>(queue, steps, how), 8);
    }
    void want(const std::string& key, Millis in = Millis{0}, const std::string& of = "") {
        auto tx = pool().begin(pg::Scope::none());
        rt::want(tx, queue, CompanyId{of.empty() ? company : of}, key, system_clock().now() + in - Millis{5});
        tx.commit();
    }
    std::string where(const std::string& more = "") const {
        return " FROM work WHERE queue = '" + queue + "'" + (more.empty() ? "" : " AND " + more);
    }
    std::int64_t rows(const std::string& more = "") const { return count("SELECT count(*) AS n" + where(more)); }
    void due() const { as_owner("UPDATE work SET due_at = now() - interval '1 second' WHERE queue = '" + queue + "'"); }
};

}  // namespace

TEST_CASE("whoever takes work takes one key, also where Postgres believes that there is but one", "[integration]") {
    Setting s;
    s.want("0");
    as_owner("ANALYZE work");  // as it mostly is: nearly empty
    for (int i = 1; i < 13; ++i) s.want(std::to_string(i));
    pg::Connection db(World::shared().role, "takes");
    for (const auto& query : {sql::work_take, sql::work_take_of_others}) {
        INFO(query.name);
        pg::Params params{s.queue, Uuid::v7(system_clock().now()), std::int64_t{60'000}};
        if (query.name == sql::work_take_of_others.name)
            params.push_back(pg::Param::array(std::vector<std::string>{"org_another"}));
        int taken = 0;
        auto tx = db.begin(pg::Scope::none());
        tx.each(query, params, [&](const pg::Fields&) { ++taken; });
        CHECK(taken == 1);
    }
}

TEST_CASE("work is done when it is due, again when it says so, and is gone when nothing is left", "[integration]") {
    Setting s;
    auto queue = s.make();
    s.want("later", Millis{3'600'000});
    CHECK_FALSE(queue->run_one(pool()));
    s.want("now");
    int turns = 0;
    s.steps.does = [&](Lease& l) {
        CHECK(l.key == "now");
        auto first = l.note([&](pg::Tx&) { return l.now; });
        CHECK(l.held());
        CHECK(first == l.now);
        return l.settle([&](pg::Tx&) -> std::optional<Instant> {
            if (++turns == 1) return l.now;  // due at once: the same turn goes on
            if (turns == 2) return l.now + Millis{3'600'000};
            return std::nullopt;
        });
    };
    CHECK(queue->run_one(pool()));
    CHECK(turns == 2);
    CHECK(s.rows("lease IS NULL AND due_at > now() + interval '50 minutes'") == 2);
    CHECK_FALSE(queue->run_one(pool()));
    s.want("now");
    CHECK(queue->run_one(pool()));
    CHECK(s.rows() == 1);
    {
        auto tx = pool().begin(pg::Scope::none());
        unwant(tx, s.queue, CompanyId{s.company}, "later");
        tx.commit();
    }
    CHECK(s.rows() == 0);
}

TEST_CASE("the outside knows a repeat by its key until an answer was settled, and new work has another", "[integration]") {
    Setting s;
    auto queue = s.make();
    std::vector<std::string> keys;
    bool dies = true;
    s.steps.does = [&](Lease& l) -> std::optional<Instant> {
        l.note([&](pg::Tx&) { return l.now; });
        keys.push_back(l.idempotency_key());
        if (dies) throw pg::SqlFailure("57P01", "the database goes", "", "");
        return l.settle([&](pg::Tx&) { return keys.size() < 4 ? std::optional(l.now) : std::nullopt; });
    };
    s.want("k");
    CHECK_THROWS(queue->run_one(pool()));
    CHECK_FALSE(queue->run_one(pool()));  // its lease stands
    as_owner("UPDATE work SET leased_until = now() - interval '1 second' WHERE queue = '" + s.queue + "'");
    dies = false;
    CHECK(queue->run_one(pool()));
    REQUIRE(keys.size() == 4);
    CHECK(keys[0] == keys[1]);
    CHECK(keys[1] != keys[2]);
    CHECK(keys[2] != keys[3]);
    s.want("k");
    CHECK(queue->run_one(pool()));
    CHECK(std::set<std::string>(keys.begin(), keys.end()).size() == 4);
}

TEST_CASE("what is wanted while somebody is at it is looked at once more", "[integration]") {
    Setting s;
    auto queue = s.make();
    int turns = 0;
    s.steps.does = [&](Lease& l) {
        ++turns;
        return l.settle([&](pg::Tx&) -> std::optional<Instant> {
            if (turns == 1) s.want("k");  // after what this turn looked at
            return std::nullopt;
        });
    };
    s.want("k");
    CHECK(queue->run_one(pool()));
    CHECK(s.rows("lease IS NULL AND due_at <= now()") == 1);
    CHECK(queue->run_one(pool()));
    CHECK(turns == 2);
    CHECK(s.rows() == 0);
}

TEST_CASE("whose lease is another's writes nothing, and one is kept while its holder is here", "[integration]") {
    Setting s;
    QueueOptions how;
    how.lease = Millis{3'000};
    auto queue = s.make(how);
    pg::Connection db(World::shared().role, "renew");
    bool steal = true;
    s.steps.does = [&](Lease& l) {
        if (!steal) {
            as_owner("UPDATE work SET leased_until = now() + interval '1 second' WHERE queue = '" + s.queue + "'");
            queue->renew(db);
            CHECK(s.rows("leased_until > now() + interval '2 seconds'") == 1);
        }
        return l.settle([&](pg::Tx& tx) -> std::optional<Instant> {
            if (steal)
                as_owner("UPDATE work SET lease = gen_random_uuid(), leased_until = now() WHERE queue = '" + s.queue + "'");
            tx.write(kNote, {s.company, l.key, steal ? "of a thief's victim" : "its own"});
            return std::nullopt;
        });
    };
    s.want("k");
    CHECK(queue->run_one(pool()));
    CHECK(notes_of(s.company) == 0);
    CHECK(s.rows() == 1);
    steal = false;
    CHECK(queue->run_one(pool()));
    CHECK(notes_of(s.company) == 1);
    CHECK(s.rows() == 0);
    queue->renew(db);  // holds nothing any more
}

TEST_CASE("a turn that fails by itself is put off and shown; one that may pass is tried again until its attempts are used up",
          "[integration]") {
    Setting s;
    auto queue = s.make();
    s.steps.does = [&](Lease& l) -> std::optional<Instant> {
        if (l.key == "throws") throw std::runtime_error("a fault");
        if (l.key == "divides")
            return l.settle([](pg::Tx& tx) {
                tx.write(kBroken, {0});
                return std::nullopt;
            });
        return l.again({3, Backoff{Millis{3'600'000}, Millis{3'600'000}, 1, 0}}, "the outside is busy");
    };
    for (auto key : {"throws", "divides"}) {
        s.want(key);
        CHECK(queue->run_one(pool()));
    }
    CHECK(s.rows("lease IS NULL AND due_at > now() + interval '9 minutes' AND error <> ''") == 2);
    CHECK(s.steps.put_off_for.size() == 2);
    CHECK(count("SELECT count(*) AS n FROM notes WHERE company_id = '" + s.company + "' AND note = 'put off'") == 2);
    as_owner("DELETE FROM work WHERE queue = '" + s.queue + "'");
    s.want("again");
    for (int i = 1; i <= 3; ++i) {
        CHECK(queue->run_one(pool()));
        CHECK(s.rows("attempt = " + std::to_string(i)) == 1);
        CHECK(s.rows("given_up_at IS NULL") == (i < 3 ? 1 : 0));
        if (i < 3) s.due();
    }
    CHECK(s.rows("error LIKE 'attempts used up: the outside is busy' AND due_at = 'infinity'") == 1);
    CHECK_FALSE(queue->run_one(pool()));
    s.want("again");  // anew
    CHECK(s.rows("given_up_at IS NULL AND error = '' AND attempt = 0") == 1);
}

TEST_CASE("a turn that only waits is no attempt", "[integration]") {
    Setting s;
    auto queue = s.make();
    s.want("1");
    bool waits = true;
    s.steps.does = [&](Lease& l) -> std::optional<Instant> {
        if (waits) return l.note([&](pg::Tx&) { return l.now + Millis{60'000}; });
        return l.again({2, {}}, "not now");
    };
    for (int turn = 0; turn < 5; ++turn, s.due()) CHECK(queue->run_one(pool()));
    CHECK(s.rows("attempt = 0") == 1);
    waits = false;
    CHECK(queue->run_one(pool()));
    CHECK(s.rows("attempt = 1 AND given_up_at IS NULL") == 1);
}

TEST_CASE("no company has all workers", "[integration]") {
    Setting s;
    auto greedy = fresh_company(), modest = fresh_company();
    QueueOptions how;
    how.others_every = Millis{0};
    auto queue = s.make(how, 4);
    std::mutex lock;
    std::condition_variable changed;
    int waiting = 0;
    bool open = false;
    std::atomic<bool> served{false};
    s.steps.does = [&](Lease& l) -> std::optional<Instant> {
        if (l.company.value() == modest)
            served = true;
        else {
            std::unique_lock guard(lock);
            ++waiting;
            changed.notify_all();
            changed.wait_for(guard, std::chrono::seconds(30), [&] { return open; });
        }
        return std::nullopt;
    };
    for (int i = 0; i < 10; ++i) s.want(std::to_string(i), Millis{0}, greedy);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
        threads.emplace_back([&] {
            while (queue->run_one(pool())) {
            }
        });
    {
        std::unique_lock guard(lock);
        CHECK(changed.wait_for(guard, std::chrono::seconds(20), [&] { return waiting == 3; }));
    }
    s.want("m", Millis{0}, modest);
    CHECK(eventually([&] {
        queue->run_one(pool());
        return served.load();
    }));
    {
        std::lock_guard guard(lock);
        CHECK(waiting == 3);
        open = true;
        changed.notify_all();
    }
    for (auto& t : threads) t.join();
}

TEST_CASE("a batch is one transaction: what is over goes, what is not comes again, and one that fails holds up no other",
          "[integration]") {
    Setting s;
    QueueOptions how;
    how.batch = 3;
    auto queue = s.make_batch(how);
    auto bad = fresh_company();
    std::vector<std::size_t> sizes;
    s.steps.settles = [&](std::span<Due> due, pg::Tx& tx) {
        sizes.push_back(due.size());
        for (auto& d : due) {
            if (d.company.value() == bad) throw std::runtime_error("not this");
            tx.write(kNote, {d.company, d.key, "done"});
            if (d.key == "again") d.again = d.now + Millis{3'600'000};
        }
    };
    for (auto key : {"a", "b", "again"}) s.want(key);
    CHECK(queue->run_one(pool()));
    CHECK_FALSE(queue->run_one(pool()));
    CHECK(sizes == std::vector<std::size_t>{3});
    CHECK(s.rows() == 1);
    CHECK(s.rows("key = 'again' AND due_at > now()") == 1);
    s.want("c");
    s.want("d", Millis{0}, bad);
    s.want("e");
    CHECK(queue->run_one(pool()));
    CHECK(s.rows("company_id = '" + bad + "' AND due_at > now() + interval '9 minutes' AND error = 'not this'") == 1);
    CHECK(s.rows() == 2);
    CHECK(notes_of(s.company) == 5);
    // Two processes: what one has is not the other's.
    auto other = s.make_batch(how);
    s.want("f");
    s.steps.settles = [&](std::span<Due>, pg::Tx&) { CHECK_FALSE(other->run_one(pool())); };
    queue->run_one(pool());
    CHECK(s.rows("key = 'f'") == 0);
}

TEST_CASE("what is due of very many companies is found without looking at each", "[integration]") {
    Setting s;
    as_owner("INSERT INTO work (queue, company_id, key, due_at) SELECT '" + s.queue +
             "', 'org_many' || i, i::text, now() + i * interval '1 second' FROM generate_series(100, 20100) i");
    as_owner("ANALYZE work");
    for (const auto& query : {sql::work_due, sql::work_take}) {
        auto text = std::string(query.text);
        std::string plan;
        for (auto [what, with] : std::vector<std::pair<std::string, std::string>>{
                 {"$1", "'" + s.queue + "'"},
                 {"$2", query.name == sql::work_due.name ? "500" : "gen_random_uuid()"},
                 {"$3", "1"}})
            for (auto at = text.find(what); at != std::string::npos; at = text.find(what)) text.replace(at, 2, with);
        pg::Connection db(World::shared().role, "plan");
        auto tx = db.begin(pg::Scope::none());
        tx.each({"plan", "EXPLAIN " + text}, {}, [&](const pg::Fields& f) { plan += f.text("QUERY PLAN") + "\n"; });
        INFO(plan);
        CHECK(plan.find("work_due") != std::string::npos);
    }
    as_owner("DELETE FROM work WHERE queue = '" + s.queue + "'");
}

TEST_CASE("a service reaches its own queues only", "[integration]") {
    Setting s;
    s.want("k");
    pg::Connection other(testkit::TestPostgres::as_role(World::shared().owner, "otto_company_service"), "other");
    auto tx = other.begin(pg::Scope::none());
    CHECK(tx.one<Number>({"other.count", "SELECT count(*) AS n FROM work"}).n == 0);
    rt::want(tx, s.queue, CompanyId{s.company}, "k", system_clock().now());
    CHECK_THROWS_AS(tx.commit(), pg::SqlFailure);
}

TEST_CASE("threads are woken by what is wanted, wait for a database that is away, and end with the process", "[integration]") {
    Setting s;
    StopSignal stop;
    Workers workers("lead-pipeline", World::shared().role, stop);
    std::atomic<int> done{0};
    s.steps.does = [&](Lease&) -> std::optional<Instant> {
        ++done;
        return std::nullopt;
    };
    workers.add(work_of<&Steps::next>(s.queue, s.steps), 2);
    std::vector<std::thread> threads;
    workers.start([&](const std::string&, const std::function<void()>& body) { threads.emplace_back(body); });
    for (int i = 0; i < 20; ++i) s.want(std::to_string(i));
    CHECK(eventually([&] { return done == 20; }));
    as_owner("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'lead-pipeline-w%'");
    for (int i = 0; i < 20; ++i) s.want(std::to_string(i));
    CHECK(eventually([&] { return done == 40; }));
    CHECK(eventually(
        [&] { return tel::expose_metrics().find("otto_work_open{queue=\"" + s.queue + "\"} 0") != std::string::npos; }));
    stop.stop();
    workers.wake_all();
    for (auto& t : threads) t.join();
    CHECK(s.rows() == 0);
}

TEST_CASE("a budget gives all at once after a rest, then so many in such a time, and one name does not use up another's",
          "[integration]") {
    const Instant start = system_clock().now();
    auto who = fresh_company();
    Budgets b("lead-pipeline", who, {{10, Millis{10'000}}, {12, Millis{60'000}}});
    auto take = [&](const std::string& name, Millis later = Millis{0}, double n = 1) {
        auto tx = pool().begin(pg::Scope::none());
        auto wait = b.take(tx, name, start + later, n);
        tx.commit();
        return wait;
    };
    using std::chrono::hours;
    using std::chrono::seconds;
    for (int i = 0; i < 10; ++i) CHECK_FALSE(take("a"));
    CHECK(take("a") == Millis{1'000});
    CHECK_FALSE(take("b"));
    CHECK_FALSE(take("a", seconds(1)));
    CHECK_FALSE(take("a", seconds(2)));
    // The longer limit is used up: 12 in a minute.
    auto wait = take("a", seconds(3));
    REQUIRE(wait);
    CHECK(*wait > Millis{1'000});
    CHECK_FALSE(take("a", hours(1), 99));  // more than there ever is takes all
    CHECK(take("a", hours(1)));
    CHECK_FALSE(take("b", -hours(1), 0));  // a clock that steps back gives nothing and breaks nothing
}

TEST_CASE("a process takes a slice of a budget, and nothing where its transaction fails", "[integration]") {
    auto who = fresh_company();
    const Instant now = system_clock().now();
    std::vector<Limit> limits{{600, Millis{3'600'000}}};
    Budgets one("lead-pipeline", who, limits), two("lead-pipeline", who, limits);
    auto left = [&] {
        return count("SELECT coalesce(sum(remaining), 600)::bigint AS n FROM budgets WHERE name = '" + who + "/ACC1'");
    };
    {
        auto tx = pool().begin(pg::Scope::none());
        CHECK_FALSE(one.take(tx, "ACC1", now));
    }
    CHECK(left() == 600);
    int had = 0;
    for (int i = 0; i < 700; ++i) {
        auto tx = pool().begin(pg::Scope::none());
        auto statements = tx.statements();
        if (!(i % 2 ? one : two).take(tx, "ACC1", now)) ++had;
        if (i == 2 || i == 3) CHECK(tx.statements() == statements);  // of its slice
        tx.commit();
    }
    CHECK(had == 600);
    CHECK(left() == 0);
}

TEST_CASE("what is left of a budget is that of the name that has least, of the limit that leaves least", "[integration]") {
    auto who = fresh_company();
    auto left = [&] {
        auto tx = pool().begin(pg::Scope::none());
        auto all = Budgets::left(tx, "lead-pipeline");
        return all.contains(who) ? all.at(who) : -1;
    };
    CHECK(left() == -1);
    Budgets b("lead-pipeline", who, {{100, Millis{3'600'000}}, {1'000, Millis{86'400'000}}});
    CHECK(left() == 1);  // nobody was asked
    auto take = [&](const std::string& name, double n) {
        auto tx = pool().begin(pg::Scope::none());
        CHECK_FALSE(b.take(tx, name, system_clock().now(), n));
        tx.commit();
    };
    take("ACC1", 75);
    take("ACC2", 10);
    CHECK(std::abs(left() - 0.25) < 0.01);
    as_owner("UPDATE budgets SET at = now() - interval '2 hours' WHERE name LIKE '" + who + "/%' AND per_ms = 3600000");
    CHECK(std::abs(left() - 0.925) < 0.01);  // of the day's
}
