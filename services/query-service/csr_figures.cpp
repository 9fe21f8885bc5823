#include "csr_figures.hpp"

#include <functional>
#include <map>

#include "api/resources.hpp"
#include "days.hpp"
#include "measures.hpp"
#include "pg/json.hpp"
#include "roles.hpp"
#include "words.hpp"

namespace otto::query_service {

using api::Context;
using pg::Fields;

void CsrFigures::routes(api::Api& api) const {
    const std::string path = "/api/v1/metrics/csr/";
    api.get(path + "overview", kOffice, *this, &CsrFigures::overview);
    api.get(path + "overview/self", kOffice, *this, &CsrFigures::overview_self);
    api.get(path + "booking-trend", kOffice, *this, &CsrFigures::booking_trend);
    api.get(path + "booking-trend/self", kOffice, *this, &CsrFigures::booking_trend_self);
    api.get(path + "objections/top", kOffice, *this, &CsrFigures::top_objections);
    api.get(path + "unbooked-appointments", kOffice, *this, &CsrFigures::unbooked_calls);
    api.get(path + "missed-call-recovery", kOffice, *this, &CsrFigures::missed_call_recovery);
}

http::Response CsrFigures::overview(Context& c) const { return overview_of(c, false); }
http::Response CsrFigures::overview_self(Context& c) const { return overview_of(c, true); }
http::Response CsrFigures::booking_trend(Context& c) const { return trend_of(c, false); }
http::Response CsrFigures::booking_trend_self(Context& c) const { return trend_of(c, true); }

http::Response CsrFigures::overview_of(Context& c, bool self) const {
    api::Asked asked(c.request, {"date_from", "date_to"}, api::Asked::Paged::no);
    auto window = Window::of(c, asked);
    auto& tx = c.tx();
    pg::Param own = self ? pg::Param(c.who.user) : pg::Param(nullptr);
    auto calls = CallFigures::of(c, window, own);
    auto tasks = tx.one<FollowUps>(sql::follow_ups, {c.company(), "csr", own});
    auto pending = tx.one<Number>(sql::pending_leads_count, {c.company()}).n;
    JsonWriter w;
    w.begin_object()
        .member("total_calls", calls.total)
        .member("answered_calls", calls.answered)
        .member("missed_calls", calls.missed);
    w.member("analysed_calls", calls.analysed).member("qualified_calls", calls.qualified);
    write_rate(w, "qualified_rate", calls.qualified, calls.total);
    w.member("booked_calls", calls.booked);
    write_rate(w, "booking_rate", calls.booked, calls.qualified);
    w.member("service_not_offered_calls", calls.not_offered);
    write_rate(w, "service_not_offered_rate", calls.not_offered, calls.qualified);
    write_rate(w, "avg_objections_per_qualified_call", calls.objections_of_qualified, calls.qualified);
    w.member("qualified_but_unbooked_calls", calls.unbooked).member("avg_compliance_score", calls.compliance);
    w.member("open_followups", tasks.open).member("overdue_followups", tasks.overdue);
    w.member("top_reason_for_missed_bookings", calls.top_reason).member("pending_leads_count", pending);
    if (self) w.member("top_missed_booking_reason", calls.top_reason);
    window.write(w, calls.analysed == 0 ? why_no_calls(c, window, Needs::analyses, own) : std::nullopt);
    return c.ok(w.end_object().take());
}

http::Response CsrFigures::trend_of(Context& c, bool self) const {
    api::Asked asked(c.request, {"date_from", "date_to", "granularity"}, api::Asked::Paged::no);
    auto by = asked.one_of("granularity", words::granularity).value_or("day");
    auto window = Window::of(c, asked);
    auto days = (*parse_time(window.until) - *parse_time(window.since)) / std::chrono::hours(24);
    if (by == "day" && days > 1'000)
        api::refuse_field("granularity", "day gives points of at most 1,000 days; take week or month");
    if (days > 40'000) api::refuse_field("date_from", "lies more than 40,000 days before date_to");
    auto& tx = c.tx();
    auto own = self ? pg::Param(c.who.user) : pg::Param(nullptr);
    auto each_period = [&](const std::string& unit, const std::function<void(const Fields&)>& write) {
        if (own.text())
            tx.each(sql::booking_trend, window.params(c, {own, unit}), write);
        else
            tx.each(sql::booking_trend_of_all, window.params(c, {unit}), write);
    };
    JsonWriter w;
    std::int64_t all_qualified = 0;
    w.begin_object().member("granularity", by);
    if (self) {
        w.key("summary").begin_object();
        each_period("all", [&](const Fields& f) {
            w.member("total_leads", f.integer("total_leads"))
                .member("total_qualified_leads", f.integer("qualified_leads"))
                .member("total_booked_calls", f.integer("booked_calls"));
            write_rate(w, "current_booking_rate", f.integer("booked_calls"), f.integer("qualified_calls"));
        });
        w.end_object();
    }
    w.key(self ? "booking_rate_trend" : "points").begin_array();
    each_period(by, [&](const Fields& f) {
        auto booked = f.integer("booked_calls"), qualified = f.integer("qualified_calls");
        all_qualified += qualified;
        w.begin_object();
        if (self) {
            w.key("timestamp");
            time_value(w, f, "at");
            write_rate(w, "value", booked, qualified);
        } else {
            w.member("period_start", f.text("day_from")).member("period_end", f.text("day_to"));
            write_rate(w, "booking_rate", booked, qualified);
            w.member("total_leads", f.integer("total_leads"))
                .member("qualified_leads", f.integer("qualified_leads"))
                .member("booked_appointments", booked);
            w.member("total_calls", f.integer("total_calls")).member("qualified_calls", qualified);
        }
        w.end_object();
    });
    w.end_array();
    window.write(w, all_qualified == 0 ? why_no_calls(c, window, Needs::analyses, own) : std::nullopt);
    return c.ok(w.end_object().take());
}

http::Response CsrFigures::top_objections(Context& c) const {
    api::Asked asked(c.request, {"date_from", "date_to", "limit"}, api::Asked::Paged::no);
    auto limit = asked.whole("limit", 5, 1, 200);
    auto window = Window::of(c, asked);
    std::int64_t considered = 0;
    JsonWriter w;
    w.begin_object().key("top_objections").begin_array();
    c.tx().each(sql::top_objections, window.params(c, {limit}), [&](const Fields& f) {
        considered = f.integer("considered");
        if (f.is_null("key")) return;
        auto times_raised = f.integer("occurrences");
        w.begin_object()
            .member("objection_key", f.view("key"))
            .member("label", f.view("label"))
            .member("occurrence_count", times_raised);
        write_rate(w, "occurrence_rate", f.integer("raised_in"), considered);
        w.end_object();
    });
    w.end_array().member("total_calls_considered", considered);
    window.write(w, considered == 0 ? why_no_calls(c, window, Needs::analyses) : std::nullopt);
    return c.ok(w.end_object().take());
}

http::Response CsrFigures::unbooked_calls(Context& c) const {
    api::Asked asked(c.request, sql::lists::Unbooked::asks);
    auto page = unbooked_.page_of(asked);
    auto window = Window::of(c, asked);
    auto days = Days::of(c, window.since, window.until);
    JsonWriter w;
    int shown = 0;
    w.begin_object();
    unbooked_.write(w, c, page, {.since = days.since, .till = days.till}, [&shown](JsonWriter& out, const Fields& f) {
        out.begin_object().member("call_id", f.integer("call_id"));
        texts(out, f, {"lead_id", "contact_card_id"});
        resources::customer_name(out.key("customer_name"), f);
        out.member("phone", f.view("contact_phone"));
        time_value(out.key("created_at"), f, "happened_at");
        out.member("qualification_status", f.view("lead_quality"));
        texts(out, f, {"booking_status", "owner_id"});
        out.member("primary_objection", f.view("objection")).end_object();
        ++shown;
    });
    window.write(w, shown == 0 ? why_no_calls(c, window, Needs::analyses) : std::nullopt);
    return c.ok(w.end_object().take());
}

http::Response CsrFigures::missed_call_recovery(Context& c) const {
    api::Asked asked(c.request, {"date_from", "date_to", "limit"}, api::Asked::Paged::no);
    auto limit = asked.whole("limit", 50, 1, 200);
    auto window = Window::of(c, asked);
    struct Kind {
        std::int64_t leads = 0, calls = 0;
        JsonWriter items;
    };
    std::map<std::string, Kind, std::less<>> kinds;
    for (auto state : {"booked", "pending", "dead"}) kinds[state].items.begin_array();
    c.tx().each(sql::missed_calls, window.params(c, {limit}), [&](const Fields& f) {
        auto& kind = kinds.at(f.text("state"));
        kind.leads = f.integer("all_leads");
        kind.calls = f.integer("all_calls");
        auto& w = kind.items.begin_object().member("lead_id", f.view("lead_id"));
        resources::customer_name(w.key("customer_name"), f);
        w.member("phone", f.view("contact_phone"))
            .member("status", f.view("state"))
            .member("pending_action", f.view("pending_action"));
        times(w, f, {"last_contacted_at", "missed_at"});
        w.member("missed_calls", f.integer("calls")).member("attempts_count", f.integer("attempts")).end_object();
    });
    JsonWriter w;
    auto missed = kinds["booked"].calls + kinds["pending"].calls + kinds["dead"].calls;
    w.begin_object()
        .key("metrics")
        .begin_object()
        .member("missed_calls_count", missed)
        .member("saved_calls_count", kinds["booked"].calls);
    w.member("saved_calls_via_auto_rescue_count", 0)
        .member("booked_leads_count", kinds["booked"].leads)
        .member("pending_leads_count", kinds["pending"].leads);
    w.member("dead_leads_count", kinds["dead"].leads).end_object();
    for (auto state : {"booked", "pending", "dead"})
        w.key(std::string(state) + "_leads").raw(kinds[state].items.end_array().take());
    window.write(w, missed == 0 ? why_no_calls(c, window, Needs::calls) : std::nullopt);
    return c.ok(w.end_object().take());
}

}  // namespace otto::query_service
