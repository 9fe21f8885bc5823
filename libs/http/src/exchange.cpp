#include <unistd.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/status.hpp>
#include <cerrno>
#include <cstring>
#include <unordered_map>

#include "base/uuid.hpp"
#include "server_impl.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::http {
namespace {

/// A caller's request id is taken if it can stand in a log line and a header.
bool sane_id(std::string_view id) {
    return !id.empty() && id.size() <= 128 && id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:") == std::string_view::npos;
}

/// A file is read by so much at a time.
constexpr std::size_t kPiece = 128u << 10;

/// Bytes read at a time: of a head, and at most of a body.
constexpr std::size_t kReadHead = 4'096, kReadBody = 32u << 10;

}  // namespace

std::string Server::Impl::client_of(const Headers& headers, const std::string& peer) const {
    auto trusted = [&](const std::string& address) {
        return std::find(options.trusted_proxies.begin(), options.trusted_proxies.end(), address) != options.trusted_proxies.end();
    };
    if (!trusted(peer)) return peer;
    std::string client = peer;
    std::string chain;
    for (const auto& [name, value] : headers.items())
        if (iequals(name, "x-forwarded-for")) chain += (chain.empty() ? "" : ",") + value;
    auto hops = split_list(chain);
    for (auto hop = hops.rbegin(); hop != hops.rend(); ++hop) {
        client = *hop;
        if (!trusted(client)) break;
    }
    return client;
}

void Server::Impl::describe(Request& request, const std::string& peer) const {
    std::string_view target = request.target;
    auto query = target.find('?');
    request.path = percent_decode(target.substr(0, query), false);
    if (query != std::string_view::npos) request.query = std::string(target.substr(query + 1));
    request.received_at = system_clock().now();
    auto id = request.headers.get("x-request-id");
    request.request_id = sane_id(id) ? std::string(id) : Uuid::v7(request.received_at).to_string();
    auto trace = tel::TraceContext::parse(request.headers.get("traceparent"));
    request.trace = trace ? trace->child() : tel::TraceContext::fresh();
    request.client_address = client_of(request.headers, peer);
}

/// Looking a series up by its labels costs more than a small request: each thread remembers those it has used.
void Server::Impl::measure(const Request& request, std::string_view route, int status) {
    struct Series { tel::Counter count; tel::Histogram seconds; };
    static thread_local std::unordered_map<std::string, Series> known;
    static thread_local std::string name;
    name.assign(options.metrics_name).append(to_text(request.method)).append(" ").append(route).append(" ").append(std::to_string(status));
    auto found = known.find(name);
    if (found == known.end()) {
        std::string path(route);
        auto count = tel::Metrics::counter(options.metrics_name + "_requests_total", "Requests answered.", {{"route", path}, {"method", std::string(to_text(request.method))}, {"status", std::to_string(status)}});
        auto seconds = tel::Metrics::histogram(options.metrics_name + "_request_seconds", "From the head of a request to its answer.", {{"route", path}});
        found = known.emplace(name, Series{count, seconds}).first;
    }
    std::chrono::duration<double> took = system_clock().now() - request.received_at;
    found->second.count.inc();
    found->second.seconds.observe(took.count());
}

namespace {

/// A short body goes with the head in one piece.
constexpr std::size_t kTogether = 16u << 10;

/// A field of an answer. No value of a handler's may end the line.
void add_field(std::string& head, std::string_view name, std::string_view value) {
    head.append(name).append(": ");
    auto from = head.size();
    head.append(value);
    std::replace_if(head.begin() + static_cast<std::ptrdiff_t>(from), head.end(), [](char c) { return c == '\r' || c == '\n' || c == '\0'; }, ' ');
    head.append("\r\n");
}

/// What the server says itself: how the message ends, and whose it is. A handler's word for it would stand there a second time.
bool is_ours(std::string_view name) {
    static constexpr std::string_view ours[] = {"Content-Length", "Transfer-Encoding", "Connection", "X-Request-Id", "traceparent"};
    return std::any_of(std::begin(ours), std::end(ours), [&](auto own) { return iequals(name, own); });
}

std::string head_of(const Response& response, const Request& request, std::uint64_t size, bool bodiless, bool keep_alive) {
    std::string head;
    head.reserve(512 + (response.body.size() <= kTogether ? response.body.size() : 0));
    auto reason = wire::obsolete_reason(wire::int_to_status(static_cast<unsigned>(response.status)));
    head.append("HTTP/1.1 ").append(std::to_string(response.status)).append(" ").append(reason.data(), reason.size()).append("\r\n");
    for (const auto& [name, value] : response.headers.items())
        if (!is_ours(name)) add_field(head, name, value);
    add_field(head, "X-Request-Id", request.request_id);
    add_field(head, "traceparent", request.trace.traceparent());
    if (!keep_alive) head.append("Connection: close\r\n");
    if (!bodiless) head.append("Content-Length: ").append(std::to_string(size)).append("\r\n");
    return head.append("\r\n");
}

}  // namespace

