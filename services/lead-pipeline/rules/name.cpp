#include "rules/name.hpp"

#include <vector>

#include "base/phone.hpp"
#include "base/says_nothing.hpp"
#include "base/text.hpp"
#include "base/unicode.hpp"

namespace otto::lead_pipeline {
namespace {

/// Takes out the word, or the words in brackets, that say that a part of the name is not known: "Maria (last name not provided)",
/// "Unknown Lopez".
void leave_out_nothing(std::vector<std::string>& words) {
    auto joined = [&](std::size_t from, std::size_t to) {
        std::string out;
        for (auto i = from; i < to; ++i) out += (i > from ? " " : "") + words[i];
        return out;
    };
    for (std::size_t from = 1; from < words.size(); ++from)
        if (says_nothing(joined(from, words.size()), Of::part)) words.resize(from);
    for (auto to = words.size() - 1; to > 0 && words.size() > 1; --to) {
        if (!says_nothing(joined(0, to), Of::part)) continue;
        words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(to));
        words.insert(words.begin(), "");  // the first name is the one that is not known
        break;
    }
}

}  // namespace

std::optional<Name> split_name(std::string_view text) {
    auto tidied = tidy(text);
    if (says_nothing(tidied, Of::person) || normalize_phone(tidied).e164) return std::nullopt;
    auto words = split_list(tidied, ' ');
    leave_out_nothing(words);
    if (words.size() == 1 && says_nothing(words.front(), Of::person)) return std::nullopt;  // "Mr. Unknown"
    Name name;
    name.first = clip_utf8(name_case(words.front()), 200);
    for (std::size_t i = 1; i < words.size(); ++i) name.last += (i > 1 ? " " : "") + name_case(words[i]);
    name.last = clip_utf8(name.last, 200);
    return name;
}

}  // namespace otto::lead_pipeline
