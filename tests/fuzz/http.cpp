// The HTTP server, over a loopback connection: the input is everything that a client sends before it closes its side. What the
// server's handlers see and what the client reads back are checked. TCP keeps the real code under test, its limits and its
// closing included; it takes some 100 µs an input.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <vector>

#include "base/json.hpp"
#include "base/text.hpp"
#include "harness.hpp"
#include "http/server.hpp"
#include "telemetry/log.hpp"

using namespace otto;
using http::Method;

// The I/O thread frees what an input needed a moment after its answer was read, so that "not freed yet" is no leak. Leaks show as
// growth of the process.
extern "C" const char* __asan_default_options() { return "detect_leaks=0"; }

namespace {

constexpr std::size_t kBodyLimit = 2'000, kHeadLimit = 4'096;
constexpr int kAddresses = 200;

bool control(char c) { return (c >= 0 && c < ' ' && c != '\t') || c == 0x7f; }
bool token(std::string_view s) {
    return !s.empty() && std::all_of(s.begin(), s.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) ||
               (c != 0 && std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos);
    });
}
bool sane_id(std::string_view id) {
    return !id.empty() && id.size() <= 128 && std::all_of(id.begin(), id.end(), [](char c) {
        return std::isalnum(static_cast<unsigned char>(c)) || std::string_view("-_.:").find(c) != std::string_view::npos;
    });
}

