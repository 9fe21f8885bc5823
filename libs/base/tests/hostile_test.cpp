// What strangers send to break a parser.
#include "base/json.hpp"
#include "base/text.hpp"
#include "base/time.hpp"
#include "testing/catch.hpp"

using namespace otto;

TEST_CASE("half a surrogate pair is no JSON: it would become invalid UTF-8, and an event that cannot be read again") {
    for (auto bad : {R"("\udc00")", R"("\uDFFF")", R"("a\ud800")", R"("\ud800\u0041")", R"({"\udead":1})", R"("\ud83c\udfe0\udfe0")", R"("\\\udc00")"}) {
        INFO(bad);
        CHECK_FALSE(JsonDocument::parse(bad));
    }
    CHECK(JsonDocument::parse(R"("\ud83c\udfe0")").value().root().string() == "\xf0\x9f\x8f\xa0");
    CHECK(JsonDocument::parse(R"("\uD83C\uDFE0")").value().root().string() == "\xf0\x9f\x8f\xa0");
    CHECK(JsonDocument::parse(R"("\\udc00")").value().root().string() == R"(\udc00)");  // an escaped backslash
    CHECK(JsonDocument::parse(R"("\ud7ff\ue000")"));
}

TEST_CASE("a NUL does not end a document") {
    using namespace std::string_literals;
    for (auto bad : {"{}\0"s, "{\"id\":1}\0 and more"s, "\0"s, "[1,\0 2]"s, "\"a\0b\""s}) CHECK_FALSE(JsonDocument::parse(bad));
    CHECK(JsonDocument::parse(R"("\u0000")").value().root().string() == std::string_view("\0", 1));
}

TEST_CASE("a byte order mark is whole or refused") {
    for (auto bad : {"\xBF{}", "\xEF{}", "\xBB\xBF{}", "\xEF\xBF{}", "\xEF\xBB\xBF", "{}\xEF\xBB\xBF"}) CHECK_FALSE(JsonDocument::parse(bad));
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

TEST_CASE("half a zone is no time") {
    for (auto bad : {"2025-01-15T10:30:00-00:", "2025-01-15T10:30:00+05:", "2025-01-15T10:30:00+", "2025-01-15T10:30:00+5"}) {
        INFO(bad);
        CHECK_FALSE(parse_time(bad));
    }
    CHECK(parse_time("2025-01-15T10:30:00+05") == parse_time("2025-01-15T05:30:00Z"));
}

TEST_CASE("a URL's host is a name or an address and nothing else") {
    for (auto bad : {"http://api.callr]il.com/", "http://[::1/", "http://::1/", "http://a:b:80/", "http://a\\b/", "http://a%00b/", "http://[a b]/", "http://[name]/", "http://\"/", "http://h\xc3\xab/"}) {
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
