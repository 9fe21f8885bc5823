#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "order.hpp"

namespace otto::lead_pipeline {

/// Who speaks about a contact; a person beats an analysis beats a form beats the caller id (runtime.md §8).
enum class Voice { caller_id = 1, form = 2, analysis = 3, person = 4 };

struct Contact {
    std::optional<std::string> first_name, last_name, address, city, state;
    Origins origins;
};

struct Call;

/// What a call says of its caller. True if anything that people see changed. Per field the higher voice wins, then the later call by (started_at, call).
/// `calls`: all ids under which the call was known; the first is its own.
bool merge(Contact&, const Call&, const std::vector<std::int64_t>& calls);

/// "KAYLAH MILLS" → Kaylah, Mills. Caller ids that are no names ("WIRELESS CALLER", a number) give nothing.
struct Name { std::string first, last; };
std::optional<Name> split_name(std::string_view text);

}  // namespace otto::lead_pipeline