Task<bool> Server::Impl::reply(Loop& loop, Connection& c, const Request& request, std::string_view route, Response response, bool keep_alive) {
    keep_alive = keep_alive && !draining;
    bool bodiless = response.status == 204 || response.status == 304 || response.status < 200;
    bool head_only = request.method == Method::head || bodiless;
    auto file = std::move(response.file_body);
    auto head = head_of(response, request, file ? file->length() : response.body.size(), bodiless, keep_alive);
    measure(request, route, response.status);

    error_code error;
    c.within(options.idle_timeout);
    if (head_only || file || response.body.size() <= kTogether) {
        if (!head_only && !file) head.append(response.body);
        co_await net::async_write(c.socket, net::buffer(head), net::redirect_error(use_task, error));
        if (!head_only && file && !error) {
            bool whole = co_await send_file(loop, c, request, std::move(file));
            co_return whole && keep_alive;
        }
    } else {
        std::array<net::const_buffer, 2> both{net::buffer(head), net::buffer(response.body)};
        co_await net::async_write(c.socket, both, net::redirect_error(use_task, error));
    }
    co_return !error && keep_alive;
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
            tel::warn("a file could not be sent whole", {{"request_id", request.request_id}, {"sent", std::to_string(piece->sent)},
                                                         {"why", piece->fault ? std::strerror(piece->fault) : "it became shorter"}});
            co_return false;
        }
        c.within(options.idle_timeout);
        auto bytes = net::buffer(piece->bytes.data(), static_cast<std::size_t>(piece->got));
        co_await net::async_write(c.socket, bytes, net::redirect_error(use_task, error));
        if (error) co_return false;
        piece->sent += static_cast<std::uint64_t>(piece->got);
    }
    co_return true;
}

/// Gives the request to its handler. What the answer still needs of it stays in `request`; the rest, its body too, is the handler's.
std::shared_ptr<Answer> Server::Impl::ask(Loop& loop, const Route& route, Request& request) {
    auto answer = std::make_shared<Answer>(loop.shared_from_this());
    Responder responder(answer);
    Request given = std::move(request);
    request = Request();
    request.method = given.method;
    request.path = given.path;
    request.request_id = given.request_id;
    request.trace = given.trace;
    request.received_at = given.received_at;
    if (route.async) {
        loop.gather(route.async, {std::move(given), std::move(responder)});
        return answer;
    }
    auto shared = std::make_shared<Responder>(std::move(responder));
    workers->post([&route, given = std::move(given), shared] {
        try {
            (*shared)(route.handler(given));
        } catch (const std::exception& e) {
            tel::error("handler failed", {{"path", given.path}, {"request_id", given.request_id}, {"why", e.what()}});
            (*shared)(problem({500, "Internal error", "The request failed for a reason of ours; give its request_id to the operators."}, given));
        }
    });
    return answer;
}

void Server::Impl::refuse(Exchange& x, const Problem& p, bool keep_alive) {
    x.answer = problem(p, x.in.request);
    x.keep_alive = keep_alive;
}

/// Whether a handler may see it, by its head; else it is refused.
bool Server::Impl::acceptable(Exchange& x) {
    auto& in = x.in;
    auto& request = in.request;
    x.keep_alive = in.keep_alive();
    bool has_body = in.content_length().value_or(0) > 0 || in.chunked();
    const auto& target = request.target;
    if (target.empty() || target.front() != '/' || (in.chunked() && in.lengths > 0) || in.hosts > 1 || (in.version >= 11 && in.hosts == 0) || in.lengths > 1 || in.encodings > 1 || !in.only_chunked) {
        refuse(x, {400, "Malformed HTTP", "Send one Host, and the length of the body in one way: Content-Length, or Transfer-Encoding: chunked."});
        return false;
    }
    auto match = in.method ? routes().match(*in.method, std::string_view(target).substr(0, target.find('?'))) : Match{};
    if (!match.route) {
        bool more = x.keep_alive && !has_body;
        if (!match.allow.empty()) {
            refuse(x, {405, "Method not allowed", "This path takes " + match.allow + "."}, more);
            x.answer->headers.add("Allow", match.allow);
        } else {
            refuse(x, {404, "Not found", "There is no such path."}, more);
        }
        return false;
    }
    x.route = match.route;
    request.path_params = std::move(match.params);
    const auto& limits = match.route->limits;
    auto length = in.content_length();
    if (length && *length > limits.body) {
        refuse(x, {413, "Body too large", "Send at most " + std::to_string(limits.body) + " bytes."});
        return false;
    }
    const auto& types = limits.content_types;
    if (has_body && !types.empty() && !request.content_type().empty() && std::find(types.begin(), types.end(), request.content_type()) == types.end()) {
        std::string list;
        for (const auto& t : types) list += (list.empty() ? "" : ", ") + t;
        refuse(x, {415, "Unsupported media type", "Send " + list + ".", {{"Content-Type", "is not one of " + list}}});
        return false;
    }
    if (has_body && body_bytes + length.value_or(limits.body) > options.bodies_limit) {
        refuse(x, {503, "Busy", "Too many bodies are being read; try again."});
        x.answer->headers.add("Retry-After", "1");
        return false;
    }
    if (auto expect = request.headers.get("expect"); !expect.empty() && !iequals(expect, "100-continue")) {
        refuse(x, {417, "Expectation failed", "Only 100-continue can be expected."});
        return false;
    }
    return true;
}

