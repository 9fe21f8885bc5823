#include "jobs.hpp"

#include <algorithm>

#include "base/backoff.hpp"
#include "tables.hpp"
#include "telemetry/log.hpp"

namespace otto::rt {

void run_job(const Secret& url, const std::string& service, const Job& job, StopSignal& stop) {
    pg::Connection db(url, service + "-" + job.name);
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
                if (!mine) {  // another process does it
                    stop.wait(std::min(job.period, Millis{2'000}));
                    continue;
                }
                if (!job.wake_on.empty()) db.execute("LISTEN " + job.wake_on);
            }
            job.run(db, gauges);
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
            db.close();  // and with the session the lock: another process may take it
            gauges.clear();
            mine = false;
            stop.wait(pause.pause(std::min(failures++, 8)));
        }
    }
}

}  // namespace otto::rt
