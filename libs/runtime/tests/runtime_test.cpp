// The runtime's protocol on real Kafka and Postgres. Each test has a consumer and a company of its own; topics and database are shared.
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "activities.hpp"
#include "kafka/producer.hpp"
#include "kafka/topics.hpp"
#include "lane.hpp"
#include "otto/calls/v1/calls.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "otto/routed/v1/routed.pb.h"
#include "pass_lane.hpp"
#include "pg/migrate.hpp"
#include "runtime/runtime.hpp"
#include "schema/schema.hpp"
#include "telemetry/log.hpp"
#include "testing/catch.hpp"
#include "testkit/kafka.hpp"
#include "testkit/postgres.hpp"

using namespace otto;
using namespace otto::rt;
using otto::calls::v1::CallRecorded;
using otto::changes::v1::RowChanged;
using otto::routed::v1::CallReported;

namespace {

struct World {
    Secret owner, role;
    std::string brokers;
    static World& shared() {
        static World w = [] {
            World made;
            made.owner = testkit::TestPostgres::shared().fresh_database();
            pg::Connection db(made.owner, "test");
            pg::migrate(db, schema::all()).value();
            db.execute("CREATE TABLE notes (company_id text, event_id text, note text); GRANT ALL ON notes TO otto_lead_pipeline");
            made.role = testkit::TestPostgres::as_role(made.owner, "otto_lead_pipeline");
            made.brokers = testkit::TestKafka::shared().brokers();
            kafka::apply_topics(made.brokers, kafka::otto_topics(), 1, Millis{20'000}).value();
            return made;
        }();
        return w;
    }
};

struct Number {
    std::int64_t n;
    static Number from(const pg::Fields& f) { return {f.integer("n")}; }
};

std::int64_t count(const std::string& sql) {
    static pg::Connection db(World::shared().owner, "count");
    static std::map<std::string, std::string> names;  // statements are prepared under a name, once
    auto [known, fresh] = names.try_emplace(sql, "test.count" + std::to_string(names.size()));
    auto tx = db.begin(pg::Scope::none());
    return tx.one<Number>({known->second, known->first}).n;
}

/// Looks until it holds or the time is over; never a sleep that hopes.
bool eventually(const std::function<bool()>& holds, Millis within = Millis{30'000}) {
    auto end = std::chrono::steady_clock::now() + within;
    while (std::chrono::steady_clock::now() < end) {
        if (holds()) return true;
        std::this_thread::sleep_for(Millis{20});
    }
    return holds();
}

events::Wire report(const std::string& company, const std::string& phone, const std::string& note, std::optional<EventId> id = {}) {
    CallReported m;
    m.set_company_id(company);
    m.set_phone(phone);
    m.mutable_call()->set_note(note);
    events::Meta meta;
    meta.id = id ? *id : EventId{Uuid::v7(system_clock().now())};
    meta.source = "/test";
    meta.time = system_clock().now();
    meta.trace = tel::TraceContext::fresh();
    return events::encode(m, meta);
}

/// The partition of the last one.
int send(const std::vector<events::Wire>& wires) {
    kafka::ProducerOptions o;
    o.brokers = World::shared().brokers;
    o.client_id = "test";
    kafka::Producer producer(o);
    std::size_t ok = 0;
    int partition = -1;
    for (const auto& w : wires)
        REQUIRE(producer.produce(to_record(w), [&](const kafka::Delivery& d) {
            ok += d.ok;
            partition = d.partition;
        }));
    REQUIRE(producer.flush(Millis{20'000}));
    REQUIRE(ok == wires.size());
    return partition;
}

constexpr pg::Query kNote{"test.note", "INSERT INTO notes VALUES ($1, $2, $3)"};
constexpr pg::Query kBroken{"test.broken", "SELECT 1 / $1::int"};

/// A consumer on threads of its own, for the length of a test.
class Running {
public:
    explicit Running(Consumer c, int lanes = 1, Secret url = World::shared().role) : consumer_(std::move(c)) {
        options_.service = "test";
        options_.brokers = World::shared().brokers;
        options_.pg_url = url;
        activities_ = std::make_unique<Activities>(consumer_, options_, 2, stop_);
        options_.poke_activities = [this] { activities_->poke(); };
        for (const auto& h : consumer_.handlers())
            if (h.shape == detail::Shape::activity) {
                activities_->start();
                break;
            }
        for (int i = 0; i < lanes; ++i)
            threads_.emplace_back([this, i] {
                if (consumer_.passes_through()) PassLane(consumer_, options_, i, stop_).run();
                else Lane(consumer_, options_, i, stop_).run();
            });
    }
    ~Running() { stop(); }
    void stop() {
        stop_.stop();
        activities_->poke();
        for (auto& t : threads_) t.join();
        threads_.clear();
        activities_->join();
    }

private:
    Consumer consumer_;
    LaneOptions options_;
    StopSignal stop_;
    std::unique_ptr<Activities> activities_;
    std::vector<std::thread> threads_;
};

/// Writes down what it gets; fails on request.
struct Notes {
    std::string company;
    mutable std::atomic<int> calls{0};
    Outcome one(In<CallReported> in, pg::Tx& tx, Out<CallRecorded>& out) const {
        if (in.event.company_id() != company) return Outcome::ignored("another test's");
        ++calls;
        const auto& note = in.event.call().note();
        if (note == "throw") throw std::runtime_error("thrown");
        if (note == "divide") tx.write(kBroken, {0});
        if (note == "reject") return Outcome::reject("not wanted");
        if (note == "later" && system_clock().now() - in.meta.occurred_at < Millis{1'500}) return Outcome::later(Millis{200});
        if (note == "once" && in.meta.attempt == 0) return Outcome::retry("first time", Millis{100});
        tx.write(kNote, {company, in.meta.id.value().to_string(), note});
        if (note == "write then retry" && in.meta.attempt == 0) return Outcome::retry("after a write", Millis{100});
        CallRecorded done;
        done.set_company_id(company);
        done.set_phone(in.event.phone());
        out.emit(done);
        return Outcome::done();
    }
    void batch(std::span<const In<CallReported>> ins, pg::Tx& tx, Out<>&) const {
        for (const auto& in : ins) {
            if (in.event.company_id() != company) continue;
            ++calls;
            if (in.event.call().note() == "throw") throw std::runtime_error("thrown");
            tx.write(kNote, {company, in.meta.id.value().to_string(), in.event.call().note()});
        }
    }
    Outcome pass(In<CallReported> in, Out<CallRecorded>& out) const {
        if (in.event.company_id() != company) return Outcome::ignored("another test's");
        if (in.event.call().note() == "aside") return Outcome::aside();
        if (in.event.call().note() == "throw") throw std::runtime_error("thrown");
        CallRecorded done;
        done.set_company_id(company);
        done.set_phone(in.event.phone());
        out.emit(done);
        return Outcome::done();
    }
    Outcome act(Call<CallReported> call, Out<CallRecorded>& out) const {
        if (call.event.company_id() != company) return Outcome::ignored("another test's");
        ++calls;
        if (call.event.call().note() == "once" && call.meta.attempt == 1) return Outcome::retry("the peer is busy", Millis{50});
        call.then([this, id = call.intent_key](pg::Tx& tx) { tx.write(kNote, {company, id, "acted"}); });
        CallRecorded done;
        done.set_company_id(company);
        out.emit(done);
        return Outcome::done();
    }
    Outcome other(Call<CallRecorded>, Out<CallRecorded>&) const { return Outcome::ignored("none of its business"); }
};

std::string fresh_company() {
    static std::atomic<int> n{0};
    return "org_rt" + std::to_string(++n);
}
std::string consumer_of(const std::string& company) { return "lead-pipeline/" + company; }
std::int64_t notes_of(const std::string& company) { return count("SELECT count(*) AS n FROM notes WHERE company_id = '" + company + "'"); }

}  // namespace

TEST_CASE("events are applied once, however often they come, and what follows from them leaves the outbox", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    std::vector<events::Wire> wires;
    for (int i = 0; i < 500; ++i) wires.push_back(report(notes.company, "+1202555" + std::to_string(1000 + i % 50), "n"));
    send(wires);
    Running lane(Consumer{consumer_of(notes.company)}.on<&Notes::one>(notes), 2);
    send(wires);
    CHECK(eventually([&] { return notes_of(notes.company) >= 500; }));
    send(wires);
    auto last = report(notes.company, "+12025550000", "last");
    send({last});
    CHECK(eventually([&] { return count("SELECT count(*) AS n FROM notes WHERE company_id = '" + notes.company + "' AND note = 'last'") == 1; }));
    CHECK(eventually([&] { return count("SELECT count(*) AS n FROM outbox WHERE consumer = '" + consumer_of(notes.company) + "'") == 0; }));
    lane.stop();
    CHECK(notes_of(notes.company) == 501);
    CHECK(count("SELECT count(*) AS n FROM lanes WHERE consumer = '" + consumer_of(notes.company) + "' AND NOT clean") == 0);
}

TEST_CASE("a failing event is parked with its key behind it, others go on, and attempts that are used up end as a dead letter", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    Policy quick;
    quick.retry = {3, Backoff{Millis{50}, Millis{100}, 2, 0}};
    Running lane(Consumer{name}.on<&Notes::one>(notes, quick));
    SECTION("an exception") { send({report(notes.company, "+1", "throw"), report(notes.company, "+1", "behind"), report(notes.company, "+2", "beside")}); }
    SECTION("a statement that fails") { send({report(notes.company, "+1", "divide"), report(notes.company, "+1", "behind"), report(notes.company, "+2", "beside")}); }
    CHECK(eventually([&] { return count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name + "' AND jsonb_array_length(history) = 3") == 1; }));
    CHECK(eventually([&] { return notes_of(notes.company) == 2; }));
    CHECK(count("SELECT count(*) AS n FROM parked WHERE consumer = '" + name + "'") == 0);
}

TEST_CASE("retry, retry after a write, and reject do what they say", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    Running lane(Consumer{name}.on<&Notes::one>(notes));
    send({report(notes.company, "+1", "once"), report(notes.company, "+2", "write then retry"), report(notes.company, "+3", "reject")});
    CHECK(eventually([&] { return notes_of(notes.company) == 2; }));
    CHECK(eventually([&] { return count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name + "' AND error = 'not wanted'") == 1; }));
    lane.stop();
    CHECK(notes_of(notes.company) == 2);  // the write before the retry was rolled back
}

TEST_CASE("what does not concern a consumer is passed over, and its position follows", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    auto job = [&] {
        routed::v1::JobReported m;
        m.set_company_id(notes.company);
        events::Meta meta;
        meta.id = EventId{Uuid::v7(system_clock().now())};
        meta.source = "/test";
        meta.time = system_clock().now();
        auto wire = events::encode(m, meta);
        wire.key = "+passed over";
        return wire;
    };
    int partition = send({job()});
    auto position = [&] { return count("SELECT coalesce(sum(next_offset), 0) AS n FROM lanes WHERE consumer = '" + name + "' AND topic = 'otto.routed' AND partition = " + std::to_string(partition)); };
    pg::Connection owner(World::shared().owner, "test");
    owner.execute("CREATE TABLE position_writes (partition int)");
    owner.execute("CREATE FUNCTION note_position() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO position_writes VALUES (NEW.partition); RETURN NEW; END $$");
    owner.execute("CREATE TRIGGER note_position AFTER UPDATE ON lanes FOR EACH ROW WHEN (NEW.consumer = '" + name + "' AND NEW.next_offset > OLD.next_offset) EXECUTE FUNCTION note_position()");
    auto writes = [&] { return count("SELECT count(*) AS n FROM position_writes WHERE partition = " + std::to_string(partition)); };
    std::int64_t before = 0;
    {
        Running lane(Consumer{name}.on<&Notes::one>(notes));
        REQUIRE(eventually([&] { return (before = position()) > 0; }));
        auto written = writes();
        send(std::vector<events::Wire>(12'000, job()));
        CHECK(eventually([&] { return position() >= before + 12'000; }));
        CHECK(writes() - written < 30);  // batches of them would have been forty-eight
        auto wires = std::vector<events::Wire>(700, job());
        for (int i = 0; i < 300; ++i) wires.push_back(report(notes.company, "+1", "n")), wires.back().key = job().key;
        wires.insert(wires.end(), 50, job());
        CHECK(send(wires) == partition);
        CHECK(eventually([&] { return notes_of(notes.company) == 300; }));
        CHECK(eventually([&] { return position() >= before + 12'000 + 1'050; }));
    }
    Running again(Consumer{name}.on<&Notes::one>(notes));
    send({report(notes.company, "+1", "last")});
    CHECK(eventually([&] { return notes_of(notes.company) == 301; }));
}

TEST_CASE("one bad event of a batch costs only itself", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    Policy quick;
    quick.retry = {2, Backoff{Millis{20}, Millis{20}, 1, 0}};
    std::vector<events::Wire> wires;
    int customers = GENERATE(1, 24);  // of one partition, of many
    for (int i = 0; i < 50; ++i) wires.push_back(report(notes.company, "+" + std::to_string(i % customers), i == 20 ? "throw" : "n"));
    send(wires);
    Running lane(Consumer{name}.on<&Notes::batch>(notes, quick));
    CHECK(eventually([&] { return notes_of(notes.company) == 49; }));
    CHECK(eventually([&] { return count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name + "'") == 1; }));
}

TEST_CASE("a transaction takes what there is of all partitions, and what follows from an event stands under its own partition", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    pg::Connection db(World::shared().owner, "witness");
    db.execute("CREATE TABLE outbox_seen (key text, lane_partition int);"
               "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO outbox_seen VALUES (NEW.key, NEW.lane_partition); RETURN NULL; END $$;"
               "CREATE TRIGGER see AFTER INSERT ON outbox FOR EACH ROW EXECUTE FUNCTION see()");
    Running lane(Consumer{name}.on<&Notes::one>(notes));
    std::map<std::string, int> partition_of;
    for (int i = 0; i < 8; ++i) {
        auto phone = "+1202555" + std::to_string(2000 + i);
        partition_of[phone] = send({report(notes.company, phone, phone)});
    }
    REQUIRE(eventually([&] { return notes_of(notes.company) == 8; }));
    // What a lane finds when it looks is Kafka's business, so more than one try.
    std::int64_t sent = 8, shared = 0;
    for (int n = 0; n < 20 && shared == 0; ++n) {
        std::vector<events::Wire> wires;
        for (const auto& [phone, partition] : partition_of) wires.push_back(report(notes.company, phone, std::to_string(partition)));
        send(wires);
        sent += static_cast<std::int64_t>(wires.size());
        REQUIRE(eventually([&] { return notes_of(notes.company) == sent; }));
        shared = count("SELECT count(*) AS n FROM (SELECT FROM notes WHERE company_id = '" + notes.company + "' GROUP BY xmin::text HAVING count(DISTINCT note) > 1) t");
    }
    CHECK(shared > 0);
    lane.stop();
    db.execute("DROP TRIGGER see ON outbox");
    for (const auto& [phone, partition] : partition_of) {
        auto of_key = "FROM outbox_seen WHERE key = '" + notes.company + ":" + phone + "'";
        CHECK(count("SELECT count(*) AS n " + of_key) > 0);
        CHECK(count("SELECT count(*) AS n " + of_key + " AND lane_partition <> " + std::to_string(partition)) == 0);
    }
}

TEST_CASE("bytes that are no event become a dead letter with the bytes", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    auto wire = report(notes.company, "+1", "n");
    auto broken = wire;
    broken.value = "\xff\xff\xff";
    auto headless = wire;
    headless.headers.clear();
    Running lane(Consumer{name}.on<&Notes::one>(notes));
    send({broken, headless, wire});
    CHECK(eventually([&] { return count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name + "'") == 2; }));
    CHECK(eventually([&] { return notes_of(notes.company) == 1; }));
}

TEST_CASE("a lane that lost its partition writes nothing", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    Running lane(Consumer{name}.on<&Notes::one>(notes));
    send({report(notes.company, "+1", "n")});
    REQUIRE(eventually([&] { return notes_of(notes.company) == 1; }));
    // Somebody else claims everything: the epoch rises behind the lane's back.
    pg::Connection db(World::shared().owner, "thief");
    db.execute("UPDATE lanes SET epoch = epoch + 1 WHERE consumer = '" + name + "'");
    send({report(notes.company, "+1", "n")});
    // It finds out, joins the group anew, claims again and goes on: nothing lost, nothing twice.
    CHECK(eventually([&] { return notes_of(notes.company) == 2; }));
    lane.stop();
    CHECK(notes_of(notes.company) == 2);
}

TEST_CASE("an owner that died over an event leaves it as a dead letter in the end", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    auto partition = std::to_string(send({report(notes.company, "+1", "poison"), report(notes.company, "+1", "after")}));
    {
        Running lane(Consumer{name}.on<&Notes::one>(notes));
        REQUIRE(eventually([&] { return notes_of(notes.company) == 2; }));
    }
    // As if the process had ended three times while it handled the first of them.
    pg::Connection db(World::shared().owner, "coroner");
    db.execute("DELETE FROM notes WHERE company_id = '" + notes.company + "'; DELETE FROM inbox WHERE consumer = '" + name + "';"
               "UPDATE lanes l SET clean = false, next_offset = next_offset - 2, trying_offset = next_offset - 2, trying_count = 3 WHERE consumer = '" + name + "' AND partition = " + partition);
    Running lane(Consumer{name}.on<&Notes::one>(notes));
    CHECK(eventually([&] { return count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name + "' AND company_id = '" + notes.company + "'") == 1; }));
    CHECK(eventually([&] { return count("SELECT count(*) AS n FROM notes WHERE company_id = '" + notes.company + "' AND note = 'after'") == 1; }));
}

TEST_CASE("after an owner that died events are begun a few together, and one by one where one died among them", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    std::vector<events::Wire> wires;
    for (int i = 0; i < 4; ++i) wires.push_back(report(notes.company, "+1", "n"));
    auto partition = std::to_string(send(wires));
    {
        Running lane(Consumer{name}.on<&Notes::one>(notes));
        REQUIRE(eventually([&] { return notes_of(notes.company) == 4; }));
    }
    pg::Connection db(World::shared().owner, "coroner");
    auto again_after = [&](const std::string& trying) {
        db.execute("DELETE FROM notes WHERE company_id = '" + notes.company + "'; DELETE FROM inbox WHERE consumer = '" + name + "'");
        db.execute("UPDATE lanes SET clean = false, next_offset = next_offset - 4, " + trying + " WHERE consumer = '" + name + "' AND partition = " + partition);
        Running lane(Consumer{name}.on<&Notes::one>(notes));
        REQUIRE(eventually([&] { return notes_of(notes.company) == 4; }));
        return count("SELECT next_offset - trying_offset AS n FROM lanes WHERE consumer = '" + name + "' AND partition = " + partition);
    };
    CHECK(again_after("trying_offset = NULL, trying_count = 0") == 4);                // the begin of all four was written once
    CHECK(again_after("trying_offset = next_offset - 4, trying_count = 1") == 1);     // somebody died there: each has its own
    // Of this company: what other tests left in the topic is nobody's here.
    CHECK(count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name + "' AND company_id = '" + notes.company + "'") == 0);
}

TEST_CASE("the database away: lanes wait, lose nothing, and go on by themselves", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    Running lane(Consumer{name}.on<&Notes::one>(notes));
    send({report(notes.company, "+1", "n")});
    REQUIRE(eventually([&] { return notes_of(notes.company) == 1; }));
    pg::Connection db(World::shared().owner, "operator");
    for (int i = 0; i < 5; ++i) {
        db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'otto_lead_pipeline'");
        send({report(notes.company, "+" + std::to_string(i), "n")});
    }
    CHECK(eventually([&] { return notes_of(notes.company) == 6; }));
    CHECK(eventually([&] { return count("SELECT count(*) AS n FROM outbox WHERE consumer = '" + name + "'") == 0; }));
}

TEST_CASE("a pass-through passes on, puts aside what needs rows, and buries what it cannot handle", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    Running lane(Consumer{name}.on<&Notes::pass>(notes).aside<&Notes::batch>(notes));
    std::vector<events::Wire> wires{report(notes.company, "+1", "aside"), report(notes.company, "+1", "throw")};
    for (int i = 0; i < 100; ++i) wires.push_back(report(notes.company, "+1", "n"));
    send(wires);
    CHECK(eventually([&] { return notes_of(notes.company) == 1; }));
    CHECK(eventually([&] { return count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name + "' AND error = 'thrown'") == 1; }));
    kafka::SourceOptions o;
    o.brokers = World::shared().brokers;
    o.group = "reader-" + notes.company;
    o.client_id = "reader";
    o.topics = {"otto.calls"};
    kafka::Source source(o);
    std::size_t seen = 0;
    CHECK(eventually([&] {
        for (const auto& r : source.poll(500, 8u << 20, Millis{200}))
            if (r.key.starts_with(notes.company + ":")) ++seen;
        return seen >= 100;
    }));
    CHECK(seen == 100);
}

TEST_CASE("each activity of a consumer has its own patience", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    Policy impatient;
    impatient.retry.attempts = 1;
    Running lane(Consumer{name}.on<&Notes::act>(notes, impatient).on<&Notes::other>(notes));
    send({report(notes.company, "+1", "once")});
    CHECK(eventually([&] { return count("SELECT count(*) AS n FROM intents WHERE consumer = '" + name + "' AND state = 'failed' AND company_id = '" + notes.company + "'") == 1; }));
    CHECK(notes.calls == 1);
}

TEST_CASE("an activity runs outside of transactions, again after a failure, and once for a repeated event", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    Running lane(Consumer{name}.on<&Notes::act>(notes));
    auto first = report(notes.company, "+1", "once");
    send({first, first, report(notes.company, "+1", "n"), first});
    CHECK(eventually([&] { return count("SELECT count(*) AS n FROM intents WHERE consumer = '" + name + "' AND state = 'done' AND company_id = '" + notes.company + "'") == 2; }));
    CHECK(notes_of(notes.company) == 2);
    CHECK(notes.calls == 3);
}

namespace {

/// How many records with this key stand on a topic; waits for at least `wanted`.
std::size_t on_topic(const std::string& topic, const std::string& key, std::size_t wanted) {
    static std::atomic<int> n{0};
    kafka::Reader reader(World::shared().brokers, "count-" + std::to_string(++n), {topic});
    std::size_t seen = 0;
    eventually([&] {
        for (const auto& r : reader.poll(500, Millis{100}))
            if (r.key == key) ++seen;
        return seen >= wanted && reader.caught_up();
    });
    return seen;
}

std::vector<std::string> notes_in_order(const std::string& company) {
    static pg::Connection db(World::shared().owner, "notes");
    struct Note {
        std::string text;
        static Note from(const pg::Fields& f) { return {f.text("note")}; }
    };
    auto tx = db.begin(pg::Scope::none());
    std::vector<std::string> out;
    for (auto& n : tx.many<Note>({"test.notes_in_order", "SELECT note FROM notes WHERE company_id = $1 ORDER BY ctid"}, {company})) out.push_back(n.text);
    return out;
}

}  // namespace

TEST_CASE("events behind a parked one of their key wait for it, in order", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    Running lane(Consumer{consumer_of(notes.company)}.on<&Notes::one>(notes));
    send({report(notes.company, "+1", "once"), report(notes.company, "+1", "second"), report(notes.company, "+1", "third")});
    CHECK(eventually([&] { return notes_of(notes.company) == 3; }));
    CHECK(notes_in_order(notes.company) == std::vector<std::string>{"once", "second", "third"});
}

TEST_CASE("later parks only the event, and uses up no attempt", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    Policy strict;
    strict.retry = {1, Backoff{Millis{10}, Millis{10}, 1, 0}};
    Running lane(Consumer{name}.on<&Notes::one>(notes, strict));
    send({report(notes.company, "+1", "later"), report(notes.company, "+1", "at once")});
    CHECK(eventually([&] { return notes_of(notes.company) == 2; }));
    CHECK(notes_in_order(notes.company) == std::vector<std::string>{"at once", "later"});
    CHECK(count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name + "' AND company_id = '" + notes.company + "'") == 0);
}

TEST_CASE("code and database do not fit: the lane waits, nothing is given up, and it goes on once they do", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    pg::Connection owner(World::shared().owner, "owner");
    owner.execute("REVOKE ALL ON notes FROM otto_lead_pipeline");
    std::atomic<std::size_t> loud = 0;
    tel::set_log_sink([&](std::string_view line) { loud += line.find("code and database do not fit") != std::string_view::npos; });
    Running lane(Consumer{name}.on<&Notes::one>(notes));
    send({report(notes.company, "+1", "n")});
    CHECK(eventually([&] { return loud >= 1; }));
    tel::set_log_sink({});
    CHECK(count("SELECT count(*) AS n FROM parked WHERE consumer = '" + name + "'") == 0);
    owner.execute("GRANT ALL ON notes TO otto_lead_pipeline");
    CHECK(eventually([&] { return notes_of(notes.company) == 1; }));
    CHECK(count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name + "' AND company_id = '" + notes.company + "'") == 0);
}

TEST_CASE("what a dead owner left in the outbox is published by the next one", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    {
        Running lane(Consumer{name}.on<&Notes::one>(notes));
        send({report(notes.company, "+1", "n")});
        REQUIRE(eventually([&] { return notes_of(notes.company) == 1; }));
    }
    auto key = notes.company + ":left";
    pg::Connection db(World::shared().owner, "left");
    for (int partition = 0; partition < 12; ++partition)
        db.execute("INSERT INTO outbox (consumer, lane_topic, lane_partition, topic, key, value, headers) VALUES ('" + name + "', 'otto.routed', " + std::to_string(partition) + ", 'otto.calls', '" + key + "', 'x', '[]')");
    Running lane(Consumer{name}.on<&Notes::one>(notes));
    CHECK(on_topic("otto.calls", key, 12) == 12);
    CHECK(eventually([&] { return count("SELECT count(*) AS n FROM outbox WHERE consumer = '" + name + "'") == 0; }));
}

TEST_CASE("a former owner that does not let go, stopped in the middle of its transaction, has its session ended", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    {
        Running lane(Consumer{name}.on<&Notes::one>(notes));
        send({report(notes.company, "+1", "n")});
        REQUIRE(eventually([&] { return notes_of(notes.company) == 1; }));
    }
    pg::Connection zombie(World::shared().role, "zombie");
    auto tx = zombie.begin(pg::Scope::none());
    pg::Connection owner(World::shared().owner, "owner");
    tx.write({"test.hold", "UPDATE lanes SET clean = true WHERE consumer = $1"}, {name});
    tx.write({"test.mine", "UPDATE lanes SET backend_pid = pg_backend_pid(), backend_start = (SELECT backend_start::text FROM pg_stat_activity WHERE pid = pg_backend_pid()) WHERE consumer = $1"}, {name});
    tx.flush();
    // Others must be able to read whose session it is: as after the zombie's own claim, which was committed.
    pg::Connection probe(World::shared().role, "probe");
    tx.commit();
    auto again = zombie.begin(pg::Scope::none());
    again.write({"test.hold", "UPDATE lanes SET clean = true WHERE consumer = $1"}, {name});
    again.flush();
    send({report(notes.company, "+1", "n")});
    Running lane(Consumer{name}.on<&Notes::one>(notes));
    CHECK(eventually([&] { return notes_of(notes.company) == 2; }, Millis{60'000}));
    CHECK_THROWS_AS(again.commit(), pg::SqlFailure);
}

TEST_CASE("events from outside of lanes leave through the service's own shards; timers wait, are replaced and cancelled", "[integration]") {
    World::shared();
    auto company = fresh_company();
    pg::Connection db(World::shared().role, "commands");
    Publisher publisher(World::shared().brokers, "relay-test");
    UntypedEmitter emitter(consumer_of(company));
    auto emit = [&](const std::string& phone, EmitOptions options) {
        auto tx = db.begin(pg::Scope::none());
        CallRecorded m;
        m.set_company_id(company);
        m.set_phone(phone);
        emitter.emit(tx, m, tel::TraceContext::fresh(), std::move(options));
        tx.commit();
    };
    auto soon = system_clock().now() + std::chrono::hours(1);
    emit("now", {});
    emit("timer", {soon, "t1"});
    emit("timer again", {soon, "t1"});
    emit("cancelled", {soon, "t2"});
    {
        auto tx = db.begin(pg::Scope::none());
        Sink sink(consumer_of(company));
        sink.cancel("t2");
        write_to_shard(tx, consumer_of(company), sink.items().front());
        tx.commit();
    }
    auto rolled_back = db.begin(pg::Scope::none());
    CallRecorded never;
    never.set_company_id(company);
    never.set_phone("never");
    emitter.emit(rolled_back, never, tel::TraceContext::fresh());
    rolled_back.rollback();
    relay_round(db, publisher);
    CHECK(on_topic("otto.calls", company + ":now", 1) == 1);
    CHECK(count("SELECT count(*) AS n FROM outbox WHERE consumer = '" + consumer_of(company) + "'") == 1);
    pg::Connection owner(World::shared().owner, "owner");
    owner.execute("UPDATE outbox SET not_before = now() WHERE consumer = '" + consumer_of(company) + "'");
    relay_round(db, publisher);
    CHECK(on_topic("otto.calls", company + ":timer again", 1) == 1);
    CHECK(count("SELECT count(*) AS n FROM outbox WHERE consumer = '" + consumer_of(company) + "'") == 0);
}

TEST_CASE("Kafka away: what was committed leaves once it is back, and nothing twice in the rows", "[integration]") {
    World::shared();
    auto& kafka = testkit::TestKafka::shared();
    if (!kafka.can_stop()) return;
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    Running lane(Consumer{name}.on<&Notes::one>(notes), 2);
    std::vector<events::Wire> wires;
    for (int i = 0; i < 100; ++i) wires.push_back(report(notes.company, "+" + std::to_string(i % 20), "n"));
    send(wires);
    REQUIRE(eventually([&] { return notes_of(notes.company) >= 10; }));
    kafka.stop();
    kafka.start();
    CHECK(eventually([&] { return notes_of(notes.company) == 100; }, Millis{60'000}));
    send({report(notes.company, "+1", "after")});
    CHECK(eventually([&] { return notes_of(notes.company) == 101; }, Millis{60'000}));
    CHECK(eventually([&] { return count("SELECT count(*) AS n FROM outbox WHERE consumer = '" + name + "'") == 0; }, Millis{60'000}));
}
