#pragma once
#include <functional>
#include <string>

#include "base/ids.hpp"
#include "base/time.hpp"
#include "runtime/work_queue.hpp"

namespace otto::company_service {

/// Companies whose numbers at CallRail and at Twilio, and whose members at Clerk, are read again (runtime/work_queue.hpp). SQL
/// asks for a look with check_company().
inline constexpr std::string_view kNumberChecks = "company-service/callrail-numbers",
                                  kTwilioNumberChecks = "company-service/twilio-numbers",
                                  kMemberChecks = "company-service/members";

/// How a look at the outside ended: "" = well, else why it is to be tried again soon.
struct CheckResult {
    std::string again;
};

/// One kind of look at the outside, at each company every so often; what failed is due again after pauses that double.
class Checks {
public:
    using Check = std::function<CheckResult(const CompanyId&)>;
    Checks(Millis every, Check check) : every_(every), check_(std::move(check)) {}
    std::optional<Instant> next(rt::Lease&) const;

private:
    Millis every_;
    Check check_;
};

}  // namespace otto::company_service
