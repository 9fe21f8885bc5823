#include "jobs.hpp"

#include <algorithm>

#include "base/backoff.hpp"
#include "tables.hpp"
#include "telemetry/log.hpp"

namespace otto::rt {

namespace {
constexpr std::chrono::seconds kSilent{15};  // a job looks every second or two
}

void Heard::answered() {
    std::lock_guard guard(lock_);
    answered_ = std::chrono::steady_clock::now();
    why_.clear();
}

void Heard::failed(const std::exception& e) {
    const auto* sql = dynamic_cast<const pg::SqlFailure*>(&e);
    if (!sql || sql->kind() != pg::FailureClass::transient) return;
    std::lock_guard guard(lock_);
    why_ = sql->what();
}

Result<void> Heard::known() const {
    std::lock_guard guard(lock_);
    if (!why_.empty()) return Error(why_, "is Postgres running, and does OTTO_PG_URL name it?");
    auto silent = std::chrono::steady_clock::now() - answered_;
    if (silent < kSilent) return {};
    return Error("it has given no answer for " +
                 std::to_string(std::chrono::duration_cast<std::chrono::seconds>(silent).count()) + " s");
}

void run_job(const pg::Login& login, const std::string& service, const Job& job, StopSignal& stop, Heard& postgres) {
    pg::Connection db(login, service + "-" + job.name);
    Backoff pause{Millis{100}, Millis{2'000}, 2, 0.2};
    tel::Shares gauges;
    bool mine = false;
    int failures = 0;
    while (!stop.stopping()) {
        try {
            if (!mine) {
                auto tx = db.begin(pg::Scope::none());
                tx.each(sql::try_lock, {service + "/" + job.name}, [&](const pg::Fields& f) { mine = f.boolean("got"); });
                tx.commit();
                postgres.answered();
                if (!mine) {  // another process does it
                    stop.wait(std::min(job.period, Millis{2'000}));
                    continue;
                }
                if (!job.wake_on.empty()) db.execute("LISTEN " + job.wake_on);
            }
            job.run(db, gauges);
            postgres.answered();
            failures = 0;
            auto end = std::chrono::steady_clock::now() + job.period;
            while (!stop.stopping()) {
                auto left = std::chrono::duration_cast<Millis>(end - std::chrono::steady_clock::now());
                if (left <= Millis{0}) break;
                if (job.wake_on.empty()) {
                    stop.wait(left);
                } else if (db.wait_notification(std::min(left, Millis{200}))) {
                    break;
                }
            }
        } catch (const std::exception& e) {
            tel::warn("a periodic job failed and runs again", {{"job", job.name}, {"why", e.what()}});
            postgres.failed(e);
            db.close();  // and with the session the lock: another process may take it
            gauges.clear();
            mine = false;
            stop.wait(pause.pause(std::min(failures++, 8)));
        }
    }
}

}  // namespace otto::rt
