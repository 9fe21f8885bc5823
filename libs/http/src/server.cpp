#include "http/server.hpp"

#include <unistd.h>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <cerrno>
#include <cstring>
#include <future>
#include <list>
#include <unordered_map>

#include "base/uuid.hpp"
#include "routes.hpp"
#include "telemetry/log.hpp"
#include "telemetry/metrics.hpp"

namespace otto::http {
namespace {

namespace net = boost::asio;
namespace beast = boost::beast;
namespace wire = boost::beast::http;
using net::ip::tcp;
using Executor = net::io_context::executor_type;
using Socket = net::basic_stream_socket<tcp, Executor>;
using Stream = beast::basic_stream<tcp, Executor>;
using boost::system::error_code;
using Acceptor = net::basic_socket_acceptor<tcp, Executor>;
using Descriptor = net::posix::basic_stream_descriptor<Executor>;
using Timer = net::basic_waitable_timer<std::chrono::steady_clock, net::wait_traits<std::chrono::steady_clock>, Executor>;
/// Coroutines of the one kind of executor there is; the default one, of any kind, costs at every step.
template <class T>
using Task = net::awaitable<T, Executor>;
constexpr net::use_awaitable_t<Executor> use_task{};

std::optional<Method> method_of(wire::verb v) {
    switch (v) {
        case wire::verb::get: return Method::get;
        case wire::verb::head: return Method::head;
        case wire::verb::post: return Method::post;
        case wire::verb::put: return Method::put;
        case wire::verb::patch: return Method::patch;
        case wire::verb::delete_: return Method::del;
        case wire::verb::options: return Method::options;
        default: return std::nullopt;
    }
}

/// A caller's request id is taken if it can stand in a log line and a header.
bool sane_id(std::string_view id) {
    return !id.empty() && id.size() <= 128 && id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:") == std::string_view::npos;
}

/// Threads for handlers that block.
class Workers {
public:
    explicit Workers(int count) {
        for (int i = 0; i < count; ++i)
            threads_.emplace_back([this] {
                for (;;) {
                    std::function<void()> job;
                    {
                        std::unique_lock guard(lock_);
                        came_.wait(guard, [&] { return stop_ || !jobs_.empty(); });
                        if (jobs_.empty()) return;
                        job = std::move(jobs_.front());
                        jobs_.pop_front();
                    }
                    job();
                }
            });
    }
    ~Workers() {
        {
            std::lock_guard guard(lock_);
            stop_ = true;
        }
        came_.notify_all();
        for (auto& t : threads_) t.join();
    }
    void post(std::function<void()> job) {
        {
            std::lock_guard guard(lock_);
            jobs_.push_back(std::move(job));  // bounded by the connections: one request of each at a time
        }
        came_.notify_one();
    }

private:
    std::mutex lock_;
    std::condition_variable came_;
    std::deque<std::function<void()>> jobs_;
    std::vector<std::thread> threads_;
    bool stop_ = false;
};

}  // namespace

struct Server::Impl {
    ServerOptions options;
    std::shared_ptr<const Router> router;
    net::io_context io;
    net::executor_work_guard<Executor> work{io.get_executor()};
    Acceptor acceptor{io};
    std::vector<std::thread> threads;
    std::unique_ptr<Workers> workers;
    std::vector<std::shared_ptr<Descriptor>> watched;
    std::atomic<bool> draining{false};
    std::atomic<std::size_t> connections{0}, unheard{0}, busy{0}, body_bytes{0};
    unsigned short bound = 0;

    struct Connection {
        Stream stream;
        bool idle = true;
        bool heard = false;  // its first request has begun
        std::string peer;    // the address at the other end, once there was a request
        explicit Connection(Socket s) : stream(std::move(s)) {}
    };
    std::mutex open_lock;
    std::list<std::weak_ptr<Connection>> open;

