#include "app/secrets.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "app/common.hpp"
#include "kafka/access.hpp"
#include "testing/catch.hpp"

using namespace otto;

namespace {

const auto kKey = app::secret("a-key", "a key", "four letters", [](const std::string& text) -> std::optional<std::string> {
    return text.size() == 4 ? std::nullopt : std::optional<std::string>("it has " + std::to_string(text.size()) + " letters");
});

/// A folder as Kubernetes mounts a Secret: files are links into ..data, a link that is swapped.
struct Mounted {
    std::filesystem::path folder;
    int n = 0;
    Mounted() {
        char name[] = "/tmp/otto-secret-XXXXXX";
        folder = ::mkdtemp(name);
    }
    ~Mounted() { std::filesystem::remove_all(folder); }
    void put(const std::string& content) {
        auto version = "..v" + std::to_string(++n);
        std::filesystem::create_directory(folder / version);
        std::ofstream(folder / version / "key") << content;
        std::filesystem::create_directory_symlink(version, folder / "..new");
        std::filesystem::rename(folder / "..new", folder / "..data");
        if (!std::filesystem::is_symlink(folder / "key")) std::filesystem::create_symlink("..data/key", folder / "key");
    }
    std::string path() const { return folder / "key"; }
};

app::Settings load(const std::string& path) { return app::Settings::load({kKey.row}, {}, {{"OTTO_A_KEY_FILE", path}}).value(); }

}  // namespace

TEST_CASE("a secret's file is taken up when it changes, and kept when it cannot be used") {
    Mounted mounted;
    mounted.put("one1\n");
    app::SecretFile file(kKey.row, mounted.path());
    CHECK(file.now().reveal() == "one1");
    CHECK(file.version() == 1);
    CHECK_FALSE(file.look());
    mounted.put("two2");
    CHECK(file.look());
    CHECK(file.now().reveal() == "two2");
    for (const char* wrong : {"", "  \n", "three"}) {
        mounted.put(wrong);
        CHECK_FALSE(file.look());
        CHECK(file.now().reveal() == "two2");
    }
    std::filesystem::remove_all(mounted.folder / "..data");
    CHECK_FALSE(file.look());
    CHECK(file.now().reveal() == "two2");
    CHECK_FALSE(file.missing());  // there was one
    mounted.put("four");
    CHECK(file.look());
    CHECK(file.version() == 3);
    CHECK(file.age_seconds().value() < 60);
}

TEST_CASE("a file that does not hold a secret is told with its name and what it should hold, and nothing of what it holds") {
    Mounted mounted;
    auto why = [&](const std::string& path) {
        auto missing = load(path).missing_secret();
        return missing ? missing->message + " / " + missing->hint : "";
    };
    CHECK(why(mounted.path()).find("which is missing") != std::string::npos);
    CHECK(why(mounted.path()).find("OTTO_A_KEY_FILE names '" + mounted.path() + "'") != std::string::npos);
    CHECK(why(mounted.path()).find("four letters") != std::string::npos);
    CHECK(why(mounted.folder).find("cannot be read") != std::string::npos);
    mounted.put("");
    CHECK(why(mounted.path()).find("is empty") != std::string::npos);
    mounted.put("a longer one");
    CHECK(why(mounted.path()).find("it has 12 letters") != std::string::npos);
    CHECK(why(mounted.path()).find("longer") == std::string::npos);
    if (::geteuid() != 0) {
        ::chmod(mounted.path().c_str(), 0);
        CHECK(why(mounted.path()).find("Permission denied") != std::string::npos);
    }
    auto settings = load(mounted.path());
    CHECK(settings.missing_secret());
    mounted.put("good");
    CHECK_FALSE(settings.missing_secret());
    CHECK(settings.get(kKey).reveal() == "good");
    CHECK(settings.shown() == std::vector<std::pair<std::string, std::string>>{{"a-key", "a file"}});
    auto set = app::Settings::load({kKey.row}, {}, {{"OTTO_A_KEY", "a longer one"}});
    REQUIRE_FALSE(set);
    CHECK(set.error().message.find("it has 12 letters") != std::string::npos);
    CHECK(set.error().message.find("longer") == std::string::npos);
}

