// Owning a partition: claimed, recovered after a failure, given back.
#include "lane.hpp"

#include "tables.hpp"
#include "telemetry/log.hpp"

namespace otto::rt {
namespace {

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

}  // namespace

std::vector<std::optional<std::int64_t>> Lane::claim_all(const std::vector<Tp>& tps) {
    std::vector<std::optional<std::int64_t>> starts;
    for (const auto& tp : tps) {
        while (true) {
            try {
                Part part = claim(tp);
                starts.push_back(part.next >= 0 ? std::optional(part.next) : std::nullopt);
                part.metrics = OwnedMetrics(consumer_.name(), tp);
                part.metrics.parked(part.parked);
                parts_[tp] = std::move(part);
                break;
            } catch (const std::exception& e) {
                auto* failure = dynamic_cast<const pg::SqlFailure*>(&e);
                back_off("claiming " + tp.topic + "/" + std::to_string(tp.partition) + ": " + e.what(), failure && failure->kind() == pg::FailureClass::schema);
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
            take_back(tx, tp, found->second);
            tx.write(sql::release, at(tp, {found->second.epoch}));
            tx.commit();
        } catch (const std::exception& e) {
            tel::warn("a partition could not be given back cleanly", {{"consumer", consumer_.name()}, {"topic", tp.topic}, {"partition", tp.partition}, {"why", e.what()}});
        }
        parts_.erase(found);
    }
}

void Lane::take_back(pg::Tx& tx, const Tp& tp, const Part& part) {
    if (part.begun.offset >= 0) tx.write(sql::take_back, at(tp, {part.begun.offset}));
    if (part.begun_parked) tx.write(sql::parked_take_back, at(tp, {*part.begun_parked}));
}

/// After a failure: a commit may or may not have happened. The table knows.
bool Lane::recover(const Tp& tp, Part& part) {
    auto tx = db_.begin(pg::Scope::none());
    auto standing = tx.maybe<Standing>(sql::standing, at(tp));
    if (!standing || standing->epoch != part.epoch) return false;
    take_back(tx, tp, part);
    read_parked(tx, tp, part);
    tx.commit();
    part.begun = {};
    part.begun_parked.reset();
    drain_outbox(tp, part);
    if (standing->next) {
        part.next = part.written = *standing->next;
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
    part.parked = 0;
    tx.each(sql::parked_keys, at(tp), [&](const pg::Fields& f) {
        part.parked += static_cast<std::size_t>(f.integer("events"));
        if (f.boolean("blocks")) part.blocked.insert(f.text("key"));
    });
    part.metrics.parked(part.parked);
}

}  // namespace otto::rt
