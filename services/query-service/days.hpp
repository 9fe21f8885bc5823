#pragma once
#include <optional>
#include <string>

#include "api/asked.hpp"
#include "api/context.hpp"

namespace otto::query_service {

/// The moments at which days begin and end where the company is; of a day that is not given there is none.
struct Days {
    std::optional<Instant> since, till;
    static Days of(api::Context&, const std::optional<std::string>& from, const std::optional<std::string>& to);
    /// `date_from` and `date_to` as they are asked for, or `date`, which is both.
    static Days of(api::Context&, const api::Asked&);
};

}  // namespace otto::query_service
