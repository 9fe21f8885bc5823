// Failures of the database, of an event, of the process: whose they are, what they use up, and what is told of them.
#include "rig.hpp"

using namespace otto;
using namespace otto::rt;
using namespace otto::rt::tests;

namespace {

constexpr pg::Query kLater{"test.later", "INSERT INTO notes_later VALUES ($1, $2)"};
constexpr pg::Query kHurry{"test.hurry", "SELECT set_config('statement_timeout', '100ms', true)"};
constexpr pg::Query kSlow{"test.slow", "SELECT pg_sleep(30)"};

/// As if the process ended: nothing of ours catches it.
struct Death {};

/// Its handler does what the note says.
struct Trouble {
    std::string company;
    mutable std::atomic<bool> slow{true};
    mutable std::atomic<int> asked{0};
    Outcome one(In<CallReported> in, pg::Tx& tx, Out<>&) const {
        if (in.event.company_id() != company) return Outcome::ignored("another test's");
        const auto& note = in.event.call().note();
        if (note == "once" && in.meta.attempt == 0) return Outcome::retry("first time", Millis{50});
        if (note == "wait") return Outcome::retry("not yet", std::chrono::hours(1));
        if (note == "reject") return Outcome::reject("not wanted");
        if (note == "poison") throw Death{};
        if (note == "throw") throw std::runtime_error(std::string("no \xff\0 text", 10));
        if (note == "slow") {
            ++asked;
            if (slow) {
                tx.write(kHurry);
                tx.write(kSlow);
            }
        }
        if (note == "missing" || note == "once") tx.write(kLater, {company, note});
        tx.write(kNote, {company, in.meta.id.value().to_string(), note});
        return Outcome::done();
    }
    Outcome act(Intent<CallReported> call, Out<>&) const {
        if (call.event.company_id() != company) return Outcome::ignored("another test's");
        ++asked;
        call.then([this, note = call.event.call().note(), id = call.intent_key](pg::Tx& tx) {
            if (note == "divide") tx.write(kBroken, {0});
            if (note == "logic") (void)tx.one<Number>({"test.no_row", "SELECT 1 AS n WHERE false"});
            tx.write(kNote, {company, id, note});
        });
        return Outcome::done();
    }
};

std::string of(const std::string& company) {
    return " WHERE consumer = '" + consumer_of(company) + "' AND company_id = '" + company + "'";
}
std::int64_t dead_of(const std::string& company) { return count("SELECT count(*) AS n FROM dead_letters" + of(company)); }
std::int64_t parked_of(const std::string& company) { return count("SELECT count(*) AS n FROM parked" + of(company)); }
bool shown(const std::string& line) { return tel::expose_metrics().find(line) != std::string::npos; }

/// Counts the log's lines that hold a text.
class Heard {
public:
    explicit Heard(std::string text) {
        tel::set_log_sink(
            [this, text = std::move(text)](std::string_view line) { n_ += line.find(text) != std::string_view::npos; });
    }
    ~Heard() { tel::set_log_sink({}); }
    bool times(int n) {
        return eventually([&] { return n_ >= n; });
    }

private:
    std::atomic<int> n_{0};
};

/// A lane until it dies over an event, as its process would.
void die_once(const Trouble& trouble) {
    Consumer consumer{consumer_of(trouble.company)};
    consumer.on<&Trouble::one>(trouble);
    LaneOptions options;
    options.service = "test";
    options.brokers = World::shared().brokers;
    options.pg_url = World::shared().role;
    StopSignal stop;
    CHECK_THROWS_AS(Lane(consumer, options, 0, stop).run(), Death);
}

}  // namespace

