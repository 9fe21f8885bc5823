#include "exec_figures.hpp"

#include "measures.hpp"
#include "query-service/sql.hpp"
#include "roles.hpp"

namespace otto::query_service {

using api::Context;
using pg::Fields;

void ExecFigures::routes(api::Api& api) const {
    for (std::string end : {"", "/overview"}) {
        api.get("/api/v1/metrics/exec/csr" + end, kBosses, *this, &ExecFigures::csr);
        api.get("/api/v1/metrics/exec/sales" + end, kBosses, *this, &ExecFigures::sales);
    }
    api.get("/api/v1/metrics/exec/company-overview", kBosses, *this, &ExecFigures::company);
}

http::Response ExecFigures::csr(Context& c) const {
    api::Asked asked(c.request, {"date_from", "date_to"}, api::Asked::Paged::no);
    auto window = Window::of(c, asked);
    auto calls = CallFigures::of(c, window);
    auto tasks = c.tx().one<FollowUps>(sql::follow_ups, {c.company(), nullptr, nullptr});
    JsonWriter w;
    w.begin_object().member("total_calls", calls.total).member("qualified_calls", calls.qualified);
    write_rate(w, "qualified_rate", calls.qualified, calls.total);
    w.member("booked_calls", calls.booked);
    write_rate(w, "booking_rate", calls.booked, calls.qualified);
    write_rate(w, "avg_objections_per_call", calls.objections, calls.analysed);
    w.member("avg_compliance_score", calls.compliance)
        .member("avg_sentiment_score", calls.sentiment)
        .member("open_followups", tasks.open)
        .member("overdue_followups", tasks.overdue);
    window.write(w, calls.analysed == 0 ? why_no_calls(c, window, Needs::analyses) : std::nullopt);
    return c.ok(w.end_object().take());
}

http::Response ExecFigures::sales(Context& c) const {
    api::Asked asked(c.request, {"date_from", "date_to"}, api::Asked::Paged::no);
    auto window = Window::of(c, asked);
    auto all = Rep::together(Rep::of(c, window));
    JsonWriter w;
    w.begin_object();
    write_counts(w, all);
    write_rate(w, "team_win_rate", all.won_of_completed, all.completed);
    write_nulls(w,
                {"avg_objections_per_appointment", "avg_compliance_score", "avg_meeting_structure_score", "avg_sentiment_score"});
    window.write(w, all.total == 0 ? why_no_visits(c, window) : std::nullopt);
    return c.ok(w.end_object().take());
}

http::Response ExecFigures::company(Context& c) const {
    api::Asked asked(c.request, {"date_from", "date_to"}, api::Asked::Paged::no);
    auto window = Window::of(c, asked);
    auto& tx = c.tx();
    auto reps = Rep::of(c, window);
    auto all = Rep::together(reps);
    struct Leads {
        std::int64_t total, qualified, sold;
        static Leads from(const Fields& f) { return {f.integer("total"), f.integer("qualified"), f.integer("sold")}; }
    };
    auto leads = tx.one<Leads>(sql::leads_of_window, window.params(c));
    struct Owner {
        std::string id;
        std::optional<std::string> name;
        double rate;
        static Owner from(const Fields& f) { return {f.text("owner_id"), f.maybe_text("name"), f.number("rate")}; }
    };
    auto csr = tx.maybe<Owner>(sql::least_booking_owner, window.params(c));
    const Rep* worst = nullptr;  // the least win rate; of equals who has more to show for it
    for (const auto& r : reps)
        if (r.rep && r.completed > 0 &&
            (!worst || std::pair(r.won_of_completed * worst->completed, worst->completed) <
                           std::pair(worst->won_of_completed * r.completed, r.completed)))
            worst = &r;
    JsonWriter w;
    w.begin_object()
        .member("total_leads", leads.total)
        .member("qualified_leads", leads.qualified)
        .member("total_appointments", all.total)
        .member("total_closed_deals", all.won);
    write_rate(w, "lead_to_sale_ratio", leads.sold, leads.total);
    write_rate(w, "close_rate", all.won, all.total);
    w.member("sales_output_amount", all.sold_cents);
    write_rate(w, "win_rate", all.won_of_completed, all.completed);
    write_rate(w, "pending_rate", all.pending, all.total);
    write_rate(w, "lost_rate", all.lost, all.total);
    w.key("win_loss_attribution").begin_object();
    for (std::string what : {"pending_from_", "lost_from_"})
        for (const char* where : {"csr_initial_call", "csr_followup", "sales_followup", "sales_appointment"})
            w.key(what + where).null();
    w.end_object().key("who_dropping_ball").begin_object();
    w.member("worst_csr_id", csr ? std::optional(csr->id) : std::nullopt)
        .member("worst_csr_name", csr ? csr->name : std::nullopt)
        .member("worst_csr_booking_rate", csr ? std::optional(csr->rate) : std::nullopt);
    w.member("worst_rep_id", worst ? worst->rep : std::nullopt).member("worst_rep_name", worst ? worst->name : std::nullopt);
    write_rate(w, "worst_rep_win_rate", worst ? worst->won_of_completed : 0, worst ? worst->completed : 0);
    w.end_object();
    window.write(w, leads.total == 0 ? why_no_calls(c, window, Needs::calls)
                    : all.total == 0 ? why_no_visits(c, window)
                                     : std::nullopt);
    return c.ok(w.end_object().take());
}

}  // namespace otto::query_service
