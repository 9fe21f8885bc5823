// What strangers send to break a parser.
#include "base/json.hpp"
#include "base/text.hpp"
#include "base/time.hpp"
#include "testing/catch.hpp"

using namespace otto;

TEST_CASE("half a surrogate pair in a text becomes U+FFFD, and nothing else of it changes") {
    const std::string mark = "\xEF\xBF\xBD";
    struct Row {
        std::string written, said;
    };
    for (const auto& row : std::vector<Row>{{R"("\ud83d")", mark},
                                            {R"("\udc00")", mark},
                                            {R"("\uDFFF")", mark},
                                            {R"("\uD83d")", mark},
                                            {R"("roof leaks \ud83d")", "roof leaks " + mark},
                                            {R"("\ud83d roof")", mark + " roof"},
                                            {R"("a\ud800b\udc00c")", "a" + mark + "b" + mark + "c"},
                                            {R"("\ud800\u0041")", mark + "A"},
                                            {R"("\udc00\ud800")", mark + mark},
                                            {R"("\ud83c\ud83c\udfe0")", mark + "\xf0\x9f\x8f\xa0"},
                                            {R"("\ud83c\udfe0\udfe0")", "\xf0\x9f\x8f\xa0" + mark},
                                            {R"("\ud83d\n")", mark + "\n"},
                                            {R"("\ud83d\\")", mark + "\\"},
                                            {R"("\ud83d\"")", mark + "\""},
                                            {R"("\\\udc00")", "\\" + mark},
                                            {R"("\\udc00")", R"(\udc00)"},  // an escaped backslash
                                            {R"("\\\\udc00")", R"(\\udc00)"},
                                            {R"("\ud83c\udfe0")", "\xf0\x9f\x8f\xa0"},  // a whole pair
                                            {R"("\uD83C\uDFE0")", "\xf0\x9f\x8f\xa0"},
                                            {R"("\ud7ff\ue000")", "\xed\x9f\xbf\xee\x80\x80"}}) {
        INFO(row.written);
        auto parsed = JsonDocument::parse(row.written);
        REQUIRE(parsed.ok());
        CHECK(parsed->root().string() == row.said);
    }
    auto named = JsonDocument::parse(R"({"\udead":1,"tags":["\ud83d",{"name":"\udc00"}],"\ud83d\ude00":2})");
    REQUIRE(named.ok());
    CHECK(named->root()[mark].integer() == 1);
    CHECK(named->root()["tags"].at(1)["name"].string() == mark);
    CHECK(named->root()["\xF0\x9F\x98\x80"].integer() == 2);
    auto marked = JsonDocument::parse(
        "\xEF\xBB\xBF"
        R"({"a":"\ud83d"})");
    REQUIRE(marked.ok());
    CHECK(marked->root()["a"].string() == mark);
    for (auto bad : {R"("\ud8")", R"("\ud83")", R"("\ud8zz")", R"("\udzzz")", R"("\ud83d)", R"(\ud83d)", R"({"a":\ud83d})",
                     "\"\xED\xA0\xBD\""}) {
        INFO(bad);
        CHECK_FALSE(JsonDocument::parse(bad));
    }
}

TEST_CASE("what programs write in the place of a number is no JSON") {
    for (auto bad : {"NaN", "[NaN]", R"({"a":NaN})", R"({"a":nan})", R"({"a":Infinity})", R"({"a":-Infinity})", R"({"a":inf})",
                     R"({"a":undefined})", R"({"a":None})", R"({"a":+1})", R"({"a":01})", R"({"a":1.})", R"({"a":.5})",
                     R"({"a":0x1F})", R"({'a':1})", "{\"a\":1,}", "{a:1}", "[1,]", "{\"a\":1}//x"}) {
        INFO(bad);
        CHECK_FALSE(JsonDocument::parse(bad));
    }
}

TEST_CASE("a NUL does not end a document") {
    using namespace std::string_literals;
    for (auto bad : {"{}\0"s, "{\"id\":1}\0 and more"s, "\0"s, "[1,\0 2]"s, "\"a\0b\""s}) CHECK_FALSE(JsonDocument::parse(bad));
    CHECK(JsonDocument::parse(R"("\u0000")").value().root().string() == std::string_view("\0", 1));
}

TEST_CASE("a byte order mark is whole or refused") {
    for (auto bad : {"\xBF{}", "\xEF{}", "\xBB\xBF{}", "\xEF\xBF{}", "\xEF\xBB\xBF", "{}\xEF\xBB\xBF"})
        CHECK_FALSE(JsonDocument::parse(bad));
    CHECK(JsonDocument::parse("\xEF\xBB\xBF{}"));
}

TEST_CASE("a number is finite or refused") {
    for (auto bad : {"[1.8e308]", "{\"a\":{\"b\":[1,1.7976931348623159e308]}}", "-1.8e308", "[17976931348623159e292]", "1e400"}) {
        INFO(bad);
        CHECK_FALSE(JsonDocument::parse(bad));
    }
    for (auto tiny : {"0.01e-323", "1e-400", "0.0000001e-317"}) CHECK(JsonDocument::parse(tiny).value().root().number() == 0.0);
    CHECK(JsonDocument::parse("[1.7976931348623157e308]").value().root().at(0).number() == 1.7976931348623157e308);
}