TEST_CASE("what a living process sees the database fail over uses up nothing, also after an owner that died", "[integration]") {
    World::shared();
    pg::Connection owner(World::shared().owner, "owner");
    owner.execute("DROP TABLE IF EXISTS notes_later");
    Trouble trouble{fresh_company()};
    auto name = consumer_of(trouble.company);
    {
        Running lane(Consumer{name}.on<&Trouble::one>(trouble));
        send({report(trouble.company, "+1", "n")});
        REQUIRE(eventually([&] { return notes_of(trouble.company) == 1; }));
    }
    owner.execute("UPDATE lanes SET clean = false WHERE consumer = '" + name + "'");
    // All of one partition: of two, each may fail first, and neither as often as makes a dead letter of what is counted.
    send({report(trouble.company, "+1", "missing"), report(trouble.company, "+1", "missing"),
          report(trouble.company, "+1", "missing")});
    Running lane(Consumer{name}.on<&Trouble::one>(trouble));
    CHECK(Heard("code and database do not fit").times(kLastTry + 2));
    CHECK(count("SELECT max(trying_count)::bigint AS n FROM lanes WHERE consumer = '" + name + "'") <= 1);
    CHECK(dead_of(trouble.company) == 0);
    CHECK(parked_of(trouble.company) == 0);
    owner.execute("CREATE TABLE notes_later (company text, note text); GRANT ALL ON notes_later TO otto_lead_pipeline");
    CHECK(eventually([&] { return notes_of(trouble.company) == 4; }));
    CHECK(dead_of(trouble.company) == 0);
    lane.stop();
    CHECK(count("SELECT count(*) AS n FROM lanes WHERE consumer = '" + name + "' AND trying_count > 0") == 0);
}

TEST_CASE("what the database fails over uses up no attempt of an event that waits for another try", "[integration]") {
    World::shared();
    pg::Connection owner(World::shared().owner, "owner");
    owner.execute("DROP TABLE IF EXISTS notes_later");
    Trouble trouble{fresh_company()};
    Running lane(Consumer{consumer_of(trouble.company)}.on<&Trouble::one>(trouble));
    send({report(trouble.company, "+1", "once"), report(trouble.company, "+1", "behind")});
    CHECK(Heard("code and database do not fit").times(4));
    CHECK(count("SELECT max(attempt)::bigint AS n FROM parked" + of(trouble.company)) <= 2);
    owner.execute("CREATE TABLE notes_later (company text, note text); GRANT ALL ON notes_later TO otto_lead_pipeline");
    CHECK(eventually([&] { return notes_of(trouble.company) == 2; }));
    CHECK(notes_in_order(trouble.company) == std::vector<std::string>{"once", "behind"});
    CHECK(dead_of(trouble.company) == 0);
}

TEST_CASE("an event over which each process ends is a dead letter after a few times, and the others are applied",
          "[integration]") {
    World::shared();
    Trouble trouble{fresh_company()};
    send({report(trouble.company, "+1", "n"), report(trouble.company, "+1", "poison"), report(trouble.company, "+1", "n")});
    die_once(trouble);  // in a batch: nobody knows yet over which
    for (int n = 0; n < kLastTry + 1; ++n) die_once(trouble);
    CHECK(dead_of(trouble.company) == 0);
    Running lane(Consumer{consumer_of(trouble.company)}.on<&Trouble::one>(trouble));
    CHECK(eventually([&] { return notes_of(trouble.company) == 2; }));
    CHECK(dead_of(trouble.company) == 1);
}

TEST_CASE("a partition that changes hands while begins are put on record stays one that is begun carefully", "[integration]") {
    World::shared();
    Trouble trouble{fresh_company()};
    auto name = consumer_of(trouble.company);
    pg::Connection owner(World::shared().owner, "owner");
    auto unclean = [&] { return count("SELECT count(*) AS n FROM lanes WHERE consumer = '" + name + "' AND NOT clean"); };
    auto own_and_stop = [&] {
        Running lane(Consumer{name}.on<&Trouble::one>(trouble));
        REQUIRE(eventually([&] { return shown("otto_partitions_owned{consumer=\"" + name + "\"} 12\n"); }));
    };
    own_and_stop();
    CHECK(unclean() == 0);
    owner.execute("UPDATE lanes SET clean = false WHERE consumer = '" + name + "'");
    own_and_stop();
    CHECK(unclean() == 12);
}

