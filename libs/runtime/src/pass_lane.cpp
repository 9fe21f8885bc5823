#include "pass_lane.hpp"

#include <algorithm>
#include <set>

#include "tables.hpp"
#include "telemetry/log.hpp"

namespace otto::rt {
namespace {

constexpr std::size_t kBatch = 1'000;
constexpr int kMostStalls = 10;  ///< failures of the database in a row, each of which may be an event's own
constexpr std::size_t kMaxBytes = 8u << 20;
constexpr std::size_t kMostUnconfirmed = 20'000;
/// Between two words to the group about one partition: each is a record that the broker writes, and what it costs to be late is a
/// few repeats after a crash.
constexpr Millis kTellGroup{100};
constexpr Millis kPace{
    25};  ///< from the begin of a batch that was not full to the next one's: what comes together goes on together

struct Claimed {
    std::int64_t epoch;
    bool clean;
    static Claimed from(const pg::Fields& f) { return {f.integer("epoch"), f.boolean("clean")}; }
};
struct Count {
    std::int64_t n;
    static Count from(const pg::Fields& f) { return {f.integer("n")}; }
};
constexpr pg::Query kTryingAnyEpoch{"rt.trying_any_epoch", R"sql(
UPDATE lanes SET trying_count = CASE WHEN trying_offset = $4 THEN trying_count + 1 ELSE 1 END, trying_offset = $4
 WHERE consumer = $1 AND topic = $2 AND partition = $3 RETURNING trying_count AS n)sql"};
constexpr pg::Query kReleaseAnyEpoch{
    "rt.release_any_epoch",
    "UPDATE lanes SET clean = $4, updated_at = now() WHERE consumer = $1 AND topic = $2 AND partition = $3"};

}  // namespace

PassLane::PassLane(const Consumer& consumer, const LaneOptions& options, int index, StopSignal& stop)
    : consumer_(consumer),
      options_(options),
      stop_(stop),
      id_(consumer.name() + "-" + std::to_string(index)),
      db_(options.pg_url, id_),
      source_(source_options(consumer, options, id_)),
      publisher_(options.brokers, id_),
      metrics_(consumer.name()) {
    kafka::Source::Rebalance r;
    r.assigned = [this](const std::vector<Tp>& tps) {
        for (const auto& tp : tps) {
            parts_[tp].generation = ++generation_;
            parts_[tp].metrics = OwnedMetrics(consumer_.name(), tp);
            // Did the former owner die over an event? Only this question needs the database; without it we go on carefully later.
            try {
                auto tx = db_.begin(pg::Scope::none());
                tx.write(sql::lane_row, {consumer_.name(), tp.topic, tp.partition});
                auto former = tx.one<Claimed>(sql::claim, {consumer_.name(), tp.topic, tp.partition});
                tx.commit();
                if (!former.clean) careful_left_[tp] = 2 * kBatch;
            } catch (const pg::SqlFailure& e) {
                tel::warn("a partition is taken without knowing how its former owner ended",
                          {{"consumer", consumer_.name()}, {"partition", tp.partition}, {"why", e.what()}});
            }
        }
        return std::vector<std::optional<std::int64_t>>(tps.size());  // where the group stands
    };
    r.revoked = [this](const std::vector<Tp>& tps, bool lost) {
        if (!lost) {
            publisher_.flush(Millis{5'000});
            tell_group(true);
        }
        publisher_.drop();  // the next owner begins there, and passes it on itself
        suspects_.clear();
        for (const auto& tp : tps) {
            auto found = parts_.find(tp);
            if (found == parts_.end()) continue;
            if (!lost) {
                try {
                    auto tx = db_.begin(pg::Scope::none());
                    tx.write(kReleaseAnyEpoch, {consumer_.name(), tp.topic, tp.partition, !careful_left_.contains(tp)});
                    tx.commit();
                } catch (const pg::SqlFailure&) {
                    // The next owner is careful for a while; nothing else follows from it.
                }
            }
            careful_left_.erase(tp);
            parts_.erase(found);
        }
    };
    source_.on_rebalance(std::move(r));
}

/// What cannot be skipped is tried until it works; the lane stands meanwhile.
void PassLane::retry(const char* what, const std::function<void()>& action) {
    Backoff pause{Millis{50}, Millis{2'000}, 2, 0.2};
    for (int n = 0; !stop_.stopping(); ++n) {
        try {
            action();
            return;
        } catch (const pg::SqlFailure& e) {
            if (e.kind() == pg::FailureClass::data || (e.perhaps_its_own() && n >= kMostStalls)) throw;
            metrics_.failures.inc();
            tel::warn("the lane waits and tries again", {{"consumer", consumer_.name()}, {"what", what}, {"why", e.what()}});
            db_.close();
            stop_.wait(pause.pause(std::min(n, 8), std::hash<std::string>{}(id_)));
        }
    }
    throw std::runtime_error("stopped");
}

bool PassLane::safe_to_touch(const Tp& tp, const kafka::Record& r) {
    auto left = careful_left_.find(tp);
    if (left == careful_left_.end()) return true;
    if (left->second-- == 0) {
        careful_left_.erase(left);
        return true;
    }
    auto& part = parts_.at(tp);
    if (part.begun != r.offset) {  // else this process began it before, and is still there
        retry("counting tries", [&] {
            auto tx = db_.begin(pg::Scope::none());
            part.times = tx.one<Count>(kTryingAnyEpoch, {consumer_.name(), tp.topic, tp.partition, r.offset}).n;
            tx.commit();
        });
        part.begun = r.offset;
    }
    if (part.times <= kLastTry) return true;
    dead_letter(tp, r, {}, "the process ended " + std::to_string(part.times - 1) + " times while this event was handled");
    return false;
}

/// The process outlived what it has begun: its begin is taken off the record. If the database fails it stays there; one is not
/// enough for anything.
void PassLane::take_back(const Tp& tp, Part& part) {
    if (part.begun < 0) return;
    try {
        auto tx = db_.begin(pg::Scope::none());
        tx.write(sql::take_back, {consumer_.name(), tp.topic, tp.partition, part.begun});
        tx.commit();
    } catch (const pg::SqlFailure& e) {
        tel::warn("a begin stays on record",
                  {{"consumer", consumer_.name()}, {"topic", tp.topic}, {"partition", tp.partition}, {"why", e.what()}});
    }
    part.begun = -1;
}

void PassLane::dead_letter(const Tp& tp, const kafka::Record& r, const Decoded& d, const std::string& why) {
    retry("writing a dead letter", [&] {
        auto tx = db_.begin(pg::Scope::none());
        rt::dead_letter(tx, consumer_.name(), tp, r.offset, r, d, why, longer_history("[]", why, system_clock().now()));
        tx.commit();
    });
    tell_of_dead(tp, r, d, why);
}

void PassLane::tell_of_dead(const Tp& tp, const kafka::Record& r, const Decoded& d, const std::string& why) {
    metrics_.dead.inc();
    metrics_.handled(d.event.meta.type, "dead");
    tel::error(
        "an event is a dead letter",
        {{"consumer", consumer_.name()}, {"topic", tp.topic}, {"partition", tp.partition}, {"offset", r.offset}, {"why", why}});
}

/// One transaction for all that was deferred; if it fails over its data, one by one, and the guilty one is a dead letter.
void PassLane::take_deferred(const Tp& tp, std::span<const Decoded> events, std::span<const kafka::Record* const> records) {
    auto write = [&](std::size_t from, std::size_t n) {
        std::map<std::size_t, std::string> rejected;
        retry("taking deferred events", [&] {
            std::set<CompanyId> companies;
            std::vector<const detail::Event*> batch;
            std::set<EventId> ids;
            for (const auto& d : events.subspan(from, n)) {
                if (!ids.insert(d.event.meta.id).second) continue;  // a repeat, whose own events would have other ids here
                batch.push_back(&d.event);
                if (!d.event.meta.company.value().empty()) companies.insert(d.event.meta.company);
            }
            auto tx = db_.begin(pg::Scope::companies({companies.begin(), companies.end()}));
            Sink sink(consumer_.name());
            for (const auto& handler : consumer_.deferred_handlers()) {
                std::vector<const detail::Event*> mine;
                for (const auto* e : batch)
                    if (e->meta.type == handler.type->type) mine.push_back(e);
                if (!mine.empty()) handler.batch(mine, tx, sink);
            }
            for (const auto& item : sink.items()) write_to_shard(tx, consumer_.name(), item);
            if (sink.size() > 0) tx.write(sql::outbox_notify, {consumer_.name()});
            rejected.clear();
            for (const auto& [id, why] : sink.take_rejected())
                for (std::size_t i = from; i < from + n; ++i)
                    if (events[i].event.meta.id == id) rejected.emplace(i, why);
            for (const auto& [i, why] : rejected)
                rt::dead_letter(tx, consumer_.name(), tp, records[i]->offset, *records[i], events[i], why,
                                longer_history("[]", why, system_clock().now()));
            tx.commit();
        });
        for (const auto& [i, why] : rejected) tell_of_dead(tp, *records[i], events[i], why);
    };
    try {
        write(0, events.size());
        return;
    } catch (const pg::SqlFailure& e) {
        tel::warn("a batch of deferred events failed and runs again one by one",
                  {{"consumer", consumer_.name()}, {"why", e.what()}});
    }
    for (std::size_t i = 0; i < events.size(); ++i) {
        try {
            write(i, 1);
        } catch (const pg::SqlFailure& e) {
            dead_letter(tp, *records[i], events[i], e.what());
        }
    }
}

void PassLane::handle(const Tp& tp, Part& part, std::vector<kafka::Record>& records) {
    google::protobuf::Arena arena;
    const auto began = system_clock().now();
    std::vector<std::pair<Decoded, const char*>> steps;  // where they are told
    auto ended = [&](const Decoded& d, const char* outcome) {
        if (tel::tracing()) steps.emplace_back(d, outcome);
    };
    std::vector<Decoded> deferred;
    std::vector<const kafka::Record*> deferred_records;
    struct Produced {
        std::size_t step;
        const kafka::Record* of;
        Sink sink;
    };
    std::vector<Produced> produced;
    for (auto& r : records) {
        part.steps.push_back({r.offset + 1, 0});
        if (!safe_to_touch(tp, r)) continue;
        // One message for all: parsing into a used one reuses its memory.
        auto d = decode(r, consumer_.handlers(), [this](const detail::Handler& h) {
            auto& message = scratch_[&h];
            if (!message) message.reset(h.prototype->New());
            return message.get();
        });
        if (!d.unreadable.empty()) {
            dead_letter(tp, r, d, d.unreadable);
            continue;
        }
        if (!d.handler) continue;
        Sink sink(consumer_.name());
        Outcome outcome = Outcome::done();
        try {
            outcome = d.handler->one(d.event, nullptr, sink);
        } catch (const std::exception& e) {
            dead_letter(tp, r, d, e.what());
            ended(d, "dead");
            continue;
        }
        switch (outcome.kind()) {
            case Outcome::Kind::done:
                part.steps.back().type = &d.handler->type->type;
                part.steps.back().outcome = "done";
                ended(d, "done");
                if (sink.size() > 0) produced.push_back({part.steps.size() - 1, &r, std::move(sink)});
                break;
            case Outcome::Kind::ignored:
                part.steps.back().type = &d.handler->type->type;
                part.steps.back().outcome = "ignored";
                ended(d, "ignored");
                break;
            case Outcome::Kind::reject:
                dead_letter(tp, r, d, outcome.why());
                ended(d, "dead");
                break;
            default:
                part.steps.back().type = &d.handler->type->type;
                part.steps.back().outcome = "aside";  // the word in logs and metrics
                ended(d, "aside");
                {
                    auto* kept = d.event.message->New(&arena);
                    kept->CopyFrom(*d.event.message);
                    d.event.message = kept;
                }
                deferred.push_back(std::move(d));
                deferred_records.push_back(&r);
        }
    }
    if (!deferred.empty()) take_deferred(tp, deferred, deferred_records);
    std::size_t emitted = 0;
    for (auto& [step, record, sink] : produced) emitted += part.steps[step].unconfirmed = sink.size();
    for (auto& [step, record, sink] : produced) {
        if (!suspects_.contains({tp, record->offset}))
            pass_on(tp, part, record->offset + 1, sink);
        else if (!pass_on_alone(tp, part, record->offset + 1, sink, *record))
            break;
    }
    for (const auto& [d, outcome] : steps)
        tell_step("route", consumer_.name(), d, began, outcome, std::string_view(outcome) == "dead", records.size());
    metrics_.batch_size.observe(static_cast<double>(records.size()));
    if (auto end = source_.end_of(tp); end >= 0) part.metrics.lag(end - records.back().offset - 1);
    tel::info("batch", {{"consumer", consumer_.name()},
                        {"topic", tp.topic},
                        {"partition", tp.partition},
                        {"events", records.size()},
                        {"aside", deferred.size()},
                        {"emitted", emitted}});
}

void PassLane::pass_on(const Tp& tp, Part& part, std::int64_t next, Sink& sink) {
    for (auto& item : sink.items()) {
        auto record = to_record(std::move(item.wire));
        auto queued = [&] {
            return publisher_.publish(
                record,
                [this, tp, generation = part.generation, next] {
                    auto found = parts_.find(tp);
                    if (found == parts_.end() || found->second.generation != generation) return;
                    auto& steps = found->second.steps;
                    auto at = std::lower_bound(steps.begin(), steps.end(), next,
                                               [](const Step& s, std::int64_t n) { return s.next < n; });
                    if (at != steps.end() && at->next == next) --at->unconfirmed;
                },
                [this, tp, next] {
                    suspects_.insert({tp, next - 1});
                });
        };
        while (!queued() && !stop_.stopping()) publisher_.serve(Millis{50});
    }
}

/// What follows from an event that Kafka refused, perhaps for another's sake. Refused again, the event is a dead letter and
/// others go on. False: that is not known, and the lane starts again.
bool PassLane::pass_on_alone(const Tp& tp, Part& part, std::int64_t next, Sink& sink, const kafka::Record& event) {
    auto step =
        std::lower_bound(part.steps.begin(), part.steps.end(), next, [](const Step& s, std::int64_t n) { return s.next < n; });
    for (auto& item : sink.items()) {
        auto record = to_record(std::move(item.wire));
        std::string why;
        switch (publisher_.alone(record, why)) {
            case Publisher::Fate::unknown:
                return false;
            case Publisher::Fate::taken:
                break;
            case Publisher::Fate::refused: {
                auto d = decode(event, consumer_.handlers(), [this](const detail::Handler& h) { return scratch_.at(&h).get(); });
                dead_letter(tp, event, d, "what follows from it is refused by Kafka (" + record.topic + "): " + why);
                step->outcome = nullptr;  // it is counted as dead
                count_refused(consumer_.name(), record.topic);
            }
        }
        --step->unconfirmed;
    }
    suspects_.erase({tp, event.offset});
    return true;
}

void PassLane::advance(Part& part) {
    while (!part.steps.empty() && part.steps.front().unconfirmed == 0) {
        const auto& done = part.steps.front();
        if (done.outcome) metrics_.handled(*done.type, done.outcome);
        part.next = done.next;
        part.steps.pop_front();
    }
}

/// Where all partitions stand, by what Kafka has confirmed: the next owner goes on from there.
void PassLane::tell_group(bool now) {
    auto clock = std::chrono::steady_clock::now();
    if (!now && clock - told_at_ < kTellGroup) return;
    told_at_ = clock;
    std::vector<std::pair<Tp, std::int64_t>> positions;
    for (auto& [tp, part] : parts_) {
        advance(part);
        if (part.next == part.told) continue;
        positions.emplace_back(tp, part.next);
        part.told = part.next;
    }
    if (!positions.empty()) source_.commit_async(positions);
}

/// After a failed delivery: each partition from the oldest event that Kafka has not confirmed, or that was polled and not looked
/// at.
void PassLane::start_again(const std::map<Tp, Polled>& on_hand) {
    for (auto& [tp, part] : parts_) {
        advance(part);
        take_back(tp, part);
        auto polled = on_hand.find(tp);
        if (part.steps.empty() && polled == on_hand.end()) continue;
        auto from = part.steps.empty() ? polled->second.records.front().offset : part.steps.front().next - 1;
        if (auto there = source_.seek(tp, from); !there) {
            tel::warn("the lane joins the group anew", {{"consumer", consumer_.name()},
                                                        {"topic", tp.topic},
                                                        {"partition", tp.partition},
                                                        {"why", there.error().describe()}});
            source_.rejoin();  // tells the group what Kafka has confirmed, and begins there
            return;
        }
        part.steps.clear();
        part.generation = ++generation_;
    }
}

void PassLane::run() {
    tel::ServiceScope scope(options_.service);
    while (!stop_.stopping()) {
        source_.hold(!publisher_.ready() || publisher_.in_flight() > kMostUnconfirmed);
        auto records = source_.poll(kBatch, kMaxBytes, publisher_.in_flight() > 0 ? Millis{5} : Millis{100});
        records.empty() ? spare_.rests() : spare_.works();
        auto began = std::chrono::steady_clock::now();
        std::map<Tp, Polled> buckets;
        for (auto& r : records) {
            auto& bucket = buckets[{r.topic, r.partition}];
            bucket.next = r.offset + 1;
            bucket.records.push_back(std::move(r));
        }
        publisher_.serve(Millis{0});
        if (publisher_.take_failure()) {
            start_again(buckets);
            continue;
        }
        bool rests = !records.empty() && records.size() < kBatch && caught_up(source_, buckets);
        try {
            for (auto& [tp, bucket] : buckets)
                if (auto found = parts_.find(tp); found != parts_.end()) handle(tp, found->second, bucket.records);
        } catch (const std::exception& e) {
            if (!stop_.stopping()) tel::error("a pass-through lane failed", {{"consumer", consumer_.name()}, {"why", e.what()}});
            throw;
        }
        tell_group(false);
        if (rests) rest_until(began + kPace, publisher_, stop_);
    }
    publisher_.flush(Millis{5'000});
    tell_group(true);
    for (auto& [tp, part] : parts_) {
        try {
            auto tx = db_.begin(pg::Scope::none());
            tx.write(kReleaseAnyEpoch, {consumer_.name(), tp.topic, tp.partition, !careful_left_.contains(tp)});
            tx.commit();
        } catch (const pg::SqlFailure&) {
            break;
        }
    }
    source_.close();
}

}  // namespace otto::rt
