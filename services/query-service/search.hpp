#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/context.hpp"

namespace otto::query_service {

/// What a row's words are looked through for, as LIKE patterns over its search text (migration search_words): one for each word
/// that was typed, the longest first, all of which must hold. Letters are folded; punctuation at a word's ends and apostrophes
/// say nothing. A word of one or two letters is the beginning of a word, any other stands anywhere. What is typed as a telephone
/// number, in any spelling, is that number; other digits with their punctuation are a part of one. A text without a letter or
/// digit is looked for as it stands.
std::vector<std::string> search_patterns(std::string_view typed);

/// Where a search of a list leads: to the ids of the rows that hold it, or, if they are so many that the next is never far, to
/// the patterns by which they are found on the way.
struct Found {
    pg::Param ids = nullptr, patterns = nullptr;
    std::optional<std::int64_t> rows{};  ///< how many hold it in the whole company; more than kMost: so many at least
    static constexpr std::int64_t kMost = 10'000;
    static Found of(api::Context&, std::string_view list, const std::optional<std::string>& search);
};

}  // namespace otto::query_service
