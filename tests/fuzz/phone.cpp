// Phone numbers: any text.
#include "base/phone.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "harness.hpp"

using namespace otto;

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

void fuzz(std::string_view text) {
    auto phone = normalize_phone(text);
    OTTO_EXPECT(normalize_phone(text) == phone, phone.text);
    OTTO_EXPECT(normalize_phone(phone.text) == phone, phone.text + " -> " + normalize_phone(phone.text).text);
    if (phone.e164) {
        std::string_view number = phone.text;
        OTTO_EXPECT(number.starts_with('+'), phone.text);
        number.remove_prefix(1);
        OTTO_EXPECT(number.size() >= 7 && number.size() <= 15 && number.front() != '0', phone.text);
        OTTO_EXPECT(std::all_of(number.begin(), number.end(), is_digit), phone.text);
        OTTO_EXPECT(number.front() != '1' || (number.size() == 11 && number[1] >= '2'), phone.text);
        // White space around it, the usual punctuation and what is not seen within, and an extension behind it change nothing.
        OTTO_EXPECT(normalize_phone(phone.text + " \t") == phone, phone.text);
        std::string dressed = "tel:\u202a(+";
        for (char c : number) dressed.append({c}).append("\u200b.\u2011 ");
        OTTO_EXPECT(normalize_phone(dressed + "\u202c ext. 45") == phone, dressed);
        OTTO_EXPECT(normalize_phone("00" + std::string(number)) == phone || number.size() == 8, phone.text);
    } else {
        OTTO_EXPECT(phone.text == lower(trim(text)), phone.text);
        OTTO_EXPECT(phone.empty() == trim(text).empty(), phone.text);
    }
}
