#include "trim.hpp"

#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::rt {
namespace {

const tel::Counters kTrimmed{"otto_trimmed_rows_total", "Rows that were deleted because of their age.", {"table"}};

}  // namespace

void trim(pg::Connection& db, const std::vector<Trim>& trims, const StopSignal& stop) {
    for (const auto& t : trims) {
        const std::string name = "rt.trim." + t.table + "." + std::to_string(&t - trims.data());  // a table may have several
        const std::string text = "DELETE FROM " + t.table + " WHERE ctid = ANY (ARRAY(SELECT ctid FROM " + t.table + " WHERE " +
                                 t.column + " < now() - $1::bigint * interval '1 millisecond'" +
                                 (t.only.empty() ? "" : " AND (" + t.only + ")") + " LIMIT " + std::to_string(kTrimmedAtOnce) +
                                 "))";
        auto trimmed = kTrimmed({t.table});
        try {
            for (std::int64_t n = kTrimmedAtOnce; n == kTrimmedAtOnce && !stop.stopping();) {
                auto tx = db.begin(pg::Scope::none());
                n = tx.write_counted({name, text}, {t.age.count()});
                tx.commit();
                trimmed.inc(static_cast<double>(n));
            }
        } catch (const pg::SqlFailure& e) {
            if (e.kind() == pg::FailureClass::transient) throw;
            tel::error("old rows of a table could not be deleted", {{"table", t.table}, {"why", e.what()}});
        }
    }
}

}  // namespace otto::rt
