#include "base/phone.hpp"

#include "testing/catch.hpp"

using namespace otto;

TEST_CASE("whatever people, phones and programs write of one number is one number") {
    for (auto text :
         {// the seeds' ways
          "+1 (202) 831-3219", "+12028313219", "12028313219", "202-831-3219", "(202) 831.3219", " 12028313219", "  +12028313219 ",
          "+1 (202) 831/3219", "1-202-831-3219", "202/831-3219",
          // marks that nobody sees
          "\u202a+12028313219\u202c", "\u2068(202) 831-3219\u2069", "\u200e+1 202 831 3219\u200f", "\u200b+12028313219",
          "+1\ufe0d-202-831-3219", "\ufeff+12028313219", "+1\u2060202\u2060831\u20603219", "202\u00ad831\u00ad3219",
          "\u061c+12028313219", "+1\u200d202\u200c8313219", "2028313219\U000e0001", "2028313219\u034f",
          "\u20661-202-831-3219\u2069", "\u2028+12028313219", "+12028313219\u180e",
          // every space
          "(202)\u00a0831\u20113219", "+1\u2009202\u2009831\u20093219", "202\u3000831\u30003219",
          "+1\u202f202\u202f831\u202f3219", "202\u2003831\u20073219", "\t202\r\n831 3219\v", "202\u1680831\u205f3219",
          "\u0085202 831 3219",
          // every dash, dot and bracket
          "202\u2010831\u20103219", "202\u2013831\u20133219", "202\u2014831\u20143219", "202\u2212831\u22123219",
          "202\ufe58831\ufe633219", "202\uff0d831\uff0d3219", "202\u30fc831\u30fc3219", "202\u00b7831\u00b73219",
          "202\u2022831\u20223219", "[202] 831-3219", "\uff08202\uff09831-3219", "\u3010202\u3011831-3219", "202_831_3219",
          "202~831~3219", "202|831|3219", "\"+12028313219\"", "'2028313219", "\u201c202 831 3219\u201d",
          // digits of other scripts and of other widths
          "\uff0b\uff11\uff12\uff10\uff12\uff18\uff13\uff11\uff13\uff12\uff11\uff19",
          "\u0662\u0660\u0662 \u0668\u0663\u0661 \u0663\u0662\u0661\u0669",
          "\u06f2\u06f0\u06f2\u06f8\u06f3\u06f1\u06f3\u06f2\u06f1\u06f9",
          "\u0968\u0966\u0968\u096e\u0969\u0967\u0969\u0968\u0967\u096f",
          "\U0001d7da\U0001d7d8\U0001d7da\U0001d7e0\U0001d7db\U0001d7d9\U0001d7db\U0001d7da\U0001d7d9\U0001d7e1",
          "2\ufe0f\u20e30\ufe0f\u20e32\ufe0f\u20e3 831 3219",
          // from abroad, and as addresses
          "0012028313219", "00 1 202 831 3219", "01112028313219", "011-1-202-831-3219", "+0012028313219", "+01112028313219",
          "(+1) 202-831-3219", "+ 1 202 831 3219", "++12028313219", "+1 (0) 202 831 3219", "\u2795 1 202 831 3219",
          "tel:+12028313219", "TEL:202-831-3219", "tel: +1 202 831 3219", "Tel.: (202) 831-3219", "<tel:+1-202-831-3219>",
          "callto:+12028313219", "sms:+12028313219", "\uff54\uff45\uff4c\uff1a2028313219",
          // with an extension, which is not the number
          "202-831-3219 x45", "2028313219x45", "202-831-3219 X 45", "202-831-3219 ext. 45", "202-831-3219 Ext 45",
          "202-831-3219, ext. 45", "202-831-3219 (ext. 45)", "+12028313219;ext=45", "tel:+12028313219;ext=45",
          "tel:+1-202-831-3219;isub=12;ext=45", "tel:202-831-3219;phone-context=+1", "2028313219#45", "2028313219 # 45",
          "2028313219,45", "2028313219,,45#", "2028313219;45", "202-831-3219 extension 45", "202-831-3219 extensi\u00f3n 45",
          "202-831-3219 Extensio\u0301n 45", "202-831-3219 extn 45", "202-831-3219 xtn. 45", "202-831-3219 ext #45",
          "202-831-3219 x", "202-831-3219\uff5845", "202-831-3219\uff0345", "2028313219 x1234567"}) {
        INFO(text);
        CHECK(normalize_phone(text) == Phone{"+12028313219", true});
    }
}

