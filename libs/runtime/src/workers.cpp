#include "workers.hpp"

#include <algorithm>

#include "base/backoff.hpp"
#include "base/spare_memory.hpp"
#include "tables.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::rt {
namespace {

const tel::Gauges kDue{"otto_work_due", "Work that is due and that nobody is at.", {"queue"}};
const tel::Gauges kOpen{"otto_work_open", "Work that is not over.", {"queue"}};
const tel::Gauges kGivenUp{"otto_work_given_up", "Work that was given up, for an operator.", {"queue"}};
const tel::Gauges kOldest{"otto_work_oldest_seconds", "Age of the oldest work that is not over.", {"queue"}};
const tel::Gauges kOverdue{"otto_work_overdue_seconds", "How long the longest has waited for a worker.", {"queue"}};

constexpr Millis kLook{500};  ///< how late a turn may begin after it is due
constexpr Millis kRenew{5'000};
constexpr int kMostConnections = 4;  ///< threads wait for the outside, not for the database
const Backoff kPause{Millis{100}, Millis{2'000}, 2, 0.2};

}  // namespace

void Workers::One::poke() {
    {
        std::lock_guard guard(lock);
        ++calls;
    }
    wake.notify_one();
}

Workers::Workers(std::string service, pg::Login login, StopSignal& stop)
    : service_(std::move(service)), login_(std::move(login)), stop_(stop) {}

WorkQueue& Workers::add(detail::Work work, int threads) { return queues_.emplace_back(std::move(work), threads).queue; }

void Workers::start(const std::function<void(const std::string&, const std::function<void()>&)>& run) {
    if (queues_.empty()) return;
    int threads = 0;
    for (const auto& one : queues_) threads += one.queue.threads();
    pool_ = std::make_unique<pg::Pool>(login_, service_ + "-work", static_cast<std::size_t>(std::min(threads, kMostConnections)),
                                       pg::SessionLimits{}, Millis{30'000});
    for (auto& one : queues_)
        for (int i = 0; i < one.queue.threads(); ++i) run("work of " + one.queue.name(), [this, &one] { work(one); });
    run("the watch over work", [this] { watch(); });
}

void Workers::wake_all() {
    for (auto& one : queues_) {
        std::lock_guard guard(one.lock);
        one.wake.notify_all();
    }
}

void Workers::work(One& one) {
    std::uint64_t seen = 0;
    int failures = 0;
    SpareMemory spare;
    while (!stop_.stopping()) {
        bool wait = true, rests = false;
        Millis length{60'000};
        try {
            if (one.queue.run_one(*pool_, [this] { return stop_.stopping(); })) {
                wait = false;
                spare.works();
                // There may be more than one: whoever found something wakes the next.
                std::lock_guard guard(one.lock);
                one.wake.notify_one();
            }
            failures = 0;
        } catch (const pg::SqlFailure& e) {
            tel::warn("work waits for the database", {{"queue", one.queue.name()}, {"why", e.what()}});
            length = kPause.pause(std::min(failures++, 8));
            rests = true;
        } catch (const std::exception& e) {
            // A lease runs out, and it is tried again: a fault of ours or of one company must not stop the others.
            tel::error("a turn failed", {{"queue", one.queue.name()}, {"why", e.what()}});
            length = kPause.pause(std::min(failures++, 8));
        }
        if (!wait) continue;
        spare.rests();
        std::unique_lock guard(one.lock);
        if (rests) seen = one.calls;
        one.wake.wait_for(guard, length, [&] { return one.calls != seen || stop_.stopping(); });
        seen = one.calls;
    }
}

void Workers::count(pg::Connection& db) {
    std::vector<std::string> names;
    for (const auto& one : queues_) names.push_back(one.queue.name());
    auto tx = db.begin(pg::Scope::none());
    tx.each(sql::work_standing, {pg::Param::array(names)}, [&](const pg::Fields& f) {
        auto queue = f.text("queue");
        kDue({queue}).set(f.number("due"));
        kOpen({queue}).set(f.number("open"));
        kGivenUp({queue}).set(f.number("given_up"));
        kOldest({queue}).set(f.number("oldest"));
        kOverdue({queue}).set(std::max(0.0, f.number("overdue")));
    });
    tx.commit();
}

void Workers::watch() {
    pg::Connection db(login_, service_ + "-watch");
    bool listening = false;
    int failures = 0;
    auto renewed = std::chrono::steady_clock::now(), count_at = renewed;
    while (!stop_.stopping()) {
        try {
            if (!listening) {
                db.backend();  // connects
                for (const auto& one : queues_) db.execute("LISTEN \"work:" + one.queue.name() + "\"");
                listening = true;
            }
            db.wait_notification(kLook);
            auto now = std::chrono::steady_clock::now();
            if (now - renewed > kRenew) {
                for (auto& one : queues_) one.queue.renew(db);
                renewed = now;
            }
            if (now > count_at) {
                count(db);
                // A count goes through all of a backlog: a fiftieth of the time is the most it gets.
                auto counted = std::chrono::steady_clock::now();
                count_at = counted + std::max<std::chrono::steady_clock::duration>(Millis{5'000}, 50 * (counted - now));
            }
            failures = 0;
        } catch (const std::exception& e) {
            tel::warn("the watch over work waits for the database", {{"why", e.what()}});
            db.close();
            listening = false;
            stop_.wait(kPause.pause(std::min(failures++, 8)));
        }
        for (auto& one : queues_) one.poke();
    }
}

}  // namespace otto::rt
