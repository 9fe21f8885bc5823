#include "http/server.hpp"

#include <deque>
#include <future>
#include <list>
#include <thread>

#include "base/json.hpp"
#include "raw.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::http::testing;
using http::Method;

namespace {

struct Fixture {
    std::shared_ptr<http::Router> router = std::make_shared<http::Router>();
    std::unique_ptr<http::Server> server;
    std::promise<void> slow_started, slow_may_end;
    std::mutex kept_lock;
    std::condition_variable kept_one;
    std::vector<http::Responder> kept;
    std::size_t most_at_once = 0;  // of the server's thread

    explicit Fixture(http::ServerOptions options = {}) {
        router->add(Method::get, "/hello/{name}",
                    [](const http::Request& r) { return http::Response::text(200, "hello " + std::string(r.param("name"))); });
        router->add(Method::get, "/hello/world",
                    [](const http::Request&) { return http::Response::text(200, "the world itself"); });
        router->add(Method::post, "/echo", [](const http::Request& r) { return http::Response::text(200, r.body); },
                    {1000, {"application/json", "text/plain"}});
        router->add(Method::get, "/slow", [this](const http::Request&) {
            slow_started.set_value();
            slow_may_end.get_future().wait();
            return http::Response::text(200, "slow but done");
        });
        router->add(Method::get, "/throws",
                    [](const http::Request&) -> http::Response { throw std::runtime_error("a secret of ours"); });
        router->add(Method::get, "/client", [](const http::Request& r) { return http::Response::text(200, r.client_address); });
        router->add(Method::get, "/asked", [](const http::Request& r) {
            return http::Response::text(
                200, std::string(r.headers.get("x-forwarded-proto")) + " " + std::string(r.headers.get("X-Forwarded-Host")));
        });
        router->add_async(Method::post, {"/async"}, [](std::vector<http::PendingRequest> all) {
            for (auto& asked : all)
                std::thread([body = asked.request.body, a = std::move(asked.respond)]() mutable {
                    a(http::Response::text(202, body));
                }).detach();
        });
        router->add_async(Method::get, {"/dropped"}, [](std::vector<http::PendingRequest>) {});
        router->add_async(Method::get, {"/throws/later"},
                          [](std::vector<http::PendingRequest>) { throw std::runtime_error("a secret of ours"); });
        router->add_async(Method::get, {"/kept"}, [this](std::vector<http::PendingRequest> all) {
            std::lock_guard guard(kept_lock);
            for (auto& asked : all) kept.push_back(std::move(asked.respond));
            kept_one.notify_all();
        });
        router->add_async(Method::get, {"/together", "/also/{name}"}, [this](std::vector<http::PendingRequest> all) {
            most_at_once = std::max(most_at_once, all.size());
            for (auto& asked : all) asked.respond(http::Response::text(200, "of " + asked.request.path));
        });
        router->add(Method::get, "/big",
                    [](const http::Request&) { return http::Response::text(200, std::string(1'000'000, 'b') + "end"); });
        router->add(Method::get, "/lines", [](const http::Request&) {
            auto answer = http::Response::text(200, "x");
            answer.headers.add("X-Note", "one\r\nX-Other: two");
            answer.headers.add("content-length", "9");
            answer.headers.add("Transfer-Encoding", "chunked");
            return answer;
        });
        server = std::make_unique<http::Server>(options, router);
        REQUIRE(server->start());
    }
    Raw connect() { return Raw(server->port()); }
    void await_kept(std::size_t count) {
        std::unique_lock guard(kept_lock);
        kept_one.wait(guard, [&] { return kept.size() >= count; });
    }
    /// One request, the whole answer.
    std::string ask(const std::string& text) {
        auto c = connect();
        return c.say(text).to_end();
    }
    std::string get(const std::string& path, const std::string& headers = "") {
        return ask("GET " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n" + headers + "\r\n");
    }
};

}  // namespace

TEST_CASE("routes: parameters, the exact path first, 404, 405 with Allow, HEAD", "[integration]") {
    Fixture f;
    CHECK(has(f.get("/hello/ann%2Fa"), "hello ann/a"));
    CHECK(has(f.get("/hello/world?x=1"), "the world itself"));
    auto missing = f.get("/nothing");
    CHECK(missing.starts_with("HTTP/1.1 404"));
    CHECK(has(missing, "application/problem+json"));
    CHECK(f.get("/hello/").starts_with("HTTP/1.1 404"));
    CHECK(f.get("/hello/a/").starts_with("HTTP/1.1 404"));
    auto wrong = f.ask("DELETE /hello/a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    CHECK(wrong.starts_with("HTTP/1.1 405"));
    CHECK(has(wrong, "Allow: GET, HEAD\r\n"));
    auto head = f.ask("HEAD /hello/world HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    CHECK(head.starts_with("HTTP/1.1 200"));
    CHECK(has(head, "Content-Length: 16\r\n"));
    CHECK(head.ends_with("\r\n\r\n"));
}

TEST_CASE("routes: one that takes the rest of a path", "[integration]") {
    auto router = std::make_shared<http::Router>();
    router->add(Method::get, "/app/{path...}",
                [](const http::Request& r) { return http::Response::text(200, "rest [" + std::string(r.param("path")) + "]"); });
    router->add(Method::get, "/app/own/{id}",
                [](const http::Request& r) { return http::Response::text(200, "own [" + std::string(r.param("id")) + "]"); });
    router->add(Method::get, "/app/own/file", [](const http::Request&) { return http::Response::text(200, "spelled out"); });
    CHECK_THROWS_AS(router->add(Method::get, "/all/{path...}/more", http::Handler{}), std::logic_error);
    http::Server server({}, router);
    REQUIRE(server.start());
    auto get = [&](const std::string& path, const std::string& method = "GET") {
        return Raw(server.port()).say(method + " " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").to_end();
    };
    CHECK(has(get("/app/"), "rest []"));
    CHECK(has(get("/app/calls"), "rest [calls]"));
    CHECK(has(get("/app/calls/1/?x=2"), "rest [calls/1/]"));
    CHECK(has(get("/app/a%2Fb//..%2f.."), "rest [a/b//../..]"));
    CHECK(has(get("/app/own/1"), "own [1]"));
    CHECK(has(get("/app/own/file"), "spelled out"));
    CHECK(has(get("/app/own/1/2"), "rest [own/1/2]"));
    CHECK(get("/app").starts_with("HTTP/1.1 404"));
    CHECK(get("/ap/x").starts_with("HTTP/1.1 404"));
    auto wrong = get("/app/x/y", "DELETE");
    CHECK(wrong.starts_with("HTTP/1.1 405"));
    CHECK(has(wrong, "Allow: GET, HEAD\r\n"));
}

TEST_CASE("every answer carries a request id and the trace goes on", "[integration]") {
    Fixture f;
    CHECK(has(f.get("/hello/a", "X-Request-Id: mine-1\r\n"), "X-Request-Id: mine-1\r\n"));
    auto odd =
        f.get("/nothing", "X-Request-Id: <script>\r\ntraceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n");
    CHECK_FALSE(has(odd, "script"));
    CHECK(has(odd, "X-Request-Id: "));
    CHECK(has(odd, "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-"));
}

TEST_CASE("bodies: echoed, chunked, too large, of the wrong type", "[integration]") {
    Fixture f;
    CHECK(has(f.ask(post("/echo", "Content-Type: text/plain\r\nContent-Length: 5\r\nConnection: close\r\n", "12345")),
              "\r\n\r\n12345"));
    CHECK(has(f.ask(post("/echo",
                         "Content-Type: application/json; charset=utf-8\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n",
                         "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")),
              "\r\n\r\nabcde"));
    CHECK(f.ask(post("/echo", "Content-Type: text/plain\r\nContent-Length: 10485760\r\n", std::string(100'000, 'x')))
              .starts_with("HTTP/1.1 413"));
    CHECK(f.ask(post("/echo", "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n",
                     "7d0\r\n" + std::string(2000, 'x') + "\r\n0\r\n\r\n"))
              .starts_with("HTTP/1.1 413"));
    auto type = f.ask(post("/echo", "Content-Type: text/html\r\nContent-Length: 2\r\n", "hi"));
    CHECK(type.starts_with("HTTP/1.1 415"));
    CHECK(has(type, "\"errors\""));
    CHECK(has(f.ask(post("/async", "Content-Length: 2\r\nConnection: close\r\n", "hi")), "202"));
}

TEST_CASE("a request whose length is ambiguous is refused", "[integration]") {
    Fixture f;
    CHECK(f.ask(post("/echo", "Content-Type: text/plain\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\n"))
              .starts_with("HTTP/1.1 400"));
    CHECK(f.ask(post("/echo", "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n", "0\r\n\r\n"))
              .starts_with("HTTP/1.1 400"));
    CHECK(f.ask(post("/echo", "Content-Type: text/plain\r\nContent-Length: 3\r\nContent-Length: 4\r\n", "abcd"))
              .starts_with("HTTP/1.1 400"));
    CHECK(f.ask(post("/echo", "Content-Type: text/plain\r\nContent-Length: -1\r\n", "")).starts_with("HTTP/1.1 400"));
    CHECK(f.ask("nonsense\r\n\r\n").starts_with("HTTP/1.1 400"));
}

TEST_CASE("heads over the limit are 431, slow ones are dropped, slow bodies are 408", "[integration]") {
    http::ServerOptions options;
    options.head_limit = 8u << 10;
    options.head_timeout = Millis{200};
    options.body_timeout = Millis{200};
    Fixture f(options);
    CHECK(f.get("/hello/a", "X-Long: " + std::string(10'000, 'x') + "\r\n").starts_with("HTTP/1.1 431"));
    CHECK(f.ask("GET /hello/a HTTP/1.1\r\nHost:") == "");
    CHECK(f.ask(post("/echo", "Content-Type: text/plain\r\nContent-Length: 5\r\n", "12")).starts_with("HTTP/1.1 408"));
}

TEST_CASE("keep-alive and pipelining: answers in the order of the requests", "[integration]") {
    Fixture f;
    auto c = f.connect();
    std::string many;
    for (int i = 0; i < 20; ++i) many += "GET /hello/n" + std::to_string(i) + " HTTP/1.1\r\nHost: h\r\n\r\n";
    c.say(many);
    for (int i = 0; i < 20; ++i) CHECK(has(c.until("hello n" + std::to_string(i)), "HTTP/1.1 200"));
}

TEST_CASE("a request may come in any pieces", "[integration]") {
    Fixture f;
    const auto text = post("/echo", "Content-Type: text/plain\r\nContent-Length: 5\r\n", "first") +
                      post("/echo", "Content-Type: text/plain\r\nTransfer-Encoding: chunked\r\n",
                           "3\r\nsec\r\n4;x=y\r\nond.\r\n0\r\nTrailer: t\r\n\r\n") +
                      "GET /hello/third HTTP/1.1\r\nHost: h\r\n\r\n";
    auto answered = [](Raw& c) {
        for (const char* body : {"\r\n\r\nfirst", "\r\n\r\nsecond.", "\r\n\r\nhello third"})
            if (!has(c.until(body), "HTTP/1.1 200")) return false;
        return true;
    };
    auto all = f.connect();
    CHECK(answered(all.say(text)));
    for (std::size_t cut = 1; cut < text.size(); ++cut) {
        INFO("cut at " << cut);
        auto c = f.connect();
        REQUIRE(answered(c.say(text.substr(0, cut)).say(text.substr(cut))));
    }
    auto drops = f.connect();
    for (char letter : text) drops.say(std::string(1, letter));
    CHECK(answered(drops));

    const std::string large(200'000, 'x');
    auto c = f.connect();
    c.say(post("/async", "Content-Type: text/plain\r\nContent-Length: 200000\r\n", large.substr(0, 100)));
    for (std::size_t at = 100; at < large.size(); at += 777) c.say(large.substr(at, 777));
    CHECK(has(c.until(large), "HTTP/1.1 202"));
}

TEST_CASE("Expect: 100-continue is answered when the body is wanted, and only then", "[integration]") {
    Fixture f;
    auto c = f.connect();
    c.say(post("/echo", "Content-Type: text/plain\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n", ""));
    CHECK(c.until("\r\n\r\n").starts_with("HTTP/1.1 100"));
    CHECK(has(c.say("body").to_end(), "\r\n\r\nbody"));
    CHECK(f.ask(post("/echo", "Content-Type: text/html\r\nContent-Length: 4\r\nExpect: 100-continue\r\n", ""))
              .starts_with("HTTP/1.1 415"));
    CHECK(f.ask(post("/echo", "Content-Type: text/plain\r\nContent-Length: 4\r\nExpect: magic\r\n", ""))
              .starts_with("HTTP/1.1 417"));
}

TEST_CASE("a handler gets together what has come in one turn, of all its paths", "[integration]") {
    Fixture f;
    std::deque<Raw> clients;
    for (int i = 0; i < 10; ++i) {
        clients.emplace_back(f.server->port());
        clients.back().say("GET /hello/world HTTP/1.1\r\nHost: h\r\n\r\n").until("the world itself");
    }
    std::promise<void> all_sent;
    f.server->post([sent = all_sent.get_future().share()] { sent.wait(); });
    for (std::size_t i = 0; i < clients.size(); ++i)
        clients[i].say("GET /" + std::string(i % 2 ? "together" : "also/this") +
                       " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    all_sent.set_value();
    for (std::size_t i = 0; i < clients.size(); ++i)
        CHECK(clients[i].to_end().ends_with(i % 2 ? "of /together" : "of /also/this"));
    CHECK(f.most_at_once > 1);
}

TEST_CASE("a handler that throws or forgets to answer is a 500 that says nothing of the inside", "[integration]") {
    Fixture f;
    auto thrown = f.get("/throws");
    CHECK(f.get("/throws/later").starts_with("HTTP/1.1 500"));
    CHECK(thrown.starts_with("HTTP/1.1 500"));
    CHECK_FALSE(has(thrown, "secret"));
    CHECK(f.get("/dropped").starts_with("HTTP/1.1 500"));
}

TEST_CASE("a handler that takes too long is a 503, and its late answer goes nowhere", "[integration]") {
    http::ServerOptions options;
    options.answer_timeout = Millis{100};
    Fixture f(options);
    auto c = f.connect();
    c.say("GET /kept HTTP/1.1\r\nHost: h\r\n\r\n");
    auto answer = c.until("try again");
    CHECK(answer.starts_with("HTTP/1.1 503"));
    f.kept.front()(http::Response::text(200, "late"));
    c.say("GET /hello/b HTTP/1.1\r\nHost: h\r\n\r\n");
    auto next = c.until("hello b");
    CHECK(has(next, "HTTP/1.1 200"));
    CHECK_FALSE(has(next, "late"));
}

TEST_CASE("answers may come after the server has ended", "[integration]") {
    Fixture f;
    auto c = f.connect(), d = f.connect();
    c.say("GET /kept HTTP/1.1\r\nHost: h\r\n\r\n");
    d.say("GET /kept HTTP/1.1\r\nHost: h\r\n\r\n");
    f.await_kept(2);
    f.server.reset();
    f.kept.front()(http::Response::text(200, "too late"));
    f.kept.clear();
    CHECK(c.to_end().empty());
    CHECK(d.to_end().empty());
}

TEST_CASE("several I/O threads share the connections", "[integration]") {
    http::ServerOptions options;
    options.io_threads = 4;
    Fixture f(options);
    std::vector<std::future<int>> clients;
    for (int i = 0; i < 16; ++i)
        clients.push_back(std::async(std::launch::async, [&f, i] {
            auto c = f.connect();
            int right = 0;
            for (int n = 0; n < 100; ++n) {
                auto text = "client " + std::to_string(i) + " request " + std::to_string(n) + ".";
                auto path = n % 2 == 0 ? "/async" : "/echo";
                right += has(
                    c.say(post(path, "Content-Type: text/plain\r\nContent-Length: " + std::to_string(text.size()) + "\r\n", text))
                        .until(text),
                    text);
            }
            return right;
        }));
    for (auto& c : clients) CHECK(c.get() == 100);
    CHECK(f.server->drain(Millis{20'000}));
}

TEST_CASE("an answer is whole, however big, and no value of a handler's adds a line to its head", "[integration]") {
    Fixture f;
    auto big = f.get("/big");
    CHECK(has(big, "\r\nContent-Length: 1000003\r\n"));
    CHECK(big.ends_with("bbbend"));
    CHECK(big.size() - big.find("\r\n\r\n") - 4 == 1'000'003);
    auto head = f.ask("HEAD /big HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    CHECK(has(head, "\r\nContent-Length: 1000003\r\n"));
    CHECK(head.ends_with("\r\n\r\n"));
    auto lines = f.get("/lines");
    CHECK(has(lines, "X-Note: one  X-Other: two\r\n"));
    CHECK(has(lines, "\r\nContent-Length: 1\r\n"));
    CHECK_FALSE(has(lines, "content-length: 9"));
    CHECK_FALSE(has(lines, "chunked"));
}

TEST_CASE("forwarded addresses are believed of trusted proxies only", "[integration]") {
    {
        Fixture f;
        CHECK(has(f.get("/client", "X-Forwarded-For: 203.0.113.9\r\n"), "\r\n\r\n127.0.0.1"));
        // Under which address one was asked, nobody else may say.
        CHECK(f.get("/asked", "x-forwarded-proto: https\r\nX-FORWARDED-HOST: evil.example\r\n").ends_with("\r\n\r\n "));
    }
    http::ServerOptions options;
    options.trusted_proxies = {"127.0.0.1", "10.0.0.1"};
    Fixture f(options);
    CHECK(has(f.get("/client", "X-Forwarded-For: 1.1.1.1, 203.0.113.9, 10.0.0.1\r\n"), "\r\n\r\n203.0.113.9"));
    CHECK(has(f.get("/client"), "\r\n\r\n127.0.0.1"));
    CHECK(has(f.get("/asked", "X-Forwarded-Proto: https\r\nX-Forwarded-Host: otto.example\r\n"), "\r\n\r\nhttps otto.example"));
}

TEST_CASE("proxies are trusted by range; on both stacks an address of version 4 is itself", "[integration]") {
    http::ServerOptions options;
    options.address = "::";
    options.trusted_proxies = {"127.0.0.0/8", "10.0.0.0/8"};
    Fixture f(options);
    CHECK(has(f.get("/client"), "\r\n\r\n127.0.0.1"));
    CHECK(has(f.get("/client", "X-Forwarded-For: 1.1.1.1, 203.0.113.9, 10.200.3.1, ::ffff:10.0.0.1\r\n"), "\r\n\r\n203.0.113.9"));
    CHECK(has(f.get("/client", "X-Forwarded-For: ::ffff:203.0.113.9\r\n"), "\r\n\r\n203.0.113.9"));
    std::string all = "203.0.113.9";
    for (int i = 0; i < 100; ++i) all += ",10.0.0." + std::to_string(i);
    CHECK(has(f.get("/client", "X-Forwarded-For: " + all + "\r\n"),
              "\r\n\r\n10.0.0.84"));  // sixteen proxies are more than any way has
    options.trusted_proxies = {"10.0.0.0/40"};
    auto refused = http::Server(options, std::make_shared<http::Router>()).start();
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message.find("'10.0.0.0/40'") != std::string::npos);
}

TEST_CASE("routes behind a gate answer 503 with its reason until it is opened, and no others do") {
    auto gate = std::make_shared<http::Gate>([] { return std::string("It waits for postgres."); });
    auto router = std::make_shared<http::Router>();
    router->add(Method::get, "/open", [](const http::Request&) { return http::Response::text(200, "open"); });
    router->behind(gate);
    router->add(Method::get, "/kept", [](const http::Request&) { return http::Response::text(200, "kept"); });
    router->add_async(Method::post, {"/later"}, [](std::vector<http::PendingRequest> all) {
        for (auto& asked : all) asked.respond(http::Response::text(202, "taken"));
    });
    http::Server server({}, router);
    CHECK(server.still_for() == Millis{0});  // it does not run yet
    REQUIRE(server.start());
    auto ask = [&](const std::string& text) { return Raw(server.port()).say(text).to_end(); };
    auto get = [&](const std::string& path) { return ask("GET " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"); };
    auto late = post("/later", "Content-Length: 2\r\nConnection: close\r\n", "hi");
    CHECK(has(get("/open"), "200 OK"));
    CHECK(has(get("/nowhere"), "404"));
    for (const auto& refused : {get("/kept"), ask(late)}) {
        CHECK(refused.starts_with("HTTP/1.1 503"));
        CHECK(has(refused, "Retry-After: 5"));
        CHECK(has(refused, "It waits for postgres."));
    }
    gate->open();
    CHECK(has(get("/kept"), "200 OK"));
    CHECK(has(ask(late), "202"));
}

TEST_CASE("draining finishes what is under way and takes no more", "[integration]") {
    Fixture f;
    auto idle = f.connect();
    auto c = f.connect();
    c.say("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
    f.slow_started.get_future().wait();
    auto drained = std::async(std::launch::async, [&] { return f.server->drain(Millis{20'000}); });
    CHECK(idle.to_end() == "");
    f.slow_may_end.set_value();
    auto answer = c.to_end();
    CHECK(has(answer, "slow but done"));
    CHECK(has(answer, "Connection: close"));
    CHECK(drained.get());
}

TEST_CASE("a request without Host, or with a body in a coding that is not understood, is refused", "[integration]") {
    Fixture f;
    CHECK(f.ask("GET /hello/a HTTP/1.1\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 400"));
    CHECK(f.ask("GET /hello/a HTTP/1.0\r\n\r\n").find(" 200 ") != std::string::npos);
    CHECK(f.ask("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n")
              .starts_with("HTTP/1.1 400"));
}

TEST_CASE("who was connected when the drain began is still served once", "[integration]") {
    Fixture f;
    std::list<Raw> connected;
    for (int i = 0; i < 50; ++i) connected.emplace_back(f.server->port());  // some of them still in the listening queue
    auto& idle = connected.front();
    CHECK(has(idle.say("GET /hello/idle HTTP/1.1\r\nHost: h\r\n\r\n").until("hello idle"), "HTTP/1.1 200"));
    auto drained = std::async(std::launch::async, [&] { return f.server->drain(Millis{20'000}); });
    CHECK(idle.to_end().empty());  // an idle connection is closed when the drain begins
    connected.pop_front();
    for (auto& c : connected) {
        c.say("GET /hello/world HTTP/1.1\r\nHost: h\r\n\r\n");
        auto answer = c.to_end();
        CHECK(answer.starts_with("HTTP/1.1 200"));
        CHECK(has(answer, "Connection: close"));
    }
    CHECK(drained.get());
}

TEST_CASE("a port that is taken is an error that names it", "[integration]") {
    Fixture f;
    http::ServerOptions options;
    options.port = f.server->port();
    http::Server second(options, f.router);
    auto started = second.start();
    REQUIRE_FALSE(started);
    CHECK(has(started.error().message, std::to_string(f.server->port())));
}
