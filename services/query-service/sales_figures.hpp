#pragma once
#include "api/api.hpp"

namespace otto::query_service {

/// What becomes of appointments, by rep. (measures.hpp says what figures are.)
class SalesFigures {
public:
    void routes(api::Api&) const;
    http::Response rep(api::Context&) const;
    http::Response rep_self(api::Context&) const;
    http::Response team(api::Context&) const;

private:
    http::Response figures_of(api::Context&, const std::string& rep) const;
};

}  // namespace otto::query_service
