#include "measures.hpp"

#include "query-service/sql.hpp"

namespace otto::query_service {
namespace {

using api::Context;
using pg::Fields;

/// Groups are made by hash and in memory: with sorting off, whatever the planner believes of how many rows there are.
constexpr pg::Query kByHash{"query_service.by_hash",
                            "SELECT set_config('enable_sort', 'off', true), set_config('work_mem', '64MB', true), "
                            "set_config('max_parallel_workers_per_gather', '0', true)"};

}  // namespace

Window Window::of(Context& c, const api::Asked& asked) {
    auto from = asked.date("date_from"), to = asked.date("date_to");
    if (from && to && *from > *to) api::refuse_field("date_from", "is after date_to");
    auto window = c.tx().maybe<Window>(sql::window, {c.company(), from, to});
    if (!window) {  // a company whose row is not here yet has no rows of any other kind either
        auto day = [&](int ago) { return to_rfc3339(c.request.received_at - std::chrono::hours(24 * ago)).substr(0, 10); };
        window = Window{"UTC", from.value_or(day(29)), to.value_or(day(0))};
    }
    if (window->since > window->until)
        api::refuse_field("date_from", "is after " + window->until + ", the last day that is counted");
    c.tx().write(kByHash);
    return *window;
}
pg::Params Window::params(Context& c, std::initializer_list<pg::Param> more) const {
    pg::Params all{c.company(), since, until, timezone};
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

void Window::write(JsonWriter& w, const std::optional<std::string>& note) const {
    w.member("date_from", since).member("date_to", until).member("note", note);
}

std::optional<std::string> why_no_calls(Context& c, const Window& window, Needs needs, pg::Param own) {
    struct AtAll {
        bool here, analysed;
        std::optional<std::string> oldest, newest;
        static AtAll from(const Fields& f) {
            return {f.boolean("here"), f.boolean("analysed"), f.maybe_text("oldest"), f.maybe_text("newest")};
        }
    };
    std::string whose = own.text() ? " of yours or of nobody's" : "";
    auto calls = c.tx().one<AtAll>(sql::calls_at_all, window.params(c, {std::move(own)}));
    if (!calls.newest)
        return "No inbound call" + whose +
               " has come yet. See that CallRail posts to the webhook URLs that POST /api/v1/onboarding/callrail/connect "
               "tells, " +
               "and that GET /api/v1/numbers lists the numbers that are called.";
    if (!calls.here)
        return "No inbound call" + whose + " started from " + window.since + " to " + window.until + "; there are calls from " +
               *calls.oldest + " to " + *calls.newest + ": ask with a date_from and a date_to that hold them.";
    if (needs == Needs::analyses && !calls.analysed)
        return "No call" + whose + " from " + window.since + " to " + window.until +
               " is analysed yet, so nothing is known of what they meant. analysis_state of GET /api/v1/calls/{call_id} says "
               "what each waits for.";
    return std::nullopt;
}
std::optional<std::string> why_no_visits(Context& c, const Window& window, pg::Param rep) {
    struct AtAll {
        bool here;
        std::int64_t without_time;
        std::optional<std::string> oldest, newest;
        static AtAll from(const Fields& f) {
            return {f.boolean("here"), f.integer("without_time"), f.maybe_text("oldest"), f.maybe_text("newest")};
        }
    };
    auto visits = c.tx().one<AtAll>(sql::visits_at_all, window.params(c, {std::move(rep)}));
    if (visits.here) return std::nullopt;
    auto timeless =
        visits.without_time == 0
            ? std::string()
            : " " + std::to_string(visits.without_time) +
                  " without a time (needs_time) count in no window: PATCH /api/v1/appointments/{appointment_id} gives them one.";
    if (!visits.newest)
        return "No appointment is planned yet: one is made when a call is booked, or by POST /api/v1/appointments." + timeless;
    return "No appointment is planned from " + window.since + " to " + window.until + "; there are some from " + *visits.oldest +
           " to " + *visits.newest + ": ask with a date_from and a date_to that hold them." + timeless;
}

CallFigures CallFigures::from(const Fields& f) {
    auto number = [&](std::string_view column) { return f.is_null(column) ? std::nullopt : std::optional(f.number(column)); };
    return {f.integer("total_calls"),
            f.integer("missed_calls"),
            f.integer("answered_calls"),
            f.integer("analysed_calls"),
            f.integer("qualified_calls"),
            f.integer("booked_calls"),
            f.integer("service_not_offered_calls"),
            f.integer("qualified_but_unbooked_calls"),
            f.integer("objections"),
            f.integer("objections_of_qualified"),
            number("avg_compliance_score"),
            number("avg_sentiment_score"),
            f.maybe_text("top_reason")};
}

CallFigures CallFigures::of(Context& c, const Window& window, const pg::Param& own) {
    if (own.text()) return c.tx().one<CallFigures>(sql::call_figures, window.params(c, {own}));
    return c.tx().one<CallFigures>(sql::call_figures_of_all, window.params(c));
}

Rep Rep::from(const Fields& f) {
    return {f.maybe_text("rep"),           f.maybe_text("name"),   f.integer("total"),
            f.integer("completed"),        f.integer("attended"),  f.integer("won"),
            f.integer("won_of_completed"), f.integer("lost"),      f.integer("pending"),
            f.integer("no_show"),          f.integer("sold_cents")};
}

std::vector<Rep> Rep::of(Context& c, const Window& window, pg::Param rep) {
    return c.tx().many<Rep>(sql::reps, window.params(c, {std::move(rep)}));
}

Rep Rep::together(const std::vector<Rep>& reps) {
    Rep all;
    for (const auto& r : reps)
        for (auto count : {&Rep::total, &Rep::completed, &Rep::attended, &Rep::won, &Rep::won_of_completed, &Rep::lost,
                           &Rep::pending, &Rep::no_show, &Rep::sold_cents})
            all.*count += r.*count;
    return all;
}

void write_counts(JsonWriter& w, const Rep& r) {
    w.member("total_appointments", r.total)
        .member("completed_appointments", r.completed)
        .member("won_appointments", r.won)
        .member("lost_appointments", r.lost);
    w.member("pending_appointments", r.pending);
}

void write_rate(JsonWriter& w, std::string_view name, std::int64_t part, std::int64_t whole) {
    w.key(name);
    if (whole == 0)
        w.null();
    else
        w.value(static_cast<double>(part) / static_cast<double>(whole));
}

void write_nulls(JsonWriter& w, std::initializer_list<std::string_view> names) {
    for (auto name : names) w.key(name).null();
}

}  // namespace otto::query_service
