#pragma once
#include <initializer_list>
#include <string_view>

#include "base/json.hpp"
#include "pg/query.hpp"

/// A row's columns as JSON, each under its own name.
namespace otto::pg {

/// Postgres's time as RFC 3339; null for none and for infinity.
void time_value(JsonWriter&, const Fields&, std::string_view column);
void times(JsonWriter&, const Fields&, std::initializer_list<std::string_view> columns);
/// Columns of text, uuids and enumerations; null for null.
void texts(JsonWriter&, const Fields&, std::initializer_list<std::string_view> columns);
/// A number with its fraction, null for none.
void number_value(JsonWriter&, const Fields&, std::string_view column);
/// A jsonb column as it is; `fallback` for none.
void json_value(JsonWriter&, const Fields&, std::string_view column, std::string_view fallback = "null");

}  // namespace otto::pg