TEST_CASE("numbers of the world keep their country code, and lose a zero that is not dialled from abroad") {
    for (auto text : {"+442071838750", " 442071838750", "+44 20 7183 8750", "+44 (0)20 7183 8750", "+44(0) 20 7183 8750",
                      "0044 (0) 20 7183 8750", "011 44 (0)20 7183 8750", "+44 [0] 20 7183 8750", "+44 \uff080\uff0920 7183 8750",
                      "\u202a+44\u00a0(0)20\u00a07183\u00a08750\u202c", "tel:+44-20-7183-8750;ext=1", "00442071838750"})
        CHECK(normalize_phone(text) == Phone{"+442071838750", true});
    CHECK(normalize_phone("+49 (0)30 901820") == Phone{"+4930901820", true});
    CHECK(normalize_phone("+353 (0)1 612 0000") == Phone{"+35316120000", true});
    CHECK(normalize_phone("+39 (0)6 6982 1234") == Phone{"+390669821234", true});    // Italy's zero is part of the number
    CHECK(normalize_phone("+44 20 (0)71 838750") == Phone{"+4420071838750", true});  // not behind the country code: a digit
    CHECK(normalize_phone("+2028313219") == Phone{"+2028313219", true});             // with a plus it is Egypt's
    CHECK(normalize_phone("+4612345") == Phone{"+4612345", true});                   // seven digits
    CHECK(normalize_phone("+123456789012345").e164 == false);
    CHECK(normalize_phone("+491234567890123") == Phone{"+491234567890123", true});  // fifteen
}

TEST_CASE("what cannot be called is no number") {
    for (auto text : {// words and addresses
                      "Anonymous", "sip:Bob@Example.COM", "client:bob", "1-800-FLOWERS", "202-831-3219 Maria", "-1", "0", "", "+",
                      "()", "unknown", "tel:", "x45", "ext. 45", "202-831-32lq",
                      // another count of digits
                      "72345", "911", "8313219", "442071838750", "22028313219", "+1", "+1 202 831 321", "+1 202 831 32199",
                      "1202831321", "120283132199", "0011202831321", "+123456", "+1234567890123456", "+4912345678901234",
                      // country and area codes that nobody has
                      "+0442071838750", "0442071838750", "+1 002 831 3219", "+1 102 831 3219", "0028313219", "1028313219",
                      "10028313219", "(123) 456-7890", "1234567890",
                      // all digits of the national part alike
                      "0000000000", "+10000000000", "2222222222", "+1 555 555 5555", "999-999-9999", "+44 1111111111",
                      "+33 222222222", "+7 777 777 7777", "+353 555555555", "+99999999999", "+20 33333333",
                      // a hidden caller on a keypad
                      "+266696687", "266696687", "00266696687", "+7378742833", "7378742833", "+17378742833", "+86282452253",
                      "86282452253", "+8656696", "8656696", "+2562533", "2562533", "+26 66 96 687", "\u202a+266696687\u202c",
                      "\uff0b\uff12\uff16\uff16\uff16\uff19\uff16\uff16\uff18\uff17", "tel:+266696687", "011266696687",
                      "+7748283", "+94484353",
                      // two numbers, or something else behind it
                      "202-831-3219 / 202-831-3220", "202-831-3219, 202-831-3220", "+12028313219;+12028313220",
                      "2028313219 x12345678", "2028313219 y45", "2028313219:45", "+1202+8313219", "202*8313219", "2028313219?",
                      "\xff+12028313219", "202831321\xc3"}) {
        INFO(text);
        CHECK_FALSE(normalize_phone(text).e164);
    }
}

TEST_CASE("the seeds' numbers with an exchange of 123 stay callable") {
    CHECK(normalize_phone("+1 555 123 4567") == Phone{"+15551234567", true});
    CHECK(normalize_phone("(555) 123-4567") == Phone{"+15551234567", true});
    CHECK(normalize_phone("+20 13333333") == Phone{"+2013333333", true});  // its national part is 13333333
}

TEST_CASE("what is no callable number is kept as received, trimmed and lower-cased") {
    CHECK(normalize_phone("Anonymous") == Phone{"anonymous", false});
    CHECK(normalize_phone("sip:Bob@Example.COM") == Phone{"sip:bob@example.com", false});
    CHECK(normalize_phone("72345") == Phone{"72345", false});
    CHECK(normalize_phone("   ") == Phone{"", false});
    CHECK(normalize_phone(" +266696687 ") == Phone{"+266696687", false});
    CHECK(normalize_phone("442071838750") == Phone{"442071838750", false});
    CHECK(normalize_phone("\t442071838750") == Phone{"442071838750", false});              // only a space can have been a plus
    CHECK(normalize_phone("\u200b 442071838750") == Phone{"\u200b 442071838750", false});  // and only at the very beginning
}