/// A request, to its end unless it is refused before. False if the connection is gone, or its client too slow.
Task<bool> Server::Impl::receive(Connection& c, Exchange& x) {
    error_code error;
    auto& in = x.in;
    auto& buffer = c.buffer;
    // Mostly all of it is here already: parsing it where it lies costs less than an operation that would first have to ask.
    while (!in.is_header_done()) {
        auto used = in.put(buffer.data(), error);
        buffer.consume(used);
        if (error && error != wire::error::need_more) break;
        if (!error && used > 0) continue;
        error = {};
        auto space = buffer.prepare(kReadHead);
        auto got = co_await c.socket.async_read_some(space, net::redirect_error(use_task, error));
        if (error) co_return false;
        buffer.commit(got);
    }
    if (c.peer.empty()) c.peer = c.socket.remote_endpoint().address().to_string();
    if (error) {
        in.request = Request();
        in.request.target = "/";
        describe(in.request, c.peer);
        if (error == wire::error::header_limit)
            refuse(x, {431, "Request head too large", "Send a head of at most " + std::to_string(options.head_limit) + " bytes."});
        else
            refuse(x, {400, "Malformed HTTP", "The request is not HTTP/1.1: " + error.message() + "."});
        co_return true;
    }
    if (in.method) in.request.method = *in.method;
    describe(in.request, c.peer);
    if (!acceptable(x)) co_return true;
    auto length = in.content_length();
    bool has_body = length.value_or(0) > 0 || in.chunked();
    if (!has_body) co_return true;

    const auto most = x.route->limits.body;
    x.body.emplace(body_bytes, static_cast<std::size_t>(length.value_or(most)));
    c.within(options.body_timeout);
    if (in.request.headers.has("expect")) {
        static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        co_await net::async_write(c.socket, net::buffer(go_on), net::redirect_error(use_task, error));
        if (error) co_return false;
    }
    in.body_limit(most);
    in.eager(true);
    while (!in.is_done()) {
        auto used = in.put(buffer.data(), error);
        buffer.consume(used);
        if (error && error != wire::error::need_more) break;
        if (!error && used > 0) continue;  // a chunk of it, or what was there
        error = {};
        auto want = std::clamp<std::uint64_t>(in.content_length_remaining().value_or(kReadHead), kReadHead, kReadBody);
        auto space = buffer.prepare(static_cast<std::size_t>(want));
        auto got = co_await c.socket.async_read_some(space, net::redirect_error(use_task, error));
        if (error) co_return false;
        buffer.commit(got);
    }
    if (error == wire::error::body_limit) {
        refuse(x, {413, "Body too large", "Send at most " + std::to_string(most) + " bytes."});
        co_return true;
    }
    co_return !error;
}

/// One request and its answer. False if the connection ends with it.
Task<bool> Server::Impl::exchange(Loop& loop, Connection& c) {
    c.idle = c.buffer.size() == 0;
    c.within(c.idle ? options.idle_timeout : options.head_timeout);
    if (c.idle) {
        // An idle connection may stay long; from the first byte of a head on the clock is another one.
        error_code error;
        auto space = c.buffer.prepare(kReadHead);
        auto got = co_await c.socket.async_read_some(space, net::redirect_error(use_task, error));
        if (error) co_return false;
        c.buffer.commit(got);
        c.idle = false;
        c.within(options.head_timeout);
    }
    Held<std::size_t> is_busy(busy, 1);
    if (!c.heard) {
        c.heard = true;
        --unheard;
    }
    Exchange x;
    x.in.header_limit(static_cast<std::uint32_t>(options.head_limit));
    x.in.body_limit(boost::none);
    bool received = co_await receive(c, x);
    if (!received) co_return false;
    auto& request = x.in.request;
    if (!x.answer) {
        c.within(options.answer_timeout);
        c.answer = ask(loop, *x.route, request);
        auto answer = co_await c.answer->wait();
        c.answer.reset();
        if (!answer)
            x.answer = problem({503, "No answer in time", "The request took too long; try again."}, request);
        else if (answer->status == 500 && answer->body.empty())
            x.answer = problem({500, "Internal error", "The request failed for a reason of ours; give its request_id to the operators."}, request);
        else
            x.answer = std::move(answer);
    }
    bool more = co_await reply(loop, c, request, x.label(), std::move(*x.answer), x.keep_alive);
    co_return more;
}

}  // namespace otto::http
