#pragma once
#include <map>
#include <optional>
#include <string>

#include "base/json.hpp"
#include "pg/query.hpp"

namespace otto::resources {

/// The newest word of a person on one field of an analysis; from field, value, user_id, created_at.
struct Correction {
    std::string field;
    std::optional<std::string> value;
    std::string user, at;
    static Correction from(const pg::Fields&);
};
using Corrections = std::map<std::string, Correction>;  ///< by field

/// An analysis as it counts: what a person corrected before what the machine said, which stays visible. `raw` is Shunya's whole answer, where it is wanted.
void analysis_value(JsonWriter&, const pg::Fields&, const Corrections&, const std::optional<std::string>& raw = {});

}  // namespace otto::resources
