// Links to recordings, over real sockets.
#include "media.hpp"

#include <atomic>
#include <filesystem>
#include <tuple>

#include "base/json.hpp"
#include "http/client.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::shunya_orchestrator;

namespace {

struct Fixture {
    struct SetClock : Clock {
        std::atomic<std::int64_t> micros{to_micros(*parse_time("2026-11-21T12:00:00Z"))};
        Instant now() const override { return from_micros(micros); }
        void pass(std::chrono::seconds s) { micros += std::chrono::microseconds(s).count(); }
    } clock;
    std::string folder;
    std::unique_ptr<providers::ObjectStore> store;
    std::unique_ptr<providers::MediaLinks> links;
    std::shared_ptr<http::Router> router = std::make_shared<http::Router>();
    std::unique_ptr<http::Server> server;
    std::unique_ptr<http::Client> client;

    Fixture() {
        char text[] = "/tmp/otto-media-XXXXXX";
        REQUIRE(::mkdtemp(text));
        folder = text;
        store = providers::make_object_store("file:" + folder).value();
        links = std::make_unique<providers::MediaLinks>(
            providers::MediaLinks::make("http://127.0.0.1:1", Secret("a key of more than thirty-two characters"), Secret())
                .value());
        add_media(*router, *store, *links, clock);
        server = std::make_unique<http::Server>(http::ServerOptions{}, router);
        REQUIRE(server->start());
        http::ClientOptions o;
        o.private_addresses = {"127.0.0.1:" + std::to_string(server->port())};
        client = std::make_unique<http::Client>(o);
        put("org_a/calls/17.mp3", "0123456789");
    }
    ~Fixture() { std::filesystem::remove_all(folder); }
    void put(const std::string& key, const std::string& content) {
        auto file = store->temporary().value();
        file.write(content).value();
        store->put(key, std::move(file)).value();
    }
    std::string path(const std::string& key = "org_a/calls/17.mp3") const {
        auto url = links->url("org_a", key, Millis{60'000}, clock);
        return url.substr(url.find("/media/"));
    }
    http::Response get(const std::string& at, const std::vector<std::pair<std::string, std::string>>& headers = {},
                       http::Method method = http::Method::get) {
        http::ClientRequest r;
        r.method = method;
        r.url = "http://127.0.0.1:" + std::to_string(server->port()) + at;
        for (const auto& [name, value] : headers) r.headers.add(name, value);
        return client->send(r).value();
    }
};

}  // namespace

TEST_CASE("media: a link gives the object, in parts too, to who has no token") {
    Fixture f;
    auto whole = f.get(f.path());
    CHECK(whole.status == 200);
    CHECK(whole.body == "0123456789");
    CHECK(whole.headers.get("content-type") == "audio/mpeg");
    CHECK(whole.headers.get("cache-control") == "private, no-store");
    auto tag = std::string(whole.headers.get("etag"));
    CHECK(tag.size() > 2);
    auto part = f.get(f.path(), {{"Range", "bytes=2-4"}, {"If-Range", tag}});
    CHECK(part.status == 206);
    CHECK(part.body == "234");
    CHECK(part.headers.get("content-range") == "bytes 2-4/10");
    CHECK(f.get(f.path(), {{"Range", "bytes=10-"}}).status == 416);
    auto head = f.get(f.path(), {}, http::Method::head);
    CHECK(head.status == 200);
    CHECK(head.headers.get("content-length") == "10");
    f.put("org_a/calls/18.wav", "sound");
    CHECK(f.get(f.path("org_a/calls/18.wav")).headers.get("content-type") == "audio/wav");
    for (auto [name, type] : {std::pair{"20.m4a", "audio/mp4"},
                              {"20.ogg", "audio/ogg"},
                              {"20.webm", "audio/webm"},
                              {"20.flac", "audio/flac"},
                              {"20.x", "application/octet-stream"},
                              {"20", "application/octet-stream"}}) {
        auto key = std::string("org_a/calls/") + name;
        f.put(key, "sound");
        CHECK(f.get(f.path(key)).headers.get("content-type") == type);
    }
    // What came with texts has no ending: it is what it is, and only saved if no browser shows it without running it.
    using namespace std::string_literals;
    for (auto [content, type, saved] : {std::tuple{"\xff\xd8\xff\xe0 and more"s, "image/jpeg", ""},
                                        {"\0\0\0\x18"
                                         "ftypmp42 and more"s,
                                         "video/mp4", ""},
                                        {"#!AMR\n"s, "audio/amr", ""},
                                        {"%PDF-1.7"s, "application/pdf", "attachment; filename=\"0.pdf\""},
                                        {"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>"s, "application/octet-stream",
                                         "attachment; filename=\"0.bin\""},
                                        {"<html><script/></html>"s, "application/octet-stream", "attachment; filename=\"0.bin\""},
                                        {""s, "application/octet-stream", "attachment; filename=\"0.bin\""}}) {
        f.put("org_a/messages/m.1/0", content);
        auto answer = f.get(f.path("org_a/messages/m.1/0"));
        CHECK(answer.body == content);
        CHECK(answer.headers.get("content-type") == type);
        CHECK(answer.headers.get("content-disposition") == saved);
        CHECK(answer.headers.get("x-content-type-options") == "nosniff");
    }
    f.put("org_a/calls/17.mp3", "another");
    CHECK(f.get(f.path(), {{"Range", "bytes=2-4"}, {"If-Range", tag}}).body == "another");
    CHECK(f.get(f.path(), {}, http::Method::post).status == 405);
}

TEST_CASE("media: a link that is wrong or over, and an object that is gone, are the same 404") {
    Fixture f;
    auto good = f.path();
    auto wrong = good;
    wrong.back() = wrong.back() == 'A' ? 'B' : 'A';
    f.store->remove("org_a/calls/19.mp3").value();
    std::vector<http::Response> answers;
    for (const auto& at : {wrong, std::string("/media/x"), std::string("/media/."), f.path("org_a/calls/19.mp3")})
        answers.push_back(f.get(at));
    f.clock.pass(std::chrono::seconds(59));
    CHECK(f.get(good).status == 200);
    f.clock.pass(std::chrono::seconds(1));
    answers.push_back(f.get(good));
    for (const auto& answer : answers) {
        CHECK(answer.status == 404);
        CHECK(answer.headers.get("content-type") == "application/problem+json");
        auto body = JsonDocument::parse(answer.body).value();
        CHECK(body.root()["detail"].string() == "The link is wrong or over; ask for a new one where it came from.");
        CHECK(body.root()["instance"].string() == "/media/");  // and the token is not told again
        CHECK(body.root()["request_id"].string().value_or("") != "");
    }
}
