#pragma once
#include <span>
#include <string_view>

#include "base/result.hpp"
#include "pg/connection.hpp"

namespace otto::pg {

/// One forward-only step: "20261121000001", "companies", its SQL. Generated from the migrations/ folders of services and libs.
struct Migration {
    std::string_view version, name, sql;
};

/// Applies what is missing in order of version, each in its own transaction, under an advisory lock; ANALYZE at the end. Refuses
/// a changed or unknown applied version by name. Returns how many ran. The role must own the schema.
Result<int> migrate(Connection&, std::span<const Migration>);

/// The gate of a service's start: an error that names the missing version and the command if the database is behind `required`.
Result<void> require_schema(Connection&, std::string_view required);

}  // namespace otto::pg
