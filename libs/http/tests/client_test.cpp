#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include "http/client.hpp"
#include "http/server.hpp"
#include "src/resolve.hpp"
#include "telemetry/metrics.hpp"
#include "testing/catch.hpp"
#include "tests/peers.hpp"

using namespace otto;
using namespace otto::http;
using namespace otto::http::testing;
using Steady = std::chrono::steady_clock;

namespace {

/// A folder of this test alone, gone after it.
struct Folder {
    std::string path;
    Folder() {
        char text[] = "/tmp/otto-tls-XXXXXX";
        REQUIRE(::mkdtemp(text));
        path = text;
    }
    ~Folder() { std::filesystem::remove_all(path); }
};

/// HTTPS with a certificate for `localhost` that no system trusts; each answer is the number of connections so far.
class TlsPeer {
public:
    TlsPeer() {
        REQUIRE(std::system(
                    ("cd " + folder_.path +
                     " && openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost "
                     "-addext subjectAltName=DNS:localhost >log 2>&1")
                        .c_str()) == 0);
        std::string script =
            "import http.server,ssl\n"
            "names=[]\n"
            "class H(http.server.BaseHTTPRequestHandler):\n"
            " protocol_version='HTTP/1.1'\n"
            " count=0\n"
            " def setup(s):\n  H.count+=1; super().setup()\n"
            " def do_GET(s):\n"
            // What follows the answer stands in the same record, of which a client that reads the answer's head may not have
            // taken more yet.
            "  if s.path=='/more':\n   a=b'HTTP/1.1 200 OK\\r\\nContent-Length: 4\\r\\nX-Fill: '; e=b'\\r\\n\\r\\nmore'; "
            "a+=b'x'*(512-len(a)-len(e))+e\n"
            "   s.wfile.write(a+b'HTTP/1.1 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nwrong'); return\n"
            "  b=f'{H.count} {names[-1]}'.encode(); s.send_response(200); s.send_header('Content-Length',str(len(b))); "
            "s.end_headers(); s.wfile.write(b)\n"
            " def log_message(s,*a): pass\n"
            "h=http.server.ThreadingHTTPServer(('127.0.0.1',0),H)\n"
            "h.handle_error=lambda *a: None\n"
            "c=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain('" +
            authority() + "','" + folder_.path +
            "/key.pem')\n"
            "c.sni_callback=lambda sock,name,ctx: names.append(name)\n"
            "h.socket=c.wrap_socket(h.socket,server_side=True,do_handshake_on_connect=False)\n"
            "print(h.server_address[1],flush=True); h.serve_forever()\n";
        int out[2];
        REQUIRE(::pipe(out) == 0);
        pid_ = ::fork();
        if (pid_ == 0) {
            ::dup2(out[1], 1);
            ::close(out[0]);
            ::close(out[1]);
            ::execlp("python3", "python3", "-c", script.c_str(), nullptr);
            ::_exit(1);
        }
        ::close(out[1]);  // so that a peer that cannot start is an end and no wait
        std::string line;
        for (char c; ::read(out[0], &c, 1) == 1 && c != '\n';) line += c;
        ::close(out[0]);
        port_ = std::atoi(line.c_str());
        if (port_ == 0) stop();
        REQUIRE(port_ > 0);
    }
    ~TlsPeer() { stop(); }
    std::string authority() const { return folder_.path + "/cert.pem"; }
    std::string at(const std::string& host) const { return host + ":" + std::to_string(port_); }

private:
    void stop() {
        if (pid_ > 0) {
            ::kill(pid_, SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
        pid_ = -1;
    }
    Folder folder_;
    pid_t pid_ = -1;
    int port_ = 0;
};

ClientOptions reaching(const std::string& place) {
    ClientOptions o;
    o.private_addresses = {place};
    o.total_timeout = Millis{30'000};
    return o;
}

ClientRequest get(const std::string& url) { return {Method::get, url, {}, "", {}}; }
ClientRequest post(const std::string& url, const std::string& body = "x") { return {Method::post, url, {}, body, {}}; }

std::string ok(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
std::string busy(const std::string& retry_after, const std::string& status = "503 Busy") {
    return "HTTP/1.1 " + status + "\r\nRetry-After: " + retry_after + "\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// An error in full; "" if there is an answer.
std::string why(const Result<Response>& answer) { return answer.ok() ? "" : answer.error().describe(); }

}  // namespace

TEST_CASE("client: a request and its answer, over one connection that is kept") {
    RawPeer peer({{ok("one"), "HTTP/1.1 201 Made\r\nX-A: 1\r\nX-A: 2\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntwo\r\n0\r\n\r\n",
                   "HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 0\r\n\r\n",
                   "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "HTTP/1.1 204 None\r\n\r\n", ok("last")}});
    Client client(reaching(peer.place()));
    auto first = get(peer.url() + "a/b?c=d%20e");
    first.headers.add("X-One", "1");
    first.headers.add("Accept", "text/plain");
    first.headers.add("Accept", "text/html");
    auto one = client.send(first);
    REQUIRE(why(one) == "");
    CHECK(one->body == "one");
    auto two = client.send(post(peer.url(), "body"));
    REQUIRE(why(two) == "");
    CHECK(two->status == 201);
    CHECK(two->body == "two");
    CHECK(two->headers.count("x-a") == 2);
    auto moved = client.send(get(peer.url()));
    REQUIRE(why(moved) == "");
    CHECK(moved->status == 302);
    CHECK(moved->headers.get("location") == "/there");
    CHECK(client.send({Method::head, peer.url(), {}, "", {}}).ok());
    CHECK(client.send({Method::del, peer.url(), {}, "", {}}).ok());
    auto last = client.send({Method::put, peer.url(), {}, "", {}});
    REQUIRE(why(last) == "");
    CHECK(last->body == "last");
    CHECK(peer.connections() == 1);

    auto sent = peer.requests();
    REQUIRE(sent.size() == 6);
    CHECK(sent[0].starts_with("GET /a/b?c=d%20e HTTP/1.1\r\nHost: " + peer.place() + "\r\n"));
    CHECK(has(sent[0], "\r\nX-One: 1\r\n"));
    CHECK(has(sent[0], "\r\nAccept: text/plain\r\n"));
    CHECK(has(sent[0], "\r\nAccept: text/html\r\n"));
    CHECK_FALSE(has(sent[0], "Content-Length"));
    CHECK(sent[1].ends_with("\r\n\r\nbody"));
    CHECK(sent[3].starts_with("HEAD / "));
    CHECK(sent[4].starts_with("DELETE / "));
    CHECK(has(sent[5], "\r\nContent-Length: 0\r\n"));
}

TEST_CASE("client: the trace goes along, a new one where there is none") {
    RawPeer peer({{ok(""), ok("")}});
    Client client(reaching(peer.place()));
    auto traced = get(peer.url());
    traced.trace = tel::TraceContext::fresh();
    REQUIRE(why(client.send(traced)) == "");
    REQUIRE(why(client.send(get(peer.url()))) == "");
    CHECK(has(peer.requests()[0], "\r\ntraceparent: " + traced.trace.traceparent() + "\r\n"));
    auto head = peer.requests()[1];
    auto at = head.find("\r\ntraceparent: ");
    REQUIRE(at != std::string::npos);
    CHECK(tel::TraceContext::parse(head.substr(at + 15, 55)).has_value());
}

TEST_CASE("client: many threads share it, and each gets its own answer") {
    auto routes = std::make_shared<Router>();
    routes->add(Method::post, "/echo", [](const Request& r) { return Response::text(200, r.body); });
    Server server({}, routes);
    REQUIRE(server.start().ok());
    auto place = "127.0.0.1:" + std::to_string(server.port());
    auto options = reaching(place);
    options.pool_per_host = 2;  // some connections are given up on the way
    Client client(options);
    std::atomic<int> right{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 25; ++i) {
                auto body = std::to_string(t) + "/" + std::to_string(i);
                auto answer = client.send(post("http://" + place + "/echo", body));
                if (answer.ok() && answer->body == body) ++right;
            }
        });
    for (auto& t : threads) t.join();
    CHECK(right == 100);
}

TEST_CASE("client: which addresses are public") {
    for (const char* address :
         {"1.1.1.1", "8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.255.255", "172.32.0.0", "192.167.255.255", "192.169.0.0",
          "223.255.255.255", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2002:808:808::1"}) {
        INFO(address);
        CHECK(is_public(address));
    }
    for (const char* address : {"0.0.0.0",
                                "0.1.2.3",
                                "10.0.0.1",
                                "100.64.0.0",
                                "100.127.255.255",
                                "127.0.0.1",
                                "127.255.255.255",
                                "169.254.169.254",
                                "172.16.0.0",
                                "172.31.255.255",
                                "192.0.0.1",
                                "192.168.0.1",
                                "198.18.0.1",
                                "198.19.255.255",
                                "203.0.113.1",
                                "224.0.0.1",
                                "239.255.255.255",
                                "240.0.0.1",
                                "255.255.255.255",
                                "::",
                                "::1",
                                "fe80::1",
                                "febf::1",
                                "fc00::1",
                                "fdff::1",
                                "fec0::1",
                                "ff02::1",
                                "::ffff:127.0.0.1",
                                "::ffff:10.0.0.1",
                                "::127.0.0.1",
                                "64:ff9b::10.0.0.1",
                                "64:ff9b::7f00:1",
                                "64:ff9b:1::808:808",
                                "2002:7f00:1::",
                                "2002:a00:1::1",
                                "2002:c0a8:101::1",
                                "2001::1",
                                "2001:db8::1",
                                "3fff::1",
                                "",
                                "localhost",
                                "2130706433"}) {
        INFO(address);
        CHECK_FALSE(is_public(address));
    }
}

TEST_CASE("client: addresses inside are refused unless they are named") {
    RawPeer peer({{ok("reached")}});
    auto port = peer.place().substr(peer.place().find(':'));
    SECTION("whatever they are written like") {
        Client client(ClientOptions{});
        for (std::string host : {"127.0.0.1", "localhost", "LOCALHOST", "2130706433", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]",
                                 "0.0.0.0", "10.0.0.1", "169.254.169.254", "[fe80::1]", "[fd00::1]"}) {
            auto error = why(client.send(get("http://" + host + port + "/")));
            INFO(host << ": " << error);
            CHECK(has(error, "is a private address"));
            CHECK(has(error, "OTTO_PRIVATE_ADDRESSES"));
        }
        CHECK(peer.connections() == 0);
    }
    SECTION("one that is named opens no other host and no other port") {
        Client client(reaching(peer.place()));
        CHECK(has(why(client.send(get("http://localhost" + port + "/"))), "is a private address"));
        CHECK(has(why(client.send(get("http://127.0.0.1:1/"))), "is a private address"));
        CHECK(peer.connections() == 0);
        CHECK(why(client.send(get(peer.url()))) == "");
    }
    SECTION("a name that is named is reached") {
        auto answer = Client(reaching("localhost" + port)).send(get("http://localhost" + port + "/"));
        REQUIRE(why(answer) == "");
        CHECK(answer->body == "reached");
    }
    SECTION("refusals are no reason to try again") {
        auto options = ClientOptions{};
        options.retry_budget = 0;
        options.private_addresses = {peer.place()};
        Client client(options);
        for (int i = 0; i < 20; ++i) CHECK_FALSE(client.send(get("http://10.0.0.1/")).ok());
        RawPeer sick({{busy("0")}, {busy("0")}, {ok("well")}});
        options.private_addresses = {sick.place()};
        Client fresh(options);
        for (int i = 0; i < 20; ++i) CHECK_FALSE(fresh.send(get("http://10.0.0.1/")).ok());
        auto answer = fresh.send(get(sick.url()));  // the budget is whole
        REQUIRE(why(answer) == "");
        CHECK(answer->body == "well");
    }
}

TEST_CASE("client: a look-up ends with its deadline, not with the name servers' patience") {
    std::promise<void> done;
    auto released = done.get_future().share();
    auto late = resolve("slow.example", Steady::now() + Millis{50}, [released](const std::string&) -> Addresses {
        released.wait();
        return std::vector<std::string>{"8.8.8.8"};
    });
    done.set_value();
    auto* none = std::get_if<NoAddress>(&late);
    REQUIRE(none);
    CHECK(none->passing);
    CHECK(has(none->error.message, "'slow.example' took too long"));

    auto in_time = resolve("fast.example", Steady::now() + std::chrono::seconds(30), [](const std::string& host) -> Addresses {
        return std::vector<std::string>{host, "::1"};
    });
    REQUIRE(std::holds_alternative<std::vector<std::string>>(in_time));
    CHECK(std::get<std::vector<std::string>>(in_time) == std::vector<std::string>{"fast.example", "::1"});
    auto number = resolve("::1", Steady::now(),
                          [](const std::string&) -> Addresses { throw std::logic_error("an address is not looked up"); });
    CHECK(std::holds_alternative<std::vector<std::string>>(number));
}

TEST_CASE("client: a peer that does not answer, breaks off, or says too much costs a clear error") {
    SECTION("nobody there") {
        std::string place;
        {
            RawPeer gone({{""}});
            place = gone.place();
        }
        auto error = why(Client(reaching(place)).send(post("http://" + place + "/")));
        CHECK(has(error, "no connection to " + place + ": "));
    }
    SECTION("silence") {
        RawPeer peer({{kSilence}});
        auto options = reaching(peer.place());
        options.total_timeout = Millis{150};
        CHECK(has(why(Client(options).send(get(peer.url()))), peer.place() + " did not answer in time; 150 ms are granted"));
        CHECK(peer.connections() == 1);
    }
    SECTION("silence within the answer") {
        RawPeer peer({{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", kSilence}});
        auto options = reaching(peer.place());
        options.total_timeout = Millis{150};
        CHECK(has(why(Client(options).send(get(peer.url()))), "did not finish its answer in time"));
    }
    SECTION("silence where TLS should begin is the connect time-out's, long before the other") {
        RawPeer peer({{kSilence}});
        auto options = reaching(peer.place());
        options.connect_timeout = Millis{100};
        options.retries = 0;
        auto start = Steady::now();
        CHECK(has(why(Client(options).send(get("https://" + peer.place() + "/"))),
                  "no connection to " + peer.place() + " within 100 ms"));
        CHECK(Steady::now() - start < std::chrono::seconds(20));
    }
    SECTION("half an answer") {
        for (std::string half : {"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
                                 "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf"}) {
            RawPeer peer({{half}});
            CHECK(has(why(Client(reaching(peer.place())).send(post(peer.url()))), peer.place() + " broke off within its answer"));
        }
    }
    SECTION("no answer at all") {
        RawPeer peer({{""}});
        CHECK(has(why(Client(reaching(peer.place())).send(post(peer.url()))), peer.place() + " broke off before its answer"));
    }
    SECTION("too much, announced or not") {
        auto chunk = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" + std::string(1001, 'x') + "\r\n0\r\n\r\n";
        for (auto answer : {ok(std::string(1001, 'x')), chunk, "HTTP/1.1 200 OK\r\n\r\n" + std::string(1001, 'x')}) {
            RawPeer peer({{answer}});
            auto options = reaching(peer.place());
            options.body_limit = 1000;
            CHECK(
                has(why(Client(options).send(get(peer.url()))), "the answer of " + peer.place() + " is larger than 1000 bytes"));
            CHECK(peer.connections() == 1);
        }
        RawPeer peer({{ok(std::string(1000, 'x'))}});
        auto options = reaching(peer.place());
        options.body_limit = 1000;
        CHECK(why(Client(options).send(get(peer.url()))) == "");
    }
    SECTION("headers without end") {
        RawPeer peer({{"HTTP/1.1 200 OK\r\nX-A: " + std::string(70'000, 'x') + "\r\n\r\n"}});
        CHECK(has(why(Client(reaching(peer.place())).send(get(peer.url()))), "larger than 64 KiB"));
    }
    SECTION("no HTTP") {
        RawPeer peer({{"hello\r\n\r\n"}});
        CHECK(has(why(Client(reaching(peer.place())).send(get(peer.url()))), "the answer of " + peer.place() + " is no HTTP"));
        CHECK(peer.connections() == 1);
    }
    SECTION("an answer that ends with the connection is whole") {
        RawPeer peer({{"HTTP/1.1 200 OK\r\n\r\nto the end"}});
        auto answer = Client(reaching(peer.place())).send(get(peer.url()));
        REQUIRE(why(answer) == "");
        CHECK(answer->body == "to the end");
    }
    SECTION("a large body is refused before it is read") {
        RawPeer peer({{kDeaf + "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"}});
        auto answer = Client(reaching(peer.place())).send(post(peer.url(), std::string(32u << 20, 'x')));
        REQUIRE(why(answer) == "");
        CHECK(answer->status == 413);
    }
}

TEST_CASE("client: idempotent requests are tried again, others are not") {
    SECTION("503 with Retry-After, a connection that breaks, half an answer") {
        RawPeer peer({{busy("0")}, {""}, {"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"}, {ok("at last")}});
        auto options = reaching(peer.place());
        options.retries = 3;
        auto answer = Client(options).send(get(peer.url()));
        REQUIRE(why(answer) == "");
        CHECK(answer->body == "at last");
        CHECK(peer.connections() == 4);
    }
    SECTION("as often as is allowed; the last answer is the answer") {
        for (std::string status : {"429 Slow", "502 Bad", "503 Busy", "504 Late"}) {
            RawPeer peer({{busy("0", status)}});
            auto answer = Client(reaching(peer.place())).send(get(peer.url()));
            REQUIRE(why(answer) == "");
            CHECK(answer->status == std::stoi(status));
            CHECK(peer.connections() == 3);
        }
    }
    SECTION("what another try does not cure comes back at once") {
        for (std::string status : {"400 Bad", "404 None", "500 Broken", "501 Never"}) {
            RawPeer peer({{busy("0", status)}});
            CHECK(Client(reaching(peer.place())).send(get(peer.url())).ok());
            CHECK(peer.connections() == 1);
        }
    }
    SECTION("a POST comes back as it is") {
        for (auto method : {Method::post, Method::patch}) {
            RawPeer peer({{busy("0")}, {ok("no")}});
            auto answer = Client(reaching(peer.place())).send({method, peer.url(), {}, "x", {}});
            REQUIRE(why(answer) == "");
            CHECK(answer->status == 503);
            CHECK(peer.connections() == 1);
        }
    }
    SECTION("Retry-After is waited for: seconds") {
        RawPeer peer({{busy("1")}, {ok("")}});
        auto start = Steady::now();
        CHECK(Client(reaching(peer.place())).send(get(peer.url())).ok());
        CHECK(Steady::now() - start >= std::chrono::seconds(1));
        CHECK(peer.connections() == 2);
    }
    SECTION("a date that has passed is no wait") {
        RawPeer peer({{busy("Wed, 21 Oct 2015 07:28:00 GMT")}, {ok("")}});
        CHECK(Client(reaching(peer.place())).send(get(peer.url()))->status == 200);
    }
    SECTION("a Retry-After beyond the deadline is not waited for") {
        for (std::string after : {"3600", "99999999999999999999999", "Fri, 31 Dec 2100 23:59:59 GMT"}) {
            RawPeer peer({{busy(after, "429 Slow")}, {ok("")}});
            auto answer = Client(reaching(peer.place())).send(get(peer.url()));
            REQUIRE(why(answer) == "");
            CHECK(answer->status == 429);
            CHECK(peer.connections() == 1);
        }
    }
    SECTION("a Retry-After that says nothing is as none") {
        RawPeer peer({{busy("soon")}, {ok("")}});
        CHECK(Client(reaching(peer.place())).send(get(peer.url()))->status == 200);
    }
    SECTION("a sick peer is not stormed: 10 at once, then a fifth of the requests") {
        RawPeer peer({{busy("0")}});
        auto options = reaching(peer.place());
        options.retries = 5;
        Client client(options);
        for (int i = 0; i < 50; ++i) CHECK(client.send(get(peer.url())).ok());
        CHECK(peer.connections() >= 50 + 10 + 9 - 1);  // a fifth is no sum of halves: the last may fall short
        CHECK(peer.connections() <= 50 + 10 + 10);
    }
}

TEST_CASE("client: kept connections") {
    SECTION("one that the peer has closed meanwhile is not used again, also not for a POST") {
        RawPeer peer({{ok("one")}, {ok("two")}});  // says nothing of closing, and closes
        Client client(reaching(peer.place()));
        REQUIRE(why(client.send(post(peer.url()))) == "");
        peer.wait_closed(1);
        auto second = client.send(post(peer.url()));
        REQUIRE(why(second) == "");
        CHECK(second->body == "two");
    }
    SECTION("one that ends as it is used again is replaced where that is safe, without the budget") {
        RawPeer peer({{ok("one"), ""}, {ok("two"), kSilence}});
        auto options = reaching(peer.place());
        options.retries = 0;
        Client client(options);
        REQUIRE(why(client.send(get(peer.url()))) == "");
        auto second = client.send(get(peer.url()));
        REQUIRE(why(second) == "");
        CHECK(second->body == "two");
        CHECK(peer.connections() == 2);
        CHECK(peer.requests().size() == 3);
    }
    SECTION("and not for a POST, which may have been done") {
        RawPeer peer({{ok("one"), ""}, {ok("two")}});
        Client client(reaching(peer.place()));
        REQUIRE(why(client.send(post(peer.url()))) == "");
        CHECK(has(why(client.send(post(peer.url()))), "broke off before its answer"));
        CHECK(peer.connections() == 1);
    }
    SECTION("nor once there was a byte of an answer") {
        RawPeer peer({{ok("one"), "HTTP/1.1 2"}, {ok("two")}});
        auto options = reaching(peer.place());
        options.retries = 0;
        Client client(options);
        REQUIRE(why(client.send(get(peer.url()))) == "");
        CHECK_FALSE(client.send(get(peer.url())).ok());
        CHECK(peer.connections() == 1);
    }
    SECTION("Connection: close is heeded, from either side") {
        RawPeer peer({{"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", ok("never")},
                      {ok("two"), ok("never")},
                      {ok("three")}});
        Client client(reaching(peer.place()));
        REQUIRE(why(client.send(post(peer.url()))) == "");
        auto closing = post(peer.url());
        closing.headers.add("Connection", "close");
        REQUIRE(why(client.send(closing)) == "");
        auto third = client.send(post(peer.url()));
        REQUIRE(why(third) == "");
        CHECK(third->body == "three");
    }
    SECTION("words that nobody asked for are not the next answer") {
        RawPeer peer({{ok("one") + ok("of another"), kSilence}, {ok("two")}});
        Client client(reaching(peer.place()));
        REQUIRE(client.send(post(peer.url()))->body == "one");
        auto second = client.send(post(peer.url()));
        REQUIRE(why(second) == "");
        CHECK(second->body == "two");
    }
    SECTION("interim answers are not the answer") {
        RawPeer peer({{"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + ok("one"), ok("two")}});
        Client client(reaching(peer.place()));
        auto first = client.send(post(peer.url()));
        REQUIRE(why(first) == "");
        CHECK(first->status == 200);
        CHECK(first->body == "one");
        auto second = client.send(post(peer.url()));
        REQUIRE(why(second) == "");
        CHECK(second->body == "two");
        CHECK(peer.connections() == 1);
    }
    SECTION("interim answers without end are") {
        std::string many;
        for (int i = 0; i < 20; ++i) many += "HTTP/1.1 103 Early Hints\r\n\r\n";
        RawPeer peer({{many, kSilence}});
        CHECK(has(why(Client(reaching(peer.place())).send(get(peer.url()))), "status 103 and no end"));
    }
}

TEST_CASE("client: what would break the request's form never leaves") {
    RawPeer peer({{ok("")}});
    Client client(reaching(peer.place()));
    for (auto [name, value] : {std::pair{"X-A", "a\r\nX-B: b"},
                               {"X-A", "a\nb"},
                               {"X-A\r\nX-B", "b"},
                               {"X A", "b"},
                               {"X-A:", "b"},
                               {"", "b"},
                               {"X-A", "a\x01"},
                               {"content-length", "5"},
                               {"Transfer-Encoding", "chunked"},
                               {"Host", "other"}}) {
        INFO(name << ": " << value);
        auto r = get(peer.url());
        r.headers.add(name, value);
        CHECK_FALSE(client.send(r).ok());
    }
    for (std::string target : {"\r\nX: y", "a b", "a\tb", "a\x01"}) CHECK_FALSE(client.send(get(peer.url() + target)).ok());
    CHECK_FALSE(client.send(get(peer.url() + std::string(1, '\0'))).ok());
    CHECK_FALSE(client.send(get("ftp://" + peer.place() + "/")).ok());
    CHECK(peer.connections() == 0);
}

TEST_CASE("client: whether a request may have reached its peer") {
    auto unsent = [](ClientOptions options, const ClientRequest& request) {
        options.total_timeout = Millis{500};
        auto answer = Client(options).send(request);
        CHECK_FALSE(answer.ok());
        return answer.unsent();
    };
    SECTION("not, if nothing listens there, its name leads nowhere or inside, or it speaks no TLS") {
        std::string place;
        {
            RawPeer gone({{""}});
            place = gone.place();
        }
        CHECK(unsent(reaching(place), post("http://" + place + "/")));
        CHECK(unsent({}, post("http://nobody.invalid/")));
        CHECK(unsent({}, post("http://10.0.0.1/")));
        CHECK(unsent({}, post("http://" + place + "/a b")));
        auto strange = post("http://" + place + "/");
        strange.headers.add("Host", "other");
        CHECK(unsent({}, strange));
        RawPeer plain({{"HTTP/1.1 400 no TLS here\r\n\r\n"}});
        CHECK(unsent(reaching(plain.place()), post("https://" + plain.place() + "/")));
        RawPeer silent({{kSilence}});
        CHECK(unsent(reaching(silent.place()), post("https://" + silent.place() + "/")));
        TlsPeer untrusted;
        CHECK(unsent(reaching(untrusted.at("localhost")), post("https://" + untrusted.at("localhost") + "/")));
    }
    SECTION("perhaps, once a byte has left: silence, an end before or within the answer, an answer that is none") {
        for (const auto& answer : {kSilence, std::string(), std::string("HTTP/1.1 2"), std::string("hello\r\n\r\n"),
                                   std::string("HTTP/1.1 201 Made\r\nContent-Length: 10\r\n\r\nhalf")}) {
            RawPeer peer({{answer}});
            INFO(answer);
            CHECK_FALSE(unsent(reaching(peer.place()), post(peer.url())));
        }
    }
    SECTION("perhaps, if a kept connection ends as it is used again, or a peer takes only a part") {
        RawPeer peer({{ok("one"), ""}});
        Client client(reaching(peer.place()));
        REQUIRE(why(client.send(post(peer.url()))) == "");
        auto second = client.send(post(peer.url()));
        CHECK_FALSE(second.ok());
        CHECK_FALSE(second.unsent());
        RawPeer deaf({{kDeaf}});
        CHECK_FALSE(unsent(reaching(deaf.place()), post(deaf.url(), std::string(32u << 20, 'x'))));
    }
    SECTION("perhaps, if one of several attempts did") {
        RawPeer peer({{""}});
        auto options = reaching(peer.place());
        options.retries = 1;
        auto answer = Client(options).send(get(peer.url()));
        CHECK_FALSE(answer.ok());
        CHECK_FALSE(answer.unsent());
        CHECK(peer.connections() == 2);
    }
    SECTION("an answer is no error") {
        RawPeer peer({{busy("0")}});
        auto answer = Client(reaching(peer.place())).send(post(peer.url()));
        CHECK(answer.ok());
        CHECK_FALSE(answer.unsent());
    }
}

TEST_CASE("client: what came of requests is counted") {
    RawPeer peer({{ok("")}, {busy("3600")}, {"nonsense\r\n\r\n"}});
    auto options = reaching(peer.place());
    options.metrics_name = "client_test";
    Client client(options);
    REQUIRE(why(client.send(get(peer.url()))) == "");
    peer.wait_closed(1);
    CHECK(client.send(get(peer.url())).ok());
    CHECK_FALSE(client.send(post(peer.url())).ok());
    auto text = tel::expose_metrics();
    CHECK(has(text, "otto_http_client_requests_total{client=\"client_test\",method=\"GET\",outcome=\"2xx\"} 1\n"));
    CHECK(has(text, "otto_http_client_requests_total{client=\"client_test\",method=\"GET\",outcome=\"5xx\"} 1\n"));
    CHECK(has(text, "otto_http_client_requests_total{client=\"client_test\",method=\"POST\",outcome=\"failed\"} 1\n"));
}

TEST_CASE("client: TLS: an unknown authority is refused, a known one is not, and the name must fit") {
    TlsPeer peer;
    auto by_name = peer.at("localhost"), by_number = peer.at("127.0.0.1");
    auto options = reaching(by_name);
    auto untrusted = why(Client(options).send(get("https://" + by_name + "/")));
    INFO(untrusted);
    CHECK(has(untrusted, "no TLS connection to " + by_name));
    CHECK(has(untrusted, "self"));  // self-signed, in OpenSSL's words

    options.ca_file = peer.authority();
    Client trusting(options);
    auto first = trusting.send(get("https://" + by_name + "/"));
    REQUIRE(why(first) == "");
    CHECK(first->body.ends_with(" localhost"));  // the name that was asked for in the handshake
    auto second = trusting.send(get("https://" + by_name + "/"));
    REQUIRE(why(second) == "");
    CHECK(second->body == first->body);  // no further connection
    auto more = trusting.send(get("https://" + by_name + "/more"));
    REQUIRE(why(more) == "");
    CHECK(more->body == "more");
    auto next = trusting.send(get("https://" + by_name + "/"));
    REQUIRE(why(next) == "");
    CHECK(next->body == "3 localhost");  // what nobody asked for is no answer, wherever it stood

    options.private_addresses = {by_number};
    auto misnamed = why(Client(options).send(get("https://" + by_number + "/")));
    INFO(misnamed);
    CHECK(has(misnamed, "no TLS connection to " + by_number));
    CHECK(has(misnamed, "mismatch"));
}

TEST_CASE("client: TLS: a peer that speaks none, and a file without authorities, are named") {
    RawPeer peer({{"HTTP/1.1 400 no TLS here\r\n\r\n"}});
    auto options = reaching(peer.place());
    options.connect_timeout = Millis{500};
    options.retries = 0;
    CHECK(has(why(Client(options).send(get("https://" + peer.place() + "/"))), peer.place()));
    options.ca_file = "/nowhere/authorities.pem";
    try {
        Client nobody(options);
        FAIL("a client without authorities");
    } catch (const Failure& failure) {
        CHECK(has(failure.what(), "'/nowhere/authorities.pem' holds no certificates"));
    }
}
