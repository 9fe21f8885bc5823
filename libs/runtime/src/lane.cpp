// A lane's loop: what comes next, and how it rests, fails and ends.
#include "lane.hpp"

#include <algorithm>

#include "tables.hpp"
#include "telemetry/log.hpp"

namespace otto::rt {
namespace {

constexpr std::size_t kMaxBytes = 8u << 20;
constexpr std::size_t kMostUnconfirmed = 20'000;
constexpr Millis kMostRest{60};       ///< beside kPace
constexpr std::int64_t kNearly = 50;  ///< events
constexpr Millis kPace{40};           ///< from the begin of a batch that was not full to the next one's
constexpr Millis kTellGroup{500};
constexpr std::size_t kMostPassedOver = 10'000;  ///< records in one round that do not concern the consumer
constexpr Millis kWritePositions{500};           ///< how old the table's positions get while nothing but such records comes

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

kafka::SourceOptions source_options(const Consumer& consumer, const LaneOptions& options, const std::string& client_id) {
    kafka::SourceOptions o;
    o.brokers = options.brokers;
    o.group = consumer.name();
    o.client_id = client_id;
    o.topics = consumer.topics();
    o.linger = consumer.linger();
    if (consumer.passes_through()) o.fetch_bytes = 1u << 20;  // a batch goes on as it is, so the fetches are what it waits for
    return o;
}

Lane::Lane(const Consumer& consumer, const LaneOptions& options, int index, StopSignal& stop)
    : consumer_(consumer),
      options_(options),
      stop_(stop),
      id_(consumer.name() + "-" + std::to_string(index)),
      db_(options.pg_url, id_),
      source_(source_options(consumer, options, id_)),
      publisher_(options.brokers, id_),
      metrics_(consumer.name()),
      batch_(consumer.handlers().front().policy.batch) {
    source_.on_rebalance({[this](const std::vector<Tp>& tps) { return claim_all(tps); },
                          [this](const std::vector<Tp>& tps, bool lost) { give_back(tps, lost); }});
}

pg::Params Lane::at(const Tp& tp, std::initializer_list<pg::Param> more) const {
    pg::Params p = at(tp);
    p.insert(p.end(), more.begin(), more.end());
    return p;
}

bool caught_up(const kafka::Source& source, const std::map<kafka::TopicPartition, Polled>& polled) {
    return std::all_of(polled.begin(), polled.end(),
                       [&](const auto& p) { return source.end_of(p.first) - p.second.next <= kNearly; });
}

void rest_until(std::chrono::steady_clock::time_point end, Publisher& publisher, StopSignal& stop) {
    while (!stop.stopping()) {
        auto left = std::chrono::ceil<Millis>(end - std::chrono::steady_clock::now());
        if (left <= Millis{0}) return;
        if (publisher.in_flight() > 0)
            publisher.serve(left);
        else
            stop.wait(left);
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

/// While its batches are not full a lane rests: as long as it has worked, a moment at most, and until kPace has passed. A
/// transaction for each of two events that come 10 ms apart costs Postgres and Kafka nearly twice what one for both does; a
/// single event after a quiet time waits for nothing.
void Lane::rest(std::chrono::steady_clock::time_point began) {
    auto ended = std::chrono::steady_clock::now();
    rest_until(std::max(began + kPace, ended + std::min<std::chrono::steady_clock::duration>(ended - began, kMostRest)),
               publisher_, stop_);
}

void Lane::back_off(const std::string& why, bool schema) {
    metrics_.failures.inc();
    Backoff pause{Millis{50}, Millis{2'000}, 2, 0.2};
    auto wait = pause.pause(std::min(failures_++, 10), std::hash<std::string>{}(id_));
    if (schema) {
        tel::error("code and database do not fit: the lane waits, nothing is given up",
                   {{"consumer", consumer_.name()}, {"why", why}});
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
            tel::warn("a partition has another owner: the lane joins the group anew",
                      {{"consumer", consumer_.name()}, {"topic", tp.topic}, {"partition", tp.partition}});
        }
        rejoin_ = true;
    };
    try {
        body();
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
    } catch (const std::exception& e) {
        // Nobody knows whose fault that is. As if the process had ended over it: begins are put on record, so that one event
        // cannot do it for ever.
        tel::error("a lane failed over something unforeseen", {{"consumer", consumer_.name()}, {"why", e.what()}});
        for (const auto& tp : concerned) {
            auto found = parts_.find(tp);
            if (found == parts_.end()) continue;
            auto& part = found->second;
            part.stale = true;
            part.careful = 2 * batch_;
            part.begun = {};
            part.begun_parked.reset();
        }
        back_off(e.what(), false);
        return false;
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
    if (part.stale && !recover(tp, part)) throw Fenced{};
    if (part.undrained && !drain(tp, part)) {
        // Nobody waits here for Kafka: a lane that does not poll holds up its whole group.
        source_.pause(tp);
        part.elsewhere = true;
        return false;
    }
    part.undrained = false;
    if (part.elsewhere) return in_place(tp, part);
    run_parked(tp, part);
    return true;
}

/// Polling goes on at the first event that was not done. False, since what is on hand is not that.
bool Lane::in_place(const Tp& tp, Part& part) {
    part.elsewhere = false;
    if (part.next < 0) {
        rejoin_ = true;  // nothing was ever committed here: the group's own offset counts
        return false;
    }
    source_.resume(tp);
    if (auto there = source_.seek(tp, part.next); !there) {
        tel::warn("the lane joins the group anew", {{"consumer", consumer_.name()},
                                                    {"topic", tp.topic},
                                                    {"partition", tp.partition},
                                                    {"why", there.error().describe()}});
        rejoin_ = true;
    }
    return false;
}

/// Records of types that nobody here takes are passed over before a batch is made of the rest; those that cannot be read concern
/// everybody.
bool Lane::concerns(const kafka::Record& r) const {
    auto type = r.header("ce_type");
    const auto& handlers = consumer_.handlers();
    return std::any_of(handlers.begin(), handlers.end(), [&](const auto& h) { return h.type->type == type; }) ||
           !events::read_meta(r.headers);
}

std::map<Lane::Tp, Polled> Lane::poll(bool& full) {
    std::map<Tp, Polled> out;
    std::size_t concerned = 0, seen = 0, bytes = 0;
    auto wait = publisher_.in_flight() > 0 ? Millis{5} : Millis{100};
    while (concerned < batch_ && bytes < kMaxBytes && seen - concerned < kMostPassedOver) {
        auto before = handovers_;
        auto records = source_.poll(batch_ - concerned, kMaxBytes - bytes, wait);
        if (handovers_ != before) {  // its next owner begins where the table stands, and so does this lane if it is the one
            out.clear();
            concerned = seen = bytes = 0;
        }
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
    bool recovering = false;
    for (const auto& tp : owned) {
        if (stop_.stopping()) break;
        auto found = parts_.find(tp);
        if (found == parts_.end()) continue;
        auto& [key, part] = *found;
        bool goes_on = false;
        if (!guarded({tp}, [&, &p = part] { goes_on = prepare(tp, p); })) return false;
        recovering = recovering || !goes_on;
        auto bucket = buckets.find(tp);
        if (!goes_on || bucket == buckets.end()) continue;
        auto& [records, next] = bucket->second;
        std::erase_if(records, [from = part.next](const kafka::Record& r) { return r.offset < from; });
        if (records.empty()) {
            part.next = std::max(part.next, next);
            if (auto end = source_.end_of(tp); end >= 0) part.metrics.lag(end - part.next);
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
    if (!recovering) failures_ = 0;  // else what failed has not been tried again
    std::size_t acked = 0;
    for (const auto& [tp, part] : parts_) acked += part.acked.size();
    return (!buckets.empty() && acked <= 2'000) || guarded(owned, [&] { tidy(); });
}

void Lane::run() {
    tel::ServiceScope scope(options_.service);
    while (!stop_.stopping()) {
        bool full = false;
        auto buckets = poll(full);
        buckets.empty() ? spare_.rests() : spare_.works();
        publisher_.serve(Millis{0});
        // Nothing of any partition is under way then: what is not confirmed stands in the table, and goes before what follows. Of
        // one that nothing was ever committed of the table holds nothing; waiting for it would make the group form anew.
        if (publisher_.take_failure())
            for (auto& [tp, part] : parts_) {
                part.undrained = part.undrained || part.next >= 0;
                part.unconfirmed = 0;
            }
        source_.hold(publisher_.in_flight() > kMostUnconfirmed);

        bool rests = !full && !buckets.empty() && caught_up(source_, buckets);
        auto began = std::chrono::steady_clock::now();
        if (!round(buckets))
            for (auto& [tp, part] : parts_)
                if (buckets.contains(tp)) part.stale = true;  // their records are polled again after a look at the table
        if (rejoin_) {
            rejoin_ = false;
            std::vector<Tp> lost;
            for (const auto& [tp, part] : parts_) lost.push_back(tp);
            give_back(lost, true);
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
