// Fetching recordings from a CallRail of the test's own, over real sockets.
#include "providers/recordings.hpp"

#include <fstream>

#include "base/crypto.hpp"
#include "recording_rig.hpp"

using namespace otto;
using namespace otto::providers;
using namespace otto::providers::tests;

namespace {

const std::string kApiPath = "/v3/a/ACC1/calls/CAL1/recording.json", kHookPath = "/calls/7/recording/redirect";
const std::string kKey = "the company's key";

struct Fixture {
    Folder folder;
    Peer api, elsewhere;
    std::unique_ptr<ObjectStore> store = make_object_store("file:" + folder.path.string()).value();
    FetchOptions options;

    Fixture() {
        options.callrail_api = api.url();
        options.private_addresses = {api.place(), elsewhere.place()};
        options.idle_timeout = Millis{5'000};
    }
    RecordingSource by_api() const { return {Secret(kKey), "ACC1", "CAL1", ""}; }
    RecordingSource by_hook(const std::string& url) const { return {Secret(), "", "", url}; }
    FetchOutcome fetch(const RecordingSource& source, const std::function<bool()>& stopping = {}) {
        return Recordings(options, *store).fetch(source, {}, stopping);
    }
    std::size_t files() const { return folder.files(); }
};

std::string json_url(const std::string& url) { return "{\"url\":\"" + url + "\"}"; }

}  // namespace

TEST_CASE("recording: sound of any kind is taken, whatever it is called, and whether or not it can be measured") {
    Fixture f;
    struct Row {
        std::string sound;
        std::string format;
        std::optional<double> seconds;
    };
    for (const auto& row : std::vector<Row>{{wav(20'000), "wav", 2.5},
                                            {wav(20'000, 0xffff'ffff), "wav", 2.5},
                                            {std::string(100'000, '\0') + mp3(100), "mp3", 7.2},
                                            {id3(20) + id3(40) + mp3(100), "mp3", 7.2},
                                            {id3(20) + std::string(1'000, 'x'), "mp3", {}},
                                            {"RIFF" + bytes_of(0, 4) + "WAVE" + std::string(1'000, '\xff'), "wav", {}},
                                            {std::string("\0\0\0\x18"
                                                         "ftypM4A ",
                                                         12) +
                                                 std::string(1'000, 'x'),
                                             "m4a",
                                             {}},
                                            {"OggS" + std::string(1'000, '\1'), "ogg", {}},
                                            {"\x1a\x45\xdf\xa3" + std::string(1'000, '\1'), "webm", {}}}) {
        for (auto type : {"audio/mpeg", "text/html", "application/octet-stream"}) {
            INFO(row.format << " as " << type);
            f.api.on("/audio/1.mp3", row.sound, type);
            auto outcome = f.fetch(f.by_hook(f.api.url("/audio/1.mp3")));
            INFO(told(outcome));
            REQUIRE(std::holds_alternative<Fetched>(outcome));
            auto& fetched = std::get<Fetched>(outcome);
            CHECK(fetched.format == row.format);
            CHECK(fetched.bytes == row.sound.size());
            CHECK(fetched.sha256 == hex_encode(sha256(row.sound)));
            CHECK(fetched.seconds.has_value() == row.seconds.has_value());
            if (row.seconds) CHECK(*fetched.seconds == Approx(*row.seconds));
        }
    }
}

TEST_CASE("recording: by the API, with the key for the API alone") {
    Fixture f;
    auto sound = wav(100'000);
    f.api.on(kApiPath, json_url(f.api.url(kHookPath + "?access_key=x")), "application/json");
    f.api.redirects(kHookPath, f.elsewhere.url("/audio/1.wav?signed=1%2F2"));
    f.elsewhere.on("/audio/1.wav", sound, "application/octet-stream");
    auto outcome = f.fetch(f.by_api());
    INFO(told(outcome));
    REQUIRE(std::holds_alternative<Fetched>(outcome));
    auto& fetched = std::get<Fetched>(outcome);
    CHECK(fetched.bytes == sound.size());
    CHECK(fetched.sha256 == hex_encode(sha256(sound)));
    CHECK(fetched.format == "wav");
    CHECK(*fetched.seconds == Approx(12.5));
    REQUIRE(f.store->put("org_a/calls/17.wav", std::move(fetched.file)).ok());
    CHECK(f.store->open("org_a/calls/17.wav").value()->read(0, 1'000'000).value() == sound);
    auto seen = f.api.seen();
    REQUIRE(seen.size() == 2);
    CHECK(seen[0].authorization == "Token token=\"" + kKey + "\"");
    CHECK(seen[1].authorization == "");  // the API's host even, but not what was asked
    REQUIRE(f.elsewhere.seen().size() == 1);
    CHECK(f.elsewhere.seen()[0].authorization == "");
    CHECK(f.elsewhere.seen()[0].path == "/audio/1.wav?signed=1%2F2");
}

TEST_CASE("recording: an id that would be another path is asked for nowhere") {
    Fixture f;
    for (auto id : {"..", "."}) {
        auto source = f.by_api();
        source.provider_call_id = id;
        CHECK(told(f.fetch(source)).starts_with("never"));
        source = f.by_api();
        source.account_id = id;
        CHECK(told(f.fetch(source)).starts_with("never"));
    }
    CHECK(f.api.seen().empty());
}

TEST_CASE("recording: no redirect carries the key, not even within the API's host") {
    Fixture f;
    f.api.redirects(kApiPath, "/audio/1.mp3", 307);
    f.api.on("/audio/1.mp3", id3(20) + mp3(50), "text/plain");
    auto outcome = f.fetch(f.by_api());
    INFO(told(outcome));
    REQUIRE(std::holds_alternative<Fetched>(outcome));
    CHECK(std::get<Fetched>(outcome).format == "mp3");
    CHECK(*std::get<Fetched>(outcome).seconds == Approx(3.6));
    CHECK(f.api.seen().at(1).authorization == "");
}

TEST_CASE("recording: without a key from the webhook's address; with one, that address sees the key only if it is the API's") {
    Fixture f;
    f.elsewhere.redirects("/audio/1.mp3", "//" + f.api.place() + "/audio/2.mp3#there", 301);
    f.api.on("/audio/2.mp3", mp3(50));
    f.elsewhere.redirects(kHookPath, "/audio/1.mp3");
    for (bool key : {false, true}) {
        auto source = f.by_hook(f.elsewhere.url(kHookPath + "?access_key=s3cret"));
        if (key) source.api_key = Secret(kKey);
        auto outcome = f.fetch(source);
        INFO(told(outcome));
        CHECK(std::holds_alternative<Fetched>(outcome));
    }
    for (const auto& s : f.elsewhere.seen()) CHECK(s.authorization == "");
    for (const auto& s : f.api.seen()) CHECK(s.authorization == "");
    CHECK(f.elsewhere.seen()[0].path == kHookPath + "?access_key=s3cret");

    f.api.on("/audio/3.mp3", mp3(50));
    auto own = f.by_hook(f.api.url("/audio/3.mp3"));
    own.api_key = Secret(kKey);
    CHECK(told(f.fetch(own)) == "fetched");
    CHECK(f.api.seen().back().authorization == "Token token=\"" + kKey + "\"");
    CHECK(has(told(f.fetch(f.by_hook(""))), "never: there is neither"));
    CHECK_FALSE(f.by_hook("").complete());
    own.provider = "nobody";
    CHECK(has(told(f.fetch(own)), "never: the recordings of nobody cannot be fetched"));
}

TEST_CASE("recording: what is not there yet") {
    Fixture f;
    CHECK(has(told(f.fetch(f.by_api())), "not yet: "));  // 404
    for (std::string body : {"{}", "{\"url\":null}", "{\"url\":\"\"}", ""}) {
        INFO(body);
        f.api.on(kApiPath, body, "application/json");
        CHECK(has(told(f.fetch(f.by_api())), "not yet: "));
    }
    f.api.on(kApiPath, json_url(f.elsewhere.url("/audio/late.mp3")), "application/json");
    CHECK(has(told(f.fetch(f.by_api())), "not yet: "));
    f.api.says(kApiPath, 204);
    CHECK(has(told(f.fetch(f.by_api())), "not yet: "));
    CHECK(f.files() == 0);
}

TEST_CASE("recording: what may pass") {
    Fixture f;
    for (int status : {408, 429, 500, 502, 503, 504}) {
        f.api.says(kApiPath, status);
        auto outcome = f.fetch(f.by_api());
        INFO(told(outcome));
        REQUIRE(std::holds_alternative<Again>(outcome));
        CHECK(has(told(outcome), std::to_string(status)));
        CHECK_FALSE(std::get<Again>(outcome).after.has_value());
    }
    for (auto [said, after] : {std::pair<std::string, std::int64_t>{"7", 7'000},
                               {"999999999999", 3'600'000},
                               {"Fri, 21 Nov 2025 00:00:00 GMT", 0},
                               {"Sat, 21 Nov 2099 00:00:00 GMT", 3'600'000}}) {
        f.api.says(kApiPath, 429, said);
        auto outcome = f.fetch(f.by_api());
        INFO(said);
        CHECK(std::get<Again>(outcome).after == Millis{after});
    }
    f.api.says(kApiPath, 429, "soon");
    CHECK_FALSE(std::get<Again>(f.fetch(f.by_api())).after.has_value());
    f.api.on(kApiPath, json_url(f.elsewhere.url("/audio/over.mp3")), "application/json");
    f.elsewhere.says("/audio/over.mp3", 403);  // a short-lived link: the next attempt gets another
    CHECK(has(told(f.fetch(f.by_api())), "again: "));
    f.api.on(kApiPath, "{\"url\":", "application/json");
    CHECK(has(told(f.fetch(f.by_api())), "again: "));

    auto gone = f.by_hook(f.api.url("/audio/1.mp3"));
    {
        Peer there;
        f.options.private_addresses.push_back(there.place());
        gone.url = there.url("/audio/1.mp3");
    }
    CHECK(has(told(f.fetch(gone)), "again: the recording's address cannot be reached by Otto"));
    CHECK(f.files() == 0);
}

TEST_CASE("recording: truncated ones are asked for again") {
    Fixture f;
    auto path = (f.folder.path / "cut.mp3").string();
    f.api.on("/audio/cut.mp3", [&](const http::Request& r) {
        std::ofstream(path, std::ios::binary) << mp3(20'000);
        auto answer = http::Response::file(r, path, "audio/mpeg");
        fs::resize_file(path, 1'000'000);  // its length was said already
        fs::remove(path);
        return answer;
    });
    CHECK(has(told(f.fetch(f.by_hook(f.api.url("/audio/cut.mp3")))), "again: "));
    f.api.on("/audio/short.wav", wav(10'000, 20'000));
    CHECK(has(told(f.fetch(f.by_hook(f.api.url("/audio/short.wav")))), "cut short: 10044 bytes of 20044"));
    f.api.on("/audio/short.wav", wav(20'000, 20'010));  // its writer miscounted
    CHECK(told(f.fetch(f.by_hook(f.api.url("/audio/short.wav")))) == "fetched");
    CHECK(f.files() == 0);
}

TEST_CASE("recording: what never helps, with the cure") {
    Fixture f;
    auto hook = f.by_hook(f.api.url("/audio/1.mp3?access_key=s3cret"));
    for (int status : {401, 403}) {
        f.api.says(kApiPath, status);
        f.api.says("/audio/1.mp3", status);
        CHECK(told(f.fetch(f.by_api())) == "not let in: " + f.api.url() + " answers with status " + std::to_string(status) +
                                               ": CallRail refuses the company's API key");
        auto without_key = f.fetch(hook);
        CHECK(has(told(without_key), "never: " + f.api.url() + " answers with status " + std::to_string(status) +
                                         ": the recording's address is refused (Give the company's API key"));
        CHECK(std::get<Never>(without_key).another_key);
    }
    for (int status : {400, 410, 422}) {
        f.api.says("/audio/1.mp3", status);
        CHECK(has(told(f.fetch(hook)), "never: " + f.api.url() + " answers with status " + std::to_string(status)));
    }
    struct Row {
        std::string body, type, says;
    };
    for (const auto& row :
         std::vector<Row>{{"<!doctype html><title>Log in</title>", "text/html", "a web page"},
                          {"\n\n   <html>a login page that says it is sound</html>", "audio/mpeg", "a web page"},
                          {"{\"url\":\"http://127.0.0.1/\"}", "application/json", "JSON"},  // only the API says where to go on
                          {"%PDF-1.4\n%%EOF\n", "application/pdf", "no sound"},
                          {"x", "audio/mpeg", "no sound"},
                          {std::string(1'000, '\0'), "audio/mpeg", "no sound"},
                          {std::string(1'000, '\1'), "audio/wav", "no sound"}}) {
        INFO(row.body);
        f.api.on("/audio/1.mp3", row.body, row.type);
        auto outcome = f.fetch(hook);
        CHECK(has(told(outcome), "never: " + f.api.url() + " gives " + row.says + " instead of a recording, as " + row.type));
        CHECK_FALSE(has(told(outcome), "s3cret"));
    }
    f.api.redirects("/audio/1.mp3", "");
    CHECK(has(told(f.fetch(hook)), "does not say where to"));
    f.api.redirects("/audio/1.mp3", "ftp://" + f.elsewhere.place() + "/");
    CHECK(has(told(f.fetch(hook)), "no usable URL"));
    f.api.redirects("/audio/1.mp3", "/audio/1.mp3?access_key=s3cret");
    auto before = f.api.seen().size();
    CHECK(has(told(f.fetch(hook)), "leads on more than 5 times"));
    CHECK(f.api.seen().size() - before == 6);
    CHECK(f.files() == 0);
}

TEST_CASE("recording: private addresses are refused, wherever they come from") {
    Fixture f;
    Peer inside;
    inside.on("/audio/1.mp3", mp3(50));
    const std::string in_a_word = "again: the recording's address cannot be reached by Otto";
    auto refused = f.fetch(f.by_hook(inside.url("/audio/1.mp3")));
    CHECK(told(refused) == in_a_word);
    CHECK(has(std::get<Again>(refused).detail, "'" + inside.place() + "' is a private address"));
    f.api.redirects("/audio/1.mp3", inside.url("/audio/1.mp3"));
    CHECK(told(f.fetch(f.by_hook(f.api.url("/audio/1.mp3")))) == in_a_word);
    f.api.on(kApiPath, json_url("http://169.254.169.254/latest/meta-data"), "application/json");
    CHECK(told(f.fetch(f.by_api())) == in_a_word);
    // A name that there is not is told in the same words: whoever names addresses does not learn which there are inside.
    auto unknown = f.fetch(f.by_hook("http://nowhere.invalid/audio/1.mp3"));
    CHECK(told(unknown) == in_a_word);
    CHECK(std::get<Again>(unknown).cure == std::get<Again>(refused).cure);
    CHECK(std::get<Again>(unknown).after == std::get<Again>(refused).after);
    CHECK(inside.seen().empty());
}

TEST_CASE("recording: huge ones end at the limit, and what is no audio at its first bytes") {
    Fixture f;
    f.options.byte_limit = 1u << 20;
    auto path = (f.folder.path / "huge").string();
    auto serve = [&](const std::string& head, std::uint64_t size) {
        std::ofstream(path, std::ios::binary) << head;
        fs::resize_file(path, size);  // sparse: takes no room
        f.api.on("/audio/1.mp3", [path](const http::Request& r) { return http::Response::file(r, path, "audio/mpeg"); });
        return told(f.fetch(f.by_hook(f.api.url("/audio/1.mp3"))));
    };
    CHECK(has(serve(mp3(100), 2ull << 30),
              "never: the recording is larger than 1 MiB (An operator may raise OTTO_RECORDING_MEGABYTES"));
    CHECK(serve(wav(1000), 1u << 20) == "fetched");
    CHECK(has(serve(mp3(100), (1u << 20) + 1), "never: the recording is larger"));
    f.options.byte_limit = 4ull << 30;
    CHECK(has(serve("<html>without end", 3ull << 30), "never: " + f.api.url() + " gives a web page"));
}

TEST_CASE("recording: a stop ends a fetch") {
    Fixture f;
    f.api.on("/audio/1.mp3", mp3(5'000));
    int asked = 0;
    auto outcome = f.fetch(f.by_hook(f.api.url("/audio/1.mp3")), [&] { return ++asked > 2; });
    CHECK(has(told(outcome), "again: the service was stopped"));
    CHECK(asked == 3);
    CHECK(f.files() == 0);
}
