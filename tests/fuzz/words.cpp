// Words of people, carriers and models: any text.
#include "base/says_nothing.hpp"
#include "base/text.hpp"
#include "base/unicode.hpp"
#include "harness.hpp"

using namespace otto;

void fuzz(std::string_view text) {
    auto folded = fold(text), tidied = tidy(text), cased = name_case(text);
    for (const auto& out : {folded, tidied}) OTTO_EXPECT(valid_utf8(out), out);
    OTTO_EXPECT(fold(text) == folded, folded);
    OTTO_EXPECT(folded.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ") == std::string::npos, folded);
    OTTO_EXPECT(tidy(tidied) == tidied, tidied);
    OTTO_EXPECT(trim(tidied) == tidied && tidied.find("  ") == std::string::npos, tidied);
    if (valid_utf8(text)) OTTO_EXPECT(valid_utf8(cased) && name_case(cased) == cased, cased);
    auto word = slug(text);
    OTTO_EXPECT(slug(word) == word && word.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string::npos, word);
    for (const auto& w : fold_words(text)) OTTO_EXPECT(!w.empty() && valid_utf8(w), w);
    // What says nothing says nothing of anybody and of anything; of what says something each kind has its own words.
    bool nothing = says_nothing(text);
    for (auto of : {Of::person, Of::action, Of::objection, Of::time})
        OTTO_EXPECT(!nothing || says_nothing(text, of), std::string(text));
    OTTO_EXPECT(nothing || !says_nothing(text, Of::part), std::string(text));
    OTTO_EXPECT(!trim(text).empty() || nothing, "");
    auto half = text.size() / 2;
    says_place(text, text.substr(0, half), text.substr(half));
}
