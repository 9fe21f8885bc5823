#include "days.hpp"

#include "query-service/sql.hpp"

namespace otto::query_service {

Days Days::of(api::Context& c, const std::optional<std::string>& from, const std::optional<std::string>& to) {
    Days days;
    if (from || to)
        c.tx().each(sql::moments_of_days, {c.company(), from, to}, [&](const pg::Fields& f) {
            days.since = f.time("since");
            days.till = f.time("till");
        });
    return days;
}

}  // namespace otto::query_service
