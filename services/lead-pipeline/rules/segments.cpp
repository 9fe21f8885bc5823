#include "rules/segments.hpp"

#include <algorithm>
#include <string>

#include "base/text.hpp"

namespace otto::lead_pipeline {
namespace {

/// How many letters a text may have in one part, and how many each of several parts has beside the header that joins them.
struct Alphabet {
    std::int64_t alone, of_several;
};
constexpr Alphabet kGsm7{160, 153}, kUcs2{70, 67};

/// The letters beyond ASCII that GSM's own table has.
constexpr std::u32string_view kGsmLetters = U"£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà";
/// Behind an escape each, which takes a place too.
constexpr std::u32string_view kGsmExtension = U"\f^{}\\[~]|€";

std::u32string letters_of(std::string_view text) {
    const auto utf8 = mend_utf8(text);
    std::u32string out;
    out.reserve(utf8.size());
    for (std::size_t i = 0; i < utf8.size();) {
        const auto first = static_cast<unsigned char>(utf8[i]);
        const std::size_t length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
        char32_t letter = length == 1 ? first : first & (0x7fu >> length);
        for (std::size_t k = 1; k < length; ++k) letter = letter << 6 | (static_cast<unsigned char>(utf8[i + k]) & 0x3fu);
        out += letter;
        i += length;
    }
    return out;
}

/// Places that a letter takes in GSM's alphabet; 0: it is not in it.
std::int64_t gsm_places(char32_t c) {
    if (kGsmExtension.find(c) != std::u32string_view::npos) return 2;
    if (c == '\n' || c == '\r' || (c >= ' ' && c < 0x7f && c != '`') || kGsmLetters.find(c) != std::u32string_view::npos)
        return 1;
    return 0;
}

/// Places that a letter takes in UCS-2: beyond the basic plane it is a surrogate pair.
std::int64_t ucs2_places(char32_t c) { return c > 0xffff ? 2 : 1; }

template <class Places>
std::int64_t parts_of(const std::u32string& letters, const Alphabet& alphabet, Places&& places) {
    std::int64_t all = 0, parts = 1, in_part = 0;
    for (auto c : letters) {
        const auto n = places(c);
        all += n;
        if (in_part + n > alphabet.of_several) {
            ++parts;
            in_part = 0;
        }
        in_part += n;
    }
    return all <= alphabet.alone ? 1 : parts;
}

}  // namespace

std::int64_t segments(std::string_view utf8) {
    const auto letters = letters_of(utf8);
    const bool gsm = std::all_of(letters.begin(), letters.end(), [](char32_t c) { return gsm_places(c) > 0; });
    return gsm ? parts_of(letters, kGsm7, gsm_places) : parts_of(letters, kUcs2, ucs2_places);
}

}  // namespace otto::lead_pipeline
