#include "lane.hpp"

#include <algorithm>
#include <unordered_map>

#include "base/json.hpp"
#include "tables.hpp"
#include "telemetry/log.hpp"

namespace otto::rt {
namespace {

constexpr std::size_t kMaxBytes = 8u << 20;
constexpr int kLastTry = 3;  ///< times that an event may be begun while its partition runs carefully
constexpr std::size_t kCarefulGroup = 16;
constexpr std::size_t kMostUnconfirmed = 20'000;
constexpr Millis kMostRest{25};  ///< beside kPace
constexpr std::int64_t kNearly = 50;  ///< events
constexpr Millis kPace{40};      ///< from the begin of a batch that was not full to the next one's
constexpr Millis kTellGroup{500};
constexpr std::size_t kMostPassedOver = 10'000;  ///< records in one round that do not concern the consumer
constexpr Millis kWritePositions{500};           ///< how old the table's positions get while nothing but such records comes

/// A batch must be run again one event per transaction.
struct RunSingly {};
/// Another lane owns the partition now.
struct Fenced {};

struct Standing {
    std::int64_t epoch;
    std::optional<std::int64_t> next;
    bool clean;
    static Standing from(const pg::Fields& f) { return {f.integer("epoch"), f.maybe_integer("next_offset"), f.boolean("clean")}; }
};

struct Holder {
    std::optional<std::int64_t> pid;
    std::string started;
    static Holder from(const pg::Fields& f) { return {f.maybe_integer("backend_pid"), f.text("backend_start")}; }
};

Instant now() { return system_clock().now(); }

}  // namespace

void StopSignal::stop() {
    {
        std::lock_guard guard(lock_);
        stopping_ = true;
    }
    wake_.notify_all();
}

bool StopSignal::wait(Millis time) {
    std::unique_lock guard(lock_);
    return wake_.wait_for(guard, time, [&] { return stopping_.load(); });
}

ConsumerMetrics::ConsumerMetrics(const std::string& consumer) : consumer_(consumer) {
    const tel::Labels labels{{"consumer", consumer}};
    batch_size = tel::Metrics::histogram("batch_size", "Events of one transaction.", labels, {1, 2, 5, 10, 25, 50, 100, 250, 500, 1000});
    batch_seconds = tel::Metrics::histogram("batch_seconds", "Time of one transaction, poll to commit.", labels);
    age = tel::Metrics::histogram("event_age_seconds", "Age of the oldest event of a batch at commit.", labels, {.01, .05, .1, .25, .5, 1, 2, 5, 15, 60, 300, 3600, 86400});
    parked = tel::Metrics::gauge("parked_events", "Keys with events that wait for another try.", labels);
    owned = tel::Metrics::gauge("partitions_owned", "Partitions that this process serves.", labels);
    dead = tel::Metrics::counter("dead_letters_total", "Events given up, for an operator.", labels);
    rebalances_lost = tel::Metrics::counter("partitions_lost_total", "Partitions found to have another owner.", labels);
    failures = tel::Metrics::counter("lane_failures_total", "Batches that have to run again because the database failed.", labels);
}

void ConsumerMetrics::handled(const std::string& type, const char* outcome, std::size_t n) {
    auto found = handled_.find({type, outcome});
    if (found == handled_.end())
        found = handled_.emplace(std::pair{type, outcome}, tel::Metrics::counter("events_handled_total", "Events by what became of them.",
                                                                                 {{"consumer", consumer_}, {"event", type}, {"outcome", outcome}})).first;
    found->second.inc(static_cast<double>(n));
}

void ConsumerMetrics::lag(const kafka::TopicPartition& tp, std::int64_t events) {
    auto found = lag_.find(tp);
    if (found == lag_.end())
        found = lag_.emplace(tp, tel::Metrics::gauge("partition_lag", "Events of a partition that are still to be done, as of the last fetch.",
                                                     {{"consumer", consumer_}, {"topic", tp.topic}, {"partition", std::to_string(tp.partition)}})).first;
    found->second.set(static_cast<double>(std::max<std::int64_t>(0, events)));
}

Lane::Lane(const Consumer& consumer, const LaneOptions& options, int index, StopSignal& stop)
    : consumer_(consumer),
      options_(options),
      stop_(stop),
      id_(consumer.name() + "-" + std::to_string(index)),
      db_(options.pg_url, id_),
      source_([&] {
          kafka::SourceOptions o;
          o.brokers = options.brokers;
          o.group = consumer.name();
          o.client_id = id_;
          o.topics = consumer.topics();
          return o;
      }()),
      publisher_(options.brokers, id_),
      metrics_(consumer.name()),
      batch_(consumer.handlers().front().policy.batch) {
    source_.on_rebalance({[this](const std::vector<Tp>& tps) { return claim_all(tps); }, [this](const std::vector<Tp>& tps, bool lost) { give_back(tps, lost); }});
}

pg::Params Lane::at(const Tp& tp, std::initializer_list<pg::Param> more) const {
    pg::Params p = at(tp);
    p.insert(p.end(), more.begin(), more.end());
    return p;
}

// ---- owning a partition

std::vector<std::optional<std::int64_t>> Lane::claim_all(const std::vector<Tp>& tps) {
    std::vector<std::optional<std::int64_t>> starts;
    for (const auto& tp : tps) {
        while (true) {
            try {
                Part part = claim(tp);
                starts.push_back(part.next >= 0 ? std::optional(part.next) : std::nullopt);
                metrics_.owned.add(1);
                parts_[tp] = std::move(part);
                break;
            } catch (const pg::SqlFailure& e) {
                back_off("claiming " + tp.topic + "/" + std::to_string(tp.partition) + ": " + e.what(), e.kind() == pg::FailureClass::schema);
                if (stop_.stopping()) return std::vector<std::optional<std::int64_t>>(tps.size());
            }
        }
    }
    return starts;
}

Lane::Part Lane::claim(const Tp& tp) {
    Standing mine{};
    Part part;
    for (int tries = 0;; ++tries) {
        try {
            auto tx = db_.begin(pg::Scope::none());
            tx.write(sql::short_lock);
            tx.write(sql::lane_row, at(tp));
            mine = tx.one<Standing>(sql::claim, at(tp));
            read_parked(tx, tp, part);
            tx.commit();
            break;
        } catch (const pg::SqlFailure& e) {
            if (e.sqlstate() != "55P03" || tries >= 3) throw;
            // The former owner's transaction holds the row, perhaps in a stopped process: its session is ended.
            auto tx = db_.begin(pg::Scope::none());
            auto holder = tx.maybe<Holder>(sql::lane_holder, at(tp));
            if (holder && holder->pid) {
                tel::warn("a former owner does not let go of a partition: its session is ended", {{"consumer", consumer_.name()}, {"topic", tp.topic}, {"partition", tp.partition}});
                tx.write(sql::end_session, {static_cast<int>(*holder->pid), holder->started});
            }
            tx.commit();
        }
    }
    part.epoch = mine.epoch;
    part.next = part.written = mine.next.value_or(-1);
    part.careful = mine.clean ? 0 : 2 * batch_;
    part.claimed_now = true;
    if (!mine.clean && mine.next)
        tel::info("the former owner of a partition did not stop cleanly: it runs a few events at a time for a while", {{"consumer", consumer_.name()}, {"topic", tp.topic}, {"partition", tp.partition}, {"events", part.careful}});
    drain_outbox(tp, part);
    return part;
}

void Lane::give_back(const std::vector<Tp>& tps, bool lost) {
    if (!lost) {
        publisher_.flush(Millis{5'000});  // what is not confirmed stays in the table, for the next owner
        tell_group(true);
    }
    for (const auto& tp : tps) {
        auto found = parts_.find(tp);
        if (found == parts_.end()) continue;
        try {
            auto tx = db_.begin(pg::Scope::none());
            if (!found->second.acked.empty()) {
                std::vector<std::string> ids;
                for (auto id : found->second.acked) ids.push_back(std::to_string(id));
                tx.write(sql::outbox_delete, {pg::Param::array(ids)});
            }
            if (!lost && found->second.ahead()) tx.write(sql::fence, at(tp, {found->second.epoch, found->second.next}));
            tx.write(sql::release, at(tp, {found->second.epoch}));
            tx.commit();
        } catch (const pg::SqlFailure& e) {
            tel::warn("a partition could not be given back cleanly", {{"consumer", consumer_.name()}, {"topic", tp.topic}, {"partition", tp.partition}, {"why", e.what()}});
        }
        metrics_.owned.add(-1);
        parts_.erase(found);
    }
}

/// After a failure: a commit may or may not have happened. The table knows.
bool Lane::recover(const Tp& tp, Part& part) {
    auto tx = db_.begin(pg::Scope::none());
    auto standing = tx.one<Standing>(sql::standing, at(tp));
    if (standing.epoch != part.epoch) return false;
    read_parked(tx, tp, part);
    tx.commit();
    drain_outbox(tp, part);
    if (standing.next) {
        part.next = part.written = *standing.next;
        if (auto there = source_.seek(tp, part.next); !there) {
            tel::warn("the lane joins the group anew", {{"consumer", consumer_.name()}, {"topic", tp.topic}, {"partition", tp.partition}, {"why", there.error().describe()}});
            rejoin_ = true;
        }
    } else {
        rejoin_ = true;  // nothing was ever committed here: the group's own offset counts
    }
    part.stale = false;
    return true;
}

/// Publishes what the table still holds for this partition, lowest first, and waits for Kafka.
void Lane::drain_outbox(const Tp& tp, Part& part) {
    part.acked.clear();
    while (!stop_.stopping()) {
        auto tx = db_.begin(pg::Scope::none());
        auto rows = tx.many<StoredRecord>(sql::outbox_of_lane, at(tp));
        tx.commit();
        if (rows.empty()) return;
        auto done = std::make_shared<std::vector<std::string>>();
        for (auto& row : rows) publisher_.publish(row.record, [done, id = row.id] { done->push_back(std::to_string(id)); });
        while (!publisher_.flush(Millis{1'000}) && !stop_.stopping())
            if (publisher_.take_failure()) break;
        auto close = db_.begin(pg::Scope::none());
        close.write(sql::outbox_delete, {pg::Param::array(*done)});
        close.commit();
    }
}

void Lane::read_parked(pg::Tx& tx, const Tp& tp, Part& part) {
    part.blocked.clear();
    part.parked_any = false;
    tx.each(sql::parked_keys, at(tp), [&](const pg::Fields& f) {
        part.parked_any = true;
        if (f.boolean("blocks")) part.blocked.insert(f.text("key"));
    });
}

// ---- batches

/// Rows for operators: parked, to be tried again; or buried, with everything that is known.
void Lane::park(pg::Tx& tx, const Tp& tp, const kafka::Record& r, const Decoded& d, bool blocks, int attempt, const std::string& error, Millis after) {
    tx.write(sql::park, at(tp, {r.key, blocks, d.event.meta.id, d.event.meta.company, d.event.meta.type, pg::Param::bytes(r.value), headers_json(r.headers), attempt,
                                error, error.empty() ? std::string("[]") : longer_history("[]", error, now()), now() + after}));
}

void Lane::settle(pg::Tx& tx, const Tp& tp, Part& part, const kafka::Record& r, const Decoded& d, const Outcome& outcome) {
    const auto& type = d.event.meta.type;
    switch (outcome.kind()) {
        case Outcome::Kind::retry: {
            auto first = d.handler ? d.handler->policy.retry.pause.pause(0, std::hash<Uuid>{}(d.event.meta.id.value())) : Millis{500};
            park(tx, tp, r, d, true, 1, outcome.why(), outcome.after().value_or(first));
            part.blocked.insert(r.key);
            part.parked_any = true;
            metrics_.handled(type, "parked");
            tel::warn("an event failed and is parked for another try", {{"consumer", consumer_.name()}, {"event_id", d.event.meta.id.value().to_string()}, {"type", type},
                                                                        {"company_id", d.event.meta.company.value()}, {"trace_id", d.event.meta.trace.trace_id_hex()}, {"why", outcome.why()}});
            break;
        }
        case Outcome::Kind::later:
            park(tx, tp, r, d, false, 0, "", outcome.after().value_or(Millis{1'000}));
            part.parked_any = true;
            metrics_.handled(type, "later");
            break;
        case Outcome::Kind::aside:
        case Outcome::Kind::reject: {
            pg::Param id = d.event.meta.type.empty() ? pg::Param(nullptr) : pg::Param(d.event.meta.id);
            tx.write(sql::bury, at(tp, {r.offset, r.key, id, d.event.meta.company, type, pg::Param::bytes(r.value), headers_json(r.headers), outcome.why(), longer_history("[]", outcome.why(), now())}));
            metrics_.dead.inc();
            metrics_.handled(type, "dead");
            tel::error("an event is a dead letter", {{"consumer", consumer_.name()}, {"event_id", d.event.meta.id.value().to_string()}, {"type", type},
                                                     {"company_id", d.event.meta.company.value()}, {"trace_id", d.event.meta.trace.trace_id_hex()}, {"why", outcome.why()}});
            break;
        }
        case Outcome::Kind::ignored: metrics_.handled(type, "ignored"); break;
        case Outcome::Kind::done: metrics_.handled(type, "done"); break;
    }
}

std::vector<std::int64_t> Lane::write_outbox(pg::Tx& tx, Sink& sink, const LegOf& leg_of) {
    pg::Columns columns(6);
    bool to_shard = false;
    for (const auto& item : sink.items()) {
        if (item.cancel || item.options.not_before || item.options.replaces) {
            write_to_shard(tx, consumer_.name(), item);
            to_shard = true;
            continue;
        }
        const Tp& tp = leg_of(item);  // whose next owner drains it, so that order holds for each key
        columns.row({tp.topic, tp.partition, item.wire.topic, item.wire.key, pg::Param::bytes(item.wire.value), headers_json(item.wire.headers)});
    }
    if (to_shard) tx.write(sql::outbox_notify, {consumer_.name()});
    std::vector<std::int64_t> ids;
    if (columns.rows() == 0) return ids;
    pg::Params params{consumer_.name()};
    for (auto& p : columns.params()) params.push_back(p);
    tx.each(sql::outbox_insert, params, [&](const pg::Fields& f) { ids.push_back(f.integer("id")); });
    std::sort(ids.begin(), ids.end());
    return ids;
}

void Lane::publish(Sink& sink, const std::vector<std::int64_t>& ids, const LegOf& leg_of) {
    std::size_t n = 0;
    for (auto& item : sink.items()) {
        if (item.cancel || item.options.not_before || item.options.replaces) continue;
        auto id = ids[n++];
        const Tp& tp = leg_of(item);
        auto& part = parts_.at(tp);
        ++part.unconfirmed;
        publisher_.publish(to_record(std::move(item.wire)), [this, tp, epoch = part.epoch, id] {
            auto found = parts_.find(tp);
            if (found == parts_.end() || found->second.epoch != epoch) return;
            found->second.acked.push_back(id);
            --found->second.unconfirmed;
        });
    }
}

/// One transaction over some records of some partitions. Throws SqlFailure, RunSingly, or what a handler throws; nothing has happened then.
void Lane::attempt(std::span<const Leg> legs, bool single, const Disposition* forced) {
    auto started = std::chrono::steady_clock::now();
    google::protobuf::Arena arena;
    struct Piece {
        const Leg* leg;
        const kafka::Record* record;
        Decoded decoded;
    };
    std::vector<Piece> pieces;
    std::size_t events = 0;
    for (const auto& leg : legs) events += leg.records.size();
    pieces.reserve(events);
    std::set<CompanyId> companies;
    pg::Columns ids(2);
    for (const auto& leg : legs)
        for (const auto& r : leg.records) {
            const auto& d = pieces.emplace_back(Piece{&leg, &r, decode(r, consumer_.handlers(), arena)}).decoded;
            if (!d.handler) continue;
            if (!d.event.meta.company.value().empty()) companies.insert(d.event.meta.company);
            if (d.handler->policy.once) ids.row({d.event.meta.company, d.event.meta.id});
        }
    // New to this consumer, as far as it asks.
    auto first_time = [](std::set<std::pair<std::string, Uuid>>& fresh, const Decoded& d) {
        return !d.handler->policy.once || fresh.erase({d.event.meta.company.value(), d.event.meta.id.value()}) > 0;
    };

    auto tx = db_.begin(pg::Scope::companies({companies.begin(), companies.end()}));
    std::vector<std::string> acked;
    std::vector<std::size_t> acked_of;  // how many of each leg
    for (const auto& leg : legs) {
        tx.write(sql::fence, at(*leg.tp, {leg.part->epoch, leg.next}));
        acked_of.push_back(leg.part->acked.size());
        for (auto id : leg.part->acked) acked.push_back(std::to_string(id));
    }
    if (!acked.empty()) tx.write(sql::outbox_delete, {pg::Param::array(acked)});
    std::set<std::pair<std::string, Uuid>> fresh;
    if (ids.rows() > 0) {
        pg::Params params{consumer_.name()};
        for (auto& p : ids.params()) params.push_back(p);
        tx.each(sql::inbox_insert, params, [&](const pg::Fields& f) { fresh.emplace(f.text("company_id"), f.uuid("event_id")); });
    }

    Sink sink(consumer_.name());
    bool intents = false;
    std::size_t repeats = 0;
    std::map<EventId, const Tp*> came_from;
    LegOf leg_of = [&](const Sink::Item& item) -> const Tp& {
        auto found = came_from.find(item.cause);
        return found == came_from.end() ? *legs.front().tp : *found->second;
    };
    std::vector<const detail::Event*> run;          // consecutive events of one batch handler
    const detail::Handler* run_handler = nullptr;
    auto finish_run = [&] {
        if (run.empty()) return;
        run_handler->batch(run, tx, sink);
        metrics_.handled(run_handler->type->type, "done", run.size());
        run.clear();
    };
    for (auto& [leg, record, d] : pieces) {
        const auto& r = *record;
        const auto& tp = *leg->tp;
        auto& part = *leg->part;
        if (!d.unreadable.empty() || forced) {
            finish_run();
            if (forced && d.handler && !first_time(fresh, d)) {
                ++repeats;
                continue;
            }
            settle(tx, tp, part, r, d, forced ? forced->outcome : Outcome::reject(d.unreadable));
            continue;
        }
        if (!first_time(fresh, d)) {
            ++repeats;
            continue;
        }
        if (part.blocked.contains(r.key)) {  // behind what waits already
            finish_run();
            park(tx, tp, r, d, true, 0, "", Millis{0});
            metrics_.handled(d.event.meta.type, "parked");
            continue;
        }
        if (legs.size() > 1) came_from.emplace(d.event.meta.id, leg->tp);
        switch (d.handler->shape) {
            case detail::Shape::batch:
                if (run_handler != d.handler) finish_run();
                run_handler = d.handler;
                run.push_back(&d.event);
                break;
            case detail::Shape::activity: {
                finish_run();
                auto key = d.event.meta.id.value().to_string() + ":" + d.event.meta.type;
                tx.write(sql::intend, {consumer_.name(), key, d.event.meta.id, d.event.meta.company, d.event.meta.type, pg::Param::bytes(r.value), headers_json(r.headers)});
                intents = true;
                metrics_.handled(d.event.meta.type, "intended");
                break;
            }
            default: {
                finish_run();
                auto written = tx.statements();
                auto emitted = sink.size();
                Outcome outcome = d.handler->one(d.event, &tx, sink);
                if (!outcome.settled()) {
                    sink.truncate(emitted);
                    if (tx.statements() != written) {
                        if (!single) throw RunSingly{};
                        tx.rollback();
                        Disposition answer{outcome, true};
                        attempt(legs, true, &answer);
                        return;
                    }
                }
                settle(tx, tp, part, r, d, outcome);
            }
        }
    }
    finish_run();
    auto outbox = write_outbox(tx, sink, leg_of);
    tx.commit();

    std::string positions;
    for (std::size_t i = 0; i < legs.size(); ++i) {
        const auto& tp = *legs[i].tp;
        auto& part = *legs[i].part;
        part.next = part.written = legs[i].next;
        part.acked.erase(part.acked.begin(), part.acked.begin() + static_cast<std::ptrdiff_t>(acked_of[i]));
        if (auto end = source_.end_of(tp); end >= 0) metrics_.lag(tp, end - part.next);
        positions.append(positions.empty() ? "" : " ").append(tp.topic).append("/").append(std::to_string(tp.partition)).append("@").append(std::to_string(part.next - 1));
    }
    publish(sink, outbox, leg_of);
    if (intents && options_.poke_activities) options_.poke_activities();

    std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    Instant oldest = now();
    for (const auto& piece : pieces)
        if (piece.decoded.handler) oldest = std::min(oldest, piece.decoded.event.meta.occurred_at);
    metrics_.batch_size.observe(static_cast<double>(events));
    metrics_.batch_seconds.observe(took.count());
    metrics_.age.observe(std::chrono::duration<double>(now() - oldest).count());
    count_blocked();
    if (repeats > 0) metrics_.handled("", "repeat", repeats);
    tel::info("batch", {{"consumer", consumer_.name()}, {"positions", positions}, {"events", events}, {"repeats", repeats}, {"companies", companies.size()},
                        {"emitted", outbox.size()}, {"ms", took.count() * 1e3}});
}

/// One event in a transaction of its own, so that only the guilty one is parked.
void Lane::alone(const Leg& one) {
    try {
        attempt({&one, 1}, true, nullptr);
    } catch (const pg::SqlFailure& e) {
        if (e.kind() != pg::FailureClass::data || e.sqlstate() == "OT001") throw;
        Disposition parked{Outcome::retry(e.what()), true};
        attempt({&one, 1}, true, &parked);
    } catch (const Fenced&) {
        throw;
    } catch (const std::exception& e) {
        Disposition parked{Outcome::retry(e.what()), true};
        attempt({&one, 1}, true, &parked);
    }
}

/// A partition's events in one transaction. False: nothing has happened, and they have to run one by one.
bool Lane::whole(const Leg& leg) {
    auto& part = *leg.part;
    std::string why;
    try {
        attempt({&leg, 1}, false, nullptr);
        part.contention = 0;
        return true;
    } catch (const RunSingly&) {
    } catch (const pg::SqlFailure& e) {
        if (e.sqlstate() == "OT001") throw;
        bool contended = e.kind() == pg::FailureClass::contention && ++part.contention >= 5;
        if (e.kind() != pg::FailureClass::data && !contended) throw;
        why = e.what();
    } catch (const std::exception& e) {
        why = e.what();
    }
    part.contention = 0;
    if (!why.empty()) tel::warn("a batch failed and runs again one by one", {{"consumer", consumer_.name()}, {"topic", leg.tp->topic}, {"partition", leg.tp->partition}, {"why", why}});
    return false;
}

/// After an owner that died. Each begin is on record before an event is touched, so that one that kills the process is a dead letter after a few times. A few events are
/// begun together; where it is not the first begin somebody died, and from there they are begun one by one.
void Lane::carefully(const Leg& leg) {
    struct Count {
        std::int64_t n;
        static Count from(const pg::Fields& f) { return {f.integer("n")}; }
    };
    auto& part = *leg.part;
    auto left = leg;
    while (!left.records.empty() && !stop_.stopping()) {
        auto tx = db_.begin(pg::Scope::none());
        auto begun = tx.maybe<Count>(sql::trying, at(*leg.tp, {part.epoch, left.records.front().offset}));
        if (!begun) throw Fenced{};
        tx.commit();
        if (begun->n > 1) part.suspects = kCarefulGroup;
        Leg group = left.some(0, part.suspects > 0 ? 1 : std::min(kCarefulGroup, left.records.size()));
        if (begun->n > kLastTry) {
            Disposition dead{Outcome::reject("the process ended " + std::to_string(begun->n - 1) + " times while this event was handled"), false};
            attempt({&group, 1}, true, &dead);
        } else if (group.records.size() == 1) {
            alone(group);
        } else if (!whole(group)) {
            part.suspects = group.records.size();
            continue;
        }
        part.careful -= std::min(part.careful, group.records.size());
        part.suspects -= std::min(part.suspects, group.records.size());
        left = left.some(group.records.size(), left.records.size() - group.records.size());
    }
}

/// One partition's part of a batch; if it fails, event by event.
void Lane::work(const Leg& leg) {
    if (leg.part->careful > 0) return carefully(leg);
    if (whole(leg)) return;
    for (std::size_t i = 0; i < leg.records.size() && !stop_.stopping(); ++i) alone(leg.some(i, 1));
}

/// One transaction for all partitions: what a transaction costs by itself is paid once, however thinly the events are spread. False: nothing has happened,
/// and each partition's part has to run for itself, so that a fault, or another owner, costs only the partition that has it.
bool Lane::together(std::span<const Leg> legs) {
    std::string why = "an outcome after a write";
    try {
        attempt(legs, false, nullptr);
        for (const auto& leg : legs) leg.part->contention = 0;
        return true;
    } catch (const RunSingly&) {
    } catch (const pg::SqlFailure& e) {
        bool elsewhere = e.kind() == pg::FailureClass::data || e.kind() == pg::FailureClass::contention;  // OT001 is of class data
        if (!elsewhere) throw;
        why = e.what();
    } catch (const std::exception& e) {
        why = e.what();
    }
    tel::info("a batch failed and runs again by partitions", {{"consumer", consumer_.name()}, {"partitions", legs.size()}, {"why", why}});
    return false;
}

// ---- parked events

void Lane::run_parked(const Tp& tp, Part& part) {
    auto clock = std::chrono::steady_clock::now();
    if (clock < part.look_at_parked) return;
    bool more = true;
    while (more && !stop_.stopping()) {
        std::vector<StoredRecord> due;
        {
            auto tx = db_.begin(pg::Scope::none());
            tx.each(sql::parked_due, at(tp), [&](const pg::Fields& f) {
                StoredRecord s;
                s.id = f.integer("id");
                s.record.topic = tp.topic;
                s.record.partition = tp.partition;
                s.record.key = f.text("key");
                s.record.value = f.bytes("value");
                s.record.headers = headers_from(f.text("headers"));
                s.attempt = static_cast<int>(f.integer("attempt"));
                s.history = f.text("history");
                due.push_back(std::move(s));
            });
            read_parked(tx, tp, part);
            tx.commit();
        }
        more = !due.empty();
        for (const auto& s : due) {
            if (stop_.stopping()) return;
            one_parked(tp, part, s);
        }
    }
    count_blocked();
    auto took = std::chrono::steady_clock::now() - clock;
    part.look_at_parked = std::chrono::steady_clock::now() + std::max<std::chrono::steady_clock::duration>(part.parked_any ? Millis{250} : Millis{2'000}, took * 20);
}

void Lane::one_parked(const Tp& tp, Part& part, const StoredRecord& s) {
    int attempt_number = s.attempt + 1;
    {
        auto tx = db_.begin(pg::Scope::none());  // on record before the event is touched: one that kills the process is not tried for ever
        tx.write(sql::fence, at(tp, {part.epoch, nullptr}));
        tx.write(sql::parked_try, at(tp, {s.id}));
        tx.commit();
    }
    google::protobuf::Arena arena;
    auto d = decode(s.record, consumer_.handlers(), arena);
    d.event.meta.attempt = attempt_number;
    const Retry retry = d.handler ? d.handler->policy.retry : Retry{};
    std::optional<Outcome> failure;
    auto began = attempt_number > retry.attempts + kLastTry ? Outcome::reject("attempts used up") : Outcome::done();
    try {
        if (!began.settled()) failure = began;
        else if (!d.handler) failure = Outcome::reject(d.unreadable.empty() ? "no handler takes " + d.event.meta.type : d.unreadable);
        else {
            auto tx = db_.begin(pg::Scope::companies({d.event.meta.company}));
            tx.write(sql::fence, at(tp, {part.epoch, nullptr}));
            tx.write(sql::parked_delete, at(tp, {s.id}));
            Sink sink(consumer_.name());
            Outcome outcome = Outcome::done();
            const detail::Event* event = &d.event;
            if (d.handler->shape == detail::Shape::batch) d.handler->batch(std::span(&event, 1), tx, sink);
            else if (d.handler->shape == detail::Shape::activity)
                tx.write(sql::intend, {consumer_.name(), d.event.meta.id.value().to_string() + ":" + d.event.meta.type, d.event.meta.id, d.event.meta.company, d.event.meta.type,
                                       pg::Param::bytes(s.record.value), headers_json(s.record.headers)});
            else outcome = d.handler->one(d.event, &tx, sink);
            if (outcome.settled()) {
                LegOf here = [&tp](const Sink::Item&) -> const Tp& { return tp; };
                auto ids = write_outbox(tx, sink, here);
                tx.commit();
                publish(sink, ids, here);
                if (d.handler->shape == detail::Shape::activity && options_.poke_activities) options_.poke_activities();
                metrics_.handled(d.event.meta.type, outcome.kind() == Outcome::Kind::done ? "done" : "ignored");
                return;
            }
            failure = outcome;
        }
    } catch (const pg::SqlFailure& e) {
        if (e.kind() != pg::FailureClass::data || e.sqlstate() == "OT001") throw;
        failure = Outcome::retry(e.what());
    } catch (const std::exception& e) {
        failure = Outcome::retry(e.what());
    }
    auto tx = db_.begin(pg::Scope::companies({d.event.meta.company}));
    tx.write(sql::fence, at(tp, {part.epoch, nullptr}));
    auto history = failure->kind() == Outcome::Kind::later ? s.history : longer_history(s.history, failure->why(), now());
    if (failure->kind() == Outcome::Kind::later) {
        tx.write(sql::parked_failed, at(tp, {s.id, "", history, now() + failure->after().value_or(Millis{1'000}), s.attempt}));
    } else if (failure->kind() == Outcome::Kind::reject || attempt_number >= retry.attempts) {
        pg::Param id = d.event.meta.type.empty() ? pg::Param(nullptr) : pg::Param(d.event.meta.id);
        tx.write(sql::bury, at(tp, {nullptr, s.record.key, id, d.event.meta.company, d.event.meta.type, pg::Param::bytes(s.record.value), headers_json(s.record.headers), failure->why(), history}));
        tx.write(sql::parked_delete, at(tp, {s.id}));
        metrics_.dead.inc();
        metrics_.handled(d.event.meta.type, "dead");
        tel::error("an event is a dead letter", {{"consumer", consumer_.name()}, {"event_id", d.event.meta.id.value().to_string()}, {"type", d.event.meta.type},
                                                 {"company_id", d.event.meta.company.value()}, {"attempts", attempt_number}, {"why", failure->why()}});
    } else {
        auto pause = failure->after().value_or(retry.pause.pause(attempt_number - 1, std::hash<Uuid>{}(d.event.meta.id.value())));
        tx.write(sql::parked_failed, at(tp, {s.id, failure->why(), history, now() + pause, attempt_number}));
    }
    tx.commit();
}

// ---- the loop

bool caught_up(const kafka::Source& source, const std::map<kafka::TopicPartition, Polled>& polled) {
    return std::all_of(polled.begin(), polled.end(), [&](const auto& p) { return source.end_of(p.first) - p.second.next <= kNearly; });
}

void rest_until(std::chrono::steady_clock::time_point end, Publisher& publisher, StopSignal& stop) {
    while (!stop.stopping()) {
        auto left = std::chrono::ceil<Millis>(end - std::chrono::steady_clock::now());
        if (left <= Millis{0}) return;
        if (publisher.in_flight() > 0) publisher.serve(left);
        else stop.wait(left);
    }
}

void Lane::tidy() {
    std::vector<std::string> ids;
    for (const auto& [tp, part] : parts_)
        for (auto id : part.acked) ids.push_back(std::to_string(id));
    if (ids.empty()) return;
    auto tx = db_.begin(pg::Scope::none());
    tx.write(sql::outbox_delete, {pg::Param::array(ids)});
    tx.commit();
    for (auto& [tp, part] : parts_) part.acked.clear();
}

void Lane::tell_group(bool now) {
    auto clock = std::chrono::steady_clock::now();
    if (!now && clock - told_at_ < kTellGroup) return;
    told_at_ = clock;
    std::vector<std::pair<Tp, std::int64_t>> positions;
    for (auto& [tp, part] : parts_) {
        if (part.claimed_now || part.next < 0 || part.next == part.told) continue;
        positions.emplace_back(tp, part.next);
        part.told = part.next;
    }
    if (!positions.empty()) source_.commit_async(positions);
}

void Lane::count_blocked() {
    std::size_t keys = 0;
    for (const auto& [tp, part] : parts_) keys += part.blocked.size();
    metrics_.parked.set(static_cast<double>(keys));
}

/// While its batches are not full a lane rests: as long as it has worked, a moment at most, and until kPace has passed. A transaction for each of two events that
/// come 10 ms apart costs Postgres and Kafka nearly twice what one for both does; a single event after a quiet time waits for nothing.
void Lane::rest(std::chrono::steady_clock::time_point began) {
    auto ended = std::chrono::steady_clock::now();
    rest_until(std::max(began + kPace, ended + std::min<std::chrono::steady_clock::duration>(ended - began, kMostRest)), publisher_, stop_);
}

void Lane::back_off(const std::string& why, bool schema) {
    metrics_.failures.inc();
    Backoff pause{Millis{50}, Millis{2'000}, 2, 0.2};
    auto wait = pause.pause(std::min(failures_++, 10), std::hash<std::string>{}(id_));
    if (schema) {
        tel::error("code and database do not fit: the lane waits, nothing is given up", {{"consumer", consumer_.name()}, {"why", why}});
        wait = Millis{2'000};
    } else {
        tel::warn("the lane waits and tries again", {{"consumer", consumer_.name()}, {"why", why}, {"ms", wait.count()}});
    }
    db_.close();
    stop_.wait(wait);
}

/// False: the database failed, and what the concerned partitions' rows say must be read before anything else.
bool Lane::guarded(const std::vector<Tp>& concerned, const std::function<void()>& body) {
    auto lost = [&] {
        for (const auto& tp : concerned) {
            metrics_.rebalances_lost.inc();
            tel::warn("a partition has another owner: the lane joins the group anew", {{"consumer", consumer_.name()}, {"topic", tp.topic}, {"partition", tp.partition}});
        }
        rejoin_ = true;
    };
    try {
        body();
        failures_ = 0;
    } catch (const Fenced&) {
        lost();
    } catch (const pg::SqlFailure& e) {
        if (e.sqlstate() != "OT001") {
            for (const auto& tp : concerned)
                if (auto found = parts_.find(tp); found != parts_.end()) found->second.stale = true;
            back_off(e.what(), e.kind() == pg::FailureClass::schema);
            return false;
        }
        lost();
    }
    return true;
}

/// Makes sure that the partition is ours and known, and runs what waits there. False: what was polled of it is polled again.
bool Lane::prepare(const Tp& tp, Part& part) {
    if (part.claimed_now) {
        // The group must agree that the partition is ours before anything is done with it.
        if (part.next >= 0) {
            if (auto confirmed = source_.commit(tp, part.next); !confirmed) throw Fenced{};
            part.told = part.next;
        }
        part.claimed_now = false;
    }
    if (part.stale) {
        if (!recover(tp, part)) throw Fenced{};
        return false;
    }
    run_parked(tp, part);
    return true;
}

/// Records of types that nobody here takes are passed over before a batch is made of the rest; those that cannot be read concern everybody.
bool Lane::concerns(const kafka::Record& r) const {
    auto type = r.header("ce_type");
    const auto& handlers = consumer_.handlers();
    return std::any_of(handlers.begin(), handlers.end(), [&](const auto& h) { return h.type->type == type; }) || !events::read_meta(r.headers);
}

std::map<Lane::Tp, Polled> Lane::poll(bool& full) {
    std::map<Tp, Polled> out;
    std::size_t concerned = 0, seen = 0, bytes = 0;
    auto wait = publisher_.in_flight() > 0 ? Millis{5} : Millis{100};
    while (concerned < batch_ && bytes < kMaxBytes && seen - concerned < kMostPassedOver) {
        auto records = source_.poll(batch_ - concerned, kMaxBytes - bytes, wait);
        if (records.empty()) break;
        wait = Millis{0};
        for (auto& r : records) {
            ++seen;
            auto& bucket = out[{r.topic, r.partition}];
            bucket.next = r.offset + 1;
            if (!concerns(r)) continue;
            ++concerned;
            bytes += r.value.size();
            bucket.records.push_back(std::move(r));
        }
    }
    full = concerned >= batch_;
    return out;
}

/// Where the partitions stand of which nothing but what was passed over came for a while.
void Lane::write_positions() {
    auto clock = std::chrono::steady_clock::now();
    if (clock - wrote_at_ < kWritePositions) return;
    wrote_at_ = clock;
    if (std::none_of(parts_.begin(), parts_.end(), [](const auto& p) { return p.second.ahead(); })) return;
    auto tx = db_.begin(pg::Scope::none());
    for (const auto& [tp, part] : parts_)
        if (part.ahead()) tx.write(sql::fence, at(tp, {part.epoch, part.next}));
    tx.commit();
    for (auto& [tp, part] : parts_)
        if (part.ahead()) part.written = part.next;
}

/// What was polled, and what waits. False: the database failed in between.
bool Lane::round(std::map<Tp, Polled>& buckets) {
    std::vector<Tp> owned, in_batch;
    for (const auto& [tp, part] : parts_) owned.push_back(tp);
    std::vector<Leg> legs, careful;
    for (const auto& tp : owned) {
        if (stop_.stopping()) break;
        auto found = parts_.find(tp);
        if (found == parts_.end()) continue;
        auto& [key, part] = *found;
        bool goes_on = false;
        if (!guarded({tp}, [&, &p = part] { goes_on = prepare(tp, p); })) return false;
        auto bucket = buckets.find(tp);
        if (!goes_on || bucket == buckets.end()) continue;
        auto& [records, next] = bucket->second;
        std::erase_if(records, [from = part.next](const kafka::Record& r) { return r.offset < from; });
        if (records.empty()) {
            part.next = std::max(part.next, next);
            if (auto end = source_.end_of(tp); end >= 0) metrics_.lag(tp, end - part.next);
            continue;
        }
        (part.careful > 0 ? careful : legs).push_back({&key, &part, records, next});
        if (part.careful == 0) in_batch.push_back(tp);
    }
    bool done = false;
    if (legs.size() > 1 && !guarded(in_batch, [&] { done = together(legs); })) return false;
    if (done) legs.clear();
    legs.insert(legs.end(), careful.begin(), careful.end());
    for (const auto& leg : legs) {
        if (stop_.stopping()) break;
        if (!guarded({*leg.tp}, [&] { work(leg); })) return false;
    }
    if (!guarded(owned, [&] { write_positions(); })) return false;
    std::size_t acked = 0;
    for (const auto& [tp, part] : parts_) acked += part.acked.size();
    return (!buckets.empty() && acked <= 2'000) || guarded(owned, [&] { tidy(); });
}

void Lane::run() {
    tel::ServiceScope scope(options_.service);
    while (!stop_.stopping()) {
        bool full = false;
        auto buckets = poll(full);
        publisher_.serve(Millis{0});
        if (publisher_.take_failure())
            for (auto& [tp, part] : parts_) part.stale = true;
        while (publisher_.in_flight() > kMostUnconfirmed && !stop_.stopping()) publisher_.serve(Millis{50});

        bool rests = !full && !buckets.empty() && caught_up(source_, buckets);
        auto began = std::chrono::steady_clock::now();
        if (!round(buckets))
            for (auto& [tp, part] : parts_)
                if (buckets.contains(tp)) part.stale = true;  // their records are polled again after a look at the table
        if (rejoin_) {
            rejoin_ = false;
            metrics_.owned.add(-static_cast<double>(parts_.size()));
            parts_.clear();
            source_.rejoin();
        } else if (rests) {
            rest(began);
        }
        tell_group(false);
    }
    std::vector<Tp> owned;
    for (const auto& [tp, part] : parts_) owned.push_back(tp);
    give_back(owned, false);
    source_.close();
}

}  // namespace otto::rt
