#pragma once
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/asked.hpp"
#include "api/context.hpp"
#include "pg/query.hpp"

/// What the figures of csrs, sales reps and executives are made of. Figures are of a window of days in the company's zone, the
/// last 30 by default. Each is computed from stored rows, nothing is inferred, and a list with the same dates holds as many:
/// calls by when they started (inbound ones), appointments by when they are planned, leads by when they were made. What only
/// visits can tell is null, or zero for hours and counts; rates are null where there is nothing to divide by. Source: http-api.md
/// (definitions), providers.md §6.9 (fields).
namespace otto::query_service {

/// The days that are asked for, both included.
struct Window {
    std::string timezone, since, until;
    static Window from(const pg::Fields& f) { return {f.text("timezone"), f.text("since"), f.text("until")}; }
    /// By date_from and date_to. From here on the transaction makes groups by hash.
    static Window of(api::Context&, const api::Asked&);
    /// Company, first day, last day, zone, and what else the statement takes.
    pg::Params params(api::Context&, std::initializer_list<pg::Param> more = {}) const;
    /// Members date_from, date_to and `note`: what one should know of the figures.
    void write(JsonWriter&, const std::optional<std::string>& note = std::nullopt) const;
};

/// Why a window shows nothing of calls (of an owner's and nobody's, or all), and what to do; nothing if there is no reason but
/// that there was nothing of the kind.
enum class Needs { calls, analyses };
std::optional<std::string> why_no_calls(api::Context&, const Window&, Needs, pg::Param own = nullptr);
/// The same of appointments, of a rep's or all.
std::optional<std::string> why_no_visits(api::Context&, const Window&, pg::Param rep = nullptr);

/// Inbound calls and what their analyses say.
struct CallFigures {
    std::int64_t total, missed, answered, analysed, qualified, booked, not_offered, unbooked, objections, objections_of_qualified;
    std::optional<double> compliance, sentiment;
    std::optional<std::string> top_reason;
    static CallFigures from(const pg::Fields&);
    /// Of an owner's calls and nobody's, or all.
    static CallFigures of(api::Context&, const Window&, const pg::Param& own = nullptr);
};

/// Tasks that are still to be done.
struct FollowUps {
    std::int64_t open, overdue;
    static FollowUps from(const pg::Fields& f) { return {f.integer("open"), f.integer("overdue")}; }
};

/// A rep's appointments of the window; `rep` is nullopt for those that nobody was given.
struct Rep {
    std::optional<std::string> rep, name;
    std::int64_t total = 0, completed = 0, attended = 0, won = 0, won_of_completed = 0, lost = 0, pending = 0, no_show = 0,
                 sold_cents = 0;
    static Rep from(const pg::Fields&);
    static Rep together(const std::vector<Rep>&);
    /// One rep, or all of the company.
    static std::vector<Rep> of(api::Context&, const Window&, pg::Param rep = nullptr);
};
void write_counts(JsonWriter&, const Rep&);

struct Number {
    std::int64_t n;
    static Number from(const pg::Fields& f) { return {f.integer("n")}; }
};

void write_rate(JsonWriter&, std::string_view name, std::int64_t part, std::int64_t whole);
/// What nobody can tell yet.
void write_nulls(JsonWriter&, std::initializer_list<std::string_view> names);

}  // namespace otto::query_service
