#pragma once
#include "identity/api.hpp"
#include "page.hpp"

namespace otto::query_service {

/// Every read of the dashboards. A rep sees own leads and what hangs on them.
class Reads {
public:
    Reads();
    http::Response calls(identity::Context&) const;
    http::Response call(identity::Context&) const;
    http::Response call_timeline(identity::Context&) const;
    http::Response leads(identity::Context&) const;
    http::Response lead(identity::Context&) const;
    http::Response contacts(identity::Context&) const;
    http::Response contact(identity::Context&) const;
    http::Response company(identity::Context&) const;
    http::Response numbers(identity::Context&) const;
    http::Response csr_overview(identity::Context&) const;
    http::Response csr_overview_self(identity::Context&) const;
    /// For the test that prepares each.
    std::vector<pg::Query> list_queries() const;
    /// What `GET /api/v1/calls?limit=…` runs, for whoever wants to run just that; its query lives as long as this.
    Statement newest_calls(const CompanyId&, std::int64_t limit) const;

private:
    http::Response overview(identity::Context&, bool self) const;
    ListQueries calls_, leads_, contacts_;
    mutable LongLists long_lists_;
};

}  // namespace otto::query_service
