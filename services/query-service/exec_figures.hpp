#pragma once
#include "api/api.hpp"

namespace otto::query_service {

/// The company as a whole. (measures.hpp says what figures are.)
class ExecFigures {
public:
    void routes(api::Api&) const;
    http::Response csr(api::Context&) const;
    http::Response sales(api::Context&) const;
    http::Response company(api::Context&) const;
};

}  // namespace otto::query_service
