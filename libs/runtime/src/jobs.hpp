#pragma once
#include <functional>
#include <string>

#include "lane.hpp"
#include "pg/connection.hpp"
#include "telemetry/metrics.hpp"

namespace otto::rt {

/// What a service does every now and then, in one process of the deployment at a time.
struct Job {
    std::string name;
    Millis period;
    std::function<void(pg::Connection&, tel::Shares&)> run;
    std::string wake_on;  ///< a channel whose notifications end the wait
};

/// Until the process stops. Whoever has the job's advisory lock runs it; what it reports goes when the session does, for another
/// process may have the lock then.
void run_job(const Secret& pg_url, const std::string& service, const Job&, StopSignal&);

}  // namespace otto::rt
