#include "base/says_nothing.hpp"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/text.hpp"
#include "base/unicode.hpp"

namespace otto {
namespace {

using Words = std::vector<std::string>;

constexpr std::size_t kLongest = 200, kMostWords = 16;  ///< bytes, words: what is longer says something

/// Phrases of folded words, a '|' between them. What follows, in the order of how much may stand around it:
/// by themselves only, for they are names and words too;
constexpr std::string_view kAlone =
    "na|nan|nil|blank|empty|missing|string|false|xx|xxx|xxxx|no answer given|not sure|0000 00 00|0000 00 00 00 00 00|0000 00 "
    "00t00 00 00|0000 00 00t00 00 00z|00 00 0000|"
    "yyyy mm dd|mm dd yyyy|dd mm yyyy|hh mm|yyyy mm dd hh mm|unassigned|not set|no address|no street address|no service "
    "address|no city|no state|no location";
/// also twice, and with the name of a field ("address: N/A", "unknown unknown");
constexpr std::string_view kOfFields =
    "n a|n d|unavailable|not available|not applicable|withheld|redacted|no disponible|no aplica|not in record|not on file";
/// also in a sentence about the call ("the address was not mentioned by the customer").
constexpr std::string_view kOfSentences =
    "unknown|none|null|nothing|undefined|unspecified|undetermined|undisclosed|unstated|unidentified|unclear|inaudible|"
    "unintelligible|placeholder|tbd|tba|tbc|t b d|t b a|t b c|"
    "to be determined|to be decided|to be announced|to be confirmed|to be advised|unable to determine|unable to identify|unable "
    "to extract|cannot determine|cant determine|cannot be determined|"
    "cant be determined|could not determine|couldnt determine|could not be determined|couldnt be determined|not determinable|no "
    "name|no data|no info|no information|no value|no details|service not specified|service not mentioned|service not "
    "stated|service not discussed|unknown service|unspecified service|no service mentioned|no service specified|no service "
    "requested|"
    "desconocido|desconocida|ninguno|ninguna|sin nombre|sin datos|sin informacion|no especificado|no especificada|no "
    "mencionado|no mencionada|no proporcionado|no proporcionada|no se menciono|"
    "no se proporciono|no se especifico|por determinar|por confirmar";
/// A field can be these, or not; "not", "none" and "no name" with each of them.
constexpr std::string_view kParticiples =
    "provided|mentioned|specified|stated|given|known|disclosed|discussed|determined|captured|collected|obtained|found|shared|"
    "identified|indicated|listed|defined|"
    "detected|extracted|included|supplied|entered|reported|noted|heard|asked|said|gathered|revealed|clarified|communicated";
constexpr std::string_view kNot =
    "not|none|not yet|wasnt|werent|isnt|arent|hasnt been|havent been|never|no name|no names|no address|no street|no city|no "
    "state|no zip|no zip code|no email|no phone|no phone number|no number|"
    "no date|no time|no date or time|no appointment date|no specific date|no specific time|no location|no info|no information|no "
    "details|no data|no value|no service type|no objection|no objections|no concern|no concerns";
constexpr std::string_view kDidNot = "did not|didnt|does not|doesnt|has not|hasnt|would not|wouldnt";
constexpr std::string_view kTell =
    "say|provide|give|mention|specify|state|disclose|share|tell|identify|indicate|provided|given|mentioned|stated|said|specified|"
    "shared";
constexpr std::string_view kFields =
    "name|names|first name|last name|first|last|full|surname|person|address|street|street address|service address|property "
    "address|city|state|zip|zip code|postal code|email|phone|"
    "phone number|number|date|time|appointment date|appointment time|location|info|information|details|data|value|field|service "
    "type|service requested|type of service|"
    "type|customer name|caller name|client name";
constexpr std::string_view kAround =
    "the|a|an|any|was|were|is|are|be|been|has|have|yet|in|on|by|of|from|for|during|within|this|that|call|phone "
    "call|transcript|transcription|conversation|recording|audio|discussion|"
    "customer|caller|client|homeowner|speaker|agent|his|her|their|its|at|moment|currently|here|explicitly|specifically|clearly|"
    "exact|specific|or|and|also|available";

/// Of what is to be done, what was objected, and when; with "needed", "raised" and the like behind them.
constexpr std::string_view kNoAction =
    "no action|no actions|no pending action|no pending actions|no further action|no further actions|no follow up|no follow "
    "ups|no followup|no next step|no next steps|no task|no tasks|"
    "nothing further|nothing to do|nothing pending";
constexpr std::string_view kNoObjection = "no objection|no objections|no concern|no concerns";
constexpr std::string_view kNoTime =
    "not scheduled|not yet scheduled|unscheduled|to be scheduled|not confirmed|not yet confirmed|not decided|undecided|not yet "
    "set|pending|no appointment|no appointment scheduled|no appointment set|no date|"
    "no time|no date set|no time set|no date or time|no deadline|no due date|no specific time|no specific date";
constexpr std::string_view kStates =
    "needed|required|necessary|pending|items|raised|expressed|voiced|stated|mentioned|noted|identified|discussed";

/// Words of which a caller id without a name is made.
constexpr std::string_view kNobody =
    "unknown|anonymous|anonym|anonymus|unavailable|restricted|private|privado|anonimo|desconocido|blocked|withheld|hidden|"
    "unidentified|unnamed|unlisted|nonpublished|noname|undisclosed|caller|callers|call|calls|calling|id|"
    "callerid|name|names|number|numbers|wireless|cellular|cellphone|cell|mobile|phone|telephone|landline|payphone|toll|free|"
    "tollfree|spam|scam|fraud|fraudulent|suspected|possible|potential|likely|risk|robo|robocall|"
    "robocaller|robocalls|telemarketer|telemarketing|nuisance|junk|out|of|area|service|outofarea|no|not|none|available|provided|"
    "given|customer|client|homeowner|prospect|user|guest|speaker|person|someone|"
    "somebody|nobody|contact|representative|male|female|man|woman|the|a|an|in|on|by|invalid|new|inbound|incoming|outbound|voip|"
    "internet|operator|first|last|full|unspecified|display|pay|public|political|survey|verified|valid|voice|voicemail";

/// How a name may begin; alone it is none.
constexpr std::string_view kTitles = "mr|mrs|ms|miss|mister|sir|madam|maam|dr|senor|senora";

Words listed(std::string_view phrases) { return split_list(phrases, '|'); }

/// Phrases, and the words that they are made of, so that most texts are told at their first word. A phrase is also known as one
/// word ("NotProvided").
struct Phrases {
    std::unordered_set<std::string> known, vocabulary;
    void add(std::string_view phrase) {
        std::string squeezed;
        for (auto& word : split_list(phrase, ' ')) {
            squeezed += word;
            vocabulary.insert(std::move(word));
        }
        known.emplace(phrase);
        if (squeezed.size() <= 4) return;
        known.insert(squeezed);
        vocabulary.insert(std::move(squeezed));
    }
    void add_all(std::string_view phrases) {
        for (const auto& p : listed(phrases)) add(p);
    }
    void add_pairs(std::string_view firsts, std::string_view seconds) {
        for (const auto& a : listed(firsts))
            for (const auto& b : listed(seconds)) add(a + " " + b);
    }
    bool holds(const Words& words, std::size_t from, std::size_t to) const {
        std::string phrase;
        for (auto i = from; i < to; ++i) phrase += (i > from ? " " : "") + words[i];
        return known.contains(phrase);
    }
};

/// True if the words are nothing but phrases of `core`, at least one, and of what may stand around them.
bool made_of(const Words& words, const Phrases& core, std::initializer_list<const Phrases*> around) {
    constexpr std::size_t longest = 6;
    enum : char { no = 0, with_around = 1, with_core = 2 };
    for (const auto& word : words)
        if (!core.vocabulary.contains(word) &&
            std::none_of(around.begin(), around.end(), [&](auto* p) { return p->vocabulary.contains(word); }))
            return false;
    std::vector<char> reached(words.size() + 1, no);
    reached[0] = with_around;
    for (std::size_t from = 0; from < words.size(); ++from) {
        if (reached[from] == no) continue;
        for (auto to = from + 1; to <= std::min(words.size(), from + longest); ++to) {
            if (core.holds(words, from, to)) reached[to] |= with_core;
            if (std::any_of(around.begin(), around.end(), [&](auto* p) { return p->holds(words, from, to); }))
                reached[to] |= reached[from];
        }
    }
    return (reached[words.size()] & with_core) != 0;
}

struct Hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

struct Table {
    Phrases alone, of_fields, of_sentences, fields, around, states, action, objection, time;
    std::unordered_set<std::string> nobody, titles;
    std::unordered_set<std::string, Hash, std::equal_to<>> all;  ///< every word of them
    Table() {
        alone.add_all(kAlone);
        of_sentences.add_all(kOfSentences);
        of_sentences.add_pairs(kNot, kParticiples);
        of_sentences.add_pairs(kDidNot, kTell);
        of_fields.add_all(kOfSentences);
        of_fields.add_pairs(kNot, kParticiples);
        of_fields.add_all(kOfFields);
        fields.add_all(kFields);
        around.add_all(kAround);
        action.add_all(kNoAction);
        objection.add_all(kNoObjection);
        time.add_all(kNoTime);
        states.add_all(kStates);
        for (auto& word : listed(kNobody)) nobody.insert(std::move(word));
        for (auto& word : listed(kTitles)) titles.insert(std::move(word));
        for (const auto* words :
             {&alone.vocabulary, &of_fields.vocabulary, &of_sentences.vocabulary, &fields.vocabulary, &around.vocabulary,
              &states.vocabulary, &action.vocabulary, &objection.vocabulary, &time.vocabulary, &nobody, &titles})
            all.insert(words->begin(), words->end());
    }
};

const Table& table() {
    static const Table made;
    return made;
}

/// A sign that stands for something ("🔥", "$"), unlike punctuation and what replaces an unreadable character.
bool has_sign(std::string_view text) {
    auto length = static_cast<std::int32_t>(text.size());
    for (std::int32_t i = 0; i < length;) {
        UChar32 c;
        U8_NEXT(text.data(), i, length, c);
        if (c >= 0 && c != 0xfffd && (u_charType(c) == U_OTHER_SYMBOL || u_charType(c) == U_CURRENCY_SYMBOL)) return true;
    }
    return false;
}

/// "602-555-0123", "V60512345678": no name has so many digits.
bool is_number(std::string_view word) {
    auto digits = static_cast<std::size_t>(std::count_if(word.begin(), word.end(), [](char c) { return c >= '0' && c <= '9'; }));
    return digits == word.size() || (digits > 5 && digits + 1 == word.size());
}

/// Nearly every text has a word that is in no list: told without a copy, where letters are ASCII.
bool surely_says_something(std::string_view text) {
    const auto& all = table().all;
    char word[32];
    for (std::size_t i = 0; i < text.size();) {
        std::size_t n = 0;
        bool digits = false;
        for (; i < text.size(); ++i) {
            auto c = text[i];
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
            if (static_cast<unsigned char>(c) >= 0x80) return false;  // to be folded first
            if (c == '\'' || c == '`') continue;
            bool digit = c >= '0' && c <= '9';
            if (!digit && (c < 'a' || c > 'z')) break;
            if (n == sizeof word) return true;  // longer than any
            digits = digits || digit;
            word[n++] = c;
        }
        if (n > 1 && !digits && !all.contains(std::string_view(word, n))) return true;
        if (n == 0) ++i;
    }
    return false;
}

bool nobody(const Words& words) {
    const auto& known = table().nobody;
    if (words.size() == 1 && table().titles.contains(words.front())) return true;
    bool any = false, letters = false;
    for (const auto& word : words) {
        bool number = is_number(word), listed_word = known.contains(word);
        if (!number && !listed_word && word.size() > 1) return false;
        any = any || (listed_word && word.size() > 1);
        letters = letters || !number;
    }
    return any || !letters;
}

}  // namespace

bool says_nothing(std::string_view text, Of of) {
    text = trim(text);
    if (text.empty()) return true;
    if (text.size() > kLongest || surely_says_something(text)) return false;
    auto words = fold_words(text);
    if (words.empty()) return !has_sign(text);
    if (words.size() > kMostWords) return false;
    const auto& t = table();
    if (made_of(words, t.of_fields, {&t.fields}) || made_of(words, t.of_sentences, {&t.fields, &t.around})) return true;
    if (of == Of::part) return false;
    bool same = std::all_of(words.begin(), words.end(), [&](const auto& w) { return w == words.front(); });
    if (t.alone.holds(words, 0, same ? 1 : words.size())) return true;
    switch (of) {
        case Of::person:
            return nobody(words);
        case Of::action:
            return made_of(words, t.action, {&t.states, &t.around, &t.fields});
        case Of::objection:
            return made_of(words, t.objection, {&t.states, &t.around, &t.fields});
        case Of::time:
            return made_of(words, t.time, {&t.states, &t.around, &t.fields});
        default:
            return false;
    }
}

bool says_place(std::string_view name, std::string_view city, std::string_view state) {
    constexpr std::size_t clipped = 8;  // a carrier has 15 characters for both
    auto joined = [](const Words& words) {
        std::string out;
        for (const auto& w : words) out += w;
        return out;
    };
    auto said = fold_words(name);
    auto there = joined(fold_words(city)), land = joined(fold_words(state));
    while (said.size() > 1 && (said.back() == "us" || said.back() == "usa")) said.pop_back();
    auto all = joined(said);
    if (all.empty()) return false;
    if (all == there || (!there.empty() && !land.empty() && (all == there + land || all == land + there))) return true;
    if (land.empty() || said.size() < 2 || said.back() != land) return false;
    said.pop_back();
    auto cut = joined(said);
    return std::min(cut.size(), there.size()) >= clipped && (there.starts_with(cut) || cut.starts_with(there));
}

}  // namespace otto
