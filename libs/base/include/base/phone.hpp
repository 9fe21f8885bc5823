#pragma once
#include <string>
#include <string_view>

namespace otto {

/// A caller's or a company's number as kept and compared. `e164` is true for a callable number ("+12148654559"); else `text` is
/// what was received, trimmed and lower-cased (sip:…, a short code, anonymous), and `e164` is false. Twin of the SQL function
/// e164(text); a test compares them.
struct Phone {
    std::string text;
    bool e164 = false;
    bool empty() const { return text.empty(); }
    bool operator==(const Phone&) const = default;
};

/// The number that people read in a text, by North America's rule: ten digits get +1; eleven that start with 1 get +; behind a +
/// (or 00, or 011, or a space at the very beginning, which a query string makes of a plus) seven to fifteen digits are a number
/// of the world. Marks that nobody sees, every space and dash, brackets and dots, digits of any script, "tel:", "(0)" behind a
/// country code and an extension change nothing. Not callable: another count of digits, a country code that begins with 0, an
/// area code that begins with 0 or 1, all digits alike, what a keypad spells for a hidden caller, and whatever has another letter
/// in it.
Phone normalize_phone(std::string_view text);

}  // namespace otto
