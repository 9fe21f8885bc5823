#include "checks.hpp"

#include <algorithm>
#include <vector>

#include "company-service/sql.hpp"
#include "telemetry/log.hpp"

namespace otto::company_service {
namespace {

struct Due {
    CompanyId company;
    Instant due_at;
    std::int64_t failures;
    static Due from(const pg::Fields& f) { return {CompanyId{f.text("company_id")}, *f.time("due_at"), f.integer("failures")}; }
};

constexpr Millis kFirstPause{30'000};

}  // namespace

/// A company over which a look fails, whatever it is, is looked at again later like one whose provider does not answer: it must not hold up those that are due after it.
CheckResult Checks::look(pg::Connection& db, const CompanyId& company) const {
    try {
        return check_(db, company);
    } catch (const pg::SqlFailure& e) {
        if (e.kind() != pg::FailureClass::data && !e.perhaps_its_own()) throw;
        return {e.what()};
    } catch (const std::exception& e) {
        return {e.what()};
    }
}

void Checks::run(pg::Connection& db) const {
    std::vector<Due> due;
    {
        auto tx = db.begin(pg::Scope::none());
        due = tx.many<Due>(sql::due_checks, {what_});
        tx.commit();
    }
    for (const auto& one : due) {
        if (stop_) return;
        auto result = look(db, one.company);
        auto pause = every_;
        if (!result.again.empty()) {
            pause = std::min(every_, kFirstPause * (std::int64_t{1} << std::min<std::int64_t>(one.failures, 10)));
            tel::warn("a look at the outside failed and is tried again", {{"what", what_}, {"company_id", one.company.value()}, {"why", result.again}});
        }
        auto tx = db.begin(pg::Scope::none());
        // Unless it was asked for anew meanwhile.
        tx.write(sql::checked, {one.company, what_, one.due_at, system_clock().now() + pause, result.again.empty() ? 0 : one.failures + 1});
        tx.commit();
    }
}

}  // namespace otto::company_service
