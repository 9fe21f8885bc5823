#pragma once
#include <optional>
#include <string>

#include "api/context.hpp"

namespace otto::query_service {

/// The moments at which days begin and end where the company is; of a day that is not given there is none.
struct Days {
    std::optional<Instant> since, till;
    static Days of(api::Context&, const std::optional<std::string>& from, const std::optional<std::string>& to);
};

}  // namespace otto::query_service
