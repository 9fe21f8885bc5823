#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/says_nothing.hpp"
#include "base/unicode.hpp"
#include "testing/catch.hpp"

using namespace otto;

TEST_CASE("letters fold to small ones without accents, each by itself") {
    for (auto [text, folded] : {std::pair{"JOSÉ GARCÍA", "jose garcia"},
                                {"Jose\u0301 Garci\u0301a", "jose garcia"},
                                {"Seán O’Brien", "sean o'brien"},
                                {"Élise Néerland-Öztürk", "elise neerland-ozturk"},
                                {"Straße", "strasse"},
                                {"STRAẞE", "strasse"},
                                {"Łódź", "lodz"},
                                {"Ærøskøbing", "aeroskobing"},
                                {"Đorđe Þór", "dorde thor"},
                                {"İstanbul ıŞIK", "istanbul isik"},
                                {"Nguyễn Văn Thuận", "nguyen van thuan"},
                                {"Ｍａｒｉａ　Ｌｏｐｅｚ", "maria lopez"},
                                {"ﬁnn", "finn"},
                                {"Ǆ", "dz"},
                                {"ΓΙΏΡΓΟΣ Γιώργος", "γιωργοσ γιωργοσ"},
                                {"ЁЛКА Ёлка", "елка елка"},
                                {"Žižka\u00a0Ångström", "zizka angstrom"},
                                {"№ 5 — ½…", "no 5 - 1/2..."},
                                {"", ""},
                                {"ABC xyz 123", "abc xyz 123"},
                                {"李娜 🏠", "李娜 🏠"},
                                {"Muñoz", "munoz"}})
        CHECK(fold(text) == folded);
    for (std::string half : {"O", "Σ", "É", "ß", "e\u0301", "İ", "ﬁ"})
        for (std::string other : {"n", "Σ", "Ü", "x"}) CHECK(fold(half + other) == fold(half) + fold(other));
    CHECK(fold("a\xff"
               "É") == "a\ufffde");
    CHECK(fold_words(" Price/Budget (don't) — José’s ") == std::vector<std::string>{"price", "budget", "dont", "joses"});
    CHECK(fold_words("—…").empty());
}

TEST_CASE("a word of a closed list, however it is written") {
    for (auto text : {"Price/Budget", "price_budget", " PRICE - BUDGET ", "Prìce/Büdget", "Ｐrice／Budget", "price.budget!"})
        CHECK(slug(text) == "price_budget");
    CHECK(slug("Añadir foto") == "anadir_foto");
    CHECK(slug("—") == "");
}

TEST_CASE("what nobody sees is no part of a text") {
    for (auto text :
         {"Maria Lopez", "\u202aMaria Lopez\u202c", "\ufeffMaria\u200b Lopez", "Maria\u00a0Lopez", "  Maria \t\u3000 Lopez\n",
          "Ma\u00adria Lo\u2060pez", "\u2068Maria\u2069 Lopez\ufe0f", "Maria\u200d Lopez\u200e"})
        CHECK(tidy(text) == "Maria Lopez");
    CHECK(tidy("Jose\u0301") == "José");
    CHECK(tidy("می\u200cخواهم") == "می\u200cخواهم");  // there it parts letters
    CHECK(tidy(" \u200b ") == "");
    CHECK(tidy(std::string("a\0b\x1b", 4)) == "ab");
}

TEST_CASE("words of names in capitals become names") {
    for (auto [said, name] : {std::pair{"JOSÉ", "José"},
                              {"GARCÍA", "García"},
                              {"O'BRIEN", "O'Brien"},
                              {"O’BRIEN", "O’Brien"},
                              {"OʼBRIEN", "OʼBrien"},
                              {"D`ANGELO", "D`Angelo"},
                              {"ÖZTÜRK", "Öztürk"},
                              {"NÉERLAND-ÖZTÜRK", "Néerland-Öztürk"},
                              {"ÉLISE", "Élise"},
                              {"JOSE\u0301", "Jose\u0301"},
                              {"McDONALD", "McDONALD"},
                              {"O’Neil", "O’Neil"},
                              {"maria", "maria"},
                              {"van", "van"},
                              {"JOE'S", "Joe's"},
                              {"JOE’S", "Joe’s"},
                              {"D'A", "D'A"},
                              {"J.R.", "J.R."},
                              {"ANNE‑MARIE", "Anne‑Marie"},
                              {"SMITH/JONES", "Smith/Jones"},
                              {"III", "III"},
                              {"3RD", "3rd"},
                              {"Ł", "Ł"},
                              {"ŁUKASZ", "Łukasz"},
                              {"ÞÓRDÍS", "Þórdís"},
                              {"STRAẞER", "Straßer"},
                              {"ΓΙΏΡΓΟΣ", "Γιώργος"},
                              {"ИВАН", "Иван"},
                              {"DİLEK", "Dilek"},
                              {"NGUYỄN", "Nguyễn"},
                              {"ǅEMAL", "ǅemal"},
                              {"李娜", "李娜"},
                              {"שלום", "שלום"},
                              {"42", "42"},
                              {"", ""},
                              {"-", "-"},
                              {"A", "A"},
                              {"ÑUÑO", "Ñuño"},
                              {"(BOB)", "(Bob)"}})
        CHECK(name_case(said) == name);
}

