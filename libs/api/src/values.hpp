#pragma once
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/text.hpp"

/// What a text says, alike for what a command is given and for what a read is asked for.
namespace otto::api {

inline std::optional<std::int64_t> whole_number(std::string_view text) {
    std::int64_t n = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return n;
}

inline std::optional<bool> yes_or_no(std::string_view text) {
    auto word = lower(text);
    if (word == "true" || word == "1") return true;
    if (word == "false" || word == "0") return false;
    return std::nullopt;
}

}  // namespace otto::api
