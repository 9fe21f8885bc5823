#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "http/client.hpp"
#include "http/server.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::http;

namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// A server of files in a folder of its own.
struct Files {
    std::string folder;
    std::shared_ptr<Router> router = std::make_shared<Router>();
    std::unique_ptr<Server> server;
    std::unique_ptr<Client> client;

    Files() {
        char text[] = "/tmp/otto-files-XXXXXX";
        REQUIRE(::mkdtemp(text));
        folder = text;
        router->add(Method::get, "/files/{name}", [this](const Request& r) {
            return Response::file(r, folder + "/" + std::string(r.param("name")), "audio/mpeg", "v1");
        });
        router->add(Method::get, "/removed/{name}", [this](const Request& r) {
            auto path = folder + "/" + std::string(r.param("name"));
            auto answer = Response::file(r, path, "audio/mpeg");
            std::filesystem::remove(path);
            return answer;
        });
        router->add(Method::get, "/cut/{name}", [this](const Request& r) {
            auto path = folder + "/" + std::string(r.param("name"));
            auto answer = Response::file(r, path, "audio/mpeg");
            std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
            return answer;
        });
        server = std::make_unique<Server>(ServerOptions{}, router);
        REQUIRE(server->start());
        ClientOptions o;
        o.private_addresses = {"127.0.0.1:" + std::to_string(server->port())};
        o.retries = 0;
        o.body_limit = 64u << 20;
        client = std::make_unique<Client>(o);
    }
    ~Files() { std::filesystem::remove_all(folder); }
    void write(const std::string& name, const std::string& content) {
        std::ofstream(folder + "/" + name, std::ios::binary) << content;
    }
    Result<Response> ask(const std::string& path, const std::vector<std::pair<std::string, std::string>>& headers = {},
                         Method method = Method::get) {
        ClientRequest r;
        r.method = method;
        r.url = "http://127.0.0.1:" + std::to_string(server->port()) + path;
        for (const auto& [name, value] : headers) r.headers.add(name, value);
        return client->send(r);
    }
    Response get(const std::string& path, const std::vector<std::pair<std::string, std::string>>& headers = {},
                 Method method = Method::get) {
        return ask(path, headers, method).value();
    }
};

std::string long_text(std::size_t size) {
    std::string text(size, ' ');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
    return text;
}

}  // namespace

TEST_CASE("file: the whole of it, its head, and what is none") {
    Files f;
    f.write("ten", "0123456789");
    f.write("none", "");
    auto whole = f.get("/files/ten");
    CHECK(whole.status == 200);
    CHECK(whole.body == "0123456789");
    CHECK(whole.headers.get("content-length") == "10");
    CHECK(whole.headers.get("content-type") == "audio/mpeg");
    CHECK(whole.headers.get("accept-ranges") == "bytes");
    CHECK(whole.headers.get("etag") == "\"v1\"");
    auto head = f.get("/files/ten", {{"Range", "bytes=0-3"}}, Method::head);  // ranges are of GET alone
    CHECK(head.status == 200);
    CHECK(head.headers.get("content-length") == "10");
    CHECK(head.body == "");
    auto empty = f.get("/files/none");
    CHECK(empty.status == 200);
    CHECK(empty.headers.get("content-length") == "0");
    for (std::string name : {"absent", "ten%2Fbelow", "."}) {
        INFO(name);
        auto missing = f.get("/files/" + name);
        CHECK(missing.status == 404);
        CHECK(missing.headers.get("content-type") == "application/problem+json");
    }
}

TEST_CASE("file: ranges") {
    Files f;
    f.write("ten", "0123456789");
    f.write("none", "");
    struct Row {
        std::string range;
        int status;
        std::string body, content_range;
    };
    for (const auto& row : std::vector<Row>{{"bytes=0-0", 206, "0", "bytes 0-0/10"},
                                            {"bytes=2-4", 206, "234", "bytes 2-4/10"},
                                            {"bytes=8-", 206, "89", "bytes 8-9/10"},
                                            {"bytes=0-", 206, "0123456789", "bytes 0-9/10"},
                                            {"bytes=5-99999999999999999999999999", 206, "56789", "bytes 5-9/10"},
                                            {"bytes=-3", 206, "789", "bytes 7-9/10"},
                                            {"bytes=-99", 206, "0123456789", "bytes 0-9/10"},
                                            {"Bytes = 1-2", 206, "12", "bytes 1-2/10"},
                                            {"bytes=10-", 416, "", "bytes */10"},
                                            {"bytes=99999999999999999999999999-", 416, "", "bytes */10"},
                                            {"bytes=-0", 416, "", "bytes */10"},
                                            {"bytes=4-2", 200, "0123456789", ""},
                                            {"bytes=0-1,3-4", 200, "0123456789", ""},
                                            {"bytes=-", 200, "0123456789", ""},
                                            {"bytes=a-b", 200, "0123456789", ""},
                                            {"bytes=1", 200, "0123456789", ""},
                                            {"bytes=--3", 200, "0123456789", ""},
                                            {"items=0-1", 200, "0123456789", ""},
                                            {"", 200, "0123456789", ""}}) {
        INFO(row.range);
        auto r = f.get("/files/ten", {{"Range", row.range}});
        CHECK(r.status == row.status);
        CHECK(r.headers.get("content-range") == row.content_range);
        if (row.status != 416) CHECK(r.body == row.body);
    }
    CHECK(f.get("/files/none", {{"Range", "bytes=0-"}}).headers.get("content-range") == "bytes */0");
    CHECK(f.get("/files/none", {{"Range", "bytes=-1"}}).status == 416);
}

TEST_CASE("file: a part only of what the client has already, nothing of what it has whole") {
    Files f;
    f.write("ten", "0123456789");
    CHECK(f.get("/files/ten", {{"Range", "bytes=1-2"}, {"If-Range", "\"v1\""}}).body == "12");
    for (std::string other : {"\"v0\"", "W/\"v1\"", "Sat, 21 Nov 2026 00:00:00 GMT"}) {
        INFO(other);
        auto r = f.get("/files/ten", {{"Range", "bytes=1-2"}, {"If-Range", other}});
        CHECK(r.status == 200);
        CHECK(r.body == "0123456789");
    }
    for (std::string same : {"\"v1\"", "\"v0\", W/\"v1\"", "*"}) {
        INFO(same);
        auto r = f.get("/files/ten", {{"If-None-Match", same}});
        CHECK(r.status == 304);
        CHECK(r.headers.get("etag") == "\"v1\"");
        CHECK(r.body == "");
    }
    CHECK(f.get("/files/ten", {{"If-None-Match", "\"v0\""}}).status == 200);
}

TEST_CASE("file: one larger than its pieces arrives whole, also when it is removed meanwhile, and the connection goes on") {
    Files f;
    auto text = long_text(5'000'001);
    f.write("long", text);
    for (int i = 0; i < 3; ++i) CHECK(f.get("/files/long").body == text);
    CHECK(f.get("/files/long", {{"Range", "bytes=1000000-4000000"}}).body == text.substr(1'000'000, 3'000'001));
    CHECK(f.get("/removed/long").body == text);
    CHECK(f.get("/files/long").status == 404);
}

TEST_CASE("file: one that becomes shorter is no whole answer") {
    Files f;
    f.write("long", long_text(3'000'000));
    auto answer = f.ask("/cut/long");
    REQUIRE_FALSE(answer.ok());
    CHECK(has(answer.error().message, "broke off within its answer"));
}