TEST_CASE("a control character is escaped when a value is written again, wherever it stands") {
    for (int c = 1; c < 0x20; ++c)
        for (std::size_t at : {0u, 3u, 15u, 16u, 20u, 40u}) {
            std::string escape = "\\u00" + std::string(c < 16 ? "0" : "1") + "0123456789abcdef"[c % 16];
            auto text = "{\"" + std::string(at, 'x') + escape + std::string(20, 'y') + "\":\"" + std::string(at, 'x') + escape +
                        std::string(20, 'z') + "\"}";
            INFO(text);
            auto read = JsonDocument::parse(text);
            REQUIRE(read.ok());
            auto again = JsonDocument::parse(read->root().dump());
            REQUIRE(again.ok());
            CHECK(again->root().dump() == read->root().dump());
        }
}

TEST_CASE("what only looks like half a surrogate pair is no JSON") {
    for (auto text : {R"("\ud?83")", R"("\ud:00")", R"("\ud@00")", R"("\ud8g0")", R"("\udc0")", R"("\ud`00")"}) {
        INFO(text);
        CHECK_FALSE(JsonDocument::parse(text).ok());
    }
}

TEST_CASE("half a zone is no time") {
    for (auto bad : {"2025-01-15T10:30:00-00:", "2025-01-15T10:30:00+05:", "2025-01-15T10:30:00+", "2025-01-15T10:30:00+5"}) {
        INFO(bad);
        CHECK_FALSE(parse_time(bad));
    }
    CHECK(parse_time("2025-01-15T10:30:00+05") == parse_time("2025-01-15T05:30:00Z"));
}

TEST_CASE("a URL's host is a name or an address and nothing else") {
    for (auto bad : {"http://api.callr]il.com/", "http://[::1/", "http://::1/", "http://a:b:80/", "http://a\\b/", "http://a%00b/",
                     "http://[a b]/", "http://[name]/", "http://\"/", "http://h\xc3\xab/"}) {
        INFO(bad);
        CHECK_FALSE(Url::parse(bad));
    }
    CHECK(Url::parse("http://a-1.b_c.example./").value().host == "a-1.b_c.example.");
    CHECK(Url::parse("http://[::FFFF:127.0.0.1]:80/").value().host == "::ffff:127.0.0.1");
}

TEST_CASE("broken UTF-8 is mended byte by byte") {
    CHECK(mend_utf8("Zo\xc3\xab") == "Zo\xc3\xab");
    CHECK(mend_utf8("a\xff\xc3z") == "a\xEF\xBF\xBD\xEF\xBF\xBDz");
    CHECK(mend_utf8("") == "");
}

TEST_CASE("texts are parsed in place as they would be letter by letter") {
    // Brackets in strings nest nothing; escapes shorten a string within its own place; what follows the end is not looked at.
    std::string many(200, '{');
    auto parsed =
        JsonDocument::parse(R"({"text":")" + many + many + R"(","escaped":"a\"\\\/\b\u00e9\ud83d\ude00z","next":[1,"x"]})");
    REQUIRE(parsed.ok());
    CHECK(parsed->root()["text"].string() == many + many);
    CHECK(parsed->root()["escaped"].string() == "a\"\\/\b\xC3\xA9\xF0\x9F\x98\x80z");
    CHECK(parsed->root()["next"].at(1).string() == "x");
    CHECK_FALSE(JsonDocument::parse(std::string(65, '[') + R"("[")" + std::string(65, ']')).ok());
    CHECK(JsonDocument::parse(std::string(64, '[') + R"("\\[")" + std::string(64, ']')).ok());
    auto marked = JsonDocument::parse("\xEF\xBB\xBF{\"a\":?}");
    REQUIRE_FALSE(marked.ok());
    CHECK(marked.error().message == "not JSON: Invalid value. at byte 8");
    for (std::size_t size = 1; size < 80; ++size) {
        std::string text(size, 'a');
        text[size / 2] = size % 3 == 0 ? '\n' : 'b';
        auto whole = JsonDocument::parse("[\"" + text + "\"]");
        CHECK(whole.ok() == (size % 3 != 0));
        if (whole.ok()) CHECK(whole->root().at(0).string() == text);
        CHECK_FALSE(JsonDocument::parse("[\"" + text).ok());
    }
    for (char control = 1; control < 0x20; ++control)
        for (std::size_t at = 0; at < 40; ++at) {
            INFO(static_cast<int>(control) << " at " << at);
            std::string text(40, 'a');
            text[at] = control;
            CHECK_FALSE(JsonDocument::parse("[\"" + text + "\"]").ok());
        }
    for (std::string part : {"\xC3", "\xE2\x82", "\xF0\x9F\x98", "\xED\xA0\x80"})
        for (std::size_t before = 0; before < 20; ++before) {
            CHECK_FALSE(JsonDocument::parse("[\"" + std::string(before, 'a') + part + "\"]").ok());
            CHECK_FALSE(valid_utf8(std::string(before, 'a') + part));
            CHECK(valid_utf8(std::string(before, 'a') + "\xF0\x9F\x98\x80" + std::string(before, 'b')));
        }
}
