#include "days.hpp"

#include "api/refusal.hpp"
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

Days Days::of(api::Context& c, const api::Asked& asked) {
    const auto date = asked.date("date"), from = asked.date("date_from"), to = asked.date("date_to");
    if (date && (from || to)) api::refuse_field("date", "does not go with date_from and date_to; use one of them");
    return date ? of(c, date, date) : of(c, from, to);
}

}  // namespace otto::query_service
