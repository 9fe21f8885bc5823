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
    ++handovers_;
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
                back_off("claiming " + tp.topic + "/" + std::to_string(tp.partition) + ": " + e.what(),
                         failure && failure->kind() == pg::FailureClass::schema);
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
                tel::warn("a former owner does not let go of a partition: its session is ended",
                          {{"consumer", consumer_.name()}, {"topic", tp.topic}, {"partition", tp.partition}});
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
        tel::info("the former owner of a partition did not stop cleanly: it runs a few events at a time for a while",
                  {{"consumer", consumer_.name()}, {"topic", tp.topic}, {"partition", tp.partition}, {"events", part.careful}});
    return part;
}

/// What Kafka has not confirmed stands in the table, for the next owner. It must not be in two queues.
void Lane::let_go() {
    publisher_.drop();
    suspects_.clear();
}

void Lane::give_back(const std::vector<Tp>& tps, bool lost) {
    ++handovers_;
    if (!lost) {
        publisher_.flush(Millis{5'000});
        tell_group(true);
    }
    let_go();
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
            tx.write(sql::release, at(tp, {found->second.epoch, found->second.careful == 0}));
            tx.commit();
        } catch (const std::exception& e) {
            tel::warn("a partition could not be given back cleanly",
                      {{"consumer", consumer_.name()}, {"topic", tp.topic}, {"partition", tp.partition}, {"why", e.what()}});
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
    part.next = part.written = standing->next.value_or(-1);
    part.stale = false;
    part.undrained = part.elsewhere = true;
    return true;
}

/// Sends what the table still holds for this partition, lowest first, and waits for nothing. True: nothing is left.
bool Lane::drain(const Tp& tp, Part& part) {
    if (part.unconfirmed > 0 || !publisher_.ready()) return false;
    auto tx = db_.begin(pg::Scope::none());
    if (!part.acked.empty()) {
        std::vector<std::string> ids;
        for (auto id : part.acked) ids.push_back(std::to_string(id));
        tx.write(sql::outbox_delete, {pg::Param::array(ids)});
    }
    auto rows = tx.many<StoredRecord>(sql::outbox_of_lane, at(tp));
    tx.commit();
    part.acked.clear();
    for (auto& row : rows) {
        if (!suspects_.contains(row.id)) {
            if (!send(tp, part, row.id, std::move(row.record))) break;
        } else if (part.unconfirmed > 0 || !settle_alone(tp, row)) {
            break;  // once those before it are there
        }
    }
    return rows.empty();
}

/// A row that Kafka refused together with others. True: Kafka has it, or it is a dead letter.
bool Lane::settle_alone(const Tp& tp, const StoredRecord& row) {
    std::string why;
    auto fate = publisher_.alone(row.record, why);
    if (fate == Publisher::Fate::unknown) return false;
    auto tx = db_.begin(pg::Scope::none());
    tx.write(sql::fence, at(tp, {parts_.at(tp).epoch, nullptr}));
    if (fate == Publisher::Fate::taken) {
        tx.write(sql::outbox_delete, {pg::Param::array(std::vector<std::string>{std::to_string(row.id)})});
        tx.commit();
    } else {
        SetAside letter(tx, row, why);
        tx.commit();
        letter.tell();
    }
    suspects_.erase(row.id);
    return true;
}

/// One row on its way. False: the queue has no room, and the table keeps it.
bool Lane::send(const Tp& tp, Part& part, std::int64_t row, kafka::Record record) {
    ++part.unconfirmed;
    bool queued = publisher_.publish(
        std::move(record),
        [this, tp, epoch = part.epoch, row] {
            auto found = parts_.find(tp);
            if (found == parts_.end() || found->second.epoch != epoch) return;
            found->second.acked.push_back(row);
            --found->second.unconfirmed;
        },
        [this, row] { suspects_.insert(row); });
    if (!queued) --part.unconfirmed;
    return queued;
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
