#include "activities.hpp"

#include "tables.hpp"
#include "telemetry/log.hpp"

namespace otto::rt {

Activities::Activities(const Consumer& consumer, const LaneOptions& options, StopSignal& stop)
    : consumer_(consumer), options_(options), stop_(stop) {
    for (const auto& h : consumer.handlers())
        if (h.shape == detail::Shape::activity) lease_ = std::max(lease_, h.policy.timeout);
}

void Activities::poke() {
    {
        std::lock_guard guard(lock_);
        ++pokes_;
    }
    wake_.notify_one();
}

void Activities::wake_all() {
    std::lock_guard guard(lock_);
    wake_.notify_all();
}

void Activities::work() {
    tel::ServiceScope scope(options_.service);
    pg::Connection db(options_.pg_url, consumer_.name() + "-activity");
    std::uint64_t seen = 0;
    const Backoff pause{Millis{100}, Millis{2'000}, 2, 0.2};
    int failures = 0;
    while (!stop_.stopping()) {
        try {
            if (one(db)) continue;
            failures = 0;
        } catch (const std::exception& e) {
            // Whose lease it was, runs out; nobody asks for more of one than it may have, whatever fails.
            tel::warn("activities wait and go on", {{"consumer", consumer_.name()}, {"why", e.what()}});
            db.close();
            stop_.wait(pause.pause(std::min(failures++, 8)));
            continue;
        }
        std::unique_lock guard(lock_);
        wake_.wait_for(guard, Millis{1'000}, [&] { return pokes_ != seen || stop_.stopping(); });
        seen = pokes_;
    }
}

/// What an intent asks for is known once it is leased: the lease lasts for the most patient activity.
std::optional<StoredRecord> Activities::lease(pg::Connection& db) {
    std::optional<StoredRecord> taken;
    auto tx = db.begin(pg::Scope::none());
    tx.each(sql::lease, {consumer_.name(), static_cast<std::int64_t>(lease_.count())}, [&](const pg::Fields& f) {
        StoredRecord s;
        s.intent_key = f.text("intent_key");
        s.record.key = f.text("company_id");
        s.record.value = f.bytes("value");
        s.record.headers = headers_from(f.text("headers"));
        s.attempt = static_cast<int>(f.integer("attempt"));
        s.history = f.text("history");
        s.type = f.text("type");
        taken = std::move(s);
    });
    tx.commit();
    return taken;
}

bool Activities::one(pg::Connection& db) {
    auto leased = std::chrono::steady_clock::now();
    const auto began = system_clock().now();
    auto taken = lease(db);
    if (!taken) return false;
    google::protobuf::Arena arena;
    auto d = decode(taken->record, consumer_.handlers(), arena);
    d.event.meta.attempt = taken->attempt;
    Done done{*taken,
              d,
              Outcome::reject(d.unreadable.empty() ? "no activity takes " + d.event.meta.type : d.unreadable),
              Sink(consumer_.name()),
              {},
              d.retry()};
    if (taken->attempt > done.retry.attempts + kLastTry) {
        done.outcome = Outcome::reject("attempts used up: it was begun " + std::to_string(taken->attempt - 1) +
                                       " times, and how it ended was not written");
    } else if (d.handler && d.handler->activity) {
        try {
            done.outcome = d.handler->activity(d.event, taken->intent_key, done.closing, done.sink);
        } catch (const std::exception& e) {
            done.outcome = Outcome::retry(e.what());
        }
    }
    if (tel::tracing())
        tell_step("activity", consumer_.name(), d, began, done.outcome.settled() ? "done" : "failed", !done.outcome.settled());
    // The outside was asked: what it said is kept while the database is away, and written as long as the lease is ours.
    const Backoff pause{Millis{100}, Millis{2'000}, 2, 0.2};
    for (int failures = 0;; ++failures) {
        try {
            record(db, done);
            return true;
        } catch (const pg::SqlFailure& e) {
            bool own = e.kind() == pg::FailureClass::data || (e.perhaps_its_own() && failures >= 3);
            if (!own && (stop_.stopping() || std::chrono::steady_clock::now() - leased > lease_)) throw;
            if (own && !done.outcome.settled()) throw;
            if (own) done.outcome = Outcome::retry(e.what());
            tel::warn("the end of an activity could not be written",
                      {{"consumer", consumer_.name()}, {"type", d.event.meta.type}, {"why", e.what()}});
            if (own) continue;
            db.close();
            stop_.wait(pause.pause(std::min(failures, 8)));
        } catch (const std::exception& e) {
            if (!done.outcome.settled()) throw;
            done.outcome = Outcome::retry(e.what());
        }
    }
}

/// The intent's row, and if it is done what follows from it, in one transaction.
void Activities::record(pg::Connection& db, Done& done) {
    const auto& meta = done.decoded.event.meta;
    const auto& outcome = done.outcome;
    auto now = system_clock().now();
    auto tx = db.begin(pg::Scope::company(meta.company));
    auto mine = [&](std::initializer_list<pg::Param> more) {
        pg::Params p{consumer_.name(), done.taken.intent_key, done.taken.attempt};
        p.insert(p.end(), more);
        return p;
    };
    bool over = false;
    if (outcome.settled()) {
        if (tx.write_counted(sql::intent_done, mine({})) == 1) {  // else the lease ran out and somebody else has it
            for (const auto& write : done.closing) write(tx);
            for (const auto& item : done.sink.items()) write_to_shard(tx, consumer_.name(), item);
            if (done.sink.size() > 0) tx.write(sql::outbox_notify, {consumer_.name()});
        }
    } else {
        auto kind = outcome.kind();
        bool later = kind == Outcome::Kind::later;
        over = !later && (kind != Outcome::Kind::retry || done.taken.attempt >= done.retry.attempts);
        auto history = later ? done.taken.history : longer_history(done.taken.history, outcome.why(), now);
        auto pause = outcome.after().value_or(done.retry.pause.pause(done.taken.attempt - 1, std::hash<Uuid>{}(meta.id.value())));
        if (over)
            tx.write(sql::intent_failed, mine({storable(outcome.why()), history}));
        else
            tx.write(sql::intent_again,
                     mine({storable(outcome.why()), history, now + pause, later ? done.taken.attempt - 1 : done.taken.attempt}));
    }
    tx.commit();
    auto level = over ? tel::Level::error : outcome.settled() ? tel::Level::info : tel::Level::warn;
    tel::log(level,
             over                ? "an activity is given up"
             : outcome.settled() ? "activity"
                                 : "an activity failed and runs again",
             {{"consumer", consumer_.name()},
              {"type", meta.type},
              {"event_id", meta.id.value().to_string()},
              {"company_id", meta.company.value()},
              {"attempt", done.taken.attempt},
              {"why", outcome.why()}});
}

}  // namespace otto::rt
