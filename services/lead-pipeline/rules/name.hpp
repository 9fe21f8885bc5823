#pragma once
#include <optional>
#include <string>
#include <string_view>

namespace otto::lead_pipeline {

/// "KAYLAH MILLS" → Kaylah, Mills; "JOSÉ N/A" → José. What is no name ("WIRELESS CALLER", "N/A", a number) gives nothing. One of
/// the two may be empty.
struct Name {
    std::string first, last;
};
std::optional<Name> split_name(std::string_view text);

}  // namespace otto::lead_pipeline
