#include "rules/opt_out.hpp"

#include <algorithm>
#include <array>
#include <string>

#include "base/text.hpp"
#include "base/unicode.hpp"

namespace otto::lead_pipeline {
namespace {

constexpr std::array<std::string_view, 8> kStops{"stop", "stopall", "unsubscribe", "end", "quit", "cancel", "revoke", "optout"};
constexpr std::array<std::string_view, 3> kPerhaps{"stop", "unsubscribe", "quit"};
constexpr std::size_t kMostWords = 3, kLongest = 400;  // bytes: three words are not longer, and folding more is for nothing

template <class Words>
bool is_one_of(const Words& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

}  // namespace

Ask ask_of(std::string_view body, std::string_view said_by_provider) {
    if (iequals(said_by_provider, "STOP")) return {Asks::stop, "provider"};
    if (iequals(said_by_provider, "START")) return {Asks::start, "provider"};
    if (!said_by_provider.empty()) return {};
    body = trim(body);
    if (body.size() > kLongest) return {};
    auto word = fold(tidy(body));
    if (is_one_of(kStops, word)) return {Asks::stop};
    if (word == "start" || word == "unstop") return {Asks::start};
    if (word == "yes") return {Asks::yes};
    auto words = fold_words(body);
    if (!words.empty() && words.size() <= kMostWords && is_one_of(kPerhaps, words.front())) return {Asks::unclear};
    return {};
}

}  // namespace otto::lead_pipeline
