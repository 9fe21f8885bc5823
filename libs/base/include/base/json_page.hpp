#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace otto {

/// A page of a list, as a provider's API gives it: one entry that is no JSON (NaN, a broken text) costs itself and no other.
struct JsonPage {
    JsonDocument document;  ///< whoever is no JSON in the list stands as null or 0
    std::vector<std::string_view>
        entries;  ///< each entry of the list as it was written, byte for byte, in the order of the list; they point into the text
    std::vector<std::string> unfit;  ///< of each entry that is no JSON, why
    /// `list` is the name of the list in the outermost object. An error if the text is no JSON for another reason; no entries if
    /// there is no such list.
    static Result<JsonPage> parse(std::string_view text, std::string_view list);
};

/// "4711.0" as "4711": a whole number that somebody kept as one with a point is the same id. Anything else as it is, trimmed.
std::string_view whole_number_text(std::string_view text);

}  // namespace otto
