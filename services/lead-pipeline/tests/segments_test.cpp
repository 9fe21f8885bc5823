// In how many parts a text goes out.
#include "rules/segments.hpp"

#include <string>

#include "testing/catch.hpp"

using otto::lead_pipeline::segments;

namespace {

std::string times(std::size_t n, const std::string& what) {
    std::string out;
    for (std::size_t i = 0; i < n; ++i) out += what;
    return out;
}

}  // namespace

TEST_CASE("parts of a text: GSM's letters, those of its extension table, and UCS-2") {
    const std::string emoji = "🏠",
                      family = "👨‍👩‍👧";  // the second: three surrogate pairs and two joiners, eight places
    const struct {
        const char* what;
        std::string text;
        std::int64_t parts;
    } vectors[] = {
        {"nothing", "", 1},
        {"one letter", "a", 1},
        {"160 letters are one part", times(160, "a"), 1},
        {"161 are two", times(161, "a"), 2},
        {"two whole parts", times(306, "a"), 2},
        {"and one letter more", times(307, "a"), 3},
        {"the longest text that may be sent", times(1'600, "a"), 11},
        {"GSM's letters beyond ASCII", times(160, "é"), 1},
        {"all of GSM's own table",
         "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
         "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà" +
             times(33, "x"),
         1},
        {"and one place more",
         "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡"
         "ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà" +
             times(34, "x"),
         2},
        {"newlines count", times(80, "a\n"), 1},
        {"a euro takes two places", "€" + times(158, "a"), 1},
        {"so that 159 letters with it are two parts", "€" + times(159, "a"), 2},
        {"all of the extension table", times(8, "^{}[]~|\\€\f"), 1},
        {"81 letters of it", times(80, "]") + "[", 2},
        {"none is cut: the first part is one short", times(152, "a") + "€" + times(151, "a"), 2},
        {"and a letter more is a third part", times(152, "a") + "€" + times(152, "a"), 3},
        {"letters of two places only: 76 a part", times(152, "|"), 2},
        {"and one more", times(153, "|"), 3},
        {"70 letters of UCS-2", times(70, "я"), 1},
        {"71 are two parts", times(71, "я"), 2},
        {"two whole parts of UCS-2", times(134, "я"), 2},
        {"and one letter more of UCS-2", times(135, "я"), 3},
        {"one letter makes all UCS-2", "’" + times(70, "a"), 2},
        {"a backtick is none of GSM's", "`" + times(69, "a"), 1},
        {"nor is a small ç", "ç" + times(70, "a"), 2},
        {"nor a tab", "\t" + times(70, "a"), 2},
        {"35 emoji are one part", times(35, emoji), 1},
        {"36 are two", times(36, emoji), 2},
        {"none is cut: 33 a part", times(66, emoji), 2},
        {"67 of them", times(67, emoji), 3},
        {"a surrogate pair at the seam", times(66, "я") + emoji + times(65, "я"), 2},
        {"and a letter more at the seam", times(66, "я") + emoji + times(66, "я"), 3},
        {"1,600 letters of two bytes", times(1'600, "я"), 24},
        {"1,600 emoji", times(1'600, emoji), 49},
        {"an emoji of several", times(8, family), 1},
        {"nine of it", times(9, family), 2},
        {"a broken byte counts as one letter of UCS-2", "\xff" + times(69, "a"), 1},
        {"a broken byte too many", "\xff" + times(70, "a"), 2},
    };
    for (const auto& v : vectors) {
        INFO(v.what);
        CHECK(segments(v.text) == v.parts);
    }
}