    Task<void> accept_loop();
    void welcome(Socket);
    void close_idle(bool unheard_too);
    Task<void> serve(std::shared_ptr<Connection>);
    Task<bool> one_request(Connection&, beast::flat_buffer&);
    Task<bool> reply(Connection&, const Request&, std::string_view route, Response, bool keep_alive);
    Task<bool> send_file(Connection&, const Request&, std::shared_ptr<const FileBody>);
    Task<Response> run_handler(const Route&, Request&);
    void measure(const Request&, std::string_view route, int status);
    const Router::Impl& routes() const { return *router->impl_; }
    void describe(Request&, const wire::fields&, std::string_view target, const std::string& peer) const;
    std::string client_of(const Headers&, const std::string& peer) const;
};

namespace {

/// A file is read by so much at a time.
constexpr std::size_t kPiece = 128u << 10;

/// Bytes read at a time: of a head, and at most of a body.
constexpr std::size_t kReadHead = 4'096, kReadBody = 32u << 10;

/// How long a drain waits for the first request of a connection that was opened just before.
constexpr std::chrono::milliseconds kFirstRequest{1'000};

/// Counts a thing while it lives.
template <class T>
struct Held {
    std::atomic<T>& count;
    T by;
    Held(std::atomic<T>& c, T n) : count(c), by(n) { count += by; }
    ~Held() { count -= by; }
    Held(const Held&) = delete;
    Held& operator=(const Held&) = delete;
};

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

void Server::Impl::describe(Request& request, const wire::fields& fields, std::string_view target, const std::string& peer) const {
    request.target = std::string(target);
    auto query = target.find('?');
    request.path = percent_decode(target.substr(0, query), false);
    if (query != std::string_view::npos) request.query = std::string(target.substr(query + 1));
    for (const auto& f : fields) request.headers.add(std::string(f.name_string()), std::string(f.value()));
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

Task<bool> Server::Impl::reply(Connection& c, const Request& request, std::string_view route, Response response, bool keep_alive) {
    keep_alive = keep_alive && !draining;
    wire::response<wire::string_body> out;
    out.version(11);
    out.result(static_cast<unsigned>(response.status));
    for (const auto& [name, value] : response.headers.items()) out.insert(name, value);
    out.set("X-Request-Id", request.request_id);
    out.set("traceparent", request.trace.traceparent());
    out.keep_alive(keep_alive);
    bool bodiless = response.status == 204 || response.status == 304 || response.status < 200;
    bool head = request.method == Method::head;
    auto file = std::move(response.file_body);
    auto size = file ? file->length() : response.body.size();
    if (file) response.body.clear();
    out.body() = std::move(response.body);
    if (!bodiless) out.content_length(size);

    measure(request, route, response.status);

    error_code error;
    c.stream.expires_after(options.idle_timeout);
    if (head || file) {
        wire::response_serializer<wire::string_body> serializer(out);
        co_await wire::async_write_header(c.stream, serializer, net::redirect_error(use_task, error));
        if (!head && !error) {
            bool whole = co_await send_file(c, request, std::move(file));
            co_return whole && keep_alive;
        }
    } else {
        co_await wire::async_write(c.stream, out, net::redirect_error(use_task, error));
    }
    co_return !error && keep_alive;
}

/// Piece by piece: read on a worker, for a disk may let one wait, and written here. False if the connection cannot go on.
Task<bool> Server::Impl::send_file(Connection& c, const Request& request, std::shared_ptr<const FileBody> file) {
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
    auto read = [this, piece](auto handler) {
        auto done = std::make_shared<decltype(handler)>(std::move(handler));
        workers->post([this, piece, done] {
            piece->read();
            net::post(io, [done] { (*done)(); });
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
        c.stream.expires_after(options.idle_timeout);
        auto bytes = net::buffer(piece->bytes.data(), static_cast<std::size_t>(piece->got));
        co_await net::async_write(c.stream, bytes, net::redirect_error(use_task, error));
        if (error) co_return false;
        piece->sent += static_cast<std::uint64_t>(piece->got);
    }
    co_return true;
}

Task<Response> Server::Impl::run_handler(const Route& route, Request& request) {
    struct Waiting {
        Timer signal;
        std::optional<Response> answer;
        explicit Waiting(Executor e) : signal(e) {}
    };
    auto executor = io.get_executor();
    auto waiting = std::make_shared<Waiting>(executor);
    waiting->signal.expires_after(options.answer_timeout);
    Responder responder([waiting, executor](Response r) {
        net::post(executor, [waiting, answer = std::move(r)]() mutable {
            waiting->answer = std::move(answer);
            waiting->signal.cancel();
        });
    });
    // What the answer still needs stays here; the rest, its body too, is the handler's.
    Request given = std::move(request);
    request = Request();
    request.method = given.method;
    request.path = given.path;
    request.request_id = given.request_id;
    request.trace = given.trace;
    request.received_at = given.received_at;
    if (route.async) {
        try {
            route.async(std::move(given), std::move(responder));
        } catch (const std::exception& e) {
            tel::error("handler failed", {{"path", request.path}, {"request_id", request.request_id}, {"why", e.what()}});
        }
    } else {
        auto shared = std::make_shared<Responder>(std::move(responder));
        workers->post([&route, given = std::move(given), shared] {
            try {
                (*shared)(route.handler(given));
            } catch (const std::exception& e) {
                tel::error("handler failed", {{"path", given.path}, {"request_id", given.request_id}, {"why", e.what()}});
                (*shared)(problem({500, "Internal error", "The request failed for a reason of ours; give its request_id to the operators."}, given));
            }
        });
    }
    error_code ignored;
    if (!waiting->answer) co_await waiting->signal.async_wait(net::redirect_error(use_task, ignored));
    if (!waiting->answer) co_return problem({503, "No answer in time", "The request took too long; try again."}, request);
    if (waiting->answer->status == 500 && waiting->answer->body.empty())
        co_return problem({500, "Internal error", "The request failed for a reason of ours; give its request_id to the operators."}, request);
    co_return std::move(*waiting->answer);
}

Task<bool> Server::Impl::one_request(Connection& c, beast::flat_buffer& buffer) {
    error_code error;
    wire::request_parser<wire::empty_body> head;
    head.header_limit(static_cast<std::uint32_t>(options.head_limit));
    head.body_limit(boost::none);
    c.idle = buffer.size() == 0;
    c.stream.expires_after(c.idle ? options.idle_timeout : options.head_timeout);
    if (c.idle) {
        // An idle connection may stay long; from the first byte of a head on the clock is another one.
        auto space = buffer.prepare(kReadHead);
        auto got = co_await c.stream.async_read_some(space, net::redirect_error(use_task, error));
        if (error) co_return false;
        buffer.commit(got);
        c.idle = false;
        c.stream.expires_after(options.head_timeout);
    }
    Held<std::size_t> is_busy(busy, 1);
    if (!c.heard) {
        c.heard = true;
        --unheard;
    }
    // Mostly all of it is here already: parsing it where it lies costs less than an operation that would first have to ask.
    while (!head.is_header_done()) {
        auto used = head.put(buffer.data(), error);
        buffer.consume(used);
        if (error && error != wire::error::need_more) break;
        if (!error && used > 0) continue;
        error = {};
        auto space = buffer.prepare(kReadHead);
        auto got = co_await c.stream.async_read_some(space, net::redirect_error(use_task, error));
        if (error) co_return false;  // gone, or too slow
        buffer.commit(got);
    }
    if (c.peer.empty()) c.peer = c.stream.socket().remote_endpoint().address().to_string();
    const auto& peer = c.peer;
    Request request;
    if (error == wire::error::header_limit) {
        describe(request, {}, "/", peer);
        auto answer = problem({431, "Request head too large", "Send a head of at most " + std::to_string(options.head_limit) + " bytes."}, request);
        co_await reply(c, request, "-", std::move(answer), false);
        co_return false;
    }
    if (error) {
        describe(request, {}, "/", peer);
        auto answer = problem({400, "Malformed HTTP", "The request is not HTTP/1.1: " + error.message() + "."}, request);
        co_await reply(c, request, "-", std::move(answer), false);
        co_return false;
    }
    const auto& message = head.get();
    auto target = std::string(message.target());
    auto method = method_of(message.method());
    if (method) request.method = *method;
    describe(request, message.base(), target, peer);
    bool keep_alive = head.keep_alive();
    bool has_body = head.content_length().value_or(0) > 0 || head.chunked();

    if (target.empty() || target.front() != '/' || (head.chunked() && message.count(wire::field::content_length) > 0) ||
        message.count(wire::field::host) > 1 || (message.version() >= 11 && message.count(wire::field::host) == 0) || message.count(wire::field::content_length) > 1 ||
        message.count(wire::field::transfer_encoding) > 1 || (message.count(wire::field::transfer_encoding) > 0 && !iequals(message[wire::field::transfer_encoding], "chunked"))) {
        auto answer = problem({400, "Malformed HTTP", "Send one Host, and the length of the body in one way: Content-Length, or Transfer-Encoding: chunked."}, request);
        co_await reply(c, request, "-", std::move(answer), false);
        co_return false;
    }
    auto match = method ? routes().match(*method, target.substr(0, target.find('?'))) : Match{};
    if (!match.route) {
        std::optional<Response> answer;
        if (!match.allow.empty()) {
            answer = problem({405, "Method not allowed", "This path takes " + match.allow + "."}, request);
            answer->headers.add("Allow", match.allow);
        } else {
            answer = problem({404, "Not found", "There is no such path."}, request);
        }
        bool more = co_await reply(c, request, "-", std::move(*answer), keep_alive && !has_body);
        co_return more;
    }
    const auto& route = *match.route;
    request.path_params = std::move(match.params);
    auto length = head.content_length();
    if (length && *length > route.limits.body) {
        auto answer = problem({413, "Body too large", "Send at most " + std::to_string(route.limits.body) + " bytes."}, request);
        co_await reply(c, request, route.path, std::move(answer), false);
        co_return false;
    }
    const auto& types = route.limits.content_types;
    if (has_body && !types.empty() && !request.content_type().empty() && std::find(types.begin(), types.end(), request.content_type()) == types.end()) {
        std::string list;
        for (const auto& t : types) list += (list.empty() ? "" : ", ") + t;
        auto answer = problem({415, "Unsupported media type", "Send " + list + ".", {{"Content-Type", "is not one of " + list}}}, request);
        co_await reply(c, request, route.path, std::move(answer), false);
        co_return false;
    }
    auto reserved = static_cast<std::size_t>(length.value_or(has_body ? route.limits.body : 0));
    Held<std::size_t> reading(body_bytes, reserved);
    if (has_body && body_bytes > options.bodies_limit) {
        auto answer = problem({503, "Busy", "Too many bodies are being read; try again."}, request);
        answer.headers.add("Retry-After", "1");
        co_await reply(c, request, route.path, std::move(answer), false);
        co_return false;
    }
    auto expect = request.headers.get("expect");
    if (!expect.empty() && !iequals(expect, "100-continue")) {
        auto answer = problem({417, "Expectation failed", "Only 100-continue can be expected."}, request);
        co_await reply(c, request, route.path, std::move(answer), false);
        co_return false;
    }
    if (has_body) {
        if (!expect.empty()) {
            wire::response<wire::empty_body> go_on(wire::status::continue_, 11);
            co_await wire::async_write(c.stream, go_on, net::redirect_error(use_task, error));
            if (error) co_return false;
        }
        wire::request_parser<wire::string_body> whole(std::move(head));
        whole.body_limit(route.limits.body);
        c.stream.expires_after(options.body_timeout);
        whole.eager(true);
        while (!whole.is_done()) {
            auto used = whole.put(buffer.data(), error);
            buffer.consume(used);
            if (error && error != wire::error::need_more) break;
            if (!error && used > 0) continue;  // a chunk of it, or what was there
            error = {};
            auto want = std::clamp<std::uint64_t>(whole.content_length_remaining().value_or(kReadHead), kReadHead, kReadBody);
            auto space = buffer.prepare(static_cast<std::size_t>(want));
            auto got = co_await c.stream.async_read_some(space, net::redirect_error(use_task, error));
            if (error) co_return false;
            buffer.commit(got);
        }
        if (error == wire::error::body_limit) {
            auto answer = problem({413, "Body too large", "Send at most " + std::to_string(route.limits.body) + " bytes."}, request);
            co_await reply(c, request, route.path, std::move(answer), false);
            co_return false;
        }
        if (error) co_return false;
        request.body = std::move(whole.get().body());
    }
    c.stream.expires_never();
    auto answer = co_await run_handler(route, request);
    bool more = co_await reply(c, request, route.path, std::move(answer), keep_alive);
    co_return more;
}

Task<void> Server::Impl::serve(std::shared_ptr<Connection> c) {
    Held<std::size_t> counted(connections, 1);
    beast::flat_buffer buffer(options.head_limit + (64u << 10));
    ++unheard;
    try {
        bool more = true;
        while (more && !(draining && c->heard)) more = co_await one_request(*c, buffer);
    } catch (const std::exception& e) {
        tel::debug("connection ended", {{"why", e.what()}});
    }
    if (!c->heard) --unheard;
    error_code ignored;
    c->stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
    // What the client is still sending is read for a moment: closing at once would reset the connection before it has read the answer.
    // A proxy sends all of a body that is too large before it looks for an answer.
    c->stream.expires_after(std::chrono::milliseconds(2'000));
    for (std::size_t drained = 0; drained < (64u << 20);) {
        buffer.clear();
        auto space = buffer.prepare(16u << 10);
        error_code error;
        auto n = co_await c->stream.async_read_some(space, net::redirect_error(use_task, error));
        if (error) break;
        drained += n;
    }
    c->stream.close();
}

Task<void> Server::Impl::accept_loop() {
    while (acceptor.is_open()) {
        error_code error;
        Socket socket(io);
        co_await acceptor.async_accept(socket, net::redirect_error(use_task, error));
        if (error == net::error::operation_aborted || error == net::error::bad_descriptor) co_return;
        if (error) {  // out of descriptors: let some go before the next try
            Timer pause(io, std::chrono::milliseconds(50));
            error_code ignored;
            co_await pause.async_wait(net::redirect_error(use_task, ignored));
            continue;
        }
        welcome(std::move(socket));
    }
}

void Server::Impl::welcome(Socket socket) {
    if (connections >= options.max_connections) return;  // the socket closes
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    auto connection = std::make_shared<Connection>(std::move(socket));
    {
        std::lock_guard guard(open_lock);
        std::erase_if(open, [](const auto& weak) { return weak.expired(); });
        open.push_back(connection);
    }
    net::co_spawn(io, serve(connection), net::detached);
}

/// Ends connections on which nothing has come; a request whose first bytes are here already is served.
void Server::Impl::close_idle(bool unheard_too) {
    std::lock_guard guard(open_lock);
    for (auto& weak : open) {
        auto c = weak.lock();
        if (!c || !c->idle || (!c->heard && !unheard_too)) continue;
        error_code ignored;
        if (c->stream.socket().available(ignored) == 0) c->stream.cancel();
    }
}

Server::Server(ServerOptions options, std::shared_ptr<const Router> router) : impl_(std::make_unique<Impl>()) {
    impl_->options = std::move(options);
    impl_->router = std::move(router);
}

Server::~Server() {
    drain(Millis{0});
    impl_->work.reset();
    impl_->io.stop();
    for (auto& t : impl_->threads) t.join();
    impl_->workers.reset();
}

Result<void> Server::start() {
    auto& s = *impl_;
    error_code error;
    auto address = net::ip::make_address(s.options.address, error);
    if (error) return Error("'" + s.options.address + "' is no address to listen on", "0.0.0.0 or 127.0.0.1");
    tcp::endpoint endpoint(address, s.options.port);
    s.acceptor.open(endpoint.protocol());
    s.acceptor.set_option(net::socket_base::reuse_address(true));
    s.acceptor.bind(endpoint, error);
    if (error)
        return Error("cannot listen on " + s.options.address + ":" + std::to_string(s.options.port) + ": " + error.message(), "is another program on this port? choose another");
    s.acceptor.listen(4096);
    s.bound = s.acceptor.local_endpoint().port();
    s.workers = std::make_unique<Workers>(s.options.workers);
    net::co_spawn(s.io, s.accept_loop(), net::detached);
    for (int i = 0; i < s.options.io_threads; ++i) s.threads.emplace_back([&s] { s.io.run(); });
    return {};
}

unsigned short Server::port() const { return impl_->bound; }

void Server::watch(int fd, std::function<void()> ready) {
    auto descriptor = std::make_shared<Descriptor>(impl_->io, ::dup(fd));
    impl_->watched.push_back(descriptor);
    net::co_spawn(
        impl_->io,
        [](std::shared_ptr<Descriptor> d, std::function<void()> job) -> Task<void> {
            error_code error;
            while (!error) {
                co_await d->async_wait(Descriptor::wait_read, net::redirect_error(use_task, error));
                if (!error) job();
            }
        }(descriptor, std::move(ready)),
        net::detached);
}

void Server::every(Millis period, std::function<void()> job) {
    net::co_spawn(
        impl_->io,
        [](net::io_context& io, Millis pause, std::function<void()> work) -> Task<void> {
            Timer timer(io);
            error_code error;
            while (!error) {
                timer.expires_after(pause);
                co_await timer.async_wait(net::redirect_error(use_task, error));
                if (!error) work();
            }
        }(impl_->io, period, std::move(job)),
        net::detached);
}

void Server::post(std::function<void()> job) { net::post(impl_->io, std::move(job)); }

bool Server::drain(Millis deadline) {
    auto& s = *impl_;
    if (s.draining.exchange(true)) return s.busy == 0;
    auto now = [] { return std::chrono::steady_clock::now(); };
    auto until = now() + deadline, patience = std::min(until, now() + kFirstRequest);
    auto accepted = std::make_shared<std::promise<void>>();
    net::post(s.io, [&s, accepted] {
        // Who stands in the listening queue has a connection as far as he knows, and may have sent his request.
        error_code error;
        s.acceptor.non_blocking(true, error);
        while (s.acceptor.is_open() && !error) {
            Socket socket(s.io);
            s.acceptor.accept(socket, error);
            if (!error) s.welcome(std::move(socket));
        }
        s.acceptor.close(error);
        s.close_idle(false);
        accepted->set_value();
    });
    if (!s.threads.empty()) accepted->get_future().wait_until(until);
    while ((s.busy > 0 || s.unheard > 0) && now() < patience) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    net::post(s.io, [&s] { s.close_idle(true); });
    while (s.busy > 0 && now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return s.busy == 0;
}

}  // namespace otto::http