class World {
public:
    World() {
        auto router = std::make_shared<http::Router>();
        auto seen = [this](std::vector<http::PendingRequest> all) {
            for (auto& asked : all) {
                {
                    std::lock_guard guard(lock_);
                    handled_.push_back(std::move(asked.request));
                }
                asked.respond(http::Response::text(200, "seen"));
            }
        };
        router->add_async(Method::get, {"/", "/a/{id}", "/a/b"}, seen);
        router->add_async(Method::post, {"/a/{id}/x"}, seen, {kBodyLimit, {}});
        router->add_async(Method::put, {"/typed"}, seen, {kBodyLimit, {"application/json", "text/plain"}});
        router->add_async(Method::del, {"/a/{id}"}, seen);
        http::ServerOptions options;
        options.head_limit = kHeadLimit;
        options.workers = 1;
        for (int i = 0; i < kAddresses; ++i) options.trusted_proxies.push_back("127.0." + std::to_string(i) + ".1");
        server_ = std::make_unique<http::Server>(options, router);
        auto started = server_->start();
        OTTO_EXPECT(started.ok(), started.error().describe());
    }
    /// All that comes back until the server closes.
    std::string talk(std::string_view input) {
        int fd = connect();
        for (std::size_t sent = 0; sent < input.size();) {
            auto n = ::send(fd, input.data() + sent, input.size() - sent, MSG_NOSIGNAL);
            if (n < 0 && errno == EINTR) continue;  // libFuzzer's alarm
            if (n <= 0) break;                      // the server has had enough
            sent += static_cast<std::size_t>(n);
        }
        ::shutdown(fd, SHUT_WR);
        std::string got;
        char buffer[16'384];
        for (;;) {
            auto n = ::recv(fd, buffer, sizeof buffer, 0);
            if (n < 0 && errno == EINTR) continue;
            OTTO_EXPECT(n >= 0 || errno == ECONNRESET, "the server neither answers nor closes");
            if (n <= 0) break;
            got.append(buffer, static_cast<std::size_t>(n));
        }
        ::close(fd);
        return got;
    }
    std::vector<http::Request> take_handled() {
        std::lock_guard guard(lock_);
        return std::exchange(handled_, {});
    }

private:
    /// From ever another address of the loopback net: one alone would run out of ports, since closed connections keep theirs for
    /// a minute.
    int connect() {
        int fd = ::socket(AF_INET, SOCK_STREAM, 0);
        timeval patience{15, 0};
        ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        int on = 1;
        ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        ++count_;
        sockaddr_in from{}, to{};
        from.sin_family = to.sin_family = AF_INET;
        from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (count_ / 8'000 % kAddresses << 8));
        OTTO_EXPECT(::bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from) == 0, "no local address");
        to.sin_port = htons(server_->port());
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        int failed = ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to);
        if (failed != 0 && errno == EINTR) {  // it goes on by itself
            pollfd ready{fd, POLLOUT, 0};
            while (::poll(&ready, 1, 15'000) < 0 && errno == EINTR) {
            }
            failed = ready.revents & POLLOUT ? 0 : -1;
        }
        OTTO_EXPECT(failed == 0, "the server takes no connection");
        return fd;
    }
    std::unique_ptr<http::Server> server_;
    std::mutex lock_;
    std::vector<http::Request> handled_;
    std::uint32_t count_ = 0;
};

struct Answer {
    int status = 0;
    http::Headers headers;
    std::string body;
};

/// One answer off the front of the text. An answer to HEAD names the length of a body that does not come.
Answer next_answer(std::string_view& text) {
    auto end = text.find("\r\n\r\n");
    OTTO_EXPECT(end != std::string_view::npos, std::string(text));
    auto head = text.substr(0, end + 2);
    text.remove_prefix(end + 4);
    OTTO_EXPECT(head.starts_with("HTTP/1.1 ") && head.size() > 14, std::string(head));
    Answer a;
    a.status = std::stoi(std::string(head.substr(9, 3)));
    head.remove_prefix(head.find("\r\n") + 2);
    while (!head.empty()) {
        auto line = head.substr(0, head.find("\r\n"));
        head.remove_prefix(line.size() + 2);
        auto colon = line.find(": ");
        OTTO_EXPECT(colon != std::string_view::npos && token(line.substr(0, colon)), std::string(line));
        OTTO_EXPECT(std::none_of(line.begin(), line.end(), control), std::string(line));
        a.headers.add(std::string(line.substr(0, colon)), std::string(line.substr(colon + 2)));
    }
    if (a.status == 100) return a;
    OTTO_EXPECT(a.headers.count("content-length") == 1, std::to_string(a.status));
    auto length = static_cast<std::size_t>(std::stoul(std::string(a.headers.get("content-length"))));
    bool head_only = length > 0 && (text.empty() || text.starts_with("HTTP/1.1 "));
    if (!head_only) {
        OTTO_EXPECT(text.size() >= length, "an answer is cut short");
        a.body = text.substr(0, length);
        text.remove_prefix(length);
    }
    return a;
}

void check_answer(const Answer& a, bool last) {
    static const std::set<int> statuses{100, 200, 400, 404, 405, 413, 415, 417, 431, 501};
    OTTO_EXPECT(statuses.contains(a.status), std::to_string(a.status) + " " + a.body);
    if (a.status == 100) return;
    OTTO_EXPECT(a.headers.count("x-request-id") == 1 && sane_id(a.headers.get("x-request-id")),
                std::string(a.headers.get("x-request-id")));
    OTTO_EXPECT(a.headers.count("traceparent") == 1 && tel::TraceContext::parse(a.headers.get("traceparent")),
                std::string(a.headers.get("traceparent")));
    OTTO_EXPECT(!iequals(a.headers.get("connection"), "close") || last, "an answer after the one that closes");
    OTTO_EXPECT((a.status == 405) == a.headers.has("allow"), a.body);
    if (a.status < 400 || a.body.empty()) return;
    OTTO_EXPECT(a.headers.get("content-type") == "application/problem+json", a.body);
    auto problem = JsonDocument::parse(a.body);
    OTTO_EXPECT(problem.ok(), a.body);
    OTTO_EXPECT(problem->root()["status"].integer() == a.status &&
                    problem->root()["request_id"].string() == a.headers.get("x-request-id"),
                a.body);
    OTTO_EXPECT(problem->root()["detail"].loose_text().has_value(), a.body);
}

/// A handler sees only what stands in the input, in its order, and one body that all agree on.
std::size_t check_handled(const http::Request& r, std::string_view input, std::size_t from) {
    OTTO_EXPECT(r.target.starts_with('/') && r.target.size() <= kHeadLimit, r.target);
    OTTO_EXPECT(std::none_of(r.target.begin(), r.target.end(), [](char c) { return control(c) || c == ' ' || c == '\t'; }),
                r.target);
    OTTO_EXPECT(r.path == percent_decode(std::string_view(r.target).substr(0, r.target.find('?')), false), r.path);
    OTTO_EXPECT(r.body.size() <= kBodyLimit, std::to_string(r.body.size()));
    OTTO_EXPECT(sane_id(r.request_id), r.request_id);
    OTTO_EXPECT(!r.client_address.empty() && r.client_address == trim(r.client_address), r.client_address);
    if (!r.headers.has("x-forwarded-for")) OTTO_EXPECT(r.client_address.starts_with("127.0."), r.client_address);
    for (const auto& [name, value] : r.headers.items()) {
        OTTO_EXPECT(token(name), name);
        OTTO_EXPECT(std::none_of(value.begin(), value.end(), control) && value == trim(value), name + ": " + value);
    }
    for (const auto& [name, value] : r.path_params) OTTO_EXPECT(!value.empty(), name);
    OTTO_EXPECT(
        r.headers.count("host") <= 1 && r.headers.count("content-length") <= 1 && r.headers.count("transfer-encoding") <= 1,
        r.target);
    bool sized = r.headers.has("content-length"), chunked = r.headers.has("transfer-encoding");
    OTTO_EXPECT(!(sized && chunked), "two lengths");
    OTTO_EXPECT(sized || chunked || r.body.empty(), "a body of no length");

    auto line = r.target.substr(1) + " HTTP/1.";  // the target may have been a whole URL
    auto at = input.find(line, from);
    OTTO_EXPECT(at != std::string_view::npos, line);
    at = input.find("\r\n\r\n", at);
    OTTO_EXPECT(at != std::string_view::npos, line);
    at += 4;
    if (sized) {
        auto length = r.headers.get("content-length");
        OTTO_EXPECT(!length.empty() && length.find_first_not_of("0123456789") == std::string_view::npos, std::string(length));
        OTTO_EXPECT(std::to_string(r.body.size()) == length.substr(std::min(length.find_first_not_of('0'), length.size() - 1)),
                    std::string(length));
        OTTO_EXPECT(input.substr(at, r.body.size()) == r.body, line);
        at += r.body.size();
    }
    return at;
}

}  // namespace

void fuzz(std::string_view input) {
    static auto& world = *new World;  // never ends: its threads must not outlive what they use
    auto text = world.talk(input);
    auto handled = world.take_handled();
    std::size_t ok = 0, answers = 0, at = 0;
    for (std::string_view rest = text; !rest.empty();) {
        auto answer = next_answer(rest);
        check_answer(answer, rest.empty());
        ok += answer.status == 200;
        answers += answer.status != 100;
    }
    OTTO_EXPECT(ok == handled.size(), std::to_string(ok) + " answers of " + std::to_string(handled.size()) + " requests");
    for (const auto& request : handled) at = check_handled(request, input, at);
    // A whole head that announces no body is answered, whatever else it says.
    auto words = lower(input);
    auto first = input.substr(0, input.find("\r\n"));
    if (first.starts_with("GET ") && first.ends_with(" HTTP/1.1") && input.find("\r\n\r\n") != std::string_view::npos &&
        words.find("content-length") == std::string::npos && words.find("transfer-encoding") == std::string::npos)
        OTTO_EXPECT(answers > 0, "no answer");
}
