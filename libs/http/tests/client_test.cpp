#include <arpa/inet.h>
#include <sys/socket.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "http/client.hpp"
#include "http/server.hpp"
#include "testing/catch.hpp"

using namespace otto;
using namespace otto::http;

namespace {

/// A peer that says what a test wants, byte by byte.
class RawPeer {
public:
    explicit RawPeer(std::vector<std::string> answers) : answers_(std::move(answers)) {
        fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        ::bind(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a);
        ::listen(fd_, 16);
        socklen_t n = sizeof a;
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&a), &n);
        port_ = ntohs(a.sin_port);
        thread_ = std::thread([this] { loop(); });
    }
    ~RawPeer() {
        stopping_ = true;
        ::shutdown(fd_, SHUT_RDWR);
        ::close(fd_);
        thread_.join();
        for (int c : held_) ::close(c);
    }
    std::string place() const { return "127.0.0.1:" + std::to_string(port_); }
    std::string url() const { return "http://" + place() + "/"; }
    int served() const { return served_; }
    int closed() const { return closed_; }

private:
    void loop() {
        while (!stopping_) {
            int c = ::accept(fd_, nullptr, nullptr);
            if (c < 0) return;
            auto n = static_cast<std::size_t>(served_++);
            char buffer[4096];
            if (::recv(c, buffer, sizeof buffer, 0) <= 0) {
                ::close(c);
                continue;
            }
            const auto& answer = answers_[std::min(n, answers_.size() - 1)];
            if (answer == "silence") {
                held_.push_back(c);
                continue;
            }
            ::send(c, answer.data(), answer.size(), MSG_NOSIGNAL);
            ::close(c);
            ++closed_;
        }
    }
    std::vector<std::string> answers_;
    std::vector<int> held_;
    int fd_ = -1, port_ = 0;
    std::atomic<int> served_{0}, closed_{0};
    std::atomic<bool> stopping_{false};
    std::thread thread_;
};

ClientOptions reaching(const std::string& place) {
    ClientOptions o;
    o.private_addresses = {place};
    o.total_timeout = Millis{2'000};
    return o;
}

std::string ok(const std::string& body) { return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body; }

}  // namespace

TEST_CASE("a request and its answer over a real server, connections kept") {
    auto routes = std::make_shared<Router>();
    std::atomic<int> served{0};
    routes->add(Method::post, "/echo", [&](const Request& r) {
        ++served;
        return Response::json(201, r.body + std::string(r.headers.get("x-one")) + std::string(r.headers.get("traceparent")).substr(0, 3));
    });
    Server server({}, routes);
    REQUIRE(server.start().ok());
    auto place = "127.0.0.1:" + std::to_string(server.port());
    Client client(reaching(place));
    for (int i = 0; i < 5; ++i) {
        ClientRequest r;
        r.method = Method::post;
        r.url = "http://" + place + "/echo";
        r.headers.add("X-One", "1");
        r.body = "body";
        auto answer = client.send(r);
        REQUIRE(answer.ok());
        CHECK(answer->status == 201);
        CHECK(answer->body == "body100-");
    }
    CHECK(served == 5);
}

TEST_CASE("addresses inside are refused unless they are named") {
    Client client(ClientOptions{});
    for (const char* url : {"http://127.0.0.1:1/", "http://localhost:1/", "http://10.0.0.1/", "http://192.168.1.1/", "http://169.254.169.254/latest/meta-data", "http://[::1]:1/",
                            "http://[::ffff:127.0.0.1]:1/", "http://[fe80::1]/", "http://[fd00::1]/", "http://0.0.0.0/", "http://100.64.0.1/", "http://172.16.0.1/", "http://2130706433/"}) {
        auto answer = client.send({Method::get, url, {}, "", {}});
        INFO(url);
        REQUIRE_FALSE(answer.ok());
        CHECK((answer.error().message.find("private address") != std::string::npos || answer.error().message.find("no address") != std::string::npos ||
               answer.error().message.find("host") != std::string::npos));
    }
}

TEST_CASE("a peer that does not answer, breaks off, or says too much costs a clear error") {
    SECTION("silence") {
        RawPeer peer({"silence"});
        auto options = reaching(peer.place());
        options.total_timeout = Millis{200};
        auto answer = Client(options).send({Method::get, peer.url(), {}, "", {}});
        REQUIRE_FALSE(answer.ok());
        CHECK(answer.error().message.find("did not answer in time") != std::string::npos);
    }
    SECTION("half an answer") {
        RawPeer peer({"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"});
        auto answer = Client(reaching(peer.place())).send({Method::post, peer.url(), {}, "", {}});
        REQUIRE_FALSE(answer.ok());
        CHECK(answer.error().message.find("broke off within") != std::string::npos);
    }
    SECTION("too much") {
        RawPeer peer({ok(std::string(5000, 'x'))});
        auto options = reaching(peer.place());
        options.body_limit = 1000;
        auto answer = Client(options).send({Method::post, peer.url(), {}, "", {}});
        REQUIRE_FALSE(answer.ok());
        CHECK(answer.error().message.find("larger than 1000") != std::string::npos);
    }
    SECTION("no HTTP") {
        RawPeer peer({"hello\r\n\r\n"});
        CHECK_FALSE(Client(reaching(peer.place())).send({Method::post, peer.url(), {}, "", {}}).ok());
    }
}

