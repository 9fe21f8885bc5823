// What a client may make the server hold, and for how long.
#include <future>
#include <list>
#include <thread>

#include "http/server.hpp"
#include "raw.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::http::testing;
using http::Method;

namespace {

constexpr std::size_t kBody = 64u << 10;

/// A moment that a test waits for.
class Moment {
public:
    void come() { promise_.set_value(); }
    bool has_come() { return future_.wait_for(std::chrono::seconds(20)) == std::future_status::ready; }

private:
    std::promise<void> promise_;
    std::future<void> future_ = promise_.get_future();
};

struct World {
    std::shared_ptr<http::Router> router = std::make_shared<http::Router>();
    std::unique_ptr<http::Server> server;

    World() {
        auto taken = [](std::vector<http::PendingRequest> all) {
            for (auto& asked : all)
                asked.respond(http::Response::text(200, "taken " + std::to_string(asked.request.body.size())));
        };
        http::RouteLimits limits;
        limits.body = kBody;
        router->add_async(Method::post, {"/hook", "/other-hook"}, taken, limits);
        router->add(
            Method::post, "/command",
            [](const http::Request& r) { return http::Response::text(200, "done " + std::to_string(r.body.size())); }, limits);
        limits.body = 16 * kBody;
        router->add_async(Method::post, {"/large"}, taken, limits);
        router->add(Method::get, "/page",
                    [](const http::Request&) { return http::Response::text(200, std::string(6u << 20, 'p') + "end"); });
        router->add(Method::get, "/small", [](const http::Request&) { return http::Response::text(200, "small"); });
    }
    void start(http::ServerOptions options = {}) {
        server = std::make_unique<http::Server>(options, router);
        REQUIRE(server->start());
    }
    Raw connect(const char* from = "127.0.0.1", int buffer = 0) { return Raw(server->port(), from, buffer); }
    std::string ask(const std::string& bytes, const char* from = "127.0.0.1") { return connect(from).say(bytes).to_end(); }
    std::string get(const std::string& path, const char* from = "127.0.0.1") {
        return ask("GET " + path + " HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", from);
    }
};

std::string whole(const std::string& path, std::size_t size = kBody) {
    return post(path, "Connection: close\r\nContent-Length: " + std::to_string(size) + "\r\n", std::string(size, 'x'));
}

/// Announces a body, and sends so much of it.
std::string begun(const std::string& path, std::size_t sent, bool chunked = false) {
    return post(path, chunked ? "Transfer-Encoding: chunked\r\n" : "Content-Length: " + std::to_string(kBody) + "\r\n",
                chunked ? "ffff\r\n" + std::string(sent, 'x') : std::string(sent, 'x'));
}

}  // namespace

TEST_CASE("a body takes room for what has come, not for what it announces", "[integration]") {
    World w;
    http::ServerOptions options;
    options.least_room = 8 * kBody;
    w.start(options);
    std::list<Raw> stalled;
    for (int i = 0; i < 60; ++i) {
        auto& c = stalled.emplace_back(w.server->port());
        c.say(begun("/hook", i % 3, i % 2 == 0));
    }
    for (const char* from : {"127.0.0.1", "127.0.0.2"})
        for (const char* path : {"/hook", "/command"}) CHECK(w.ask(whole(path), from).starts_with("HTTP/1.1 200"));
    CHECK(w.ask(whole("/hook", kBody + 1)).starts_with("HTTP/1.1 413"));
}

