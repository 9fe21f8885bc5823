// Answers that go on: what is written leaves at once and whole, slow clients keep nobody waiting, and an end is seen by both.
#include <deque>
#include <thread>

#include "http/server.hpp"
#include "raw.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::http::testing;
using http::Method;
using http::StreamBody;

namespace {

StreamBody::Piece piece(std::string text) { return std::make_shared<const std::string>(std::move(text)); }

struct Streams {
    std::shared_ptr<http::Router> router = std::make_shared<http::Router>();
    std::mutex lock;
    std::condition_variable more;
    std::deque<std::weak_ptr<StreamBody>> begun;
    std::unique_ptr<http::Server> server;

    explicit Streams(StreamBody::Options stream = {}, http::ServerOptions options = {}) {
        router->add(Method::get, "/stream", [this, stream](const http::Request&) {
            auto body = std::make_shared<StreamBody>(stream);
            std::lock_guard guard(lock);
            begun.push_back(body);
            more.notify_all();
            return http::Response::events(std::move(body));
        });
        router->add(Method::get, "/plain", [](const http::Request&) { return http::Response::text(200, "plain"); });
        options.workers = 1;
        server = std::make_unique<http::Server>(options, router);
        REQUIRE(server->start());
    }
    std::weak_ptr<StreamBody> next() {
        std::unique_lock guard(lock);
        REQUIRE(more.wait_for(guard, std::chrono::seconds(10), [&] { return !begun.empty(); }));
        auto body = begun.front();
        begun.pop_front();
        return body;
    }
    Raw open() {
        Raw client(server->port());
        client.say("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
        return client;
    }
};

/// The bodies of chunks, as far as they are whole.
std::string unchunked(const std::string& wire, bool* ended = nullptr) {
    std::string out;
    for (std::size_t at = 0;;) {
        auto line = wire.find("\r\n", at);
        if (line == std::string::npos) return out;
        auto size = std::stoul(wire.substr(at, line - at), nullptr, 16);
        if (size == 0 && ended) *ended = true;
        if (size == 0 || wire.size() < line + 2 + size + 2) return out;
        out += wire.substr(line + 2, size);
        REQUIRE(wire.substr(line + 2 + size, 2) == "\r\n");
        at = line + 2 + size + 2;
    }
}

void until_over(const std::weak_ptr<StreamBody>& body) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!body.expired() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    CHECK(body.expired());
}

}  // namespace

TEST_CASE("what is written leaves at once, and no worker is held", "[http][stream]") {
    Streams s;
    auto one = s.open(), two = s.open();  // and there is one worker
    auto a = s.next(), b = s.next();
    auto head = one.until("\r\n\r\n");
    CHECK(has(head, "Content-Type: text/event-stream"));
    CHECK(has(head, "X-Accel-Buffering: no"));
    CHECK(has(head, "Transfer-Encoding: chunked"));
    CHECK_FALSE(has(head, "Content-Length"));
    two.until("\r\n\r\n");
    auto shared = piece("told to both\n");
    CHECK(a.lock()->write(shared));
    CHECK(b.lock()->write(shared));
    CHECK(one.until("both\n\r\n") == "d\r\ntold to both\n\r\n");
    CHECK(two.until("both\n\r\n") == "d\r\ntold to both\n\r\n");
    Raw third(s.server->port());
    third.say("GET /plain HTTP/1.1\r\nHost: h\r\n\r\n");
    CHECK(has(third.until("plain"), "200 OK"));
    a.lock()->end(piece("last\n"));
    CHECK(one.to_end() == "5\r\nlast\n\r\n0\r\n\r\n");
    CHECK(a.expired());
    CHECK(b.lock()->write(piece("still there\n")));
    CHECK(has(two.until("there\n"), "still there"));
}

