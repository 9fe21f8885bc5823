#pragma once
#include <atomic>
#include <functional>
#include <string>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "pg/connection.hpp"

namespace otto::company_service {

/// How a look at the outside ended: "" = well, else why it is to be tried again soon.
struct CheckResult {
    std::string again;
};

/// One kind of look at the outside, for the companies that are due (company_checks), one after the other; what failed is due again after pauses that double. One process of the
/// deployment at a time, as a periodic job.
class Checks {
public:
    using Check = std::function<CheckResult(pg::Connection&, const CompanyId&)>;
    Checks(std::string what, Millis every, Check check) : what_(std::move(what)), every_(every), check_(std::move(check)) {}
    void run(pg::Connection&) const;
    /// The process ends: after the company that is under way.
    void stop() { stop_ = true; }

private:
    CheckResult look(pg::Connection&, const CompanyId&) const;
    std::string what_;
    Millis every_;
    Check check_;
    std::atomic<bool> stop_{false};
};

}  // namespace otto::company_service
