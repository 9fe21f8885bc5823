#include "base/unicode.hpp"

#include <unicode/bytestream.h>
#include <unicode/casemap.h>
#include <unicode/normalizer2.h>
#include <unicode/translit.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/uscript.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <memory>
#include <stdexcept>

#include "base/text.hpp"

namespace otto {
namespace {

bool ascii(std::string_view s) {
    return std::all_of(s.begin(), s.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

void must(UErrorCode status, const char* what) {
    if (U_FAILURE(status)) throw std::runtime_error(std::string("ICU: ") + what + ": " + u_errorName(status));
}

icu::UnicodeString utf16(std::string_view s) {
    return icu::UnicodeString::fromUTF8({s.data(), static_cast<std::int32_t>(std::min<std::size_t>(s.size(), 0x3fff'ffff))});
}

std::string utf8(const icu::UnicodeString& s) {
    std::string out;
    s.toUTF8String(out);
    return out;
}

template <class F>
void each_point(const icu::UnicodeString& s, F&& f) {
    for (std::int32_t i = 0; i < s.length(); i = s.moveIndex32(i, 1)) f(s.char32At(i));
}

icu::UnicodeString normalized(const icu::Normalizer2* (*form)(UErrorCode&), const icu::UnicodeString& text) {
    UErrorCode status = U_ZERO_ERROR;
    auto out = form(status)->normalize(text, status);
    must(status, "normalize");
    return out;
}

/// The accents that `unaccent` takes away.
bool accent(UChar32 c) { return (c >= 0x300 && c <= 0x362) || (c >= 0x20dd && c <= 0x20e4 && c != 0x20e1); }

/// What a letter without a decomposition is written like in ASCII (ø, ł, ß, æ, ’, –). Arrows are left alone, as `unaccent` leaves
/// them.
void plainest(UChar32 c, icu::UnicodeString& out) {
    static const std::unique_ptr<icu::Transliterator> latin = [] {
        UErrorCode status = U_ZERO_ERROR;
        std::unique_ptr<icu::Transliterator> made(icu::Transliterator::createInstance("Latin-ASCII", UTRANS_FORWARD, status));
        must(status, "Latin-ASCII");
        return made;
    }();
    icu::UnicodeString one(c);
    if (c < 0x2190 || c > 0x21ff) latin->transliterate(one);
    out.append(one);
}

bool is_mark(UChar32 c) { return (U_GET_GC_MASK(c) & U_GC_M_MASK) != 0; }
bool is_apostrophe(UChar32 c) {
    return c == '\'' || c == 0x2019 || c == 0x2018 || c == 0x2bc || c == 0xff07 || c == '`' || c == 0xb4;
}
/// Of the inside of a name's part.
bool is_inner(UChar32 c) { return !is_apostrophe(c) && (u_isalnum(c) || is_mark(c)); }

}  // namespace

std::string fold(std::string_view text) {
    if (ascii(text)) return lower(text);
    icu::UnicodeString plain, small;
    each_point(normalized(icu::Normalizer2::getNFKDInstance, utf16(text)), [&](UChar32 c) {
        if (c < 0x80)
            plain.append(c);
        else if (!accent(c))
            plainest(c, plain);
    });
    each_point(plain, [&](UChar32 c) {
        c = u_tolower(c);
        small.append(c == 0x3c2 ? 0x3c3 : c);  // a sigma is one letter, also at a word's end
    });
    return utf8(small);
}

std::vector<std::string> fold_words(std::string_view text) {
    std::vector<std::string> out;
    bool within = false;
    auto folded = fold(text);
    auto length = static_cast<std::int32_t>(std::min<std::size_t>(folded.size(), 0x3fff'ffff));
    for (std::int32_t i = 0; i < length;) {
        auto begin = i;
        UChar32 c;
        U8_NEXT(folded.data(), i, length, c);
        if (is_apostrophe(c)) continue;
        if (c < 0 || !(u_isalnum(c) || is_mark(c))) {
            within = false;
            continue;
        }
        if (!within) out.emplace_back();
        within = true;
        out.back().append(folded, static_cast<std::size_t>(begin), static_cast<std::size_t>(i - begin));
    }
    return out;
}

std::string slug(std::string_view text) {
    std::string out;
    for (char c : fold(text)) {
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (plain)
            out += c;
        else if (!out.empty() && out.back() != '_')
            out += '_';
    }
    while (!out.empty() && out.back() == '_') out.pop_back();
    return out;
}

std::string tidy(std::string_view text) {
    text = trim(text);
    bool plain = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
    if (plain && text.find("  ") == std::string_view::npos) return std::string(text);  // as nearly all are
    icu::UnicodeString out;
    UChar32 last = 0, joiner = 0;
    bool space = false;
    each_point(utf16(text), [&](UChar32 c) {
        if (u_isUWhiteSpace(c)) {
            space = true;
            return;
        }
        if (c == 0x200c || c == 0x200d) {  // between letters of some scripts, and in emoji, they are part of the spelling
            joiner = c;
            return;
        }
        if (u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) || u_charType(c) == U_CONTROL_CHAR) return;
        UErrorCode status = U_ZERO_ERROR;
        if (space && !out.isEmpty())
            out.append(static_cast<UChar32>(' '));
        else if (joiner != 0 && last != 0 && uscript_getScript(last, &status) != USCRIPT_LATIN)
            out.append(joiner);
        out.append(c);
        if (!is_mark(c)) last = c;
        joiner = 0;
        space = false;
    });
    return utf8(normalized(icu::Normalizer2::getNFCInstance, out));
}

std::string name_case(std::string_view word) {
    bool shouting = false;
    auto text = utf16(word);
    const char* locale = "";
    bool said = false;
    each_point(text, [&](UChar32 c) {
        said = said || u_isULowercase(c);
        shouting = shouting || u_isUUppercase(c);
        if (c == 0x130) locale = "tr";  // only there is it a letter
    });
    if (said || !shouting || word == "II" || word == "III" || word == "IV") return std::string(word);
    std::string out;
    std::int32_t former = 0;  // letters of the part before
    bool after_apostrophe = false;
    for (std::int32_t i = 0; i < text.length();) {
        auto end = i;
        std::int32_t letters = 0;
        for (; end < text.length() && is_inner(text.char32At(end)); end = text.moveIndex32(end, 1)) ++letters;
        if (letters == 0) {
            after_apostrophe = is_apostrophe(text.char32At(i));
            end = text.moveIndex32(i, 1);
            out += utf8(text.tempSubStringBetween(i, end));
        } else {
            auto part = utf8(text.tempSubStringBetween(i, end));
            icu::StringByteSink<std::string> sink(&out);
            UErrorCode status = U_ZERO_ERROR;
            if (after_apostrophe && letters == 1 && former > 1)
                icu::CaseMap::utf8ToLower(locale, 0, part, sink, nullptr, status);  // JOE'S
            else
                icu::CaseMap::utf8ToTitle(locale, U_TITLECASE_WHOLE_STRING | U_TITLECASE_NO_BREAK_ADJUSTMENT, nullptr, part, sink,
                                          nullptr, status);
            must(status, "case");
            former = letters;
            after_apostrophe = false;
        }
        i = end;
    }
    return out;
}

}  // namespace otto
