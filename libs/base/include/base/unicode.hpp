#pragma once
#include <string>
#include <string_view>
#include <vector>

/// Letters are Unicode's: what compares, searches, splits and writes words asks here, and nobody counts on A to Z. Texts are
/// UTF-8; bytes that are none count as U+FFFD. It hides ICU. Its transliteration "Latin-ASCII" is what Postgres' `unaccent` is
/// made from, and Postgres' collation "und-x-icu" is ICU itself, so that C++ and SQL agree.
namespace otto {

/// For comparing and searching: small letters without accents, in the plainest spelling ("José O’Brien" → "jose o'brien",
/// "Ｓtraße" → "strasse"). Each character is folded by itself, so that the fold of a part is part of the fold of the whole. Twin
/// of the SQL function otto_fold(text); a test compares them over all characters. Not for showing.
std::string fold(std::string_view);

/// The fold's runs of letters and digits: "Price/Budget (don't)" → price, budget, dont.
std::vector<std::string> fold_words(std::string_view);

/// The fold as one word of a closed list: "Price/Budget" → "price_budget", "Añadir foto" → "anadir_foto".
std::string slug(std::string_view);

/// As it is shown, but without what nobody sees: invisible marks (bidi, zero width) go, any white space is one plain space,
/// accents are composed (NFC), the ends are bare.
std::string tidy(std::string_view);

/// A word of a name as people write it: "O’BRIEN" → "O’Brien", "GARCÍA-LÓPEZ" → "García-López", "JOE'S" → "Joe's". One that has a
/// small letter ("McDONALD") or no large one (Hebrew, digits) stays.
std::string name_case(std::string_view word);

}  // namespace otto