TEST_CASE("what is made of a secret is made anew with it, and kept if nothing can be made") {
    Mounted mounted;
    mounted.put("1111");
    auto settings = load(mounted.path());
    app::Live<int> number(settings.live(kKey), [](const Secret& s) -> Result<int> {
        if (s.reveal().find_first_not_of("0123456789") != std::string::npos) return Error("no number");
        return std::stoi(s.reveal());
    });
    CHECK(*number.now() == 1111);
    auto held = number.now();
    mounted.put("2222");
    settings.secret_files().front()->look();
    CHECK(*number.now() == 2222);
    CHECK(*held == 1111);
    mounted.put("none");
    settings.secret_files().front()->look();
    CHECK(*number.now() == 2222);
    mounted.put("3333");
    settings.secret_files().front()->look();
    CHECK(*number.now() == 3333);
    CHECK_THROWS_AS(app::Live<int>(app::LiveSecret(Secret("x")), [](const Secret&) -> Result<int> { return Error("no number"); }),
                    Failure);
    CHECK(app::live_list(app::LiveSecret(Secret("a, b,"))).now()->size() == 2);
    CHECK(app::live_list(app::LiveSecret(Secret())).now()->empty());
}

TEST_CASE("a key ring opens by a key that came later, and seals with the first") {
    Mounted mounted;
    const std::string first = "one:" + base64_encode(std::string(32, 'a')), second = "two:" + base64_encode(std::string(32, 'b'));
    mounted.put(first);
    auto settings = app::Settings::load({app::kSecretKeys.row}, {}, {{"OTTO_SECRET_KEYS_FILE", mounted.path()}}).value();
    app::LiveKeyRing ring(settings);
    auto before = ring.seal(Secret("s"), "x");
    CHECK(before.starts_with("v1.one."));
    mounted.put(second + "," + first);
    settings.secret_files().front()->look();
    CHECK(ring.seal(Secret("s"), "x").starts_with("v1.two."));
    CHECK(ring.open(before, "x").value().reveal() == "s");
}

TEST_CASE("how clients log in at Kafka is settled, or what does not go together is named") {
    auto why = [](std::map<std::string, std::string> environment) {
        auto settings = app::Settings::load(app::kafka_rows(), {}, environment);
        if (!settings) return settings.error().message;
        auto fits = app::use_kafka_settings(*settings);
        kafka::use_access({});
        return fits ? std::string() : fits.error().message;
    };
    const std::string certificate = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----",
                      key = "-----BEGIN PRIVATE KEY-----";
    CHECK(why({}) == "");
    CHECK(why({{"OTTO_KAFKA_TLS_CA", "system"}}) == "");
    CHECK(why({{"OTTO_KAFKA_TLS_CA", certificate}, {"OTTO_KAFKA_TLS_CERT", certificate}, {"OTTO_KAFKA_TLS_KEY", key}}) == "");
    std::map<std::string, std::string> login{
        {"OTTO_KAFKA_SASL_MECHANISM", "SCRAM-SHA-512"}, {"OTTO_KAFKA_SASL_USERNAME", "u"}, {"OTTO_KAFKA_SASL_PASSWORD", "p"}};
    CHECK(why(login) == "");
    CHECK(why({{"OTTO_KAFKA_TLS_CA", "a path, no certificate"}}).find("OTTO_KAFKA_TLS_CA: there is no certificate") == 0);
    CHECK(why({{"OTTO_KAFKA_TLS_CA", "system"}, {"OTTO_KAFKA_TLS_CERT", certificate}}).find("without the other") !=
          std::string::npos);
    CHECK(why({{"OTTO_KAFKA_TLS_CERT", certificate}, {"OTTO_KAFKA_TLS_KEY", key}}).find("without OTTO_KAFKA_TLS_CA") !=
          std::string::npos);
    login["OTTO_KAFKA_SASL_MECHANISM"] = "PLAIN";
    CHECK(why(login).find("without TLS") != std::string::npos);
    login["OTTO_KAFKA_SASL_MECHANISM"] = "none";
    CHECK(why(login).find("without OTTO_KAFKA_SASL_MECHANISM") != std::string::npos);
    login["OTTO_KAFKA_SASL_MECHANISM"] = "GSSAPI";
    CHECK(why(login).find("'GSSAPI'") != std::string::npos);
    CHECK(why({{"OTTO_KAFKA_SASL_MECHANISM", "SCRAM-SHA-256"}}).find("without OTTO_KAFKA_SASL_USERNAME") != std::string::npos);
}
