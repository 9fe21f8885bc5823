#include "activities.hpp"

#include "tables.hpp"
#include "telemetry/log.hpp"

namespace otto::rt {

Activities::Activities(const Consumer& consumer, const LaneOptions& options, int threads, StopSignal& stop)
    : consumer_(consumer), options_(options), count_(threads), stop_(stop) {}

Activities::~Activities() { join(); }

void Activities::start() {
    for (int i = 0; i < count_; ++i) threads_.emplace_back([this] { loop(); });
}

void Activities::join() {
    wake_.notify_all();
    for (auto& t : threads_) t.join();
    threads_.clear();
}

void Activities::poke() {
    {
        std::lock_guard guard(lock_);
        ++pokes_;
    }
    wake_.notify_one();
}

void Activities::loop() {
    tel::ServiceScope scope(options_.service);
    pg::Connection db(options_.pg_url, consumer_.name() + "-activity");
    std::uint64_t seen = 0;
    Backoff pause{Millis{100}, Millis{2'000}, 2, 0.2};
    int failures = 0;
    while (!stop_.stopping()) {
        try {
            if (one(db)) continue;
            failures = 0;
        } catch (const pg::SqlFailure& e) {
            tel::warn("activities wait for the database", {{"consumer", consumer_.name()}, {"why", e.what()}});
            db.close();
            stop_.wait(pause.pause(std::min(failures++, 8)));
            continue;
        }
        std::unique_lock guard(lock_);
        wake_.wait_for(guard, Millis{1'000}, [&] { return pokes_ != seen || stop_.stopping(); });
        seen = pokes_;
    }
}

bool Activities::one(pg::Connection& db) {
    // What an intent asks for is known once it is leased: the lease lasts for the most patient activity.
    Millis longest{0};
    for (const auto& h : consumer_.handlers())
        if (h.shape == detail::Shape::activity) longest = std::max(longest, h.policy.timeout);
    std::optional<StoredRecord> taken;
    {
        auto tx = db.begin(pg::Scope::none());
        tx.each(sql::lease, {consumer_.name(), static_cast<std::int64_t>(longest.count())}, [&](const pg::Fields& f) {
            StoredRecord s;
            s.intent_key = f.text("intent_key");
            s.record.key = f.text("company_id");
            s.record.value = f.bytes("value");
            s.record.headers = headers_from(f.text("headers"));
            s.attempt = static_cast<int>(f.integer("attempt"));
            s.history = f.text("history");
            taken = std::move(s);
        });
        tx.commit();
    }
    if (!taken) return false;
    google::protobuf::Arena arena;
    auto d = decode(taken->record, consumer_.handlers(), arena);
    d.event.meta.attempt = taken->attempt;
    Sink sink(consumer_.name());
    std::vector<std::function<void(pg::Tx&)>> closing;
    const Retry retry = d.handler ? d.handler->policy.retry : Retry{};
    Outcome outcome = Outcome::reject(d.unreadable.empty() ? "no activity takes " + d.event.meta.type : d.unreadable);
    if (d.handler && d.handler->activity) {
        try {
            outcome = d.handler->activity(d.event, taken->intent_key, closing, sink);
        } catch (const std::exception& e) {
            outcome = Outcome::retry(e.what());
        }
    }
    auto now = system_clock().now();
    auto tx = db.begin(pg::Scope::company(d.event.meta.company));
    const pg::Params mine{consumer_.name(), taken->intent_key, taken->attempt};
    auto with = [&](std::initializer_list<pg::Param> more) {
        pg::Params p = mine;
        p.insert(p.end(), more);
        return p;
    };
    if (outcome.settled()) {
        if (tx.write_counted(sql::intent_done, mine) == 1) {  // else the lease ran out and somebody else has it
            for (const auto& write : closing) write(tx);
            for (const auto& item : sink.items()) write_to_shard(tx, consumer_.name(), item);
            if (sink.size() > 0) tx.write(sql::outbox_notify, {consumer_.name()});
        }
    } else {
        bool over = outcome.kind() == Outcome::Kind::reject || (outcome.kind() == Outcome::Kind::retry && taken->attempt >= retry.attempts);
        auto history = outcome.kind() == Outcome::Kind::later ? taken->history : longer_history(taken->history, outcome.why(), now);
        if (over) {
            tx.write(sql::intent_failed, with({outcome.why(), history}));
            tel::error("an activity is given up", {{"consumer", consumer_.name()}, {"type", d.event.meta.type}, {"event_id", d.event.meta.id.value().to_string()},
                                                   {"company_id", d.event.meta.company.value()}, {"attempts", taken->attempt}, {"why", outcome.why()}});
        } else {
            auto pause = outcome.after().value_or(retry.pause.pause(taken->attempt - 1, std::hash<Uuid>{}(d.event.meta.id.value())));
            tx.write(sql::intent_again, with({outcome.why(), history, now + pause, outcome.kind() == Outcome::Kind::later ? taken->attempt - 1 : taken->attempt}));
            tel::warn("an activity failed and runs again", {{"consumer", consumer_.name()}, {"type", d.event.meta.type}, {"company_id", d.event.meta.company.value()}, {"why", outcome.why()}});
        }
    }
    tx.commit();
    tel::info("activity", {{"consumer", consumer_.name()}, {"type", d.event.meta.type}, {"company_id", d.event.meta.company.value()}, {"settled", outcome.settled()}, {"attempt", taken->attempt}});
    return true;
}

}  // namespace otto::rt
