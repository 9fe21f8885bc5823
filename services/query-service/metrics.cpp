#include "metrics.hpp"

#include <functional>
#include <map>
#include <utility>

#include "base/text.hpp"
#include "list.hpp"
#include "page.hpp"
#include "query-service/sql.hpp"
#include "pg/json.hpp"
#include "resources/rows.hpp"

namespace otto::query_service {
namespace {

using identity::Context;
using pg::Fields;

/// Groups are made by hash and in memory: with sorting off, whatever the planner believes of how many rows there are.
constexpr pg::Query kByHash{"query_service.by_hash", "SELECT set_config('enable_sort', 'off', true), set_config('work_mem', '64MB', true), set_config('max_parallel_workers_per_gather', '0', true)"};

/// The days that are asked for, both included.
struct Window {
    std::string timezone, since, until;
    static Window from(const Fields& f) { return {f.text("timezone"), f.text("since"), f.text("until")}; }

    static Window of(Context& c, const Asked& asked) {
        auto from = asked.date("date_from"), to = asked.date("date_to");
        if (from && to && *from > *to) identity::refuse_field("date_from", "is after date_to");
        auto window = c.tx().maybe<Window>(sql::window, {c.company(), from, to});
        if (!window) {  // a company whose row is not here yet has no rows of any other kind either
            auto day = [&](int ago) { return to_rfc3339(c.request.received_at - std::chrono::hours(24 * ago)).substr(0, 10); };
            window = Window{"UTC", from.value_or(day(29)), to.value_or(day(0))};
        }
        if (window->since > window->until) identity::refuse_field("date_from", "is after " + window->until + ", the last day that is counted");
        c.tx().write(kByHash);
        return *window;
    }
    pg::Params params(Context& c) const { return {c.company(), since, until, timezone}; }
    pg::Params params(Context& c, pg::Param more) const {
        auto all = params(c);
        all.push_back(std::move(more));
        return all;
    }
    /// `note`: what one should know of the figures.
    void write(JsonWriter& w, const std::optional<std::string>& note = std::nullopt) const { w.member("date_from", since).member("date_to", until).member("note", note); }
};

/// Why a window shows nothing of calls, and what to do; nothing if there is no reason but that there was nothing of the kind.
enum class Needs { calls, analyses };
std::optional<std::string> why_no_calls(Context& c, const Window& window, Needs needs, pg::Param own = nullptr) {
    struct AtAll {
        bool here, analysed;
        std::optional<std::string> oldest, newest;
        static AtAll from(const Fields& f) { return {f.boolean("here"), f.boolean("analysed"), f.maybe_text("oldest"), f.maybe_text("newest")}; }
    };
    std::string whose = own.text() ? " of yours or of nobody's" : "";
    auto calls = c.tx().one<AtAll>(sql::calls_at_all, window.params(c, std::move(own)));
    if (!calls.newest)
        return "No inbound call" + whose + " has come yet. See that CallRail posts to the webhook URLs that POST /api/v1/onboarding/callrail/connect tells, and that GET /api/v1/numbers lists the numbers that are called.";
    if (!calls.here)
        return "No inbound call" + whose + " started from " + window.since + " to " + window.until + "; there are calls from " + *calls.oldest + " to " + *calls.newest + ": ask with a date_from and a date_to that hold them.";
    if (needs == Needs::analyses && !calls.analysed)
        return "No call" + whose + " from " + window.since + " to " + window.until + " is analysed yet, so nothing is known of what they meant. analysis_state of GET /api/v1/calls/{call_id} says what each waits for.";
    return std::nullopt;
}
/// The same of appointments.
std::optional<std::string> why_no_visits(Context& c, const Window& window, pg::Param rep = nullptr) {
    struct AtAll {
        bool here;
        std::int64_t without_time;
        std::optional<std::string> oldest, newest;
        static AtAll from(const Fields& f) { return {f.boolean("here"), f.integer("without_time"), f.maybe_text("oldest"), f.maybe_text("newest")}; }
    };
    auto visits = c.tx().one<AtAll>(sql::visits_at_all, window.params(c, std::move(rep)));
    if (visits.here) return std::nullopt;
    auto timeless = visits.without_time == 0 ? std::string() : " " + std::to_string(visits.without_time) + " without a time (needs_time) count in no window: PATCH /api/v1/appointments/{appointment_id} gives them one.";
    if (!visits.newest) return "No appointment is planned yet: one is made when a call is booked, or by POST /api/v1/appointments." + timeless;
    return "No appointment is planned from " + window.since + " to " + window.until + "; there are some from " + *visits.oldest + " to " + *visits.newest + ": ask with a date_from and a date_to that hold them." + timeless;
}

/// A statement over calls of an owner ($5) and those that nobody owns. Over all calls it is a statement of its own, which does not ask each call whose it is.
class OfOwner {
public:
    explicit OfOwner(const pg::Query& own) : own_(own), cut_(cut(own.text, {true, true, true, true, true, false})), name_(std::string(own.name) + ".all"), all_{name_, cut_.text} {}
    OfOwner(const OfOwner&) = delete;

