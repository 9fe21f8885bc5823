#pragma once
#include <string>
#include <string_view>

#include "base/json.hpp"
#include "report.hpp"

/// What operators need not see: who called, and what was said. Commands mask unless --show-persons is given; a support bundle
/// always does.
namespace otto::ottoctl {

/// "+12148654559" → "…4559"; "" stays, what has no four digits at its end becomes "…".
std::string mask_number(std::string_view);

/// Free text (an error, a log line) without telephone numbers, and without quoted passages that are no plain identifiers:
/// databases quote the values that they refuse.
std::string scrub(std::string_view);

/// A key of a topic ("org_1:+12148654559") with its number masked.
std::string mask_key(std::string_view);

/// An event's JSON. Texts of fields that are known to hold no person's data stay; every other text is masked, so that a new field
/// is masked until it is entered here.
std::string mask_event(JsonView);

/// A row: fields that hold numbers as their last four digits, fields that hold a person's words as "(masked)", errors and history
/// scrubbed.
void mask_persons(Record&);

}  // namespace otto::ottoctl
