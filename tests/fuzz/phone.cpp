// Phone numbers: any text.
#include "base/phone.hpp"

#include <algorithm>

#include "base/text.hpp"
#include "harness.hpp"

using namespace otto;

namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string digits_of(std::string_view text) {
    std::string out;
    std::copy_if(text.begin(), text.end(), std::back_inserter(out), is_digit);
    return out;
}

}  // namespace

void fuzz(std::string_view text) {
    auto phone = normalize_phone(text);
    OTTO_EXPECT(normalize_phone(text) == phone, phone.text);
    OTTO_EXPECT(normalize_phone(phone.text) == phone, phone.text + " -> " + normalize_phone(phone.text).text);
    if (phone.e164) {
        std::string_view number = phone.text;
        OTTO_EXPECT(number.starts_with('+'), phone.text);
        number.remove_prefix(1);
        OTTO_EXPECT(number.size() >= 8 && number.size() <= 15, phone.text);
        OTTO_EXPECT(std::all_of(number.begin(), number.end(), is_digit), phone.text);
        // Nothing but the country code of North America is added, and no digit is lost.
        auto given = digits_of(text);
        OTTO_EXPECT(number == given || (given.size() == 10 && number == "1" + given), phone.text);
        // White space around it and the usual punctuation within change nothing.
        OTTO_EXPECT(normalize_phone(phone.text + " \t") == phone, phone.text);
        std::string dressed = "+";
        for (char c : number) dressed.append({'(', c, ')', '-', '.', ' '});
        OTTO_EXPECT(normalize_phone(dressed) == phone, dressed);
    } else {
        OTTO_EXPECT(phone.text == lower(trim(text)), phone.text);
        OTTO_EXPECT(phone.empty() == trim(text).empty(), phone.text);
    }
}