    Statement with(pg::Params asked) const {
        if (asked.at(4).text()) return {&own_, std::move(asked), false};
        Statement all{&all_, {}, false};
        for (auto n : cut_.used) all.params.push_back(asked[n - 1]);
        return all;
    }

private:
    const pg::Query& own_;
    Cut cut_;
    std::string name_;
    pg::Query all_;  // its name and text are the two above
};
const OfOwner kCallFigures(sql::call_figures), kBookingTrend(sql::booking_trend);

void rate(JsonWriter& w, std::string_view name, std::int64_t part, std::int64_t whole) {
    w.key(name);
    if (whole == 0) w.null();
    else w.value(static_cast<double>(part) / static_cast<double>(whole));
}
void nulls(JsonWriter& w, std::initializer_list<std::string_view> names) {
    for (auto name : names) w.key(name).null();
}

/// Inbound calls and what their analyses say.
struct CallFigures {
    std::int64_t total, missed, answered, analysed, qualified, booked, not_offered, unbooked, objections, objections_of_qualified;
    std::optional<double> compliance, sentiment;
    std::optional<std::string> top_reason;
    static CallFigures from(const Fields& f) {
        auto number = [&](std::string_view column) { return f.is_null(column) ? std::nullopt : std::optional(f.number(column)); };
        return {f.integer("total_calls"),   f.integer("missed_calls"), f.integer("answered_calls"),             f.integer("analysed_calls"), f.integer("qualified_calls"),
                f.integer("booked_calls"),  f.integer("service_not_offered_calls"), f.integer("qualified_but_unbooked_calls"), f.integer("objections"),     f.integer("objections_of_qualified"),
                number("avg_compliance_score"), number("avg_sentiment_score"), f.maybe_text("top_reason")};
    }
    static CallFigures of(Context& c, pg::Params asked) {
        auto s = kCallFigures.with(std::move(asked));
        return c.tx().one<CallFigures>(*s.query, std::move(s.params));
    }
};

struct FollowUps {
    std::int64_t open, overdue;
    static FollowUps from(const Fields& f) { return {f.integer("open"), f.integer("overdue")}; }
};

/// A rep's appointments of the window; `rep` is nullopt for those that nobody was given.
struct Rep {
    std::optional<std::string> rep, name;
    std::int64_t total = 0, completed = 0, attended = 0, won = 0, won_of_completed = 0, lost = 0, pending = 0, no_show = 0, sold_cents = 0;
    static Rep from(const Fields& f) {
        return {f.maybe_text("rep"), f.maybe_text("name"), f.integer("total"), f.integer("completed"), f.integer("attended"), f.integer("won"), f.integer("won_of_completed"), f.integer("lost"), f.integer("pending"), f.integer("no_show"), f.integer("sold_cents")};
    }
    void add(const Rep& other) {
        total += other.total;
        completed += other.completed;
        attended += other.attended;
        won += other.won;
        won_of_completed += other.won_of_completed;
        lost += other.lost;
        pending += other.pending;
        no_show += other.no_show;
        sold_cents += other.sold_cents;
    }
};
Rep together(const std::vector<Rep>& reps) {
    Rep all;
    for (const auto& r : reps) all.add(r);
    return all;
}
void appointment_counts(JsonWriter& w, const Rep& r) {
    w.member("total_appointments", r.total).member("completed_appointments", r.completed).member("won_appointments", r.won).member("lost_appointments", r.lost).member("pending_appointments", r.pending);
}

}  // namespace

Metrics::Metrics() : unbooked_(sql::unbooked_page, sql::unbooked_count, {{"started_at", "f.happened_at"}}) {}

http::Response Metrics::overview(Context& c, bool self) const {
    Asked asked(c.request, {"date_from", "date_to"}, Asked::Paged::no);
    auto window = Window::of(c, asked);
    auto& tx = c.tx();
    pg::Param own = self ? pg::Param(c.who.user) : pg::Param(nullptr);
    auto calls = CallFigures::of(c, window.params(c, own));
    auto tasks = tx.one<FollowUps>(sql::follow_ups, {c.company(), "csr", own});
    auto pending = tx.one<Number>(sql::pending_leads_count, {c.company()}).n;
    JsonWriter w;
    w.begin_object().member("total_calls", calls.total).member("answered_calls", calls.answered).member("missed_calls", calls.missed).member("analysed_calls", calls.analysed);
    w.member("qualified_calls", calls.qualified);
    rate(w, "qualified_rate", calls.qualified, calls.total);
    w.member("booked_calls", calls.booked);
    rate(w, "booking_rate", calls.booked, calls.qualified);
    w.member("service_not_offered_calls", calls.not_offered);
    rate(w, "service_not_offered_rate", calls.not_offered, calls.qualified);
    rate(w, "avg_objections_per_qualified_call", calls.objections_of_qualified, calls.qualified);
    w.member("qualified_but_unbooked_calls", calls.unbooked).member("avg_compliance_score", calls.compliance).member("open_followups", tasks.open).member("overdue_followups", tasks.overdue);
    w.member("top_reason_for_missed_bookings", calls.top_reason).member("pending_leads_count", pending);
    if (self) w.member("top_missed_booking_reason", calls.top_reason);
    window.write(w, calls.analysed == 0 ? why_no_calls(c, window, Needs::analyses, own) : std::nullopt);
    return c.ok(w.end_object().take());
}

http::Response Metrics::csr_overview(Context& c) const { return overview(c, false); }
http::Response Metrics::csr_overview_self(Context& c) const { return overview(c, true); }

http::Response Metrics::trend(Context& c, bool self) const {
    Asked asked(c.request, {"date_from", "date_to", "granularity"}, Asked::Paged::no);
    auto by = asked.one_of("granularity", {"day", "week", "month"}).value_or("day");
    auto window = Window::of(c, asked);
    auto days = (*parse_time(window.until) - *parse_time(window.since)) / std::chrono::hours(24);
    if (by == "day" && days > 1'000) identity::refuse_field("granularity", "day gives points of at most 1,000 days; take week or month");
    if (days > 40'000) identity::refuse_field("date_from", "lies more than 40,000 days before date_to");
    auto& tx = c.tx();
    auto own = self ? pg::Param(c.who.user) : pg::Param(nullptr);
    auto each_period = [&](const std::string& unit, const std::function<void(const Fields&)>& write) {
        auto all = window.params(c, own);
        all.push_back(unit);
        auto s = kBookingTrend.with(std::move(all));
        tx.each(*s.query, std::move(s.params), write);
    };
    JsonWriter w;
    std::int64_t all_qualified = 0;
    w.begin_object().member("granularity", by);
    if (self) {
        w.key("summary").begin_object();
        each_period("all", [&](const Fields& f) {
            w.member("total_leads", f.integer("total_leads")).member("total_qualified_leads", f.integer("qualified_leads")).member("total_booked_calls", f.integer("booked_calls"));
            rate(w, "current_booking_rate", f.integer("booked_calls"), f.integer("qualified_calls"));
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
            rate(w, "value", booked, qualified);
        } else {
            w.member("period_start", f.text("day_from")).member("period_end", f.text("day_to"));
            rate(w, "booking_rate", booked, qualified);
            w.member("total_leads", f.integer("total_leads")).member("qualified_leads", f.integer("qualified_leads")).member("booked_appointments", booked);
            w.member("total_calls", f.integer("total_calls")).member("qualified_calls", qualified);
        }
        w.end_object();
    });
    w.end_array();
    window.write(w, all_qualified == 0 ? why_no_calls(c, window, Needs::analyses, own) : std::nullopt);
    return c.ok(w.end_object().take());
}

http::Response Metrics::booking_trend(Context& c) const { return trend(c, false); }
http::Response Metrics::booking_trend_self(Context& c) const { return trend(c, true); }

http::Response Metrics::top_objections(Context& c) const {
    Asked asked(c.request, {"date_from", "date_to", "limit"}, Asked::Paged::no);
    auto limit = asked.whole("limit", 5, 1, 200);
    auto window = Window::of(c, asked);
    std::int64_t considered = 0;
    JsonWriter w;
    w.begin_object().key("top_objections").begin_array();
    c.tx().each(sql::top_objections, window.params(c, limit), [&](const Fields& f) {
        considered = f.integer("considered");
        if (f.is_null("key")) return;
        auto times_raised = f.integer("occurrences");
        w.begin_object().member("objection_key", f.view("key")).member("label", f.view("label")).member("occurrence_count", times_raised);
        rate(w, "occurrence_rate", f.integer("raised_in"), considered);
        w.end_object();
    });
    w.end_array().member("total_calls_considered", considered);
    window.write(w, considered == 0 ? why_no_calls(c, window, Needs::analyses) : std::nullopt);
    return c.ok(w.end_object().take());
}

http::Response Metrics::unbooked_calls(Context& c) const {
    Asked asked(c.request, {"date_from", "date_to"});
    auto page = Page::of(asked, {"started_at"}, Page::Ids::numbers);
    if (!asked.text("sort") && !asked.text("cursor")) page.sort = "started_at";
    auto window = Window::of(c, asked);
    auto days = days_of(c, window.since, window.until);
    JsonWriter w;
    int shown = 0;
    w.begin_object();
    write_list(w, c, page, unbooked_, long_lists_, "unbooked", {days.since, days.till}, "call_id", [&shown](JsonWriter& out, const Fields& f) {
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

http::Response Metrics::missed_call_recovery(Context& c) const {
    Asked asked(c.request, {"date_from", "date_to", "limit"}, Asked::Paged::no);
    auto limit = asked.whole("limit", 50, 1, 200);
    auto window = Window::of(c, asked);
    struct Kind {
        std::int64_t leads = 0, calls = 0;
        JsonWriter items;
    };
    std::map<std::string, Kind, std::less<>> kinds;
    for (auto state : {"booked", "pending", "dead"}) kinds[state].items.begin_array();
    c.tx().each(sql::missed_calls, window.params(c, limit), [&](const Fields& f) {
        auto& kind = kinds.at(f.text("state"));
        kind.leads = f.integer("all_leads");
        kind.calls = f.integer("all_calls");
        auto& w = kind.items.begin_object().member("lead_id", f.view("lead_id"));
        resources::customer_name(w.key("customer_name"), f);
        w.member("phone", f.view("contact_phone")).member("status", f.view("state")).member("pending_action", f.view("pending_action"));
        times(w, f, {"last_contacted_at", "missed_at"});
        w.member("missed_calls", f.integer("calls")).member("attempts_count", f.integer("attempts")).end_object();
    });
    JsonWriter w;
    w.begin_object().key("metrics").begin_object().member("missed_calls_count", kinds["booked"].calls + kinds["pending"].calls + kinds["dead"].calls).member("saved_calls_count", kinds["booked"].calls);
    w.member("saved_calls_via_auto_rescue_count", 0).member("booked_leads_count", kinds["booked"].leads).member("pending_leads_count", kinds["pending"].leads).member("dead_leads_count", kinds["dead"].leads);
    w.end_object();
    for (auto state : {"booked", "pending", "dead"}) w.key(std::string(state) + "_leads").raw(kinds[state].items.end_array().take());
    window.write(w, kinds["booked"].calls + kinds["pending"].calls + kinds["dead"].calls == 0 ? why_no_calls(c, window, Needs::calls) : std::nullopt);
    return c.ok(w.end_object().take());
}

http::Response Metrics::rep_figures(Context& c, const std::string& rep) const {
    Asked asked(c.request, {"date_from", "date_to"}, Asked::Paged::no);
    auto window = Window::of(c, asked);
    auto& tx = c.tx();
    auto own = together(tx.many<Rep>(sql::reps, window.params(c, rep)));
    auto tasks = tx.one<FollowUps>(sql::follow_ups_of_rep, {c.company(), rep});
    JsonWriter w;
    w.begin_object().member("rep_id", rep);
    appointment_counts(w, own);
    rate(w, "win_rate", own.won_of_completed, own.completed);
    nulls(w, {"avg_objections_per_appointment", "avg_compliance_score", "avg_meeting_structure_score", "avg_sentiment_score"});
    w.member("open_followups", tasks.open).member("overdue_followups", tasks.overdue);
    nulls(w, {"first_touch_win_rate", "followup_win_rate"});
    w.member("auto_usage_hours", 0);
    rate(w, "attendance_rate", own.attended, own.attended + own.no_show);
    nulls(w, {"followup_rate"});
    w.member("pending_followups_count", tasks.open);
    window.write(w, own.total == 0 ? why_no_visits(c, window, rep) : std::nullopt);
    return c.ok(w.end_object().take());
}

http::Response Metrics::rep(Context& c) const {
    std::string rep(c.request.param("rep_id"));
    auto viewer = Viewer::of(c);
    if (viewer.rep && rep != viewer.user) identity::not_found("rep");
    if (rep.empty() || rep.size() > 200 || rep.find('\0') != std::string::npos || !valid_utf8(rep)) identity::not_found("rep");
    if (!viewer.rep && !c.tx().maybe<Number>(sql::known_rep, {c.company(), rep})) identity::not_found("rep");
    return rep_figures(c, rep);
}

http::Response Metrics::rep_self(Context& c) const { return rep_figures(c, c.who.user.value()); }

http::Response Metrics::sales_team(Context& c) const {
    Asked asked(c.request, {"date_from", "date_to"}, Asked::Paged::no);
    auto window = Window::of(c, asked);
    auto reps = c.tx().many<Rep>(sql::reps, window.params(c, nullptr));
    auto all = together(reps);
    JsonWriter w;
    w.begin_object();
    appointment_counts(w, all);
    rate(w, "team_win_rate", all.won_of_completed, all.completed);
    nulls(w, {"avg_objections_per_appointment", "avg_compliance_score", "avg_meeting_structure_score", "avg_sentiment_score"});
    w.key("reps").begin_array();
    for (const auto& r : reps) {
        if (!r.rep) continue;  // appointments that nobody was given count for the team
        w.begin_object().member("rep_id", r.rep).member("rep_name", r.name);
        appointment_counts(w, r);
        rate(w, "win_rate", r.won_of_completed, r.completed);
        nulls(w, {"avg_compliance_score", "auto_usage_rate"});
        w.end_object();
    }
    w.end_array();
    window.write(w, all.total == 0 ? why_no_visits(c, window) : std::nullopt);
    return c.ok(w.end_object().take());
}

http::Response Metrics::exec_csr(Context& c) const {
    Asked asked(c.request, {"date_from", "date_to"}, Asked::Paged::no);
    auto window = Window::of(c, asked);
    auto calls = CallFigures::of(c, window.params(c, nullptr));
    auto tasks = c.tx().one<FollowUps>(sql::follow_ups, {c.company(), nullptr, nullptr});
    JsonWriter w;
    w.begin_object().member("total_calls", calls.total).member("qualified_calls", calls.qualified);
    rate(w, "qualified_rate", calls.qualified, calls.total);
    w.member("booked_calls", calls.booked);
    rate(w, "booking_rate", calls.booked, calls.qualified);
    rate(w, "avg_objections_per_call", calls.objections, calls.analysed);
    w.member("avg_compliance_score", calls.compliance).member("avg_sentiment_score", calls.sentiment).member("open_followups", tasks.open).member("overdue_followups", tasks.overdue);
    window.write(w, calls.analysed == 0 ? why_no_calls(c, window, Needs::analyses) : std::nullopt);
    return c.ok(w.end_object().take());
}

http::Response Metrics::exec_sales(Context& c) const {
    Asked asked(c.request, {"date_from", "date_to"}, Asked::Paged::no);
    auto window = Window::of(c, asked);
    auto all = together(c.tx().many<Rep>(sql::reps, window.params(c, nullptr)));
    JsonWriter w;
    w.begin_object();
    appointment_counts(w, all);
    rate(w, "team_win_rate", all.won_of_completed, all.completed);
    nulls(w, {"avg_objections_per_appointment", "avg_compliance_score", "avg_meeting_structure_score", "avg_sentiment_score"});
    window.write(w, all.total == 0 ? why_no_visits(c, window) : std::nullopt);
    return c.ok(w.end_object().take());
}

http::Response Metrics::company_overview(Context& c) const {
    Asked asked(c.request, {"date_from", "date_to"}, Asked::Paged::no);
    auto window = Window::of(c, asked);
    auto& tx = c.tx();
    auto reps = tx.many<Rep>(sql::reps, window.params(c, nullptr));
    auto all = together(reps);
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
        if (r.rep && r.completed > 0 && (!worst || std::pair(r.won_of_completed * worst->completed, worst->completed) < std::pair(worst->won_of_completed * r.completed, r.completed))) worst = &r;
    JsonWriter w;
    w.begin_object().member("total_leads", leads.total).member("qualified_leads", leads.qualified).member("total_appointments", all.total).member("total_closed_deals", all.won);
    rate(w, "lead_to_sale_ratio", leads.sold, leads.total);
    rate(w, "close_rate", all.won, all.total);
    w.member("sales_output_amount", all.sold_cents);
    rate(w, "win_rate", all.won_of_completed, all.completed);
    rate(w, "pending_rate", all.pending, all.total);
    rate(w, "lost_rate", all.lost, all.total);
    w.key("win_loss_attribution").begin_object();
    for (std::string what : {"pending_from_", "lost_from_"})
        for (const char* where : {"csr_initial_call", "csr_followup", "sales_followup", "sales_appointment"}) w.key(what + where).null();
    w.end_object().key("who_dropping_ball").begin_object();
    w.member("worst_csr_id", csr ? std::optional(csr->id) : std::nullopt).member("worst_csr_name", csr ? csr->name : std::nullopt).member("worst_csr_booking_rate", csr ? std::optional(csr->rate) : std::nullopt);
    w.member("worst_rep_id", worst ? worst->rep : std::nullopt).member("worst_rep_name", worst ? worst->name : std::nullopt);
    rate(w, "worst_rep_win_rate", worst ? worst->won_of_completed : 0, worst ? worst->completed : 0);
    w.end_object();
    window.write(w, leads.total == 0 ? why_no_calls(c, window, Needs::calls) : all.total == 0 ? why_no_visits(c, window) : std::nullopt);
    return c.ok(w.end_object().take());
}

}  // namespace otto::query_service
