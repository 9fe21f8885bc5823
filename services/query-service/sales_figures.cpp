#include "sales_figures.hpp"

#include "base/text.hpp"
#include "measures.hpp"
#include "query-service/sql.hpp"
#include "roles.hpp"

namespace otto::query_service {

using api::Context;

void SalesFigures::routes(api::Api& api) const {
    api.get("/api/v1/metrics/sales/rep/overview/self", kSales, *this, &SalesFigures::rep_self);
    api.get("/api/v1/metrics/sales/rep/{rep_id}", kSales, *this, &SalesFigures::rep);
    api.get("/api/v1/metrics/sales/team", kBosses, *this, &SalesFigures::team);
}

http::Response SalesFigures::figures_of(Context& c, const std::string& rep) const {
    api::Asked asked(c.request, {"date_from", "date_to"}, api::Asked::Paged::no);
    auto window = Window::of(c, asked);
    auto& tx = c.tx();
    auto own = Rep::together(Rep::of(c, window, rep));
    auto tasks = tx.one<FollowUps>(sql::follow_ups_of_rep, {c.company(), rep});
    JsonWriter w;
    w.begin_object().member("rep_id", rep);
    write_counts(w, own);
    write_rate(w, "win_rate", own.won_of_completed, own.completed);
    write_nulls(w,
                {"avg_objections_per_appointment", "avg_compliance_score", "avg_meeting_structure_score", "avg_sentiment_score"});
    w.member("open_followups", tasks.open).member("overdue_followups", tasks.overdue);
    write_nulls(w, {"first_touch_win_rate", "followup_win_rate"});
    w.member("auto_usage_hours", 0);
    write_rate(w, "attendance_rate", own.attended, own.attended + own.no_show);
    write_nulls(w, {"followup_rate"});
    w.member("pending_followups_count", tasks.open);
    window.write(w, own.total == 0 ? why_no_visits(c, window, rep) : std::nullopt);
    return c.ok(w.end_object().take());
}

http::Response SalesFigures::rep(Context& c) const {
    std::string rep(c.request.param("rep_id"));
    auto viewer = c.viewer();
    if (viewer.rep && rep != viewer.user) api::not_found("rep");
    if (rep.empty() || rep.size() > 200 || rep.find('\0') != std::string::npos || !valid_utf8(rep)) api::not_found("rep");
    if (!viewer.rep && !c.tx().maybe<Number>(sql::known_rep, {c.company(), rep})) api::not_found("rep");
    return figures_of(c, rep);
}

http::Response SalesFigures::team(Context& c) const {
    api::Asked asked(c.request, {"date_from", "date_to"}, api::Asked::Paged::no);
    auto window = Window::of(c, asked);
    auto reps = Rep::of(c, window);
    auto all = Rep::together(reps);
    JsonWriter w;
    w.begin_object();
    write_counts(w, all);
    write_rate(w, "team_win_rate", all.won_of_completed, all.completed);
    write_nulls(w,
                {"avg_objections_per_appointment", "avg_compliance_score", "avg_meeting_structure_score", "avg_sentiment_score"});
    w.key("reps").begin_array();
    for (const auto& r : reps) {
        if (!r.rep) continue;  // appointments that nobody was given count for the team
        w.begin_object().member("rep_id", r.rep).member("rep_name", r.name);
        write_counts(w, r);
        write_rate(w, "win_rate", r.won_of_completed, r.completed);
        write_nulls(w, {"avg_compliance_score", "auto_usage_rate"});
        w.end_object();
    }
    w.end_array();
    window.write(w, all.total == 0 ? why_no_visits(c, window) : std::nullopt);
    return c.ok(w.end_object().take());
}

http::Response SalesFigures::rep_self(Context& c) const { return figures_of(c, c.who.user.value()); }

}  // namespace otto::query_service