TEST_CASE("idempotent requests are tried again, others are not") {
    std::string busy = "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    SECTION("503 with Retry-After") {
        RawPeer peer({busy, busy, ok("at last")});
        auto answer = Client(reaching(peer.place())).send({Method::get, peer.url(), {}, "", {}});
        REQUIRE(answer.ok());
        CHECK(answer->body == "at last");
        CHECK(peer.served() == 3);
    }
    SECTION("a POST comes back as it is") {
        RawPeer peer({busy, ok("no")});
        auto answer = Client(reaching(peer.place())).send({Method::post, peer.url(), {}, "x", {}});
        REQUIRE(answer.ok());
        CHECK(answer->status == 503);
        CHECK(peer.served() == 1);
    }
    SECTION("a Retry-After beyond the deadline is not waited for") {
        RawPeer peer({"HTTP/1.1 429 Slow\r\nRetry-After: 3600\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"});
        auto answer = Client(reaching(peer.place())).send({Method::get, peer.url(), {}, "", {}});
        REQUIRE(answer.ok());
        CHECK(answer->status == 429);
        CHECK(peer.served() == 1);
    }
    SECTION("a sick peer is not stormed: the budget ends") {
        RawPeer peer({busy});
        auto options = reaching(peer.place());
        options.retries = 5;
        Client client(options);
        for (int i = 0; i < 20; ++i) CHECK(client.send({Method::get, peer.url(), {}, "", {}}).ok());
        CHECK(peer.served() < 20 + 20);
    }
}

TEST_CASE("a kept connection that the peer has closed meanwhile is not used again, also not for a POST") {
    RawPeer peer({ok("one"), ok("two")});  // says nothing of closing, and closes
    Client client(reaching(peer.place()));
    REQUIRE(client.send({Method::post, peer.url(), {}, "x", {}}).ok());
    auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (peer.closed() == 0 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    auto second = client.send({Method::post, peer.url(), {}, "x", {}});
    REQUIRE(second.ok());
    CHECK(second->body == "two");
}

TEST_CASE("line breaks in headers or URL never leave") {
    Client client(ClientOptions{});
    ClientRequest r{Method::get, "http://example.com/", {}, "", {}};
    r.headers.add("X-A", "a\r\nX-B: b");
    CHECK_FALSE(client.send(r).ok());
    CHECK_FALSE(client.send({Method::get, "http://example.com/\r\nX: y", {}, "", {}}).ok());
}

TEST_CASE("TLS: an unknown authority is refused, a known one is not, and the name must fit") {
    char folder[] = "/tmp/otto-tls-XXXXXX";
    REQUIRE(::mkdtemp(folder));
    std::string dir = folder;
    REQUIRE(std::system(("cd " + dir + " && openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 2 -subj /CN=localhost "
                         "-addext subjectAltName=DNS:localhost >/dev/null 2>&1").c_str()) == 0);
    std::string script = "import http.server,ssl,sys\n"
                         "class H(http.server.BaseHTTPRequestHandler):\n"
                         " def do_GET(s):\n  s.send_response(200); s.send_header('Content-Length','2'); s.end_headers(); s.wfile.write(b'ok')\n"
                         " def log_message(s,*a): pass\n"
                         "h=http.server.ThreadingHTTPServer(('127.0.0.1',0),H)\n"
                         "c=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain('" + dir + "/cert.pem','" + dir + "/key.pem')\n"
                         "h.socket=c.wrap_socket(h.socket,server_side=True)\n"
                         "print(h.server_address[1],flush=True); h.serve_forever()\n";
    int out[2];
    REQUIRE(::pipe(out) == 0);
    pid_t pid = ::fork();
    if (pid == 0) {
        ::dup2(out[1], 1);
        ::execlp("python3", "python3", "-c", script.c_str(), nullptr);
        ::_exit(1);
    }
    char text[16] = {};
    REQUIRE(::read(out[0], text, sizeof text - 1) > 0);
    int port = std::atoi(text);
    auto name = "localhost:" + std::to_string(port), number = "127.0.0.1:" + std::to_string(port);
    ClientOptions options = reaching(name);
    auto untrusted = Client(options).send({Method::get, "https://" + name + "/", {}, "", {}});
    REQUIRE_FALSE(untrusted.ok());
    CHECK(untrusted.error().message.find("no TLS connection") != std::string::npos);
    options.ca_file = dir + "/cert.pem";
    auto trusted = Client(options).send({Method::get, "https://" + name + "/", {}, "", {}});
    REQUIRE(trusted.ok());
    CHECK(trusted->body == "ok");
    options.private_addresses = {number};
    CHECK_FALSE(Client(options).send({Method::get, "https://" + number + "/", {}, "", {}}).ok());
    ::kill(pid, SIGKILL);
    ::close(out[0]);
    ::close(out[1]);
}
