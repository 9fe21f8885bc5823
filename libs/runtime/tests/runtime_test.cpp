// What becomes of events: applied, passed on, parked, given up; in order, and once.
#include "rig.hpp"
#include "tables.hpp"

using namespace otto;
using namespace otto::rt;
using namespace otto::rt::tests;

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
    CHECK(eventually([&] {
        return count("SELECT count(*) AS n FROM notes WHERE company_id = '" + notes.company + "' AND note = 'last'") == 1;
    }));
    CHECK(eventually(
        [&] { return count("SELECT count(*) AS n FROM outbox WHERE consumer = '" + consumer_of(notes.company) + "'") == 0; }));
    lane.stop();
    CHECK(notes_of(notes.company) == 501);
    CHECK(count("SELECT count(*) AS n FROM lanes WHERE consumer = '" + consumer_of(notes.company) + "' AND NOT clean") == 0);
}

TEST_CASE("a failing event is parked with its key behind it, others go on, and attempts that are used up end as a dead letter",
          "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    Policy quick;
    quick.retry = {3, Backoff{Millis{50}, Millis{100}, 2, 0}};
    Running lane(Consumer{name}.on<&Notes::one>(notes, quick));
    SECTION("an exception") {
        send(
            {report(notes.company, "+1", "throw"), report(notes.company, "+1", "behind"), report(notes.company, "+2", "beside")});
    }
    SECTION("a statement that fails") {
        send({report(notes.company, "+1", "divide"), report(notes.company, "+1", "behind"),
              report(notes.company, "+2", "beside")});
    }
    CHECK(eventually([&] {
        return count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name +
                     "' AND jsonb_array_length(history) = 3") == 1;
    }));
    CHECK(eventually([&] { return notes_of(notes.company) == 2; }));
    CHECK(count("SELECT count(*) AS n FROM parked WHERE consumer = '" + name + "'") == 0);
}

TEST_CASE("retry, retry after a write, and reject do what they say", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    Running lane(Consumer{name}.on<&Notes::one>(notes));
    send({report(notes.company, "+1", "once"), report(notes.company, "+2", "write then retry"),
          report(notes.company, "+3", "reject")});
    CHECK(eventually([&] { return notes_of(notes.company) == 2; }));
    CHECK(eventually([&] {
        return count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name + "' AND error = 'not wanted'") == 1;
    }));
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
    auto position = [&] {
        return count("SELECT coalesce(sum(next_offset), 0) AS n FROM lanes WHERE consumer = '" + name +
                     "' AND topic = 'otto.routed' AND partition = " + std::to_string(partition));
    };
    pg::Connection owner(World::shared().owner, "test");
    owner.execute("CREATE TABLE position_writes (partition int)");
    owner.execute(
        "CREATE FUNCTION note_position() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO "
        "position_writes VALUES (NEW.partition); RETURN NEW; END $$");
    owner.execute("CREATE TRIGGER note_position AFTER UPDATE ON lanes FOR EACH ROW WHEN (NEW.consumer = '" + name +
                  "' AND NEW.next_offset > OLD.next_offset) EXECUTE FUNCTION note_position()");
    auto writes = [&] {
        return count("SELECT count(*) AS n FROM position_writes WHERE partition = " + std::to_string(partition));
    };
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
    for (int i = 0; i < 50; ++i)
        wires.push_back(report(notes.company, "+" + std::to_string(i % customers), i == 20 ? "throw" : "n"));
    send(wires);
    Running lane(Consumer{name}.on<&Notes::batch>(notes, quick));
    CHECK(eventually([&] { return notes_of(notes.company) == 49; }));
    CHECK(eventually([&] { return dead_letters_of(notes.company) == 1; }));
}