TEST_CASE("words that say nothing are nothing, however they are written") {
    for (auto text : {"",
                      " ",
                      "-",
                      "--",
                      "—",
                      "…",
                      "???",
                      "*",
                      "_",
                      "N/A",
                      "n/a",
                      "N.A.",
                      "n / a",
                      "#N/A",
                      "NA",
                      "na",
                      "None",
                      "NONE.",
                      "(none)",
                      "none given",
                      "null",
                      "NULL",
                      "\"null\"",
                      "nil",
                      "NaN",
                      "undefined",
                      "Not provided",
                      "NOT_PROVIDED",
                      "not-provided",
                      "NotProvided",
                      "not  provided.",
                      "Not Mentioned",
                      "not mentioned in the call",
                      "Not specified",
                      "not stated by the customer",
                      "Not given",
                      "not yet determined",
                      "TBD",
                      "tbd.",
                      "T.B.D.",
                      "TBA",
                      "To be determined",
                      "to be confirmed",
                      "unknown",
                      "Unknown",
                      "UNKNOWN",
                      "Unknown.",
                      "<unknown>",
                      "[Unknown]",
                      "unknown at this time",
                      "Unknown Unknown",
                      "N/A, N/A",
                      "null null",
                      "Unspecified",
                      "undisclosed",
                      "Unavailable",
                      "NOT AVAILABLE",
                      "Not applicable",
                      "No information provided",
                      "No address provided",
                      "no name given",
                      "Address not provided",
                      "The address was not mentioned in the call.",
                      "Customer name: N/A",
                      "Customer did not provide address",
                      "caller didn't say",
                      "could not be determined",
                      "Unable to determine",
                      "(not set)",
                      "(not provided)",
                      "Ｎ／Ａ",
                      "ＮＯＮＥ",
                      "Nóne",
                      "\u200bN/A\u200b",
                      "\u202aunknown\u202c",
                      "N\u00a0/\u00a0A",
                      "No proporcionado",
                      "no especificada",
                      "Desconocido",
                      "\ufffd",
                      "xxx",
                      "0000-00-00",
                      "YYYY-MM-DD",
                      "{}",
                      "[]",
                      "string",
                      "none, none",
                      "wasn’t provided",
                      "UNKNOWN CALLER",
                      "UNKNOWN NAME",
                      "NAME UNAVAILABLE",
                      "information not available"}) {
        INFO(text);
        CHECK(says_nothing(text));
    }
}

TEST_CASE("what says something stays, though it holds such words") {
    for (auto text : {"0",
                      "No",
                      "Phoenix",
                      "12 Unknown Rd",
                      "roof leak",
                      "none of the gutters drain",
                      "Unknown leak in attic",
                      "spam",
                      "Spam",
                      "Private",
                      "blocked",
                      "Wireless",
                      "toll free",
                      "Appointment not set",
                      "Not booked",
                      "No appointment",
                      "Not interested",
                      "Customer unavailable",
                      "Homeowner not present",
                      "Service not available",
                      "Call not recorded",
                      "Warranty not provided",
                      "No action needed",
                      "No objections",
                      "Wrong number",
                      "no answer",
                      "pending",
                      "call the customer",
                      "confirm the address",
                      "Confirm appointment date",
                      "Name",
                      "🔥",
                      "$",
                      "$$$",
                      "未知的漏水",
                      "customer",
                      "tomorrow",
                      "asap",
                      "yes",
                      "Nathan",
                      "Nana",
                      "Noneya Street",
                      "Nullarbor",
                      "price not good",
                      "date and time",
                      "full roof",
                      "information",
                      "do not call",
                      "hot",
                      "not_booked",
                      "service_not_offered",
                      "unqualified",
                      "other"}) {
        INFO(text);
        CHECK_FALSE(says_nothing(text));
    }
    CHECK_FALSE(says_nothing(std::string(300, 'n')));
    CHECK_FALSE(
        says_nothing("none none none none none none none none none none none none none none none none none none none none"));
}

