#include <unistd.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/status.hpp>
#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "server_impl.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"
#include "telemetry/span.hpp"

namespace otto::http {
namespace {

const tel::Counters kRequests{
    "otto_http_requests_total", "Requests answered; `server` is api or admin.", {"server", "route", "method", "status"}};
const tel::Histograms kSeconds{"otto_http_request_seconds", "From the head of a request to its answer.", {"server", "route"}};

}  // namespace

/// Looking a series up by its labels costs more than a small request: each thread remembers those it has used.
void Server::Impl::measure(const Connection& c, const Request& request, std::string_view route, int status) {
    struct Series {
        tel::Counter count;
        tel::Histogram seconds;
    };
    static thread_local std::unordered_map<std::string, Series> known;
    static thread_local std::string name;
    name.assign(options.metrics_name)
        .append(to_text(request.method))
        .append(" ")
        .append(route)
        .append(" ")
        .append(std::to_string(status));
    auto found = known.find(name);
    if (found == known.end()) {
        std::string path(route);
        auto count = kRequests({options.metrics_name, path, std::string(to_text(request.method)), std::to_string(status)});
        auto seconds = kSeconds({options.metrics_name, path});
        found = known.emplace(name, Series{count, seconds}).first;
    }
    const auto now = system_clock().now();
    std::chrono::duration<double> took = now - request.received_at;
    found->second.count.inc();
    found->second.seconds.observe(took.count());
    if (tel::tracing() && options.metrics_name != "admin" && tel::told(request.trace, now - request.received_at, status >= 500)) {
        std::string method(to_text(request.method));
        tel::tell({request.trace,
                   c.caller,
                   tel::SpanKind::server,
                   method + " " + std::string(route),
                   request.received_at,
                   now,
                   status >= 500,
                   {{"http.request.method", method},
                    {"http.route", std::string(route)},
                    {"http.response.status_code", std::int64_t{status}}}});
    }
}

namespace {

/// A short body goes with the head in one piece.
constexpr std::size_t kTogether = 16u << 10;

/// A file is read by so much at a time.
constexpr std::size_t kPiece = 128u << 10;

/// More than so much is kept only for a client that takes it.
constexpr std::size_t kKept = 1u << 20;
constexpr Millis kKeptFor{2'000};

/// A field of an answer. No value of a handler's may end the line.
void add_field(std::string& head, std::string_view name, std::string_view value) {
    head.append(name).append(": ");
    auto from = head.size();
    head.append(value);
    std::replace_if(
        head.begin() + static_cast<std::ptrdiff_t>(from), head.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; },
        ' ');
    head.append("\r\n");
}

/// What the server says itself: how the message ends, and whose it is. A handler's word for it would stand there a second time.
bool is_ours(std::string_view name) {
    static constexpr std::string_view ours[] = {"Content-Length", "Transfer-Encoding", "Connection", "X-Request-Id",
                                                "traceparent"};
    return std::any_of(std::begin(ours), std::end(ours), [&](auto own) { return iequals(name, own); });
}

/// How the client knows where the body ends: `size` bytes, or as Framing says.
enum class Framing { length, chunks, connection, none };

std::string head_of(const Response& response, const Request& request, std::uint64_t size, Framing framing, bool keep_alive) {
    std::string head;
    head.reserve(512 + (response.body.size() <= kTogether ? response.body.size() : 0));
    auto reason = wire::obsolete_reason(wire::int_to_status(static_cast<unsigned>(response.status)));
    head.append("HTTP/1.1 ")
        .append(std::to_string(response.status))
        .append(" ")
        .append(reason.data(), reason.size())
        .append("\r\n");
    for (const auto& [name, value] : response.headers.items())
        if (!is_ours(name)) add_field(head, name, value);
    add_field(head, "X-Request-Id", request.request_id);
    add_field(head, "traceparent", request.trace.traceparent());
    if (!keep_alive) head.append("Connection: close\r\n");
    if (framing == Framing::chunks) head.append("Transfer-Encoding: chunked\r\n");
    if (framing == Framing::length) head.append("Content-Length: ").append(std::to_string(size)).append("\r\n");
    return head.append("\r\n");
}

}  // namespace

Task<bool> Server::Impl::reply(Loop& loop, Connection& c, const Request& request, std::string_view route, Response response,
                               bool keep_alive) {
    auto stream = std::move(response.stream_body);
    keep_alive = keep_alive && !draining && !stream;
    bool bodiless = response.status == 204 || response.status == 304 || response.status < 200;
    bool head_only = request.method == Method::head || bodiless;
    auto file = std::move(response.file_body);
    const auto framing = bodiless ? Framing::none : !stream ? Framing::length : c.chunks ? Framing::chunks : Framing::connection;
    auto head = head_of(response, request, file ? file->length() : response.body.size(), framing, keep_alive);
    measure(c, request, route, response.status);

    error_code error;
    c.within(options.taking_timeout);
    if (stream && !head_only) {
        co_await send_stream(loop, c, request, head, std::move(stream));
        co_return false;
    }
    if (!head_only && !file && response.body.size() > kTogether) {
        bool sent = co_await send_text(loop, c, request, head, response.body);
        co_return sent&& keep_alive;
    }
    if (!head_only && !file) head.append(response.body);
    co_await net::async_write(c.socket, net::buffer(head), net::redirect_error(use_task, error));
    if (!head_only && file && !error) {
        bool whole = co_await send_file(loop, c, request, std::move(file));
        co_return whole&& keep_alive;
    }
    co_return !error && keep_alive;
}

/// As the client takes it. What waits stays in memory, so that one who takes nothing must go, soon if it is much, and the slowest
/// where room is short.
Task<bool> Server::Impl::send_text(Loop& loop, Connection& c, const Request& request, std::string& head,
                                   const std::string& body) {
    error_code error;
    Moving out(c, c.peer);
    bool room = loop.answers->hold(out, body.size());
    if (!room) {
        auto full = problem({503, "Busy", "Too many answers wait for clients that do not take them; try again."}, request);
        full.headers.add("Retry-After", "1");
        head = head_of(full, request, full.body.size(), Framing::length, false) + full.body;
        co_await net::async_write(c.socket, net::buffer(head), net::redirect_error(use_task, error));
        co_return false;
    }
    std::size_t sent = 0;
    const auto all = head.size() + body.size();
    while (sent < all) {
        c.within(all - sent > kKept ? std::min(kKeptFor, options.taking_timeout) : options.taking_timeout);
        auto of_head = std::min(sent, head.size());
        std::array<net::const_buffer, 2> rest{net::buffer(head) + of_head, net::buffer(body) + (sent - of_head)};
        auto taken = co_await c.socket.async_write_some(rest, net::redirect_error(use_task, error));
        if (error) break;
        sent += taken;
        out.moved = sent;
    }
    if (sent == all) co_return true;
    bool late = c.late();
    if (out.ended || late)
        tel::info("an answer was not taken",
                  {{"path", request.route},
                   {"request_id", request.request_id},
                   {"client", c.peer},
                   {"bytes", body.size()},
                   {"sent", sent},
                   {"why", late ? "the client stood still" : "room for answers was short, and it was the slowest"}});
    co_return false;
}

/// Piece by piece: read on a worker, for a disk may let one wait, and written here. False if the connection cannot go on.
Task<bool> Server::Impl::send_file(Loop& loop, Connection& c, const Request& request, std::shared_ptr<const FileBody> file) {
    struct Piece {
        std::shared_ptr<const FileBody> file;
        std::uint64_t sent = 0;
        std::vector<char> bytes;
        ssize_t got = 0;
        int fault = 0;
        void read() {
            auto want = std::min<std::uint64_t>(bytes.size(), file->length() - sent);
            do got = ::pread(file->descriptor(), bytes.data(), want, static_cast<off_t>(file->offset() + sent));
            while (got < 0 && errno == EINTR);
            fault = got < 0 ? errno : 0;
        }
    };
    auto piece = std::make_shared<Piece>();
    piece->file = std::move(file);
    piece->bytes.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kPiece, piece->file->length())));
    auto read = [this, piece, &loop](auto handler) {
        auto done = std::make_shared<decltype(handler)>(std::move(handler));
        workers->post([piece, done, loop = loop.shared_from_this()] {
            piece->read();
            loop->post([done] { (*done)(); });
        });
    };
    error_code error;
    while (piece->sent < piece->file->length()) {
        co_await net::async_initiate<const net::use_awaitable_t<Executor>, void()>(read, use_task);
        if (piece->got <= 0) {
            // The length is said already: only the end of the connection tells the client that it has not got all.
            tel::warn("a file could not be sent whole",
                      {{"request_id", request.request_id},
                       {"sent", std::to_string(piece->sent)},
                       {"why", piece->fault ? std::strerror(piece->fault) : "it became shorter"}});
            co_return false;
        }
        c.within(options.taking_timeout);
        auto bytes = net::buffer(piece->bytes.data(), static_cast<std::size_t>(piece->got));
        co_await net::async_write(c.socket, bytes, net::redirect_error(use_task, error));
        if (error) co_return false;
        piece->sent += static_cast<std::uint64_t>(piece->got);
    }
    co_return true;
}

}  // namespace otto::http