TEST_CASE("where a client address has no more room, its slowest body ends, and nobody else's", "[integration]") {
    World w;
    http::ServerOptions options;
    options.least_room = 8 * kBody;  // an address: one body
    w.start(options);
    auto greedy = w.connect("127.0.0.2");
    greedy.say(begun("/hook", kBody - 1'000));
    auto other = w.connect("127.0.0.3");
    other.say(begun("/hook", kBody - 1'000));
    // Too young to be called slow, it stays while the newcomer is refused; then it is the one to go.
    std::string answer;
    for (auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
         !answer.starts_with("HTTP/1.1 200") && std::chrono::steady_clock::now() < end;) {
        answer = w.ask(whole("/other-hook"), "127.0.0.2");
        CHECK((answer.starts_with("HTTP/1.1 200") || (answer.starts_with("HTTP/1.1 503") && has(answer, "Retry-After: 1"))));
    }
    CHECK(answer.starts_with("HTTP/1.1 200"));
    CHECK(greedy.to_end().starts_with("HTTP/1.1 503"));
    CHECK(w.ask(whole("/command"), "127.0.0.2").starts_with("HTTP/1.1 200"));  // a room of its own
    CHECK(has(other.say(std::string(1'000, 'x')).until("taken 65536"), "HTTP/1.1 200"));
}

TEST_CASE("where a room is full, whoever's, the slowest body ends", "[integration]") {
    World w;
    http::ServerOptions options;
    options.least_room = 8 * kBody;
    options.still_timeout = Millis{30'000};
    w.start(options);
    std::list<Raw> full;
    for (int i = 2; i < 10; ++i)
        full.emplace_back(w.server->port(), ("127.0.0." + std::to_string(i)).c_str()).say(begun("/hook", kBody - 1));
    std::string answer;
    for (auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
         !answer.starts_with("HTTP/1.1 200") && std::chrono::steady_clock::now() < end;)
        answer = w.ask(whole("/hook"));
    CHECK(answer.starts_with("HTTP/1.1 200"));
    int ended = 0;
    for (auto& c : full) ended += !c.say("x").until("taken 65536").starts_with("HTTP/1.1 200");
    CHECK((ended >= 1 && ended < 8));
}

TEST_CASE("a body that stands still is 408", "[integration]") {
    World w;
    http::ServerOptions options;
    options.still_timeout = Millis{200};
    w.start(options);
    for (std::size_t sent : {std::size_t{0}, std::size_t{10}, kBody - 1}) {
        auto answer = w.ask(begun("/hook", sent));
        CHECK(answer.starts_with("HTTP/1.1 408"));
        CHECK(has(answer, "Connection: close"));
    }
    CHECK(w.ask(begun("/command", 10, true)).starts_with("HTTP/1.1 408"));
    const auto large = whole("/large", 16 * kBody);
    for (std::size_t sent : {5 * kBody, large.size() - 1}) CHECK(w.ask(large.substr(0, sent)).starts_with("HTTP/1.1 408"));
    CHECK(w.ask(large).starts_with("HTTP/1.1 200"));
    w.connect().say(large.substr(0, 10 * kBody)).hang_up();  // nobody is to be told
    CHECK(w.get("/small").ends_with("small"));
}

TEST_CASE("a large body that makes its client's room short ends", "[integration]") {
    World w;
    http::ServerOptions options;
    options.least_room = options.most_room = 16 * kBody;  // an address: one body
    options.still_timeout = Millis{30'000};
    w.start(options);
    auto stalled = w.connect();
    stalled.say(whole("/large", 16 * kBody).substr(0, 10 * kBody));
    std::string answer;
    for (auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
         !answer.starts_with("HTTP/1.1 200") && std::chrono::steady_clock::now() < end;)
        answer = w.ask(whole("/large", 16 * kBody));
    CHECK(answer.starts_with("HTTP/1.1 200"));
    CHECK(stalled.to_end().starts_with("HTTP/1.1 503"));
}

TEST_CASE("a route judges the head before the body: on the I/O thread, or on a worker if it must wait", "[integration]") {
    World w;
    std::atomic<int> handled{0}, waited{0};
    http::RouteLimits limits;
    limits.admit = [&](const http::Request& head, bool may_wait) -> std::optional<http::Admission> {
        auto who = head.headers.get("authorization");
        if (who == "unknown" && !may_wait) return std::nullopt;
        if (who == "throws") throw std::runtime_error("a secret of ours");
        waited += may_wait;
        http::Admission out;
        if (who == "no") out.refusal = http::problem({401, "Not signed in", "Sign in."}, head);
        out.share = {"org_a", std::string(who)};
        out.known = std::make_shared<const std::string>("known as " + std::string(who));
        return out;
    };
    auto tell = [&](const http::Request& r) {
        ++handled;
        return http::Response::text(200,
                                    *static_cast<const std::string*>(r.known.get()) + " of " + r.share.company + ": " + r.body);
    };
    w.router->add(Method::post, "/judged", tell, limits);
    w.router->add(Method::get, "/judged", tell, limits);
    w.start();
    // The answer is there although nothing of the body is.
    CHECK(w.connect()
              .say(post("/judged", "Authorization: no\r\nContent-Length: 100000\r\n", ""))
              .until("Sign in.")
              .starts_with("HTTP/1.1 401"));
    CHECK(w.ask(post("/judged", "Authorization: no\r\nContent-Length: 100000\r\nExpect: 100-continue\r\n", ""))
              .starts_with("HTTP/1.1 401"));
    CHECK(w.ask(post("/judged", "Authorization: throws\r\nContent-Length: 1\r\n", "")).starts_with("HTTP/1.1 500"));
    CHECK(handled == 0);
    CHECK(waited == 0);
    CHECK(w.ask(post("/judged", "Connection: close\r\nAuthorization: yes\r\nContent-Length: 4\r\n", "body"))
              .ends_with("known as yes of org_a: body"));
    CHECK(w.ask(post("/judged", "Connection: close\r\nAuthorization: unknown\r\nContent-Length: 4\r\n", "body"))
              .ends_with("known as unknown of org_a: body"));
    CHECK(waited == 1);
    auto kept = w.connect();
    CHECK(
        kept.say("GET /judged HTTP/1.1\r\nHost: h\r\nAuthorization: no\r\n\r\n").until("Sign in.\"").starts_with("HTTP/1.1 401"));
    CHECK(has(kept.say("GET /judged HTTP/1.1\r\nHost: h\r\nAuthorization: yes\r\nConnection: close\r\n\r\n").to_end(),
              "known as yes"));
}

TEST_CASE("a handler hears that its client hung up; one that only has said all is still there", "[integration]") {
    World w;
    Moment first, second, gone;
    std::promise<void> may_answer;
    http::RouteLimits limits;
    limits.admit = [](const http::Request& head, bool) -> std::optional<http::Admission> {
        http::Admission out;
        out.share = {"org_a", std::string(head.headers.get("x-user"))};
        return out;
    };
    w.router->add(
        Method::get, "/waits",
        [&](const http::Request& r) {
            if (r.share.user == "leaves") {
                r.asker->when_gone([&] { gone.come(); });
                first.come();
                gone.has_come();
                return http::Response::text(200, r.asker->gone() ? "nobody reads this" : "");
            }
            second.come();
            may_answer.get_future().wait();
            return http::Response::text(200, r.asker->gone() ? "gone?" : "for one who reads");
        },
        limits);
    http::ServerOptions options;
    options.still_timeout = Millis{400};  // how often the server looks is an eighth of the shortest time
    w.start(options);
    auto leaves = w.connect(), stays = w.connect();
    leaves.say("GET /waits HTTP/1.1\r\nHost: h\r\nX-User: leaves\r\n\r\n");
    REQUIRE(first.has_come());
    stays.say("GET /waits HTTP/1.1\r\nHost: h\r\nX-User: stays\r\nConnection: close\r\n\r\n").says_no_more();
    REQUIRE(second.has_come());
    leaves.hang_up();
    CHECK(gone.has_come());
    CHECK(stays.until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");  // "are you there?"
    may_answer.set_value();
    CHECK(stays.to_end().ends_with("for one who reads"));
}

TEST_CASE("a client that does not read its answer is ended, others get theirs", "[integration]") {
    World w;
    http::ServerOptions options;
    options.answers_room = 16u << 20;
    w.start(options);
    std::list<Raw> deaf;
    for (int i = 0; i < 20; ++i)
        deaf.emplace_back(w.server->port(), "127.0.0.2", 4'096)
            .say("GET /page HTTP/1.1\r\nHost: h\r\n\r\nGET /page HTTP/1.1\r\nHost: h\r\n\r\n");
    std::string page;
    for (auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
         !page.ends_with("ppend") && std::chrono::steady_clock::now() < end;) {
        page = w.get("/page");
        CHECK((page.ends_with("ppend") || page.starts_with("HTTP/1.1 503")));
    }
    CHECK(page.ends_with("ppend"));
    CHECK(w.get("/small").ends_with("small"));
    // What they find when they look at last is no whole answer.
    w.server->drain(Millis{20'000});
    for (auto& c : deaf) CHECK_FALSE(has(c.until("ppend"), "ppend"));
}

TEST_CASE("a client address has a tenth of the connections; the next ones one request each, and then none", "[integration]") {
    for (bool trusted : {false, true}) {
        World w;
        http::ServerOptions options;
        options.max_connections = 640;
        if (trusted) options.trusted_proxies = {"127.0.0.2"};
        w.start(options);
        const std::string ask = "GET /small HTTP/1.1\r\nHost: h\r\n\r\n";
        std::list<Raw> idle;
        auto one_more = [&]() -> Raw& { return idle.emplace_back(w.server->port(), "127.0.0.2"); };
        for (int i = 0; i < 64; ++i) CHECK_FALSE(has(one_more().say(ask).until("small"), "Connection: close"));
        auto answer = one_more().say(ask).until("small");
        CHECK(answer.starts_with("HTTP/1.1 200"));
        CHECK(has(answer, "Connection: close\r\n") == !trusted);
        CHECK_FALSE(has(w.connect().say(ask).until("small"), "Connection: close"));
        if (trusted) continue;
        CHECK(one_more().to_end() == "");  // it had a second to begin
        std::list<Raw> crowd;
        for (int i = 0; i < 70; ++i) crowd.emplace_back(w.server->port(), "127.0.0.2");
        CHECK(has(crowd.back().to_end(), "close idle ones"));
    }
}

TEST_CASE("long work leaves the I/O thread and comes back to it", "[integration]") {
    World w;
    std::thread::id io, worker, after;
    w.router->add_async(Method::post, {"/long"}, [&](std::vector<http::PendingRequest> all) {
        io = std::this_thread::get_id();
        for (auto& asked : all) {
            auto mine = std::make_shared<http::PendingRequest>(std::move(asked));
            mine->respond.offload(
                [&, mine] {
                    worker = std::this_thread::get_id();
                    if (mine->request.body == "throw") throw std::runtime_error("a secret of ours");
                },
                [&, mine] {
                    after = std::this_thread::get_id();
                    mine->respond(http::Response::text(200, "after " + mine->request.body));
                });
        }
    });
    w.start();
    CHECK(w.ask(post("/long", "Connection: close\r\nContent-Length: 4\r\n", "work")).ends_with("after work"));
    CHECK(io == after);
    CHECK(io != worker);
    auto thrown = w.ask(post("/long", "Connection: close\r\nContent-Length: 5\r\n", "throw"));
    CHECK(thrown.starts_with("HTTP/1.1 500"));
    CHECK_FALSE(has(thrown, "secret"));
}

TEST_CASE("a proxy that is not among the trusted ones is told of, once", "[integration]") {
    for (bool trusted : {false, true}) {
        World w;
        http::ServerOptions options;
        std::vector<std::string> told;
        options.untrusted_proxy = [&](const std::string& address) { told.push_back(address); };
        if (trusted) options.trusted_proxies = {"127.0.0.2"};
        w.start(options);
        CHECK(w.get("/small", "127.0.0.2").ends_with("small"));
        CHECK(told.empty());
        for (int i = 0; i < 3; ++i)
            w.ask("GET /small HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n", "127.0.0.2");
        w.server->drain(Millis{20'000});
        CHECK(told == (trusted ? std::vector<std::string>{} : std::vector<std::string>{"127.0.0.2"}));
    }
}