TEST_CASE("an event that takes too long waits aside, uses up an attempt only after several times, and holds up its own key only",
          "[integration]") {
    World::shared();
    pg::Connection owner(World::shared().owner, "owner");
    Trouble trouble{fresh_company()};
    Running lane(Consumer{consumer_of(trouble.company)}.on<&Trouble::one>(trouble));
    send({report(trouble.company, "+1", "slow"), report(trouble.company, "+1", "behind"),
          report(trouble.company, "+2", "beside")});
    CHECK(eventually([&] { return notes_of(trouble.company) == 1; }));
    CHECK(eventually([&] { return parked_of(trouble.company) == 2; }));
    CHECK(count("SELECT max(attempt)::bigint AS n FROM parked" + of(trouble.company)) == 0);
    auto in_batches = trouble.asked.load();
    CHECK(in_batches > 5);  // the same again, before it was singled out
    auto due = [&] { owner.execute("UPDATE parked SET next_at = now()" + of(trouble.company) + " AND next_at > now()"); };
    CHECK(eventually([&] {
        due();
        return count("SELECT count(*) AS n FROM parked" + of(trouble.company) + " AND jsonb_array_length(history) = 2") == 1;
    }));
    CHECK(trouble.asked - in_batches >= 3);
    trouble.slow = false;
    CHECK(eventually([&] {
        due();
        return notes_of(trouble.company) == 3;
    }));
    CHECK(notes_in_order(trouble.company) == std::vector<std::string>{"beside", "slow", "behind"});
    CHECK(dead_of(trouble.company) == 0);
}

TEST_CASE("events and dead letters are counted once they are committed, and once", "[integration]") {
    World::shared();
    pg::Connection owner(World::shared().owner, "owner");
    Trouble trouble{fresh_company()};
    auto name = consumer_of(trouble.company);
    owner.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.company_id = '" +
                  trouble.company +
                  "' THEN RAISE EXCEPTION 'not now' USING ERRCODE = '53200'; END IF; RETURN NULL; END $$;"
                  "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON notes DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE "
                  "FUNCTION refuse()");
    send({report(trouble.company, "+1", "n"), report(trouble.company, "+1", "reject"), report(trouble.company, "+1", "wait")});
    auto handled = [&](const std::string& outcome) {
        return "otto_events_handled_total{consumer=\"" + name + "\",event=\"otto.routed.v1.CallReported\",outcome=\"" + outcome +
               "\"} ";
    };
    auto dead = "otto_dead_letters_total{consumer=\"" + name + "\"} ";
    auto parked = "otto_parked_events{consumer=\"" + name + "\"} ";
    {
        Running lane(Consumer{name}.on<&Trouble::one>(trouble));
        CHECK(Heard("not now").times(3));
        CHECK_FALSE(shown(handled("done")));
        CHECK_FALSE(shown(handled("dead")));
        CHECK_FALSE(shown(handled("parked")));
        CHECK(shown(dead + "0\n"));
        CHECK(shown(parked + "0\n"));
        owner.execute("DROP TRIGGER refuse ON notes");
        CHECK(eventually([&] { return shown(handled("done") + "1\n"); }));
        CHECK(shown(handled("dead") + "1\n"));
        CHECK(shown(handled("parked") + "1\n"));
        CHECK(shown(dead + "1\n"));
        CHECK(shown(parked + "1\n"));
    }
    owner.execute("DROP FUNCTION refuse() CASCADE");
}

