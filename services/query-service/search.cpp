#include "search.hpp"

#include <algorithm>

#include "base/phone.hpp"
#include "base/text.hpp"
#include "base/unicode.hpp"
#include "query-service/sql.hpp"

namespace otto::query_service {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
/// A letter or digit; of a script beyond ASCII any character.
bool says(char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || static_cast<unsigned char>(c) >= 0x80; }
/// What people put between and around a number's digits.
bool is_number_part(char c) { return is_digit(c) || std::string_view("+-.()/").find(c) != std::string_view::npos; }

bool is_of_number(std::string_view word) {
    return std::all_of(word.begin(), word.end(), is_number_part) && std::any_of(word.begin(), word.end(), is_digit);
}

std::string digits_of(std::string_view text) {
    std::string digits;
    std::copy_if(text.begin(), text.end(), std::back_inserter(digits), is_digit);
    return digits;
}

/// The digits by which a callable number is found, wherever it was written: without +1, which notes leave out.
std::optional<std::string> number_in(std::string_view text) {
    auto phone = normalize_phone(text);
    if (!phone.e164) return std::nullopt;
    return phone.text.substr(phone.text.starts_with("+1") ? 2 : 1);
}

std::string literal(std::string_view word) {
    std::string out;
    for (char c : word) {
        if (c == '%' || c == '_' || c == '\\') out += '\\';
        out += c;
    }
    return out;
}

std::vector<std::string> words_of(std::string_view folded) {
    std::vector<std::string> words;
    for (auto& word : split_list(folded, ' ')) {
        std::erase_if(word, [](char c) { return c == '\'' || c == '`'; });
        if (!word.empty()) words.push_back(std::move(word));
    }
    return words;
}

/// Words that stand side by side and are a number's parts: one number, if they are written as people write one ("623 555 0123",
/// "(623) 555-0123"), else each a part of one.
void add_numbers(const std::vector<std::string>& parts, std::vector<std::string>& words) {
    if (parts.empty()) return;
    std::string together;
    for (const auto& part : parts) together.append(together.empty() ? "" : " ").append(part);
    auto back = parts.rbegin();
    bool three_three_four = parts.size() > 2 && back[0].size() == 4 && back[1].size() == 3 && back[2].size() == 3;
    bool written = parts.size() == 1 || three_three_four || together.find_first_of("+-.()/") != std::string::npos;
    auto number = written ? number_in(together) : std::nullopt;
    if (number)
        words.push_back(*number);
    else
        for (const auto& part : parts) words.push_back(digits_of(part));
}

/// The words that a row must hold, as they stand in search texts.
std::vector<std::string> wanted(std::string_view typed) {
    auto all = words_of(fold(tidy(typed)));
    // As a whole it may be a number with letters (tel:, x45), digits of another script, or a plus that arrived as a space.
    bool plain = std::all_of(all.begin(), all.end(), is_of_number) && !typed.starts_with(' ');
    if (auto number = plain ? std::nullopt : number_in(typed)) return {*number};
    std::vector<std::string> words, numbers;
    for (auto& word : all) {
        if (is_of_number(word)) {
            numbers.push_back(word);
            continue;
        }
        constexpr std::string_view kAround = ",;:.!?\"()[]{}<>";
        auto first = word.find_first_not_of(kAround);
        if (std::none_of(word.begin(), word.end(), says)) continue;
        add_numbers(std::exchange(numbers, {}), words);
        words.push_back(word.substr(first, word.find_last_not_of(kAround) - first + 1));
    }
    add_numbers(numbers, words);
    return words.empty() ? all : words;
}

std::size_t letters(std::string_view word) {
    return static_cast<std::size_t>(
        std::count_if(word.begin(), word.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

}  // namespace

std::vector<std::string> search_patterns(std::string_view typed) {
    auto words = wanted(typed);
    std::stable_sort(words.begin(), words.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
    std::vector<std::string> patterns, held;
    for (const auto& word : words) {
        bool beginning = letters(word) < 3 && says(word.front());
        bool said = std::any_of(held.begin(), held.end(), [&](const auto& longer) {
            return beginning ? longer == word : longer.find(word) != std::string::npos;
        });
        if (said) continue;
        held.push_back(word);
        patterns.push_back((beginning ? "% " : "%") + literal(word) + "%");
    }
    if (patterns.empty()) patterns.push_back("%" + literal(trim(typed)) + "%");
    return patterns;
}

Found Found::of(api::Context& c, std::string_view list, const std::optional<std::string>& search) {
    if (!search) return {};
    struct Hits {
        std::optional<std::string> ids;
        std::int64_t n;
        static Hits from(const pg::Fields& f) { return {f.maybe_text("ids"), f.integer("n")}; }
    };
    auto patterns = pg::Param::array(search_patterns(*search));
    auto hits = c.tx().one<Hits>(sql::search_found, {std::string(list), patterns, trim(*search), kMost + 1});
    if (!hits.ids) return {nullptr, std::move(patterns), hits.n};
    return {std::move(*hits.ids), nullptr, hits.n};
}

}  // namespace otto::query_service
