// Partitions that change hands, owners that die, and Kafka or the database away: nothing is lost, nothing stands twice.
#include "rig.hpp"

using namespace otto;
using namespace otto::rt;
using namespace otto::rt::tests;

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
    db.execute("DELETE FROM notes WHERE company_id = '" + notes.company + "'; DELETE FROM inbox WHERE consumer = '" + name +
               "';"
               "UPDATE lanes l SET clean = false, next_offset = next_offset - 2, trying_offset = next_offset - 2, trying_count = "
               "3 WHERE consumer = '" +
               name + "' AND partition = " + partition);
    Running lane(Consumer{name}.on<&Notes::one>(notes));
    CHECK(eventually([&] {
        return count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name + "' AND company_id = '" + notes.company +
                     "'") == 1;
    }));
    CHECK(eventually([&] {
        return count("SELECT count(*) AS n FROM notes WHERE company_id = '" + notes.company + "' AND note = 'after'") == 1;
    }));
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
        db.execute("DELETE FROM notes WHERE company_id = '" + notes.company + "'; DELETE FROM inbox WHERE consumer = '" + name +
                   "'");
        db.execute("UPDATE lanes SET clean = false, next_offset = next_offset - 4, " + trying + " WHERE consumer = '" + name +
                   "' AND partition = " + partition);
        Running lane(Consumer{name}.on<&Notes::one>(notes));
        REQUIRE(eventually([&] { return notes_of(notes.company) == 4; }));
        return count("SELECT next_offset - trying_offset AS n FROM lanes WHERE consumer = '" + name +
                     "' AND partition = " + partition);
    };
    CHECK(again_after("trying_offset = NULL, trying_count = 0") == 4);             // the begin of all four was written once
    CHECK(again_after("trying_offset = next_offset - 4, trying_count = 1") == 1);  // somebody died there: each has its own
    // Of this company: what other tests left in the topic is nobody's here.
    CHECK(count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name + "' AND company_id = '" + notes.company +
                "'") == 0);
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

TEST_CASE("code and database do not fit: the lane waits, nothing is given up, and it goes on once they do", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    pg::Connection owner(World::shared().owner, "owner");
    owner.execute("REVOKE ALL ON notes FROM otto_lead_pipeline");
    std::atomic<std::size_t> loud = 0;
    tel::set_log_sink(
        [&](std::string_view line) { loud += line.find("code and database do not fit") != std::string_view::npos; });
    Running lane(Consumer{name}.on<&Notes::one>(notes));
    send({report(notes.company, "+1", "n")});
    CHECK(eventually([&] { return loud >= 1; }));
    tel::set_log_sink({});
    CHECK(count("SELECT count(*) AS n FROM parked WHERE consumer = '" + name + "'") == 0);
    owner.execute("GRANT ALL ON notes TO otto_lead_pipeline");
    CHECK(eventually([&] { return notes_of(notes.company) == 1; }));
    CHECK(count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name + "' AND company_id = '" + notes.company +
                "'") == 0);
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
        db.execute("INSERT INTO outbox (consumer, lane_topic, lane_partition, topic, key, value, headers) VALUES ('" + name +
                   "', 'otto.routed', " + std::to_string(partition) + ", 'otto.calls', '" + key + "', 'x', '[]')");
    Running lane(Consumer{name}.on<&Notes::one>(notes));
    CHECK(on_topic("otto.calls", key, 12) == 12);
    CHECK(eventually([&] { return count("SELECT count(*) AS n FROM outbox WHERE consumer = '" + name + "'") == 0; }));
}

TEST_CASE("a former owner that does not let go, stopped in the middle of its transaction, has its session ended",
          "[integration]") {
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
    tx.write({"test.mine",
              "UPDATE lanes SET backend_pid = pg_backend_pid(), backend_start = (SELECT backend_start::text FROM "
              "pg_stat_activity WHERE pid = pg_backend_pid()) WHERE consumer = $1"},
             {name});
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
    CHECK(eventually([&] { return count("SELECT count(*) AS n FROM outbox WHERE consumer = '" + name + "'") == 0; },
                     Millis{60'000}));
}