TEST_CASE("a batch handler rejects one event of its batch; it is a dead letter, and the others, also of its key, go on",
          "[integration]") {
    World::shared();
    Policy quick;
    quick.retry.pause = Backoff{Millis{20}, Millis{20}, 1, 0};
    const std::string why = " AND error = 'not wanted'";
    SECTION("in a lane, of a batch and of what was parked") {
        Notes notes{fresh_company()};
        auto name = consumer_of(notes.company);
        send(
            {report(notes.company, "+1", "first"), report(notes.company, "+1", "reject"), report(notes.company, "+1", "second")});
        Running lane(Consumer{name}.on<&Notes::batch>(notes, quick));
        CHECK(eventually([&] { return notes_of(notes.company) == 2 && dead_letters_of(notes.company, why) == 1; }));
        CHECK(parked_of(notes.company) == 0);
        send({report(notes.company, "+2", "once reject"), report(notes.company, "+2", "third")});
        CHECK(eventually([&] { return dead_letters_of(notes.company, why) == 2; }));
        CHECK(eventually([&] { return notes_of(notes.company) == 3 && parked_of(notes.company) == 0; }));
        CHECK(notes_in_order(notes.company) == std::vector<std::string>{"first", "second", "third"});
    }
    SECTION("of what a pass-through deferred") {
        Notes notes{fresh_company()};
        send({report(notes.company, "+1", "aside"), report(notes.company, "+1", "aside, reject"),
              report(notes.company, "+1", "n")});
        Running lane(Consumer{consumer_of(notes.company)}.on<&Notes::pass>(notes).deferred<&Notes::batch>(notes));
        CHECK(eventually([&] { return notes_of(notes.company) == 1 && dead_letters_of(notes.company, why) == 1; }));
    }
}

TEST_CASE("what is told of a consumer's partitions adds up over its lanes, and goes with them", "[integration]") {
    World::shared();
    Trouble trouble{fresh_company()};
    auto name = consumer_of(trouble.company);
    std::vector<events::Wire> wires;
    for (int i = 0; i < 40; ++i) wires.push_back(report(trouble.company, "+1202555" + std::to_string(3000 + i), "wait"));
    send(wires);
    {
        Running lanes(Consumer{name}.on<&Trouble::one>(trouble), 3);
        CHECK(eventually([&] { return shown("otto_parked_events{consumer=\"" + name + "\"} 40\n"); }));
        CHECK(shown("otto_partitions_owned{consumer=\"" + name + "\"} 12\n"));
        CHECK(shown("otto_partition_lag{consumer=\"" + name + "\""));
        {
            Running more(Consumer{name}.on<&Trouble::one>(trouble), 2);
            send({report(trouble.company, "+1", "n")});
            CHECK(eventually([&] {
                return shown("otto_partitions_owned{consumer=\"" + name + "\"} 12\n") &&
                       shown("otto_parked_events{consumer=\"" + name + "\"} 40\n");
            }));
        }
        CHECK(eventually([&] { return notes_of(trouble.company) == 1; }));
    }
    CHECK_FALSE(shown("otto_partition_lag{consumer=\"" + name + "\""));
    CHECK_FALSE(shown("otto_parked_events{consumer=\"" + name + "\""));
    CHECK_FALSE(shown("otto_partitions_owned{consumer=\"" + name + "\""));
}

TEST_CASE("what a pass-through passed on is counted once Kafka has it, and what is told of its partitions goes with them",
          "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    auto handled = [&](const std::string& outcome) {
        return "otto_events_handled_total{consumer=\"" + name + "\",event=\"otto.routed.v1.CallReported\",outcome=\"" + outcome +
               "\"} ";
    };
    {
        Running lane(Consumer{name}.on<&Notes::pass>(notes).deferred<&Notes::batch>(notes));
        std::vector<events::Wire> wires{report(notes.company, "+1", "aside"), report(notes.company, "+1", "throw")};
        for (int i = 0; i < 30; ++i) wires.push_back(report(notes.company, "+1", "n"));
        send(wires);
        CHECK(eventually([&] { return shown(handled("done") + "30\n"); }));
        CHECK(eventually([&] { return shown(handled("aside") + "1\n"); }));
        CHECK(shown("otto_partitions_owned{consumer=\"" + name + "\"} 12\n"));
        CHECK(shown("otto_partition_lag{consumer=\"" + name + "\""));
    }
    CHECK(shown(handled("done") + "30\n"));
    CHECK_FALSE(shown("otto_partition_lag{consumer=\"" + name + "\""));
    CHECK_FALSE(shown("otto_partitions_owned{consumer=\"" + name + "\""));
    CHECK(count("SELECT count(*) AS n FROM lanes WHERE consumer = '" + name + "' AND (trying_count > 0 OR NOT clean)") == 0);
}

