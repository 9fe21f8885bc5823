// SQL's e164() and base's normalize_phone() are one rule.
#include <random>

#include "base/phone.hpp"
#include "pg/connection.hpp"
#include "testing/catch.hpp"
#include "testkit/database.hpp"

using namespace otto;

namespace {

pg::Connection& migrated() {
    static testkit::Database db("otto_lead_pipeline");
    return db.owner;
}

std::string here(const std::string& text) {
    auto phone = normalize_phone(text);
    return phone.e164 ? phone.text : "";
}

std::vector<std::string> in_sql(const std::vector<std::string>& texts) {
    constexpr std::size_t at_once = 5'000;  // a statement has 30 s, also on a machine that is busy
    std::vector<std::string> out;
    for (std::size_t from = 0; from < texts.size(); from += at_once) {
        std::vector<std::string> some(texts.begin() + static_cast<std::ptrdiff_t>(from),
                                      texts.begin() + static_cast<std::ptrdiff_t>(std::min(texts.size(), from + at_once)));
        auto tx = migrated().begin(pg::Scope::none());
        tx.each({"e164", "SELECT coalesce(e164(t), '') AS v FROM unnest($1::text[]) WITH ORDINALITY AS i (t, n) ORDER BY n"},
                {pg::Param::array(some)}, [&](const pg::Fields& f) { out.push_back(f.text("v")); });
    }
    return out;
}

std::string quoted(std::string_view text) {
    std::string out;
    for (unsigned char c : text) {
        if (c >= 0x20 && c < 0x7f) {
            out += static_cast<char>(c);
            continue;
        }
        constexpr char hex[] = "0123456789abcdef";
        out.append("\\x").append({hex[c >> 4], hex[c & 15]});
    }
    return out;
}

/// Compares and tells of the first few that differ.
void agree(const std::vector<std::string>& texts) {
    auto there = in_sql(texts);
    REQUIRE(there.size() == texts.size());
    int told = 0;
    for (std::size_t i = 0; i < texts.size() && told < 10; ++i)
        if (auto mine = here(texts[i]); mine != there[i]) {
            FAIL_CHECK("'" << quoted(texts[i]) << "': C++ '" << mine << "', SQL '" << there[i] << "'");
            ++told;
        }
}

std::string utf8(char32_t c) {
    std::string out;
    auto put = [&](char32_t byte) { out += static_cast<char>(static_cast<unsigned char>(byte)); };
    if (c < 0x80)
        put(c);
    else if (c < 0x800)
        put(0xc0 | c >> 6), put(0x80 | (c & 63));
    else if (c < 0x10000)
        put(0xe0 | c >> 12), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
    else
        put(0xf0 | c >> 18), put(0x80 | (c >> 12 & 63)), put(0x80 | (c >> 6 & 63)), put(0x80 | (c & 63));
    return out;
}

/// Writes numbers as people, phones and programs do.
class Scribe {
public:
    explicit Scribe(unsigned seed) : random_(seed) {}
    std::size_t below(std::size_t n) { return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_); }
    template <class T, std::size_t N>
    T any(const T (&of)[N]) {
        return of[below(N)];
    }