TEST_CASE("a transaction takes what there is of all partitions, and what follows from an event stands under its own partition",
          "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    pg::Connection db(World::shared().owner, "witness");
    db.execute(
        "CREATE TABLE outbox_seen (key text, lane_partition int);"
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN INSERT INTO outbox_seen VALUES "
        "(NEW.key, NEW.lane_partition); RETURN NULL; END $$;"
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
        for (const auto& [phone, partition] : partition_of)
            wires.push_back(report(notes.company, phone, std::to_string(partition)));
        send(wires);
        sent += static_cast<std::int64_t>(wires.size());
        REQUIRE(eventually([&] { return notes_of(notes.company) == sent; }));
        shared = count("SELECT count(*) AS n FROM (SELECT FROM notes WHERE company_id = '" + notes.company +
                       "' GROUP BY xmin::text HAVING count(DISTINCT note) > 1) t");
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
    CHECK(eventually([&] { return dead_letters_of(notes.company) == 2; }));
    CHECK(eventually([&] { return notes_of(notes.company) == 1; }));
}

TEST_CASE("a pass-through passes on, defers what needs rows, and gives up what it cannot handle", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    Running lane(Consumer{name}.on<&Notes::pass>(notes).deferred<&Notes::batch>(notes));
    std::vector<events::Wire> wires{report(notes.company, "+1", "aside"), report(notes.company, "+1", "throw")};
    for (int i = 0; i < 100; ++i) wires.push_back(report(notes.company, "+1", "n"));
    send(wires);
    CHECK(eventually([&] { return notes_of(notes.company) == 1; }));
    CHECK(eventually([&] {
        return count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name + "' AND error = 'thrown'") == 1;
    }));
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

TEST_CASE("what a pass-through defers is taken once, however often one batch has it", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    Running lane(Consumer{consumer_of(notes.company)}.on<&Notes::pass>(notes).deferred<&Notes::pass_aside>(notes));
    const auto repeated = report(notes.company, "+1", "aside");
    send({repeated, repeated, repeated, report(notes.company, "+1", "aside, the last")});
    REQUIRE(eventually([&] {
        return count("SELECT count(*) AS n FROM notes WHERE company_id = '" + notes.company + "' AND note = 'aside, the last'") ==
               1;
    }));
    CHECK(count("SELECT count(*) AS n FROM notes WHERE company_id = '" + notes.company + "' AND note = 'aside'") == 1);
}

TEST_CASE("each activity of a consumer has its own patience", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    Policy impatient;
    impatient.retry.attempts = 1;
    Running lane(Consumer{name}.on<&Notes::act>(notes, impatient).on<&Notes::other>(notes));
    send({report(notes.company, "+1", "once")});
    CHECK(eventually([&] {
        return count("SELECT count(*) AS n FROM intents WHERE consumer = '" + name + "' AND state = 'failed' AND company_id = '" +
                     notes.company + "'") == 1;
    }));
    CHECK(notes.calls == 1);
}

TEST_CASE("an activity runs outside of transactions, again after a failure, and once for a repeated event", "[integration]") {
    World::shared();
    Notes notes{fresh_company()};
    auto name = consumer_of(notes.company);
    Running lane(Consumer{name}.on<&Notes::act>(notes));
    auto first = report(notes.company, "+1", "once");
    send({first, first, report(notes.company, "+1", "n"), first});
    CHECK(eventually([&] {
        return count("SELECT count(*) AS n FROM intents WHERE consumer = '" + name + "' AND state = 'done' AND company_id = '" +
                     notes.company + "'") == 2;
    }));
    CHECK(notes_of(notes.company) == 2);
    CHECK(notes.calls == 3);
}

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
    CHECK(count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + name + "' AND company_id = '" + notes.company +
                "'") == 0);
}