TEST_CASE("what Postgres cannot hold as a text keeps nothing from being written for operators", "[integration]") {
    World::shared();
    Trouble trouble{fresh_company()};
    Policy quick;
    quick.retry = {2, Backoff{Millis{20}, Millis{20}, 1, 0}};
    auto failing = report(trouble.company, "+1", "throw");
    failing.key = std::string("k\xff\0y", 4);
    failing.headers.emplace_back("note", std::string("a\0b\xff", 4));
    Running lane(Consumer{consumer_of(trouble.company)}.on<&Trouble::one>(trouble, quick));
    send({failing, report(trouble.company, "+1", "n")});
    CHECK(eventually([&] { return notes_of(trouble.company) == 1; }));
    CHECK(eventually([&] {
        return count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + consumer_of(trouble.company) +
                     "' AND key LIKE 'k%y'") == 1;
    }));
}

TEST_CASE("an activity whose end cannot be written is asked as often as it may be, and given up", "[integration]") {
    World::shared();
    Trouble trouble{fresh_company()};
    auto name = consumer_of(trouble.company);
    Policy quick;
    quick.retry = {3, Backoff{Millis{20}, Millis{20}, 1, 0}};
    Running lane(Consumer{name}.on<&Trouble::act>(trouble, quick));
    std::string note = GENERATE("divide", "logic");
    send({report(trouble.company, "+1", note), report(trouble.company, "+2", "n")});
    CHECK(eventually(
        [&] { return count("SELECT count(*) AS n FROM intents" + of(trouble.company) + " AND state = 'failed'") == 1; }));
    CHECK(eventually([&] { return notes_of(trouble.company) == 1; }));
    CHECK(trouble.asked == 4);
}

TEST_CASE("what an activity was answered is kept while the database is away", "[integration]") {
    World::shared();
    pg::Connection owner(World::shared().owner, "owner");
    Trouble trouble{fresh_company()};
    auto name = consumer_of(trouble.company);
    owner.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.company_id = '" +
                  trouble.company +
                  "' THEN RAISE EXCEPTION 'not now' USING ERRCODE = '53200'; END IF; RETURN NULL; END $$;"
                  "CREATE TRIGGER refuse AFTER INSERT ON notes FOR EACH ROW EXECUTE FUNCTION refuse()");
    Running lane(Consumer{name}.on<&Trouble::act>(trouble));
    {
        Heard failures("the end of an activity could not be written");
        send({report(trouble.company, "+1", "n")});
        CHECK(failures.times(3));
    }
    owner.execute("DROP TRIGGER refuse ON notes; DROP FUNCTION refuse()");
    CHECK(eventually(
        [&] { return count("SELECT count(*) AS n FROM intents" + of(trouble.company) + " AND state = 'done'") == 1; }));
    CHECK(trouble.asked == 1);
    CHECK(notes_of(trouble.company) == 1);
}

TEST_CASE("an activity over which each process ends is given up in the end", "[integration]") {
    World::shared();
    pg::Connection owner(World::shared().owner, "owner");
    Trouble trouble{fresh_company()};
    auto name = consumer_of(trouble.company);
    Policy quick;
    quick.retry.attempts = 2;
    auto wire = report(trouble.company, "+1", "n");
    {
        pg::Connection db(World::shared().role, "intends");
        auto tx = db.begin(pg::Scope::none());
        tx.write({"test.intend",
                  "INSERT INTO intents (consumer, intent_key, event_id, company_id, type, value, headers, attempt) VALUES ($1, "
                  "'k', $2, $3, $4, $5, $6, 5)"},
                 {name, Uuid::v7(system_clock().now()), trouble.company, "otto.routed.v1.CallReported",
                  pg::Param::bytes(wire.value), headers_json(wire.headers)});
        tx.commit();
    }
    Running lane(Consumer{name}.on<&Trouble::act>(trouble, quick));
    CHECK(eventually([&] {
        return count("SELECT count(*) AS n FROM intents" + of(trouble.company) +
                     " AND state = 'failed' AND error LIKE 'attempts used up%'") == 1;
    }));
    CHECK(trouble.asked == 0);
}
