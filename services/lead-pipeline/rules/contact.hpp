#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "rules/order.hpp"

namespace otto::lead_pipeline {

/// Who speaks about a contact; a person beats an analysis beats a form beats the caller id (runtime.md §8).
enum class Voice { caller_id = 1, form = 2, analysis = 3, person = 4 };

struct Contact {
    std::optional<std::string> first_name, last_name, address, city, state;
    Origins origins;
};

/// What somebody says of a contact.
struct Statement {
    Voice voice = Voice::caller_id;
    std::optional<std::string> name, address, city, state;
    Instant started_at{};             ///< of the call that it comes from
    std::vector<std::int64_t> calls;  ///< all ids under which that call was known; the first is its own
    std::int64_t version = 0;         ///< of the call's analysis; 0: no analysis
};
/// True if anything that people see changed. Per field the higher voice wins, then the later call by (started_at, call), then the
/// newer analysis of that call.
bool merge(Contact&, const Statement&);

/// What two cards know that are one person's: the same rule.
bool merge(Contact&, const Contact& other);
/// What a card knows from a call (its ids); with `too`, also from persons, and what nobody is on record for.
enum class Persons { not_theirs, too };
Contact part_of(const Contact&, const std::vector<std::int64_t>& calls, Persons = Persons::not_theirs);

}  // namespace otto::lead_pipeline
