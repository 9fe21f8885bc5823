// A batch: one transaction over what there is, then by partition, then by event.
#include "lane.hpp"

#include <algorithm>

#include "tables.hpp"
#include "telemetry/log.hpp"

namespace otto::rt {
namespace {

constexpr std::size_t kCarefulGroup = 16;

/// A batch must be run again one event per transaction.
struct RunSingly {};

Instant now() { return system_clock().now(); }

}  // namespace

void Lane::park(pg::Tx& tx, const Tp& tp, const kafka::Record& r, const Decoded& d, bool blocks, int attempt,
                const std::string& error, Millis after) {
    tx.write(sql::park, at(tp, {storable(r.key), blocks, d.event.meta.id, d.event.meta.company, d.event.meta.type,
                                pg::Param::bytes(r.value), headers_json(r.headers), attempt, storable(error),
                                error.empty() ? std::string("[]") : longer_history("[]", error, now()), now() + after}));
}

void Lane::settle(pg::Tx& tx, const Leg& leg, const kafka::Record& r, const Decoded& d, const Outcome& outcome, int attempts,
                  After& after) {
    const auto& meta = d.event.meta;
    const auto& tp = *leg.tp;
    auto say = [&](tel::Level level, const char* what) {
        after.tally.say([level, what, consumer = consumer_.name(), id = meta.id.value().to_string(), type = meta.type,
                         company = meta.company.value(), trace = meta.trace.trace_id_hex(), why = outcome.why()] {
            tel::log(level, what,
                     {{"consumer", consumer},
                      {"event_id", id},
                      {"type", type},
                      {"company_id", company},
                      {"trace_id", trace},
                      {"why", why}});
        });
    };
    switch (outcome.kind()) {
        case Outcome::Kind::retry: {
            auto first = d.handler ? d.handler->policy.retry.pause.pause(0, std::hash<Uuid>{}(meta.id.value())) : Millis{500};
            park(tx, tp, r, d, true, attempts, outcome.why(), outcome.after().value_or(first));
            after.blocked.emplace(leg.part, r.key);
            ++after.parked[leg.part];
            after.tally.handled(meta.type, "parked");
            if (tel::tracing()) after.troubled.emplace(&r, "parked");
            say(tel::Level::warn, "an event failed and is parked for another try");
            break;
        }
        case Outcome::Kind::later:
            park(tx, tp, r, d, false, 0, "", outcome.after().value_or(Millis{1'000}));
            ++after.parked[leg.part];
            after.tally.handled(meta.type, "later");
            break;
        case Outcome::Kind::defer:
        case Outcome::Kind::reject:
            dead_letter(tx, consumer_.name(), tp, r.offset, r, d, outcome.why(), longer_history("[]", outcome.why(), now()));
            after.tally.dead();
            after.tally.handled(meta.type, "dead");
            if (tel::tracing()) after.troubled.emplace(&r, "dead");
            say(tel::Level::error, "an event is a dead letter");
            break;
        case Outcome::Kind::ignored:
            after.tally.handled(meta.type, "ignored");
            break;
        case Outcome::Kind::done:
            after.tally.handled(meta.type, "done");
            break;
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
        columns.row({tp.topic, tp.partition, item.wire.topic, item.wire.key, pg::Param::bytes(item.wire.value),
                     headers_json(item.wire.headers)});
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
        if (part.undrained) continue;
        part.undrained = !publisher_.ready() || !send(tp, part, id, to_record(std::move(item.wire)));
    }
}

/// One transaction over some records of some partitions, as far as it has come.
struct Lane::Attempt {
    struct Piece {
        const Leg* leg;
        const kafka::Record* record;
        Decoded decoded;
    };
    Attempt(const Consumer& consumer, std::span<const Leg> its) : legs(its), sink(consumer.name()) {
        std::size_t events = 0;
        for (const auto& leg : legs) events += leg.records.size();
        pieces.reserve(events);
        for (const auto& leg : legs)
            for (const auto& r : leg.records) {
                const auto& d = pieces.emplace_back(Piece{&leg, &r, decode(r, consumer.handlers(), arena)}).decoded;
                if (!d.handler) continue;
                if (!d.event.meta.company.value().empty()) companies.insert(d.event.meta.company);
                if (d.handler->policy.once) ids.row({d.event.meta.company, d.event.meta.id});
            }
    }
    /// New to this consumer, as far as it asks.
    bool first_time(const Decoded& d) {
        return !d.handler->policy.once || fresh.erase({d.event.meta.company.value(), d.event.meta.id.value()}) > 0;
    }
    const Tp& leg_of(const Sink::Item& item) const {
        auto found = came_from.find(item.cause);
        return found == came_from.end() ? *legs.front().tp : *found->second;
    }
    /// One of a run.
    struct Handed {
        const Leg* leg;
        const kafka::Record* record;
        const Decoded* decoded;
    };
    std::span<const Leg> legs;
    google::protobuf::Arena arena;
    std::vector<Piece> pieces;
    std::set<CompanyId> companies;
    pg::Columns ids{2};
    std::set<std::pair<std::string, Uuid>> fresh;
    std::vector<std::size_t> acked_of;  ///< how many of each leg
    Sink sink;
    After after;
    std::map<EventId, const Tp*> came_from;
    std::vector<Handed> run;
    const detail::Handler* run_handler = nullptr;
    bool intents = false;
    std::size_t repeats = 0;
};

/// Proves that the partitions are still ours and moves them, deletes what Kafka has by now, and yields the events that are new.
void Lane::open(pg::Tx& tx, Attempt& a) {
    std::vector<std::string> acked;
    for (const auto& leg : a.legs) {
        tx.write(sql::fence, at(*leg.tp, {leg.part->epoch, leg.next}));
        a.acked_of.push_back(leg.part->acked.size());
        for (auto id : leg.part->acked) acked.push_back(std::to_string(id));
    }
    if (!acked.empty()) tx.write(sql::outbox_delete, {pg::Param::array(acked)});
    if (a.ids.rows() == 0) return;
    pg::Params params{consumer_.name()};
    for (auto& p : a.ids.params()) params.push_back(p);
    tx.each(sql::inbox_insert, params, [&](const pg::Fields& f) { a.fresh.emplace(f.text("company_id"), f.uuid("event_id")); });
}

/// Consecutive events of one batch handler go to it together.
void Lane::finish_run(pg::Tx& tx, Attempt& a) {
    if (a.run.empty()) return;
    std::vector<const detail::Event*> events;
    for (const auto& handed : a.run) events.push_back(&handed.decoded->event);
    a.run_handler->batch(events, tx, a.sink);
    auto rejected = a.sink.take_rejected();
    std::size_t done = 0;
    for (const auto& handed : a.run) {
        auto found = rejected.find(handed.decoded->event.meta.id);
        if (found == rejected.end())
            ++done;
        else
            settle(tx, *handed.leg, *handed.record, *handed.decoded, Outcome::reject(found->second), 1, a.after);
    }
    if (done > 0) a.after.tally.handled(a.run_handler->type->type, "done", done);
    a.run.clear();
}

/// Has one event handled. What its handler answered after a write is returned: of a single event, for the transaction to be begun
/// anew with that.
std::optional<Lane::Disposition> Lane::handle(pg::Tx& tx, Attempt& a, const Leg& leg, const kafka::Record& r, const Decoded& d,
                                              bool single) {
    switch (d.handler->shape) {
        case detail::Shape::batch:
            if (a.run_handler != d.handler) finish_run(tx, a);
            a.run_handler = d.handler;
            a.run.push_back({&leg, &r, &d});
            return std::nullopt;
        case detail::Shape::activity: {
            finish_run(tx, a);
            auto key = d.event.meta.id.value().to_string() + ":" + d.event.meta.type;
            tx.write(sql::intend, {consumer_.name(), key, d.event.meta.id, d.event.meta.company, d.event.meta.type,
                                   pg::Param::bytes(r.value), headers_json(r.headers)});
            a.intents = true;
            a.after.tally.handled(d.event.meta.type, "intended");
            return std::nullopt;
        }
        default:
            break;
    }
    finish_run(tx, a);
    auto written = tx.statements();
    auto emitted = a.sink.size();
    auto outcome = d.handler->one(d.event, &tx, a.sink);
    if (!outcome.settled()) {
        a.sink.truncate(emitted);
        if (tx.statements() != written) {
            if (!single) throw RunSingly{};
            return Disposition{outcome};
        }
    }
    settle(tx, leg, r, d, outcome, 1, a.after);
    return std::nullopt;
}

/// nullopt: it is committed. Else what a single event's handler answered after a write, and nothing has happened.
std::optional<Lane::Disposition> Lane::transact(std::span<const Leg> legs, bool single, const Disposition* forced) {
    auto started = std::chrono::steady_clock::now();
    Attempt a(consumer_, legs);
    auto tx = db_.begin(pg::Scope::companies({a.companies.begin(), a.companies.end()}));
    open(tx, a);
    for (const auto& [leg, record, d] : a.pieces) {
        if (!d.unreadable.empty() || forced) {
            finish_run(tx, a);
            if (forced && d.handler && !a.first_time(d))
                ++a.repeats;
            else
                settle(tx, *leg, *record, d, forced ? forced->outcome : Outcome::reject(d.unreadable),
                       forced ? forced->attempts : 1, a.after);
            continue;
        }
        if (!a.first_time(d)) {
            ++a.repeats;
            continue;
        }
        if (leg->part->blocked.contains(record->key) ||
            a.after.blocked.contains({leg->part, record->key})) {  // behind what waits already
            finish_run(tx, a);
            park(tx, *leg->tp, *record, d, true, 0, "", Millis{0});
            ++a.after.parked[leg->part];
            a.after.tally.handled(d.event.meta.type, "parked");
            continue;
        }
        if (legs.size() > 1) a.came_from.emplace(d.event.meta.id, leg->tp);
        if (auto answer = handle(tx, a, *leg, *record, d, single)) {
            tx.rollback();
            return answer;
        }
    }
    finish_run(tx, a);
    auto outbox = write_outbox(tx, a.sink, [&a](const Sink::Item& item) -> const Tp& { return a.leg_of(item); });
    tx.commit();
    committed(a, outbox, started);
    return std::nullopt;
}

/// What follows from a commit: positions, what waits, what is counted and told, and what goes to Kafka.
void Lane::committed(Attempt& a, const std::vector<std::int64_t>& outbox, std::chrono::steady_clock::time_point started) {
    std::string positions;
    for (std::size_t i = 0; i < a.legs.size(); ++i) {
        const auto& tp = *a.legs[i].tp;
        auto& part = *a.legs[i].part;
        part.next = part.written = a.legs[i].next;
        part.acked.erase(part.acked.begin(), part.acked.begin() + static_cast<std::ptrdiff_t>(a.acked_of[i]));
        if (auto end = source_.end_of(tp); end >= 0) part.metrics.lag(end - part.next);
        positions.append(positions.empty() ? "" : " ")
            .append(tp.topic)
            .append("/")
            .append(std::to_string(tp.partition))
            .append("@")
            .append(std::to_string(part.next - 1));
    }
    for (auto& [part, key] : a.after.blocked) part->blocked.insert(key);
    for (auto [part, n] : a.after.parked) part->metrics.parked(part->parked += n);
    if (a.repeats > 0) a.after.tally.handled("", "repeat", a.repeats);
    metrics_.count(a.after.tally);
    publish(a.sink, outbox, [&a](const Sink::Item& item) -> const Tp& { return a.leg_of(item); });
    if (a.intents && options_.poke_activities) options_.poke_activities();

    std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
    Instant oldest = now();
    for (const auto& piece : a.pieces)
        if (piece.decoded.handler) oldest = std::min(oldest, piece.decoded.event.meta.occurred_at);
    metrics_.batch_size.observe(static_cast<double>(a.pieces.size()));
    metrics_.batch_seconds.observe(took.count());
    metrics_.age.observe(std::chrono::duration<double>(now() - oldest).count());
    if (tel::tracing()) tell_steps(a, now() - std::chrono::duration_cast<Instant::duration>(took));
    tel::info("batch", {{"consumer", consumer_.name()},
                        {"positions", positions},
                        {"events", a.pieces.size()},
                        {"repeats", a.repeats},
                        {"companies", a.companies.size()},
                        {"emitted", outbox.size()},
                        {"ms", took.count() * 1e3}});
}

/// Each event's part of the transaction.
void Lane::tell_steps(const Attempt& a, Instant began) const {
    for (const auto& [leg, record, d] : a.pieces) {
        if (!d.handler) continue;
        auto trouble = a.after.troubled.find(record);
        bool failed = trouble != a.after.troubled.end();
        tell_step("batch", consumer_.name(), d, began, failed ? trouble->second : "committed", failed, a.pieces.size());
    }
}

/// One transaction over some records of some partitions. Throws SqlFailure, RunSingly, or what a handler throws; nothing has
/// happened then.
void Lane::attempt(std::span<const Leg> legs, bool single, const Disposition* forced) {
    if (auto answer = transact(legs, single, forced)) transact(legs, true, &*answer);
}

/// One event in a transaction of its own, so that only the guilty one is parked. One that the database fails over, and perhaps no
/// other, waits aside without having used up an attempt.
void Lane::alone(const Leg& one) {
    std::optional<Disposition> parked;
    try {
        attempt({&one, 1}, true, nullptr);
        return;
    } catch (const pg::SqlFailure& e) {
        if (e.perhaps_its_own())
            parked = Disposition{Outcome::retry(e.what(), kStalled), 0};
        else if (e.kind() != pg::FailureClass::data || e.sqlstate() == "OT001")
            throw;
        else
            parked = Disposition{Outcome::retry(e.what())};
    } catch (const std::exception& e) {
        parked = Disposition{Outcome::retry(e.what())};
    }
    attempt({&one, 1}, true, &*parked);
}

/// A partition's events in one transaction. False: nothing has happened, and they have to run one by one.
bool Lane::whole(const Leg& leg) {
    std::string why;
    try {
        attempt({&leg, 1}, false, nullptr);
        contention_.erase(*leg.tp);
        return true;
    } catch (const RunSingly&) {
    } catch (const pg::SqlFailure& e) {
        if (e.sqlstate() == "OT001") throw;
        bool contended = e.kind() == pg::FailureClass::contention && ++contention_[*leg.tp] >= 5;
        if (e.kind() != pg::FailureClass::data && !contended) throw;
        why = e.what();
    } catch (const std::exception& e) {
        why = e.what();
    }
    contention_.erase(*leg.tp);
    if (!why.empty())
        tel::warn("a batch failed and runs again one by one",
                  {{"consumer", consumer_.name()}, {"topic", leg.tp->topic}, {"partition", leg.tp->partition}, {"why", why}});
    return false;
}

/// After an owner that died. Each begin is on record before an event is touched, so that one that kills the process is a dead
/// letter after a few times. A few events are begun together; where it is not the first begin somebody died, and from there they
/// are begun one by one.
void Lane::carefully(const Leg& leg) {
    struct Count {
        std::int64_t n;
        static Count from(const pg::Fields& f) { return {f.integer("n")}; }
    };
    auto& part = *leg.part;
    auto left = leg;
    while (!left.records.empty() && !stop_.stopping()) {
        auto offset = left.records.front().offset;
        if (part.begun.offset != offset) {  // else this lane's own begin is on record, and it goes on with it
            auto tx = db_.begin(pg::Scope::none());
            auto begun = tx.maybe<Count>(sql::trying, at(*leg.tp, {part.epoch, offset}));
            if (!begun) throw Fenced{};
            tx.commit();
            part.begun = {offset, begun->n};
            if (begun->n > 1) part.candidates = kCarefulGroup;
        }
        Leg group = left.some(0, part.candidates > 0 ? 1 : std::min(kCarefulGroup, left.records.size()));
        if (part.begun.times > kLastTry) {
            Disposition dead{Outcome::reject("the process ended " + std::to_string(part.begun.times - 1) +
                                             " times while this event was handled")};
            attempt({&group, 1}, true, &dead);
        } else if (group.records.size() == 1) {
            alone(group);
        } else if (!whole(group)) {
            part.candidates = group.records.size();
            continue;
        }
        part.careful -= std::min(part.careful, group.records.size());
        part.candidates -= std::min(part.candidates, group.records.size());
        left = left.some(group.records.size(), left.records.size() - group.records.size());
    }
}

/// One partition's part of a batch; if it fails, event by event.
void Lane::work(const Leg& leg) {
    if (leg.part->careful > 0) return carefully(leg);
    if (whole(leg)) return;
    for (std::size_t i = 0; i < leg.records.size() && !stop_.stopping(); ++i) alone(leg.some(i, 1));
}

/// One transaction for all partitions: what a transaction costs by itself is paid once, however thinly the events are spread.
/// False: nothing has happened, and each partition's part has to run for itself, so that a fault, or another owner, costs only
/// the partition that has it.
bool Lane::together(std::span<const Leg> legs) {
    std::string why = "an outcome after a write";
    try {
        attempt(legs, false, nullptr);
        for (const auto& leg : legs) contention_.erase(*leg.tp);
        return true;
    } catch (const RunSingly&) {
    } catch (const pg::SqlFailure& e) {
        bool elsewhere =
            e.kind() == pg::FailureClass::data || e.kind() == pg::FailureClass::contention;  // OT001 is of class data
        if (!elsewhere) throw;
        why = e.what();
    } catch (const std::exception& e) {
        why = e.what();
    }
    tel::info("a batch failed and runs again by partitions",
              {{"consumer", consumer_.name()}, {"partitions", legs.size()}, {"why", why}});
    return false;
}

}  // namespace otto::rt
