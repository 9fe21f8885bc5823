// Parked events: tried again when they are due, behind one another where they are of one key, and dead letters when their
// attempts are used up.
#include "lane.hpp"

#include <algorithm>

#include "tables.hpp"
#include "telemetry/log.hpp"

namespace otto::rt {
namespace {

constexpr int kMostStalls =
    3;  ///< failures of the database in a row over one event, each of which may be its own: then an attempt is used up

}  // namespace

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
    auto took = std::chrono::steady_clock::now() - clock;
    part.look_at_parked = std::chrono::steady_clock::now() +
                          std::max<std::chrono::steady_clock::duration>(part.parked > 0 ? Millis{250} : Millis{2'000}, took * 20);
}

void Lane::one_parked(const Tp& tp, Part& part, const StoredRecord& s) {
    {
        auto tx = db_.begin(
            pg::Scope::none());  // on record before the event is touched: one that kills the process is not tried for ever
        tx.write(sql::fence, at(tp, {part.epoch, nullptr}));
        tx.write(sql::parked_try, at(tp, {s.id}));
        tx.commit();
    }
    part.begun_parked = s.id;
    google::protobuf::Arena arena;
    auto d = decode(s.record, consumer_.handlers(), arena);
    d.event.meta.attempt = s.attempt + 1;
    std::optional<Outcome> failure;
    const auto began = system_clock().now();
    try {
        failure = apply_parked(tp, part, s, d);
    } catch (const pg::SqlFailure& e) {
        if (e.perhaps_its_own())
            failure = ++part.stalls[s.id] < kMostStalls ? Outcome::later(kStalled) : Outcome::retry(e.what());
        else if (e.kind() != pg::FailureClass::data || e.sqlstate() == "OT001")
            throw;
        else
            failure = Outcome::retry(e.what());
    } catch (const std::exception& e) {
        failure = Outcome::retry(e.what());
    }
    if (failure) put_off_parked(tp, part, s, d, *failure);
    if (tel::tracing() && d.handler) {
        bool later = failure && failure->kind() == Outcome::Kind::later;
        tell_step("parked", consumer_.name(), d, began, !failure ? "committed" : later ? "later" : "failed", failure && !later);
    }
    part.begun_parked.reset();
    if (!failure || failure->kind() != Outcome::Kind::later) part.stalls.erase(s.id);
}

std::optional<Outcome> Lane::apply_parked(const Tp& tp, const Part& part, const StoredRecord& s, const Decoded& d) {
    if (d.event.meta.attempt > d.retry().attempts + kLastTry) return Outcome::reject("attempts used up");
    if (!d.handler) return Outcome::reject(d.unreadable.empty() ? "no handler takes " + d.event.meta.type : d.unreadable);
    auto tx = db_.begin(pg::Scope::companies({d.event.meta.company}));
    tx.write(sql::fence, at(tp, {part.epoch, nullptr}));
    tx.write(sql::parked_delete, at(tp, {s.id}));
    Sink sink(consumer_.name());
    Outcome outcome = Outcome::done();
    const detail::Event* event = &d.event;
    const bool activity = d.handler->shape == detail::Shape::activity;
    if (d.handler->shape == detail::Shape::batch) {
        d.handler->batch(std::span(&event, 1), tx, sink);
        if (auto rejected = sink.take_rejected(); !rejected.empty()) outcome = Outcome::reject(rejected.begin()->second);
    } else if (activity)
        tx.write(sql::intend,
                 {consumer_.name(), d.event.meta.id.value().to_string() + ":" + d.event.meta.type, d.event.meta.id,
                  d.event.meta.company, d.event.meta.type, pg::Param::bytes(s.record.value), headers_json(s.record.headers)});
    else
        outcome = d.handler->one(d.event, &tx, sink);
    if (!outcome.settled()) return outcome;
    LegOf here = [&tp](const Sink::Item&) -> const Tp& { return tp; };
    auto ids = write_outbox(tx, sink, here);
    tx.commit();
    publish(sink, ids, here);
    if (activity && options_.poke_activities) options_.poke_activities();
    metrics_.handled(d.event.meta.type, outcome.kind() == Outcome::Kind::done ? "done" : "ignored");
    return std::nullopt;
}

void Lane::put_off_parked(const Tp& tp, const Part& part, const StoredRecord& s, const Decoded& d, const Outcome& failure) {
    const auto& meta = d.event.meta;
    const Retry retry = d.retry();
    Tally tally;
    auto tx = db_.begin(pg::Scope::companies({meta.company}));
    tx.write(sql::fence, at(tp, {part.epoch, nullptr}));
    const auto now = system_clock().now();
    auto history = failure.kind() == Outcome::Kind::later ? s.history : longer_history(s.history, failure.why(), now);
    if (failure.kind() == Outcome::Kind::later) {
        tx.write(sql::parked_failed, at(tp, {s.id, "", history, now + failure.after().value_or(Millis{1'000}), s.attempt}));
    } else if (failure.kind() == Outcome::Kind::reject || meta.attempt >= retry.attempts) {
        dead_letter(tx, consumer_.name(), tp, std::nullopt, s.record, d, failure.why(), history);
        tx.write(sql::parked_delete, at(tp, {s.id}));
        tally.dead();
        tally.handled(meta.type, "dead");
        tally.say([&] {
            tel::error("an event is a dead letter", {{"consumer", consumer_.name()},
                                                     {"event_id", meta.id.value().to_string()},
                                                     {"type", meta.type},
                                                     {"company_id", meta.company.value()},
                                                     {"attempts", meta.attempt},
                                                     {"why", failure.why()}});
        });
    } else {
        auto pause = failure.after().value_or(retry.pause.pause(meta.attempt - 1, std::hash<Uuid>{}(meta.id.value())));
        tx.write(sql::parked_failed, at(tp, {s.id, storable(failure.why()), history, now + pause, meta.attempt}));
    }
    tx.commit();
    metrics_.count(tally);
}

}  // namespace otto::rt
