#pragma once
#include <chrono>
#include <functional>
#include <mutex>
#include <string>

#include "base/result.hpp"
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

/// What a service's jobs heard of Postgres last. They ask it all the time, so that nobody needs a session of his own to know.
class Heard {
public:
    void answered();
    void failed(const std::exception&);  ///< what says nothing of Postgres is not minded
    Result<void> known() const;

private:
    mutable std::mutex lock_;
    std::chrono::steady_clock::time_point answered_{};
    std::string why_ = "it has not been asked yet";
};

/// Until the process stops. Whoever has the job's advisory lock runs it; what it reports goes when the session does, for another
/// process may have the lock then.
void run_job(const pg::Login&, const std::string& service, const Job&, StopSignal&, Heard&);

}  // namespace otto::rt
