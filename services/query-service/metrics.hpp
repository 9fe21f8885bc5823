#pragma once
#include <optional>
#include <string>
#include <vector>

#include "identity/api.hpp"
#include "page.hpp"

namespace otto::query_service {

/// The dashboards' figures, of a window of days in the company's zone, the last 30 by default. Each is computed from stored rows, nothing is inferred, and a list with the same dates holds
/// as many: calls by when they started (inbound ones), appointments by when they are planned, leads by when they were made. What only visits can tell is null, or zero for hours and counts.
/// Rates are null where there is nothing to divide by. Source: http-api.md (definitions), providers.md §6.9 (fields).
class Metrics {
public:
    Metrics();
    http::Response csr_overview(identity::Context&) const;
    http::Response csr_overview_self(identity::Context&) const;
    http::Response booking_trend(identity::Context&) const;
    http::Response booking_trend_self(identity::Context&) const;
    http::Response top_objections(identity::Context&) const;
    http::Response unbooked_calls(identity::Context&) const;
    http::Response missed_call_recovery(identity::Context&) const;
    http::Response rep(identity::Context&) const;
    http::Response rep_self(identity::Context&) const;
    http::Response sales_team(identity::Context&) const;
    http::Response exec_csr(identity::Context&) const;
    http::Response exec_sales(identity::Context&) const;
    http::Response company_overview(identity::Context&) const;
    /// For the test that prepares each.
    std::vector<pg::Query> list_queries() const { return unbooked_.all(); }

private:
    http::Response overview(identity::Context&, bool self) const;
    http::Response trend(identity::Context&, bool self) const;
    http::Response rep_figures(identity::Context&, const std::string& rep) const;
    ListQueries unbooked_;
    mutable LongLists long_lists_;
};

}  // namespace otto::query_service