TEST_CASE("a stream to HEAD is its head, and to HTTP/1.0 has no chunks", "[http][stream]") {
    Streams s;
    Raw head(s.server->port());
    head.say("HEAD /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    auto all = head.to_end();
    CHECK(has(all, "200 OK"));
    CHECK(all.substr(all.find("\r\n\r\n")) == "\r\n\r\n");
    CHECK(s.next().expired());
    Raw old(s.server->port());
    old.say("GET /stream HTTP/1.0\r\n\r\n");
    auto body = s.next();
    CHECK_FALSE(has(old.until("\r\n\r\n"), "Transfer-Encoding"));
    body.lock()->write(piece("plainly"));
    CHECK(old.until("plainly") == "plainly");
    body.lock()->end();
    CHECK(old.to_end().empty());
}

TEST_CASE("a client that takes nothing has its room and no more, and what takes its place comes whole", "[http][stream]") {
    Streams s({.room = 64u << 10});
    Raw client(s.server->port(), "127.0.0.1", 4'096);
    client.say("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    auto body = s.next();
    client.until("\r\n\r\n");
    const std::string line(1'000, 'x');
    int taken = 0;
    while (body.lock()->write(piece(line)) && taken < 1'000) ++taken;
    CHECK(taken < 300);  // its room, and what two kernels hold
    CHECK(body.lock()->waiting() <= 64u << 10);
    CHECK(body.lock()->replace(piece("RESET")));
    body.lock()->end();
    bool ended = false;
    auto got = unchunked(client.to_end(), &ended);
    CHECK(ended);
    REQUIRE(has(got, "RESET"));
    CHECK(got.substr(got.size() - 5) == "RESET");
    CHECK((got.size() - 5) % 1'000 == 0);
}

TEST_CASE("a client that stands still is ended", "[http][stream]") {
    http::ServerOptions options;
    options.still_timeout = Millis{80};  // so often it is looked at
    Streams s({.room = 1u << 20, .still = Millis{100}}, options);
    Raw client(s.server->port(), "127.0.0.1", 4'096);
    client.say("GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    auto body = s.next();
    if (auto b = body.lock()) b->write(piece(std::string(1u << 20, 'x')));
    until_over(body);
    bool ended = false;
    unchunked(client.to_end().substr(0, 0), &ended);
    CHECK_FALSE(ended);
}

TEST_CASE("a client that goes is seen while nothing is said, and one that says more is not minded", "[http][stream]") {
    Streams s;
    auto client = s.open();
    auto body = s.next();
    client.until("\r\n\r\n");
    client.say("GET /plain HTTP/1.1\r\nHost: h\r\n\r\n");
    body.lock()->write(piece("one"));
    CHECK(has(client.until("one\r\n"), "one"));
    client.hang_up();
    until_over(body);
    auto chatty = s.open();
    auto other = s.next();
    chatty.until("\r\n\r\n");
    chatty.say(std::string(200'000, 'x'));
    until_over(other);
}

TEST_CASE("a drain ends streams with their farewell, one after another", "[http][stream]") {
    http::ServerOptions options;
    options.farewells = Millis{300};
    options.still_timeout = Millis{80};
    Streams s({.farewell = "bye\n"}, options);
    std::deque<Raw> clients;
    for (int i = 0; i < 8; ++i) {
        clients.push_back(s.open());
        clients.back().until("\r\n\r\n");
        s.next();
    }
    const auto begin = std::chrono::steady_clock::now();
    std::thread drains([&] { CHECK(s.server->drain(Millis{10'000})); });
    for (auto& client : clients) CHECK(client.to_end() == "4\r\nbye\n\r\n0\r\n\r\n");
    drains.join();
    CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::milliseconds(250));
}

TEST_CASE("a server ends under streams that nobody ends", "[http][stream]") {
    std::weak_ptr<StreamBody> body;
    {
        Streams s;
        auto client = s.open();
        body = s.next();
        client.until("\r\n\r\n");
        s.server->drain(Millis{0});
        s.server.reset();
    }
    CHECK(body.expired());
}

TEST_CASE("many write to one stream at once, each in order", "[http][stream]") {
    Streams s({.room = 16u << 20});
    auto client = s.open();
    auto body = s.next().lock();
    client.until("\r\n\r\n");
    std::vector<std::thread> writers;
    for (char who = 'a'; who < 'e'; ++who)
        writers.emplace_back([&body, who] {
            for (int i = 0; i < 2'000; ++i) body->write(piece(std::string(1, who) + std::to_string(i) + "\n"));
        });
    for (auto& w : writers) w.join();
    body->end();
    body.reset();
    bool ended = false;
    auto got = unchunked(client.to_end(), &ended);
    CHECK(ended);
    int next[4] = {};
    for (std::size_t at = 0; at < got.size();) {
        auto end = got.find('\n', at);
        auto& expected = next[got[at] - 'a'];
        REQUIRE(got.substr(at + 1, end - at - 1) == std::to_string(expected));
        ++expected;
        at = end + 1;
    }
    for (int n : next) CHECK(n == 2'000);
}
