#pragma once
#include <string>
#include <string_view>

namespace otto {

/// A caller's or a company's number as kept and compared. `e164` is true for a callable number ("+12148654559"); else `text` is what was
/// received, trimmed and lower-cased (sip:…, a short code, anonymous), and `e164` is false. Twin of the SQL function e164(text); a test compares them.
struct Phone {
    std::string text;
    bool e164 = false;
    bool empty() const { return text.empty(); }
    bool operator==(const Phone&) const = default;
};

/// The North American rule of seed 001 §1.3 and no more: strip what is no digit; ten digits get +1; eleven that start with 1 get +;
/// with a leading + (also one that arrived as a space, or 00… is NOT special) 8–15 digits stay as they are; letters other than an extension make it no number.
Phone normalize_phone(std::string_view text);

}  // namespace otto