    std::string number() {
        static constexpr const char* countries[] = {"1202", "1623", "1416", "44",  "49", "33", "52",
                                                    "81",   "7",    "353",  "972", "39", "61", "998"};
        std::string n = any(countries);
        std::size_t size = n[0] == '1' ? 11 : 10 + below(5);
        while (n.size() < size) n += static_cast<char>('0' + below(10));
        n.back() = n[n.size() - 2] == '0' ? '1' : '0';  // never all alike
        return n;
    }
    /// A spelling of the number that says nothing else.
    std::string spelt(const std::string& n) {
        std::string out = any(kLead);
        if (below(4) == 0) out += any(kLabels);
        bool american = n[0] == '1';
        std::size_t from = american && below(3) == 0 ? 1 : 0;
        if (from == 0) out += american && below(2) == 0 ? "" : std::string(any(kPlus));
        char32_t zero = any(kZeros);
        bool trunk = n.starts_with("44") && from == 0 && below(3) == 0;
        for (std::size_t i = from; i < n.size(); ++i) {
            if (trunk && i == 2) out += " (0) ";
            out += utf8(zero + static_cast<char32_t>(n[i] - '0'));
            if (below(3) == 0) out += any(kBetween);
        }
        out += any(kTail);
        if (below(4) == 0) out += any(kExtensions);
        return out;
    }
    /// Anything, of what numbers are made of and what they are not.
    std::string scribbled() {
        static constexpr const char* pieces[] = {
            "+",          "1",           "0",       "00",      "011", "(0)",     "(",          ")",    "[",
            "]",          " ",           "-",       ".",       "/",   "x",       "ext",        "extn", "extension",
            "xt",         "xtn",         ",",       ";",       "#",   "=",       ":",          "tel:", "callto:",
            "sms:",       "ext=",        "202",     "8313219", "44",  "39",      "5555555555", "2222", "266696687",
            "7378742833", "86282452253", "8656696", "2562533", "e",   "a",       "?",          "*",    "\t",
            "\n",         "@",           "%",       "'",       "\\",  ";ext=45", ";a-b=!"};
        std::string out;
        for (auto n = 1 + below(9); n > 0; --n) {
            switch (below(8)) {
                case 0:
                    out += any(kBetween);
                    break;
                case 1:
                    out += utf8(any(kZeros) + static_cast<char32_t>(below(10)));
                    break;
                case 2:
                    out += utf8(static_cast<char32_t>(1 + below(0x2FFF)));
                    break;
                case 3:
                    out += std::to_string(below(1'000'000));
                    break;
                default:
                    out += any(pieces);
            }
        }
        return out;
    }

private:
    static constexpr const char* kLead[] = {"",       "",       "",       "\u202a", "\u2068", "\u200b",
                                            "\ufeff", "\u00a0", "\u200e", "(",      "\"",     "\t"};
    static constexpr const char* kLabels[] = {"tel:", "TEL: ", "Tel. ", "callto:", "sms:", "ｔｅｌ："};
    static constexpr const char* kPlus[] = {"+",      "+ ",     "(+)",     "00",      "011", "0 0 ", "011-",
                                            "\uff0b", "\ufe62", "+\u200d", "\u202a+", "++",  "+00",  "\u2795"};
    static constexpr const char* kBetween[] = {
        " ",          "-",      ".",      "/",      " - ",    "\u00a0", "\u2011",       "\u2013", "\u2014",
        "\u2212",     "\u3000", "\u202f", "\u2009", "\u200d", "\ufe0f", "\ufe0e",       "\u2060", "\u00ad",
        "\u061c",     "\u30fc", "\uff0d", "\u00b7", "\u2022", "\u034f", "\ufe0f\u20e3", "\u180e", "\U000e0020",
        "\U000e01ef", "\u2028", "\u0085", "_",      "~"};
    static constexpr const char* kTail[] = {"", "", "", ")", "\u202c", "\u2069", " ", "\u200f", "\"", "\r\n"};
    static constexpr const char* kExtensions[] = {"x45",
                                                  " x 45",
                                                  " ext. 45",
                                                  ";ext=45",
                                                  "#45",
                                                  ",45",
                                                  ", ext 45",
                                                  " Ext:45",
                                                  " (ext. 45)",
                                                  " EXTENSION 45",
                                                  " extensi\u00f3n 45",
                                                  " extensio\u0301n 45",
                                                  "\uff58\uff14\uff15",
                                                  ",,45#",
                                                  " extn. 1234567",
                                                  ";isub=7;ext=45",
                                                  " x",
                                                  "\uff0345",
                                                  "; 45",
                                                  " xtn 45",
                                                  ";phone-context=+1-914-555"};
    static constexpr char32_t kZeros[] = {U'0',   U'0',  U'0',    0x660,   0x6f0,  0x966,
                                          0xff10, 0xe50, 0x1d7ce, 0x1d7f6, 0x17e0, 0x1fbf0};
    std::mt19937 random_;
};

}  // namespace

TEST_CASE("100,000 spellings: one rule in C++ and in SQL, and each spelling is its number", "[integration]") {
    Scribe scribe(19);
    std::vector<std::string> spelt, scribbled;
    int told = 0;
    while (spelt.size() < 60'000) {
        auto n = scribe.number();
        spelt.push_back(scribe.spelt(n));
        if (auto read = here(spelt.back()); read != "+" + n && told++ < 10)
            FAIL_CHECK("'" << quoted(spelt.back()) << "' is read as '" << read << "', not as +" << n);
    }
    while (scribbled.size() < 40'000) scribbled.push_back(scribe.scribbled());
    agree(spelt);
    agree(scribbled);
}

TEST_CASE("every character means the same in C++ and in SQL", "[integration]") {
    // Each in the places where it would be a digit, something between digits, a plus, an opening, a closing bracket, and what an
    // extension begins with.
    auto in_all_places = [](char32_t c) {
        auto u = utf8(c);
        return std::vector<std::string>{"+1202831" + u + "321",     "+1202831" + u + "3219",    u + "442071838750",
                                        "+44" + u + "0)2071838750", "+44(0" + u + "2071838750", "2028313219" + u + "45"};
    };
    auto means_something = [&](char32_t c) {
        auto texts = in_all_places(c);
        return std::any_of(texts.begin(), texts.end(), [](const auto& t) { return !here(t).empty(); });
    };
    std::vector<std::string> texts;
    bool former = true;
    for (char32_t c = 1; c < 0xE2000; c = c == 0xD7FF ? 0xE000 : c == 0x1FFFF ? 0xE0000 : c + 1) {
        // Whatever means something, its neighbours, and some of the rest.
        bool now = means_something(c);
        if (now || former || c % 61 == 0 || (c < 0x1FFFF && means_something(c + 1)))
            if (c < 0xE0010 || c > 0xE0FF0 || c % 61 == 0)
                for (auto& t : in_all_places(c)) texts.push_back(std::move(t));
        former = now;
    }
    CHECK(texts.size() > 20'000);
    agree(texts);
}

TEST_CASE("what was written down of the rule before it took every spelling: C++ and SQL agree", "[integration]") {
    agree({"+1 (202) 831-3219",
           "+12028313219",
           "12028313219",
           "2028313219",
           " 12028313219",
           " 442071838750",
           "\u200b 442071838750",
           "\t 442071838750",
           " 1// 2(0)////33321920",
           "  1 2(0)33321920",
           "+442071838750",
           "442071838750",
           "202-831-3219",
           "202.831.3219",
           "anonymous",
           "",
           " ",
           "+",
           "sip:bob@example.com",
           "55555",
           "+1202831321",
           "+1234567",
           "+1234567890123456",
           "22028313219",
           "202831321x",
           "(202) 831 3219 ",
           "\t2028313219",
           "+2028313219",
           "1-800-FLOWERS",
           "20283132191",
           "+0012028313219",
           "202/831-3219"});
}
