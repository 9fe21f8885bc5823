#include "base/json_page.hpp"

#include "testing/catch.hpp"

using namespace otto;

namespace {

std::string shown(const JsonPage& page, std::string_view list) {
    std::string out;
    auto items = page.document.root()[list];
    for (std::size_t i = 0; i < items.size(); ++i) out += (i ? "|" : "") + items.at(i).dump();
    return out;
}

}  // namespace

TEST_CASE("entries of a page are what was written, byte for byte") {
    struct Row {
        std::string page;
        std::vector<std::string> entries;
    };
    for (const auto& row : std::vector<Row>{
             {R"({"calls":[]})", {}},
             {R"({"calls": [ ] , "more":1})", {}},
             {R"({"calls":[1]})", {"1"}},
             {R"({"page":1,"calls":[{"id": 1} , {"id":2,"a":[1,{"b":"]"}]}],"total":2})",
              {R"({"id": 1})", R"({"id":2,"a":[1,{"b":"]"}]})"}},
             {R"({"other":{"calls":[9]},"calls":[1,"a,b",null]})", {"1", "\"a,b\"", "null"}},
             {R"({"text":"\"calls\":[7]","calls":[1]})", {"1"}},
             {R"({"calls":[{"note":"\ud83d \"x\" \\"},{"note":"b"}]})", {R"({"note":"\ud83d \"x\" \\"})", R"({"note":"b"})"}},
             {"\xEF\xBB\xBF{\"calls\":[1.0,\r\n 2]}", {"1.0", "2"}},
             {R"({"calls":{"a":1}})", {}},
             {R"({"calls":"[1]"})", {}},
             {R"([{"calls":[1]}])", {}},
             {R"("calls")", {}}}) {
        INFO(row.page);
        auto page = JsonPage::parse(row.page, "calls");
        REQUIRE(page.ok());
        CHECK(page->unfit.empty());
        CHECK(std::vector<std::string>(page->entries.begin(), page->entries.end()) == row.entries);
        if (page->document.root()["calls"].is_array()) CHECK(page->entries.size() == page->document.root()["calls"].size());
    }
}

TEST_CASE("an entry that is no JSON costs itself and no other") {
    const std::string good = R"({"id":1})";
    for (std::string bad :
         {R"({"id":2,"score":NaN})", R"({"id":2,"score":-Infinity})", R"({"id":2,})", "{\"id\":2,\"note\":\"a\x01\"}",
          "{\"id\":2,\"note\":\"\xED\xA0\xBD\"}", "{\"id\":2,\"note\":\"\xff\"}", R"({"id":2,"n":1e999})", R"({id:2})", "NaN",
          "-", R"({"note":"\ud8zz"})", "None"}) {
        for (std::size_t at = 0; at < 3; ++at) {
            std::string page = R"({"total_pages":3,"calls":[)";
            for (std::size_t i = 0; i < 3; ++i) page += (i ? " , " : "") + (i == at ? bad : good);
            page += R"(],"page":1})";
            INFO(page);
            REQUIRE_FALSE(JsonDocument::parse(page).ok());
            auto read = JsonPage::parse(page, "calls");
            REQUIRE(read.ok());
            REQUIRE(read->unfit.size() == 1);
            CHECK_FALSE(read->unfit[0].empty());
            REQUIRE(read->entries.size() == 3);
            CHECK(read->entries[at] == bad);
            auto calls = read->document.root()["calls"];
            REQUIRE(calls.size() == 3);
            for (std::size_t i = 0; i < 3; ++i) CHECK(calls.at(i).is_object() == (i != at));
            CHECK(read->document.root()["total_pages"].integer() == 3);
            CHECK(read->document.root()["page"].integer() == 1);
        }
    }
    auto many = JsonPage::parse(R"({"calls":[NaN,{"a":nan},3,[Infinity],{"b":4}]})", "calls");
    REQUIRE(many.ok());
    CHECK(many->unfit.size() == 3);
    CHECK(shown(*many, "calls") == R"(0|null|3|null|{"b":4})");
}

TEST_CASE("a page that is no JSON outside its entries is none") {
    for (const auto& bad : std::vector<std::string>{
             "", "<html>", R"({"calls":[1,2})", R"({"calls":[1,2]}x)", R"({"calls":[{"a":"b}]})", R"({"calls":[1,,2]})",
             R"({"page":NaN,"calls":[1]})", R"({"page":NaN,"calls":[NaN]})", R"({"calls":[)", R"({"calls":[1],"calls")",
             std::string(100'000, '['), R"({"calls":)" + std::string(100'000, '[')}) {
        INFO(bad.substr(0, 60));
        auto page = JsonPage::parse(bad, "calls");
        REQUIRE_FALSE(page.ok());
        CHECK_FALSE(page.error().message.empty());
    }
}

TEST_CASE("whole numbers with a point") {
    for (auto [written, id] : {std::pair{"4711", "4711"},
                               {"4711.0", "4711"},
                               {" 4711.000 ", "4711"},
                               {"0.0", "0"},
                               {"4711.5", "4711.5"},
                               {"4711.", "4711."},
                               {".0", ".0"},
                               {"-1.0", "-1.0"},
                               {"1.0.0", "1.0.0"},
                               {"CAL1.0", "CAL1.0"},
                               {"", ""},
                               {"COM1", "COM1"}})
        CHECK(whole_number_text(written) == id);
}
