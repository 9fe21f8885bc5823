#pragma once
#include "api/api.hpp"

namespace otto::query_service {

/// Who asks, with what every page of the dashboards needs to begin; and whom one works with, by name. For every role: the company
/// itself and its list of users are its managers'.
class People {
public:
    void routes(api::Api&) const;
    http::Response me(api::Context&) const;
    /// All at once: they are some hundreds at the most, and a name is looked up for any id.
    http::Response list(api::Context&) const;
};

}  // namespace otto::query_service
