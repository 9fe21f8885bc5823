#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/asked.hpp"
#include "base/time.hpp"
#include "pg/list_text.hpp"

namespace otto::api {

/// Which page of a list: limit, offset or cursor, and order. A cursor remembers the order it was made for.
struct Page {
    std::int64_t limit = 50, offset = 0;
    std::string sort;
    bool descending = true;
    std::optional<Instant> after;
    std::string after_id;

    /// The page that is asked for: 422 for what the list does not take, and for a cursor that it did not give.
    static Page of(const Asked&, const pg::ListText&);
    /// The first one, newest rows first.
    static Page newest(std::string_view sort, std::int64_t limit = 200);
    std::string cursor(Instant at, const std::string& id) const;
};

}  // namespace otto::api
