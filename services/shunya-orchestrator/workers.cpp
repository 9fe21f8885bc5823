#include "workers.hpp"

#include "base/backoff.hpp"
#include "shunya-orchestrator/sql.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::shunya_orchestrator {
namespace {

constexpr Millis kLook{500};         ///< how late a step may begin after it is due
constexpr Millis kRenew{15'000};

}  // namespace

Workers::Workers(app::Service& service, Driver& driver, pg::Pool& pool, int threads, std::function<void(pg::Connection&)> watch)
    : service_(service.name()), pg_url_(service.pg_url()), driver_(driver), pool_(pool), count_(threads), besides_(std::move(watch)) {
    service.on_start("workers of " + service_, [this] { start(); });
    service.on_stop("workers of " + service_, [this](Millis within) { stop(within); });
}

Workers::~Workers() { stop(Millis{60'000}); }

void Workers::start() {
    auto run = [this](void (Workers::*body)()) {
        {
            std::lock_guard guard(lock_);
            ++running_;
        }
        threads_.emplace_back([this, body] {
            (this->*body)();
            std::lock_guard guard(lock_);
            --running_;
            wake_.notify_all();
        });
    };
    for (int i = 0; i < count_; ++i) run(&Workers::work);
    run(&Workers::watch);
}

void Workers::stop(Millis within) {
    {
        std::unique_lock guard(lock_);
        stopping_ = true;
        ++calls_;
        wake_.notify_all();
        if (!wake_.wait_for(guard, within, [&] { return running_ == 0; })) {
            // Somebody waits for the outside still. Its lease runs out, and whoever takes the call then goes on from its rows.
            throw std::runtime_error(std::to_string(running_) + " steps of calls did not end in time");
        }
    }
    for (auto& t : threads_) t.join();
    threads_.clear();
}

void Workers::work() {
    tel::ServiceScope scope(service_);
    std::uint64_t seen = 0;
    int failures = 0;
    const Backoff pause{Millis{100}, Millis{2'000}, 2, 0.2};
    while (!stopping_) {
        bool wait = true, rests = false;
        Millis length{60'000};
        try {
            if (driver_.run_one(pool_, [this] { return stopping_.load(); })) {
                wait = false;
                // There may be more than one: whoever found something wakes the next.
                std::lock_guard guard(lock_);
                wake_.notify_one();
            }
            failures = 0;
        } catch (const pg::SqlFailure& e) {
            tel::warn("calls wait for the database", {{"why", e.what()}});
            length = pause.pause(std::min(failures++, 8));
            rests = true;
        } catch (const std::exception& e) {
            // Its lease runs out, and it is tried again: a fault of ours or of one call must not stop the others.
            tel::error("a call's step failed", {{"why", e.what()}});
            length = pause.pause(std::min(failures++, 8));
        }
        if (!wait) continue;
        std::unique_lock guard(lock_);
        if (rests) seen = calls_;
        wake_.wait_for(guard, length, [&] { return calls_ != seen || stopping_; });
        seen = calls_;
    }
}

void Workers::watch() {
    tel::ServiceScope scope(service_);
    pg::Connection db(pg_url_, service_ + "-watch");
    bool listening = false;
    int failures = 0;
    const Backoff pause{Millis{100}, Millis{2'000}, 2, 0.2};
    auto renewed = std::chrono::steady_clock::now(), count_at = renewed;
    static auto due = tel::Metrics::gauge("analysis_work_due", "Calls whose next step is due and that nobody is at.");
    static auto open = tel::Metrics::gauge("analysis_work_open", "Calls on their way to an analysis.");
    static auto oldest = tel::Metrics::gauge("analysis_work_oldest_seconds", "Age of the oldest call on its way to an analysis.");
    static auto overdue = tel::Metrics::gauge("analysis_work_overdue_seconds", "How long the longest has waited for a worker.");
    while (!stopping_) {
        try {
            if (!listening) {
                db.backend();  // connects
                db.execute("LISTEN otto_work");
                listening = true;
            }
            db.wait_notification(kLook);
            auto now = std::chrono::steady_clock::now();
            if (now - renewed > kRenew) {
                driver_.renew(db);
                renewed = now;
            }
            if (besides_) besides_(db);
            if (now > count_at) {
                auto tx = db.begin(pg::Scope::none());
                tx.each(sql::standing, {}, [&](const pg::Fields& f) {
                    due.set(f.number("due"));
                    open.set(f.number("open"));
                    oldest.set(f.number("oldest"));
                    overdue.set(std::max(0.0, f.number("overdue")));
                });
                tx.commit();
                // A count goes through all of a backlog: a fiftieth of the time is the most it gets.
                auto counted = std::chrono::steady_clock::now();
                count_at = counted + std::max<std::chrono::steady_clock::duration>(Millis{5'000}, 50 * (counted - now));
            }
            failures = 0;
        } catch (const std::exception& e) {
            tel::warn("the watch over calls waits for the database", {{"why", e.what()}});
            db.close();
            listening = false;
            auto end = std::chrono::steady_clock::now() + pause.pause(std::min(failures++, 8));
            std::unique_lock guard(lock_);
            wake_.wait_until(guard, end, [&] { return stopping_.load(); });
        }
        {
            std::lock_guard guard(lock_);
            ++calls_;
        }
        wake_.notify_one();
    }
}

}  // namespace otto::shunya_orchestrator
