#pragma once
#include <string_view>

namespace otto {

/// What the text would be of; carriers and models have words of their own for some of it.
enum class Of {
    anything,
    person,  ///< a whole name: also "WIRELESS CALLER", "Speaker 1", a number, but never for what may be a tag ("spam", "private")
    part,    ///< a word or more within a text that says something else: not what may be part of a name ("Na", "Blank")
    action,  ///< what is to be done: also "No action needed"
    objection,  ///< also "No objections"
    time        ///< when something is to be: also "Not scheduled", "pending"
};

/// True of what says that there is nothing to say: no text, nothing but punctuation, and what carriers, models and programs write
/// where they have nothing ("N/A", "None", "null", "Not provided", "TBD", "unknown", "-", "Address was not mentioned in the
/// call"), in whichever letters, spaces and punctuation. The one place that decides it: whoever takes a field from outside asks
/// here first, and takes true for absent.
bool says_nothing(std::string_view text, Of = Of::anything);

/// True of a caller id that is where the caller is ("PHOENIX      AZ", "SALT LAKE CIT UT") instead of who, by the city and state
/// that came with it.
bool says_place(std::string_view name, std::string_view city, std::string_view state);

}  // namespace otto
