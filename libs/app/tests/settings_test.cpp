#include "app/settings.hpp"

#include <fstream>

#include "testing/catch.hpp"

using namespace otto;

namespace {

const auto kName = app::text("name", "otto", "a name");
const auto kCount = app::number("count", 5, 1, 10, "a count");
const auto kLoud = app::flag("loud", false, "whether");
const auto kHosts = app::list("hosts", "a,b", "hosts");
const auto kKey = app::secret("the-key", "a key");
const app::Rows kRows{kName.row, kCount.row, kLoud.row, kHosts.row, kKey.row};

struct File {
    std::string path;
    explicit File(const std::string& text) : path("/tmp/otto-settings-test-" + std::to_string(std::hash<std::string>{}(text))) {
        std::ofstream(path) << text;
    }
    ~File() { std::remove(path.c_str()); }
};

}  // namespace

TEST_CASE("defaults, then file, then environment, then arguments; an empty value is a value") {
    auto s = app::Settings::load(kRows, {}, {}).value();
    CHECK(s.get(kName) == "otto");
    CHECK(s.get(kHosts) == std::vector<std::string>{"a", "b"});
    CHECK_FALSE(s.given(kName.row));

    File file("# comment\nOTTO_NAME = from file\nOTTO_COUNT=2\nOTTO_LOUD=yes\n");
    s = app::Settings::load(kRows, {"--count=4"},
                            {{"OTTO_CONFIG", file.path}, {"OTTO_COUNT", "3"}, {"OTTO_HOSTS", ""}, {"PATH", "x"}})
            .value();
    CHECK(s.get(kName) == "from file");
    CHECK(s.get(kCount) == 4);
    CHECK(s.get(kLoud));
    CHECK(s.get(kHosts).empty());
    CHECK(s.given(kHosts.row));
}

TEST_CASE("a choice is one of its words, and stands for what the word means") {
    enum class Side { left, right };
    const auto side = app::choice<Side>("side", "left", {{"left", Side::left}, {"right", Side::right}}, "which side");
    CHECK(app::Settings::load({side.row}, {}, {}).value().get(side) == Side::left);
    CHECK(app::Settings::load({side.row}, {"--side=right"}, {}).value().get(side) == Side::right);
    auto wrong = app::Settings::load({side.row}, {}, {{"OTTO_SIDE", "middle"}});
    REQUIRE_FALSE(wrong);
    CHECK(wrong.error().hint.find("OTTO_SIDE takes one of left, right") != std::string::npos);
    CHECK(app::settings_page({side.row}).find("| one of left, right | `left` |") != std::string::npos);
}

TEST_CASE("what does not fit stops the start and names the setting") {
    auto why = [](const std::vector<std::string>& arguments, const std::map<std::string, std::string>& environment) {
        auto s = app::Settings::load(kRows, arguments, environment);
        REQUIRE_FALSE(s);
        return s.error().message + " / " + s.error().hint;
    };
    CHECK(why({"--count=11"}, {}).find("1 to 10") != std::string::npos);
    CHECK(why({}, {{"OTTO_COUNT", "many"}}).find("OTTO_COUNT") != std::string::npos);
    CHECK(why({"--nmae=x"}, {}).find("--nmae") != std::string::npos);
    CHECK(why({"name"}, {}).find("'name'") != std::string::npos);
    CHECK(why({"--loud=perhaps"}, {}).find("true or false") != std::string::npos);
    File file("OTTO_NMAE=x\n");
    CHECK(why({}, {{"OTTO_CONFIG", file.path}}).find("OTTO_NMAE") != std::string::npos);
    CHECK(why({}, {{"OTTO_CONFIG", file.path}}).find("is OTTO_NAME meant?") != std::string::npos);
    CHECK(why({}, {{"OTTO_CONFIG", "/nowhere/at/all"}}).find("/nowhere/at/all") != std::string::npos);
    CHECK(why({}, {{"OTTO_COUNT_FILE", "/nowhere/at/all"}}).find("OTTO_COUNT_FILE") != std::string::npos);
}

TEST_CASE("strict: a name that is no setting ends the start, and the one that was meant is named") {
    auto rows = kRows;
    rows.push_back(app::kStrict.row);
    auto why = [&](std::map<std::string, std::string> environment) {
        environment.emplace("OTTO_STRICT", "1");
        auto s = app::Settings::load(rows, {}, environment);
        return s ? "" : s.error().message + " / " + s.error().hint;
    };
    File key("s3cret"), config("OTTO_STRICT=yes\nOTTO_THE_KEY_FILE=" + key.path + "\n");
    CHECK(why({{"OTTO_NAME", "x"}, {"OTTO_THE_KEY_FILE", key.path}, {"PATH", "/bin"}, {"OTTO_CONFIG", config.path}}) == "");
    CHECK(why({{"OTTO_NMAE", "x"}}).find("'OTTO_NMAE'") != std::string::npos);
    CHECK(why({{"OTTO_NMAE", "x"}}).find("is OTTO_NAME meant?") != std::string::npos);
    CHECK(why({{"OTTO_THE_KEY_FLIE", "x"}}).find("is OTTO_THE_KEY_FILE meant?") != std::string::npos);
    CHECK(why({{"OTTO_PG_URL_OF_ANOTHER", "x"}}).find("--help") != std::string::npos);
    CHECK(why({{"OTTO_PG_URL_OF_ANOTHER", "x"}}).find("meant") == std::string::npos);
    CHECK(why({{"OTTO_THE_KEY", "x"}, {"OTTO_THE_KEY_FILE", key.path}}).find("OTTO_THE_KEY and OTTO_THE_KEY_FILE are both set") !=
          std::string::npos);
    auto by_file = app::Settings::load(rows, {}, {{"OTTO_CONFIG", config.path}, {"OTTO_NMAE", "x"}});
    CHECK_FALSE(by_file);
    CHECK(app::Settings::load(rows, {}, {{"OTTO_CONFIG", config.path}}).value().get(kKey).reveal() == "s3cret");
    CHECK(app::Settings::load(rows, {}, {{"OTTO_NMAE", "x"}, {"OTTO_STRICT", "no"}}));
}

TEST_CASE("unknown names in the environment are only noted; secrets come from files and are never shown") {
    File file("s3cret\n");
    auto s = app::Settings::load(kRows, {}, {{"OTTO_NMAE", "x"}, {"OTTO_THE_KEY_FILE", file.path}}).value();
    CHECK(s.unknown() == std::vector<std::string>{"OTTO_NMAE"});
    CHECK(s.get(kKey).reveal() == "s3cret");
    for (const auto& [name, value] : s.shown()) CHECK(value.find("s3cret") == std::string::npos);
    auto help = app::help_text("program", "about", kRows);
    for (auto part : {"--count", "OTTO_COUNT", "1 to 10", "default: 5", "OTTO_THE_KEY_FILE"})
        CHECK(help.find(part) != std::string::npos);
    CHECK(app::settings_page(kRows).find("| `OTTO_COUNT` |") != std::string::npos);
}
