#pragma once
// What the tests of the protocol share, on real Kafka and Postgres. Each test has a consumer and a company of its own; topics and
// database are shared.
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
#include "runtime/runtime.hpp"
#include "telemetry/log.hpp"
#include "testing/catch.hpp"
#include "testkit/kafka.hpp"
#include "testkit/postgres.hpp"

namespace otto::rt::tests {

using otto::calls::v1::CallRecorded;
using otto::changes::v1::RowChanged;
using otto::routed::v1::CallReported;

struct World {
    Secret owner, role;
    std::string brokers;
    static World& shared() {
        static World w = [] {
            World made;
            made.owner = testkit::TestPostgres::shared().migrated_database();
            pg::Connection(made.owner, "test")
                .execute(
                    "CREATE TABLE notes (company_id text, event_id text, note text, n bigint GENERATED ALWAYS AS IDENTITY); "
                    "GRANT ALL ON notes TO otto_lead_pipeline");
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

inline std::int64_t count(const std::string& sql) {
    static pg::Connection db(World::shared().owner, "count");
    static std::map<std::string, std::string> names;  // statements are prepared under a name, once
    auto [known, fresh] = names.try_emplace(sql, "test.count" + std::to_string(names.size()));
    auto tx = db.begin(pg::Scope::none());
    return tx.one<Number>({known->second, known->first}).n;
}

/// Looks until it holds or the time is over; never a sleep that hopes.
inline bool eventually(const std::function<bool()>& holds, Millis within = Millis{30'000}) {
    auto end = std::chrono::steady_clock::now() + within;
    while (std::chrono::steady_clock::now() < end) {
        if (holds()) return true;
        std::this_thread::sleep_for(Millis{20});
    }
    return holds();
}

inline events::Wire report(const std::string& company, const std::string& phone, const std::string& note,
                           std::optional<EventId> id = {}) {
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
inline int send(const std::vector<events::Wire>& wires, const std::string& brokers = World::shared().brokers) {
    kafka::ProducerOptions o;
    o.brokers = brokers;
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
    explicit Running(Consumer c, int lanes = 1, Secret url = World::shared().role, std::string brokers = World::shared().brokers)
        : consumer_(std::move(c)) {
        options_.service = "test";
        options_.brokers = brokers;
        options_.pg_url = url;
        activities_ = std::make_unique<Activities>(consumer_, options_, stop_);
        options_.poke_activities = [this] { activities_->poke(); };
        for (const auto& h : consumer_.handlers())
            if (h.shape == detail::Shape::activity && acting_.empty())
                for (int i = 0; i < 2; ++i) acting_.emplace_back([this] { activities_->work(); });
        for (int i = 0; i < lanes; ++i)
            threads_.emplace_back([this, i] {
                if (consumer_.passes_through())
                    PassLane(consumer_, options_, i, stop_).run();
                else
                    Lane(consumer_, options_, i, stop_).run();
            });
    }
    ~Running() { stop(); }
    void stop() {
        stop_.stop();
        activities_->wake_all();
        for (auto& t : threads_) t.join();
        threads_.clear();
        for (auto& t : acting_) t.join();
        acting_.clear();
    }

private:
    Consumer consumer_;
    LaneOptions options_;
    StopSignal stop_;
    std::unique_ptr<Activities> activities_;
    std::vector<std::thread> threads_, acting_;
};

/// Writes down what it gets; fails on request.
struct Notes {
    std::string company;
    mutable std::atomic<int> calls{0};
    mutable std::atomic<bool> another{false};  ///< one that is not "later" was written
    Outcome one(In<CallReported> in, pg::Tx& tx, Out<CallRecorded>& out) const {
        if (in.event.company_id() != company) return Outcome::ignored("another test's");
        ++calls;
        const auto& note = in.event.call().note();
        if (note == "throw") throw std::runtime_error("thrown");
        if (note == "divide") tx.write(kBroken, {0});
        if (note == "reject") return Outcome::reject("not wanted");
        if (note == "later" && !another) return Outcome::later(Millis{200});
        if (note == "once" && in.meta.attempt == 0) return Outcome::retry("first time", Millis{100});
        tx.write(kNote, {company, in.meta.id.value().to_string(), note});
        another = another || note != "later";
        if (note == "write then retry" && in.meta.attempt == 0) return Outcome::retry("after a write", Millis{100});
        CallRecorded done;
        done.set_company_id(company);
        done.set_phone(in.event.phone());
        out.emit(done);
        return Outcome::done();
    }
    void batch(std::span<const In<CallReported>> ins, pg::Tx& tx, Out<>& out) const {
        for (const auto& in : ins) {
            if (in.event.company_id() != company) continue;
            ++calls;
            const auto& note = in.event.call().note();
            if (note == "throw" || (note == "once reject" && in.meta.attempt == 0)) throw std::runtime_error("thrown");
            if (note.ends_with("reject"))
                out.reject(in.meta, "not wanted");
            else
                tx.write(kNote, {company, in.meta.id.value().to_string(), note});
        }
    }
    Outcome pass(In<CallReported> in, Out<CallRecorded>& out) const {
        if (in.event.company_id() != company) return Outcome::ignored("another test's");
        if (in.event.call().note().starts_with("aside")) return Outcome::defer();
        if (in.event.call().note() == "throw") throw std::runtime_error("thrown");
        CallRecorded done;
        done.set_company_id(company);
        done.set_phone(in.event.phone());
        out.emit(done);
        return Outcome::done();
    }
    void pass_aside(std::span<const In<CallReported>> ins, pg::Tx& tx, Out<CallRecorded>& out) const {
        for (const auto& in : ins) {
            if (in.event.company_id() != company) continue;
            CallRecorded done;
            done.set_company_id(company);
            done.set_phone(in.event.phone());
            out.emit(in.meta, done);
            tx.write(kNote, {company, in.meta.id.value().to_string(), in.event.call().note()});
        }
    }
    Outcome act(Intent<CallReported> call, Out<CallRecorded>& out) const {
        if (call.event.company_id() != company) return Outcome::ignored("another test's");
        ++calls;
        if (call.event.call().note() == "once" && call.meta.attempt == 1) return Outcome::retry("the peer is busy", Millis{50});
        call.then([this, id = call.intent_key](pg::Tx& tx) { tx.write(kNote, {company, id, "acted"}); });
        CallRecorded done;
        done.set_company_id(company);
        out.emit(done);
        return Outcome::done();
    }
    Outcome other(Intent<CallRecorded>, Out<CallRecorded>&) const { return Outcome::ignored("none of its business"); }
};

inline std::string fresh_company() {
    static std::atomic<int> n{0};
    return "org_rt" + std::to_string(++n);
}
inline std::string consumer_of(const std::string& company) { return "lead-pipeline/" + company; }
inline std::int64_t notes_of(const std::string& company) {
    return count("SELECT count(*) AS n FROM notes WHERE company_id = '" + company + "'");
}

/// Of this company's records alone: what other tests left in a topic that cannot be read is a dead letter of each new consumer.
inline std::int64_t dead_letters_of(const std::string& company, const std::string& more = "") {
    return count("SELECT count(*) AS n FROM dead_letters WHERE consumer = '" + consumer_of(company) + "' AND (company_id = '" +
                 company + "' OR key LIKE '" + company + ":%')" + more);
}

/// How many records of each key a topic holds, read to its end and until that is enough.
inline std::map<std::string, std::size_t> read_topic(const std::string& topic, const std::string& brokers,
                                                     const std::function<bool(std::map<std::string, std::size_t>&)>& enough) {
    static std::atomic<int> n{0};
    kafka::Reader reader(brokers, "count-" + std::to_string(++n), {topic});
    std::map<std::string, std::size_t> seen;
    eventually([&] {
        for (const auto& r : reader.poll(500, Millis{100})) ++seen[r.key];
        return enough(seen) && reader.caught_up();
    });
    return seen;
}

/// How many records with this key stand on a topic; waits for at least `wanted`.
inline std::size_t on_topic(const std::string& topic, const std::string& key, std::size_t wanted,
                            const std::string& brokers = World::shared().brokers) {
    return read_topic(topic, brokers, [&](auto& seen) { return seen[key] >= wanted; })[key];
}

inline std::vector<std::string> notes_in_order(const std::string& company) {
    static pg::Connection db(World::shared().owner, "notes");
    struct Note {
        std::string text;
        static Note from(const pg::Fields& f) { return {f.text("note")}; }
    };
    auto tx = db.begin(pg::Scope::none());
    std::vector<std::string> out;
    for (auto& n : tx.many<Note>({"test.notes_in_order", "SELECT note FROM notes WHERE company_id = $1 ORDER BY n"}, {company}))
        out.push_back(n.text);
    return out;
}

}  // namespace otto::rt::tests
