#pragma once
#include "api/api.hpp"
#include "api/list.hpp"
#include "query-service/sql.hpp"

namespace otto::query_service {

/// How calls are answered and booked. `_self`: of the csr who asks, and of what nobody owns. (measures.hpp says what figures
/// are.)
class CsrFigures {
public:
    void routes(api::Api&) const;
    http::Response overview(api::Context&) const;
    http::Response overview_self(api::Context&) const;
    http::Response booking_trend(api::Context&) const;
    http::Response booking_trend_self(api::Context&) const;
    http::Response top_objections(api::Context&) const;
    http::Response unbooked_calls(api::Context&) const;
    http::Response missed_call_recovery(api::Context&) const;

private:
    http::Response overview_of(api::Context&, bool self) const;
    http::Response trend_of(api::Context&, bool self) const;
    api::List<sql::lists::Unbooked> unbooked_;
};

}  // namespace otto::query_service
