#include "base/phone.hpp"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>

#include "base/text.hpp"

namespace otto {
namespace {

// A number is read in two steps, as in SQL: each character becomes what it means (digits, letters, "+", "(", ")", ",", ";", "#",
// ":", "=", a space, "-" for whatever else may stand between digits, "?" for what may not, nothing for what is not seen), and a
// small grammar reads those.

constexpr char kUnseen = 0;
constexpr std::string_view kBetween = " -()";

bool among(UChar32 c, std::u32string_view set) { return set.find(static_cast<char32_t>(c)) != std::u32string_view::npos; }

constexpr char meaning_ascii(char c) {
    if (c >= 'A' && c <= 'Z') return static_cast<char>(c + 32);
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || std::string_view("+(),;#:= ").find(c) != std::string_view::npos)
        return c;
    if (std::string_view("[{<").find(c) != std::string_view::npos) return '(';
    if (std::string_view("]}>").find(c) != std::string_view::npos) return ')';
    if (std::string_view("-./\\_~|'\"`\t\n\v\f\r").find(c) != std::string_view::npos) return '-';
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? kUnseen : '?';
}

constexpr auto kAscii = [] {
    std::array<char, 128> table{};
    for (std::size_t i = 0; i < table.size(); ++i) table[i] = meaning_ascii(static_cast<char>(i));
    return table;
}();

char meaning(UChar32 c) {
    if (c >= 0xFF01 && c <= 0xFF5E) c -= 0xFEE0;  // full width
    if (c >= 0 && c < 0x80) return kAscii[static_cast<std::size_t>(c)];
    if (auto digit = u_charDigitValue(c); digit >= 0) return static_cast<char>('0' + digit);
    if (c == 0xF3 || c == 0xD3) return 'o';  // extensión
    if (u_isUWhiteSpace(c) || u_hasBinaryProperty(c, UCHAR_DASH) ||
        among(c,
              U"\u00B4\u00B7\u02D7\u0387\u06D4\u2018\u2019\u201A\u201B\u201C\u201D\u201E\u201F\u2022\u2024\u2027\u2032\u2033"
              U"\u2043\u2044\u2215\u2219\u223C\u22C5\u2796\u2800\u29F8\u3002\u30FB\u30FC\uFE52\uFF61\uFF65\uFF70"))
        return '-';
    if (among(c, U"\u207A\u208A\u2795\uFB29\uFE62")) return '+';
    if (among(c,
              U"\u207D\u208D\u2768\u276A\u276C\u276E\u2770\u27E8\u3008\u300A\u300C\u300E\u3010\u3014\u3016\u3018\u301A\uFE59"
              U"\uFE5B\uFE5D"))
        return '(';
    if (among(c,
              U"\u207E\u208E\u2769\u276B\u276D\u276F\u2771\u27E9\u3009\u300B\u300D\u300F\u3011\u3015\u3017\u3019\u301B\uFE5A"
              U"\uFE5C\uFE5E"))
        return ')';
    if (among(c, U"\u060C\u3001\uFE50\uFE51\uFF64")) return ',';
    if (among(c, U"\u061B\uFE54")) return ';';
    if (c == 0xFE5F) return '#';
    if (c == 0xFE55) return ':';
    bool mark =
        (c >= 0x300 && c <= 0x36F) || (c >= 0x20D0 && c <= 0x20FF) || (c >= 0xFFF9 && c <= 0xFFFC) || (c >= 0x80 && c <= 0x9F);
    return mark || u_hasBinaryProperty(c, UCHAR_DEFAULT_IGNORABLE_CODE_POINT) ? kUnseen : '?';
}

std::string meaning(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(text.data());
    for (std::size_t i = 0; i < text.size();) {
        UChar32 c = 0;
        U8_NEXT(bytes, i, text.size(), c);  // below 0: not UTF-8
        if (char m = c < 0 ? '?' : meaning(c); m != kUnseen) out += m;
    }
    return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes from the front what stands in `set`.
std::string_view take(std::string_view& s, std::string_view set) {
    auto end = std::min(s.find_first_not_of(set), s.size());
    auto taken = s.substr(0, end);
    s.remove_prefix(end);
    return taken;
}

/// Takes the first of these words that stands in front.
bool take_word(std::string_view& s, std::initializer_list<std::string_view> words) {
    for (auto word : words)
        if (s.starts_with(word)) {
            s.remove_prefix(word.size());
            return true;
        }
    return false;
}

/// What may follow a number: nothing; a parameter of RFC 3966 (";ext=45"); or an extension of at most seven digits (more are
/// another number).
bool is_extension(std::string_view s) {
    if (s.empty()) return true;
    if (s.front() == ';') {
        auto parameter = s.substr(1);
        if (!take(parameter, "abcdefghijklmnopqrstuvwxyz-").empty() && parameter.starts_with('=')) return true;
    }
    bool marked = take_word(s, {",", ";", "#"});
    if (marked) take(s, " -,;#()");
    bool named = take_word(s, {"extension", "extn", "ext", "xtn", "xt", "x"});
    if (named) take(s, " -:=,;#()");
    return (marked || named) && s.find_first_not_of("0123456789 -,;#()") == std::string_view::npos &&
           std::count_if(s.begin(), s.end(), is_digit) <= 7;
}

std::size_t dialled_abroad(std::string_view digits) { return digits.starts_with("011") ? 3 : digits.starts_with("00") ? 2 : 0; }

/// The digits of what stands between; "(0)" as '*' first, because it is no digit where it stands behind a country code.
std::string digits_of(std::string_view body, bool abroad) {
    std::string out;
    for (std::size_t i = 0; i < body.size(); ++i) {
        if (is_digit(body[i])) out += body[i];
        if (body[i] != '(') continue;
        auto inside = body.substr(i + 1);
        take(inside, " -");
        if (!take_word(inside, {"0"})) continue;
        take(inside, " -");
        if (!inside.starts_with(')')) continue;
        out += '*';
        i = body.size() - inside.size();
    }
    auto prefix = dialled_abroad(out);
    auto star = out.find('*');
    if ((abroad || prefix > 0) && star != std::string::npos && star > prefix && star <= prefix + 3 && out[prefix] != '0') {
        bool italy = std::string_view(out).substr(prefix, star - prefix) == "39";  // whose 0 is dialled from abroad too
        if (!italy) out.erase(star, 1);
    }
    std::replace(out.begin(), out.end(), '*', '0');
    return out;
}

/// Of a number of the world (ITU-T E.164).
std::size_t country_code(std::string_view digits) {
    constexpr std::string_view two =
        "20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92 "
        "93 94 95 98";
    if (digits.front() == '1' || digits.front() == '7') return 1;
    return two.find(digits.substr(0, 2)) != std::string_view::npos ? 2 : 3;
}

/// What networks send for a hidden caller: ANONYMOUS, RESTRICTED (also taken for a number of North America), UNAVAILABLE,
/// UNKNOWN, BLOCKED, PRIVATE, WITHHELD on a keypad.
constexpr std::array<std::string_view, 8> kHidden{"266696687", "7378742833", "17378742833", "86282452253",
                                                  "8656696",   "2562533",    "7748283",     "94484353"};

bool callable(std::string_view digits) {
    if (digits.size() < 7 || digits.size() > 15 || digits.front() == '0') return false;
    if (digits.front() == '1' && (digits.size() != 11 || digits[1] < '2')) return false;
    if (std::find(kHidden.begin(), kHidden.end(), digits) != kHidden.end()) return false;
    auto national = digits.substr(country_code(digits));
    return national.find_first_not_of(national.front()) != std::string_view::npos;
}

/// The digits of a callable number with its country code, or nothing. `space`: one at the very beginning was a plus.
std::string number_in(std::string_view text, bool space) {
    // Most are as they are kept.
    if (text.size() > 1 && text.front() == '+' && text[1] != '0' && std::all_of(text.begin() + 1, text.end(), is_digit))
        return callable(text.substr(1)) ? std::string(text.substr(1)) : std::string{};
    auto meant = meaning(text);
    std::string_view s = meant;
    take(s, kBetween);
    if (take_word(s, {"tel", "callto", "sms"})) take(s, " -:()");
    bool sign = take(s, "+ -()").find('+') != std::string_view::npos;
    if (s.empty() || !is_digit(s.front())) return {};
    auto body = take(s, "0123456789 -()");
    if (!is_extension(s)) return {};
    auto digits = digits_of(body, space || sign);
    if (!sign && digits.size() == 10)
        digits.insert(digits.begin(), '1');
    else if (auto prefix = dialled_abroad(digits); prefix > 0)
        digits.erase(0, prefix);
    else if (!sign && !space && (digits.size() != 11 || digits.front() != '1'))
        return {};
    return callable(digits) ? digits : std::string{};
}

}  // namespace

Phone normalize_phone(std::string_view text) {
    bool space = text.starts_with(' ');  // in a query string "+1202…" arrives as " 1202…"
    auto digits = number_in(text, space);
    if (digits.empty() && space) digits = number_in(text, false);
    if (digits.empty()) return {lower(trim(text)), false};
    return {"+" + digits, true};
}

}  // namespace otto