TEST_CASE("events from outside of lanes leave through the service's own shards; timers wait, are replaced and cancelled",
          "[integration]") {
    World::shared();
    auto company = fresh_company();
    pg::Connection db(World::shared().role, "commands");
    Relay relay(World::shared().brokers, "relay-test");
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
    // A round does not wait for a Kafka that takes longer than a second; the next one looks again.
    auto left_after_rounds = [&](std::int64_t wanted) {
        return eventually([&] {
            relay.round(db);
            return count("SELECT count(*) AS n FROM outbox WHERE consumer = '" + consumer_of(company) + "'") == wanted;
        });
    };
    CHECK(left_after_rounds(1));
    CHECK(on_topic("otto.calls", company + ":now", 1) == 1);
    pg::Connection owner(World::shared().owner, "owner");
    owner.execute("UPDATE outbox SET not_before = now() WHERE consumer = '" + consumer_of(company) + "'");
    CHECK(left_after_rounds(0));
    CHECK(on_topic("otto.calls", company + ":timer again", 1) == 1);
}

TEST_CASE("each statement on the outbox has one index that it can use, also while nothing is in it", "[integration]") {
    pg::Connection db(World::shared().role, "plans");
    auto tx = db.begin(pg::Scope::none());
    auto plan_of = [&](const pg::Query& query, std::vector<std::string> values) {
        std::string text = "EXPLAIN (COSTS OFF) " + std::string(query.text), plan;
        for (std::size_t n = 0; n < values.size(); ++n) text.replace(text.find("$" + std::to_string(n + 1)), 2, values[n]);
        tx.each({"plan_of_" + std::string(query.name.substr(3)), text}, {},
                [&](const pg::Fields& f) { plan += f.text("QUERY PLAN") + "\n"; });
        return plan;
    };
    auto has = [](const std::string& plan, const char* part) {
        INFO(plan);
        CHECK(plan.find(part) != std::string::npos);
    };
    has(plan_of(sql::outbox_delete, {"'{1,2,3}'"}), "outbox_pkey");
    has(plan_of(sql::outbox_cancel, {"'lead-pipeline'", "'timer of a call'"}), "Index Cond: (replaces =");
    has(plan_of(sql::outbox_of_lane, {"'lead-pipeline'", "'otto.routed'", "3"}), "outbox_of_lane");
}

TEST_CASE("however large the outbox's rows are, no more than 8 MiB and a row are read of them at once", "[integration]") {
    pg::Connection db(World::shared().role, "bytes");
    auto tx = db.begin(pg::Scope::none());
    tx.write({"test.empty", "DELETE FROM outbox"});  // rolled back in the end
    auto add = [&, n = 0](const std::string& lane, int rows, int bytes) mutable {
        auto text =
            "INSERT INTO outbox (consumer, lane_topic, lane_partition, topic, key, value, headers) SELECT 'lead-pipeline/bytes', "
            "'" +
            lane + "', 3, 'otto.calls', 'k', convert_to(repeat('x', " + std::to_string(bytes) +
            "), 'UTF8'), '[]' FROM generate_series(1, " + std::to_string(rows) + ")";
        tx.write({"test.add" + std::to_string(++n), text});
        tx.flush();
    };
    auto read = [&](const pg::Query& query, pg::Params params) {
        std::vector<std::size_t> sizes;
        tx.each(query, std::move(params), [&](const pg::Fields& f) { sizes.push_back(f.bytes("value").size() >> 10); });
        return sizes;
    };
    const pg::Params lane{"lead-pipeline/bytes", "otto.routed", 3};
    for (std::string topic : {"otto.routed", "outbox"}) {
        auto all = [&] { return topic == "outbox" ? read(sql::outbox_due, {}) : read(sql::outbox_of_lane, lane); };
        CHECK(all().empty());
        add(topic, 12, 1 << 20);
        CHECK(all() == std::vector<std::size_t>(8, 1024));
        tx.write({"test.again" + topic, "DELETE FROM outbox"});
        add(topic, 2, 9 << 20);
        CHECK(all() == std::vector<std::size_t>{9 * 1024});  // one goes always
        tx.write({"test.once_more" + topic, "DELETE FROM outbox"});
        add(topic, 501, 1);
        CHECK(all().size() == 500);
        tx.write({"test.end" + topic, "DELETE FROM outbox"});
    }
}
