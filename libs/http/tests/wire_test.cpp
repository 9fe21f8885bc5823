// Requests as they stand on the wire, and what RFC 9110 and 9112 say of them.
#include <future>

#include "base/crypto.hpp"
#include "base/json.hpp"
#include "http/server.hpp"
#include "raw.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::http::testing;
using http::Method;

namespace {

struct World {
    std::shared_ptr<http::Router> router = std::make_shared<http::Router>();
    std::unique_ptr<http::Server> server;
    World() {
        auto tell = [](const http::Request& r) {
            return http::Response::text(200, r.target + " of " + std::string(r.headers.get("host")) + ": " + r.body);
        };
        for (auto path : {"/", "/api/v1/calls", "/api/v1/calls/{call_id}", "/api/v1/calls/{call_id}/analysis", "/media/{token}"})
            router->add(Method::get, path, tell);
        for (auto path : {"/echo", "/api/v1/callrail/call.completed", "/api/v1/callrail/call.modified", "/sms/callrail-webhook"})
            router->add(Method::post, path, tell);
        router->add(Method::post, "/large",
                    [](const http::Request& r) {
                        return http::Response::text(
                            200, std::to_string(r.body.size()) + " bytes, " + hex_encode(sha256(r.body)) + ";");
                    },
                    {8u << 20});
        server = std::make_unique<http::Server>(http::ServerOptions{}, router);
        REQUIRE(server->start());
    }
    /// All that comes back to these bytes and one more request behind them.
    std::string after(const std::string& bytes) {
        return Raw(server->port())
            .say(bytes + "GET /api/v1/calls/next HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            .to_end();
    }
    std::string hint(const std::string& path, const std::string& method = "GET") {
        auto answer = Raw(server->port()).say(method + " " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").to_end();
        if (!answer.starts_with("HTTP/1.1 404")) return answer.substr(0, 12);
        auto detail =
            std::string(*JsonDocument::parse(answer.substr(answer.find("\r\n\r\n") + 4)).value().root()["detail"].string());
        auto at = detail.find("Did you mean ");
        return at == std::string::npos ? "" : detail.substr(at + 13);
    }
};

}  // namespace

TEST_CASE("framing that can be understood in two ways is answered 400, and the connection ends", "[integration]") {
    World w;
    const std::string chunked = "Transfer-Encoding: chunked\r\n";
    for (const auto& bytes : std::vector<std::string>{
             "POST /echo HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n" + chunked + "\r\n3\r\nabc\r\n0\r\n\r\n",
             "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: identity\r\n\r\n",
             post("/echo", chunked, "zz\r\nabc\r\n0\r\n\r\n"),
             post("/echo", chunked, "3\r\nabcd\r\n0\r\n\r\n"),
             post("/echo", chunked, "-3\r\nabc\r\n0\r\n\r\n"),
             post("/echo", chunked, "3\r\nabc\r\n0\r\nContent-Length: 5\r\n\r\n"),
             post("/echo", chunked, "3\r\nabc\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n"),
             post("/echo", chunked, "3\r\nabc\r\n0\r\nno field\r\n\r\n"),
         }) {
        INFO(bytes);
        auto answer = w.after(bytes);
        CHECK(answer.starts_with("HTTP/1.1 400 "));
        CHECK(has(answer, "Connection: close\r\n"));
        CHECK_FALSE(has(answer, "calls/next"));
    }
    auto fine = w.after(post("/echo", chunked, "3;x=y\r\nabc\r\n0\r\nX-Trailer: t\r\n\r\n"));
    CHECK(has(fine, "/echo of h: abc"));
    CHECK(has(fine, "/api/v1/calls/next"));
}

TEST_CASE("a target may be a whole URL; its host is the one that counts", "[integration]") {
    World w;
    for (const auto& [target, seen] : std::vector<std::pair<std::string, std::string>>{
             {"http://otto.example:8080/api/v1/calls/7?x=1", "/api/v1/calls/7?x=1 of otto.example:8080: "},
             {"HTTPS://otto.example/api/v1/calls/7", "/api/v1/calls/7 of otto.example: "},
             {"http://otto.example", "/ of otto.example: "},
             {"http://otto.example?x=1", "/?x=1 of otto.example: "}}) {
        INFO(target);
        auto answer = w.after("GET " + target + " HTTP/1.1\r\nHost: other\r\n\r\n");
        CHECK(has(answer, "\r\n\r\n" + seen));
        CHECK(has(answer, "/api/v1/calls/next"));
    }
    for (const auto& target :
         {"http://", "http:///api/v1/calls", "ftp://otto.example/api/v1/calls", "otto.example:80", "*", "api/v1/calls"}) {
        INFO(target);
        CHECK(w.after("GET " + std::string(target) + " HTTP/1.1\r\nHost: h\r\n\r\n").starts_with("HTTP/1.1 400 "));
    }
}

TEST_CASE("a method that is not known is 501, one that the path does not take 405", "[integration]") {
    World w;
    for (const auto& [method, path, status] :
         std::vector<std::tuple<std::string, std::string, std::string>>{{"TRACE", "/api/v1/calls", "501"},
                                                                        {"get", "/api/v1/calls", "501"},
                                                                        {"CONNECT", "/api/v1/calls", "501"},
                                                                        {"BREW", "/nothing/here", "501"},
                                                                        {"DELETE", "/api/v1/calls", "405"},
                                                                        {"OPTIONS", "/echo", "405"},
                                                                        {"DELETE", "/nothing/here", "404"}}) {
        INFO(method << " " << path);
        auto answer = w.after(method + " " + path + " HTTP/1.1\r\nHost: h\r\n\r\n");
        CHECK(answer.starts_with("HTTP/1.1 " + status));
        CHECK(has(answer, "Allow: ") == (status == "405"));
    }
}

TEST_CASE("a path that is nearly one of ours names the right one", "[integration]") {
    World w;
    CHECK(w.hint("/api/v1/callrail/call.complete", "POST") == "POST /api/v1/callrail/call.completed?");
    CHECK(w.hint("/api/v1/callrail/callcompleted", "POST") == "POST /api/v1/callrail/call.completed?");
    CHECK(w.hint("/api/v1/callrail//call.modified", "POST") == "POST /api/v1/callrail/call.modified?");
    CHECK(w.hint("/api/v1/callrail/call.modified/", "POST") == "POST /api/v1/callrail/call.modified?");
    CHECK(w.hint("/api/v1callrail/call.modified", "POST") == "POST /api/v1/callrail/call.modified?");
    CHECK(w.hint("/API/v1/Calls") == "GET /api/v1/calls?");
    CHECK(w.hint("/sms/calrail-webhok", "POST") == "POST /sms/callrail-webhook?");
    CHECK(w.hint("/api/v1/call/7/analysis") == "GET /api/v1/calls/{call_id}/analysis?");
    CHECK(w.hint("/api/v1/leads") == "");
    CHECK(w.hint("/wp-login.php") == "");
    CHECK(w.hint("/" + std::string(5'000, 'a')) == "");
    // What stands in a parameter's place may be a secret: it is told to nobody.
    auto secret = w.hint("/medai/secret-token");
    CHECK(secret == "GET /media/{token}?");
}

TEST_CASE("a large body arrives whole whatever its pieces, and what follows it is the next request", "[integration]") {
    World w;
    const std::string next = "GET /api/v1/calls/next HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    std::string bytes(5'000'003, '\0');
    std::uint32_t state = 1;
    for (auto& b : bytes) b = static_cast<char>((state = state * 1'664'525 + 1'013'904'223) >> 24);
    auto answered = [&](const std::string& said, std::size_t size, std::size_t piece, bool expects) {
        INFO(size << " bytes, said " << piece << " at a time");
        Raw c(w.server->port());
        auto all = said + next;
        auto body = all.find("\r\n\r\n") + 4;
        if (expects) c.say(all.substr(0, body)).until("100 Continue\r\n\r\n");
        for (auto at = expects ? body : 0; at < all.size(); at += piece) c.say(all.substr(at, piece));
        auto answer = c.to_end();
        CHECK(has(answer, std::to_string(size) + " bytes, " + hex_encode(sha256(std::string_view(bytes).substr(0, size))) + ";"));
        CHECK(has(answer, "/api/v1/calls/next of h"));
    };
    for (std::size_t size : {(256u << 10) - 1, 256u << 10, (256u << 10) + 1, 300'000u, 1u << 20, 5'000'003u})
        for (std::size_t piece : {std::size_t{1'448}, std::size_t{40'000}, std::size_t{3} << 20, bytes.size() + 1'000})
            for (bool expects : {false, true})
                answered(post("/large",
                              "Content-Length: " + std::to_string(size) + "\r\n" + (expects ? "Expect: 100-continue\r\n" : ""),
                              bytes.substr(0, size)),
                         size, piece, expects);
    std::string chunks;
    for (std::size_t at = 0; at < 1'000'000; at += 62'500) chunks += "f424\r\n" + bytes.substr(at, 62'500) + "\r\n";
    answered(post("/large", "Transfer-Encoding: chunked\r\n", chunks + "0\r\n\r\n"), 1'000'000, 40'000, false);
}

TEST_CASE("many large bodies at once are none another's", "[integration]") {
    World w;
    std::vector<std::future<bool>> all;
    for (int i = 0; i < 12; ++i)  // each of an address of its own, which has room for one
        all.push_back(std::async(std::launch::async, [&w, i] {
            const std::string body(3'000'000 + static_cast<std::size_t>(i), static_cast<char>('a' + i));
            auto answer =
                Raw(w.server->port(), ("127.0.0." + std::to_string(2 + i)).c_str())
                    .say(post("/large", "Connection: close\r\nContent-Length: " + std::to_string(body.size()) + "\r\n", body))
                    .to_end();
            return has(answer, std::to_string(body.size()) + " bytes, " + hex_encode(sha256(body)) + ";");
        }));
    for (auto& one : all) CHECK(one.get());
}
