#include "base/json.hpp"

#include "testing/catch.hpp"

using namespace otto;

TEST_CASE("looking into JSON never fails") {
    auto document =
        JsonDocument::parse(
            R"({"id":766970532,"duration":"13","tags":["a","b"],"note":"","none":null,"yes":true,"f":13.0,"big":1e300,"id":2})")
            .value();
    auto root = document.root();
    CHECK(root["id"].integer() == 766970532);  // of doubled keys the first counts
    CHECK(root["id"].loose_text() == "766970532");
    CHECK(root["duration"].loose_integer() == 13);
    CHECK_FALSE(root["duration"].integer());
    CHECK(root["f"].loose_integer() == 13);
    CHECK_FALSE(root["big"].loose_integer());
    CHECK(root["tags"].size() == 2);
    CHECK(root["tags"].at(1).string() == "b");
    CHECK_FALSE(root["tags"].at(2).exists());
    CHECK_FALSE(root["note"].loose_text());
    CHECK(root["none"].is_null());
    CHECK(root["yes"].loose_boolean() == true);
    CHECK_FALSE(root["absent"]["deeper"].exists());
    CHECK(root["tags"].dump() == R"(["a","b"])");
}

TEST_CASE("a whole number is one text, however it was written") {
    struct Row {
        std::string written;
        std::optional<std::string> text;
    };
    for (const auto& row : std::vector<Row>{{"4711", "4711"},
                                            {"4711.0", "4711"},
                                            {"4711.000", "4711"},
                                            {"4.711e3", "4711"},
                                            {"47110e-1", "4711"},
                                            {"\"4711\"", "4711"},
                                            {"0", "0"},
                                            {"0.0", "0"},
                                            {"-0.0", "0"},
                                            {"-7.0", "-7"},
                                            {"4711.5", "4711.5"},
                                            {"0.1", "0.1"},
                                            {"9007199254740991", "9007199254740991"},
                                            {"999999999999999.0", "999999999999999"},
                                            {"18446744073709551615", "18446744073709551615"},
                                            {"9223372036854775807", "9223372036854775807"},
                                            {"true", "true"},
                                            {"\"\"", std::nullopt},
                                            {"null", std::nullopt},
                                            {"[4711]", std::nullopt},
                                            {"{}", std::nullopt}}) {
        INFO(row.written);
        CHECK(JsonDocument::parse(row.written).value().root().loose_text() == row.text);
    }
    CHECK(JsonDocument::parse("1.0").value().root().loose_boolean() == true);
}

TEST_CASE("members come with their values, in order") {
    auto document = JsonDocument::parse(R"({"b":1,"a":[2],"b":{"c":3}})").value();
    std::string seen;
    for (auto [name, value] : document.root().members()) seen += std::string(name) + "=" + value.dump() + ";";
    CHECK(seen == R"(b=1;a=[2];b={"c":3};)");
    CHECK(document.root()["a"].members().empty());
    CHECK(document.root()["absent"].members().empty());
}

TEST_CASE("an index finds what looking finds") {
    std::vector<std::string> names;
    auto check = [&] {
        JsonWriter w;
        w.begin_object();
        for (std::size_t i = 0; i < names.size(); ++i) w.member(names[i], i);
        for (std::size_t i = 0; i < names.size(); i += 3) w.member(names[i], -1);
        auto document = JsonDocument::parse(w.end_object().text()).value();
        JsonIndex index(document.root());
        for (const auto& name : names) CHECK(index[name].pointer() == document.root()[name].pointer());
        CHECK_FALSE(index["absent"].exists());
        CHECK_FALSE(index[""].exists());
    };
    for (std::size_t count : {0u, 1u, 2u, 7u, 90u, 1'000u, 3'000u}) {
        while (names.size() < count) names.push_back("name " + std::to_string(names.size()));
        check();
    }
    names.clear();  // those that would all stand in one place
    for (int i = 0; names.size() < 60; ++i)
        if (auto name = std::to_string(i); (std::hash<std::string_view>{}(name)&0x3ff) == 7) names.push_back(name);
    check();
    auto array = JsonDocument::parse("[1]").value();
    CHECK_FALSE(JsonIndex(array.root())["0"].exists());
}

TEST_CASE("bad JSON is refused, with the place") {
    std::string deep(100'000, '[');
    for (std::string bad : {std::string(""), std::string("{"), std::string(R"({"a":1}x)"), std::string("{\"a\":\"\xff\"}"), deep,
                            std::string("nul")}) {
        auto document = JsonDocument::parse(bad);
        REQUIRE_FALSE(document);
        CHECK_FALSE(document.error().message.empty());
    }
    CHECK(JsonDocument::parse(R"({"a":1,)").error().message.find("byte") != std::string::npos);
    CHECK(JsonDocument::parse(std::string(64, '[') + std::string(64, ']')));
    CHECK_FALSE(JsonDocument::parse(std::string(65, '[') + std::string(65, ']')));
    CHECK(JsonDocument::parse(R"(["[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["])"));
}

TEST_CASE("what is written can be read, whatever the text") {
    JsonWriter w;
    w.begin_object()
        .member("a", "q\"\\\n\x01\xff")
        .key("list")
        .begin_array()
        .value(1)
        .value(2.5)
        .value(true)
        .null()
        .raw("{}")
        .end_array();
    w.key("o").begin_object().end_object().member("none", std::optional<std::string>{}).end_object();
    CHECK(w.text() == "{\"a\":\"q\\\"\\\\\\n\\u0001\xEF\xBF\xBD\",\"list\":[1,2.5,true,null,{}],\"o\":{},\"none\":null}");
    CHECK(JsonDocument::parse(w.text()));
}

TEST_CASE("misuse of the writer is a bug and says so") {
    JsonWriter w;
    w.begin_object();
    CHECK_THROWS_AS(w.value(1), std::logic_error);
    CHECK_THROWS_AS(w.end_array(), std::logic_error);
}

TEST_CASE("a schema says what does not fit, and where") {
    JsonSchema schema(
        R"({"type":"object","required":["a"],"properties":{"a":{"type":"array","items":{"type":"string","pattern":"^(x|y)[0-9]{2}$"}}},"additionalProperties":false})");
    auto misfit = [&](const char* json) { return schema.misfit(JsonDocument::parse(json).value().root()).value_or("fits"); };
    CHECK(misfit(R"({"a":["x12","y00"]})") == "fits");
    CHECK(misfit(R"({"a":["x12","z00"]})") == "/a/1 breaks pattern");
    CHECK(misfit(R"({"a":["x123"]})") == "/a/0 breaks pattern");
    CHECK(misfit("{}") == "the whole breaks required");
    CHECK(misfit(R"({"a":[],"b":1})").ends_with("additionalProperties"));
    CHECK_THROWS_AS(JsonSchema("[1"), std::invalid_argument);
    CHECK(schema.misfit(JsonView()));
}
