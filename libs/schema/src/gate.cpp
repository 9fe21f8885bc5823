#include "schema/gate.hpp"

#include <algorithm>
#include <thread>

#include "base/backoff.hpp"
#include "pg/connection.hpp"
#include "schema/schema.hpp"
#include "telemetry/log.hpp"

namespace otto::schema {

void require_latest(const Secret& pg_url, const std::string& service) {
    pg::Connection db(pg_url, service + "-start");
    Backoff pause{Millis{200}, Millis{2'000}, 2, 0.2};
    for (int n = 0;; ++n) {
        try {
            pg::require_schema(db, latest()).value();
            return;
        } catch (const pg::SqlFailure& e) {
            if (n >= 30) throw;
            tel::warn("the start waits for the database", {{"why", e.what()}});
            db.close();
            std::this_thread::sleep_for(pause.pause(std::min(n, 6)));
        }
    }
}

}  // namespace otto::schema