TEST_CASE("what is no name: carriers' words, roles, numbers") {
    for (auto name : {"WIRELESS CALLER",
                      "UNAVAILABLE",
                      "UNKNOWN CALLER",
                      "NOT AVAILABLE",
                      "NAME UNAVAILABLE",
                      "UNKNOWN NAME",
                      "ANONYMOUS CALLER",
                      "ANONYMOUS",
                      "PRIVATE CALLER",
                      "PRIVATE NUMBER",
                      "WIRELESS CALL",
                      "CELL PHONE",
                      "TOLL FREE",
                      "TOLL FREE CALL",
                      "TOLL-FREE CALLER",
                      "SPAM RISK",
                      "SCAM LIKELY",
                      "Potential Spam",
                      "OUT OF AREA",
                      "OUT-OF-AREA",
                      "RESTRICTED",
                      "BLOCKED",
                      "BLOCKED CALL",
                      "NO CALLER ID",
                      "ID WITHHELD",
                      "NO NAME",
                      "MOBILE NUMBER",
                      "Cellular Call",
                      "LANDLINE",
                      "PAY PHONE",
                      "TELEMARKETER",
                      "POLITICAL CALL",
                      "Customer",
                      "the caller",
                      "Unidentified caller",
                      "Unknown Speaker",
                      "Speaker 1",
                      "speaker_2",
                      "Speaker A",
                      "Male caller",
                      "Homeowner",
                      "+16235551234",
                      "(623) 555-1234",
                      "16235551234",
                      "V60512345678",
                      "V60512345678 WIRELESS",
                      "12345",
                      "N/A",
                      "Not provided",
                      "-",
                      "None",
                      "wireless\u00a0caller",
                      "ＵＮＫＮＯＷＮ",
                      "Anónimo",
                      "anonymous@anonymous.invalid",
                      "First Last",
                      "Name",
                      "unknown null"}) {
        INFO(name);
        CHECK(says_nothing(name, Of::person));
    }
    for (auto name : {"Maria Lopez", "J R", "J", "A1 ROOFING", "Nathan Call", "Christopher Guest", "1 800 FLOWERS", "Li Na",
                      "李娜", "Nana", "Jonathan Blank", "Maria N/A", "Free Willy", "Bob", "Unknown Lopez", "NOBLE", "Art Cell"}) {
        INFO(name);
        CHECK_FALSE(says_nothing(name, Of::person));
    }
    for (auto part : {"Unknown", "N/A", "none", "null", "(last name not provided)", "TBD"}) CHECK(says_nothing(part, Of::part));
    for (auto part : {"Na", "Nan", "Nil", "Blank", "Caller", "Name", "String"}) CHECK_FALSE(says_nothing(part, Of::part));
}

TEST_CASE("nothing to do, nothing to object and no time have words of their own") {
    for (auto text : {"None", "No action needed", "no action required.", "No pending actions", "No follow-up needed",
                      "No further action required at this time", "no next steps", "nothing to do"})
        CHECK(says_nothing(text, Of::action));
    for (auto text : {"No need to call before 5, call after", "call back", "Follow up: no action taken by office, send quote"})
        CHECK_FALSE(says_nothing(text, Of::action));
    for (auto text : {"None", "No objections", "No objection was raised", "no concerns mentioned by the customer",
                      "No objections at this time."})
        CHECK(says_nothing(text, Of::objection));
    for (auto text : {"no", "No objections but the price", "Too dear"}) CHECK_FALSE(says_nothing(text, Of::objection));
    for (auto text : {"TBD", "Not scheduled", "not yet scheduled", "No appointment scheduled", "pending", "No date or time given",
                      "no specific date mentioned", "To be scheduled", "not confirmed yet"})
        CHECK(says_nothing(text, Of::time));
    for (auto text : {"tomorrow", "next week, time pending", "2026-12-20", "10 am", "flexible", "asap"})
        CHECK_FALSE(says_nothing(text, Of::time));
}

TEST_CASE("a caller id that is where the caller is") {
    for (auto [name, city, state] : {std::tuple{"PHOENIX      AZ", "PHOENIX", "AZ"},
                                     {"Phoenix, AZ", "Phoenix", "az"},
                                     {"AZ PHOENIX", "Phoenix", "AZ"},
                                     {"PHOENIX", "Phoenix", "AZ"},
                                     {"SALT LAKE CIT UT", "Salt Lake City", "UT"},
                                     {"SAN FRANCISC CA", "SAN FRANCISCO", "CA"},
                                     {"PHOENIX AZ US", "Phoenix", "AZ"},
                                     {"PEÑASCO NM", "Penasco", "NM"},
                                     {"ST. LOUIS MO", "St Louis", "MO"}})
        CHECK(says_place(name, city, state));
    for (auto [name, city, state] : {std::tuple{"Phoenix Lopez", "Phoenix", "AZ"},
                                     {"MARIA AZ", "Phoenix", "AZ"},
                                     {"Al", "Mobile", "AL"},
                                     {"", "", ""},
                                     {"Maria Lopez", "", ""},
                                     {"PHO AZ", "Phoenix", "AZ"}})
        CHECK_FALSE(says_place(name, city, state));
}
