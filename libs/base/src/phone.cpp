#include "base/phone.hpp"

#include "base/text.hpp"

namespace otto {
namespace {

/// Characters that people put between digits.
bool is_punctuation(char c) { return c == ' ' || c == '-' || c == '.' || c == '(' || c == ')' || c == '/' || c == '\t'; }

}  // namespace

Phone normalize_phone(std::string_view text) {
    // In a query string "+1202…" may arrive as " 1202…": a space in front of the first digit may have been a plus.
    bool space = !text.empty() && text.front() == ' ';
    std::string_view trimmed = trim(text);
    bool plus = !trimmed.empty() && trimmed.front() == '+';
    if (plus) trimmed.remove_prefix(1);
    std::string digits;
    bool number = true;
    for (char c : trimmed) {
        if (c >= '0' && c <= '9')
            digits += c;
        else if (!is_punctuation(c))
            number = false;
    }
    if (number && digits.size() == 10 && !plus) return {"+1" + digits, true};
    if (number && digits.size() == 11 && digits.front() == '1') return {"+" + digits, true};
    if (number && (plus || space) && digits.size() >= 8 && digits.size() <= 15) return {"+" + digits, true};
    return {lower(trim(text)), false};
}

}  // namespace otto
