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
#include <boost/beast/http.hpp>
#include <cerrno>
#include <cstring>
#include <future>
#include <unordered_map>
#include <unordered_set>

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
using boost::system::error_code;
using Acceptor = net::basic_socket_acceptor<tcp, Executor>;
using Descriptor = net::posix::basic_stream_descriptor<Executor>;
using Timer = net::basic_waitable_timer<std::chrono::steady_clock, net::wait_traits<std::chrono::steady_clock>, Executor>;
/// Coroutines of the one kind of executor there is; the default one, of any kind, costs at every step.
template <class T>
using Task = net::awaitable<T, Executor>;
constexpr net::use_awaitable_t<Executor> use_task{};
/// What goes on with a coroutine that waits for something of ours.
using Resume = net::async_result<net::use_awaitable_t<Executor>, void()>::handler_type;
using Steady = std::chrono::steady_clock;

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

class Answer;

/// A client's connection. Only its loop's thread touches it.
struct Connection {
    Socket socket;
    beast::flat_buffer buffer;
    std::shared_ptr<Answer> answer;  // of the request that a handler has now
    Steady::time_point deadline = Steady::time_point::max();
    bool idle = true;
    bool heard = false;  // its first request has begun
    std::string peer;    // the address at the other end, once there was a request
    Connection(Socket s, std::size_t most) : socket(std::move(s)), buffer(most) {}
    void within(Millis time) { deadline = Steady::now() + time; }
};

/// One thread with its connections. Nothing of a connection is ever done by another, so nothing of it is locked. Deadlines are looked at every so often: a timer
/// for each would be set and taken back several times a request.
class Loop : public std::enable_shared_from_this<Loop> {
public:
    explicit Loop(Millis sweep) : io(std::make_unique<net::io_context>(1)), work_(io->get_executor()), sweep_(sweep) {}
    void start() {
        thread_ = std::thread([this] {
            current = this;
            io->run();
        });
    }
    void stop() {
        work_.reset();
        io->stop();
        if (thread_.joinable()) thread_.join();
    }
    /// Destroys what waits here; whoever answers later does so in vain. Only after stop().
    void close();
    bool here() const { return current == this; }
    /// Runs it here, from any thread; not if the server has ended.
    template <class Job>
    void post(Job job) {
        std::lock_guard guard(gate_);
        if (io) net::post(*io, std::move(job));
    }
    Task<void> watch_deadlines();
    /// Gives it to the handler, with all others that come before this turn of the loop ends.
    void gather(const std::shared_ptr<const AsyncHandler>&, Asked);

    std::unique_ptr<net::io_context> io;  // null once it has ended
    std::unordered_set<Connection*> open;  // of the loop's thread

private:
    void hand_over();
    static thread_local const Loop* current;
    std::vector<std::pair<std::shared_ptr<const AsyncHandler>, std::vector<Asked>>> gathered_;  // of the loop's thread
    std::mutex gate_;  // of io's end
    net::executor_work_guard<Executor> work_;
    Millis sweep_;
    std::thread thread_;
};
thread_local const Loop* Loop::current = nullptr;

/// The answer to one request: it comes at once or later, from any thread, or too late.
class Answer : public Responder::Sink, public std::enable_shared_from_this<Answer> {
public:
    explicit Answer(std::shared_ptr<Loop> loop) : loop_(std::move(loop)) {}
    void answer(Response response) override {
        if (loop_->here())
            arrive(std::move(response));
        else
            loop_->post([self = shared_from_this(), r = std::move(response)]() mutable { self->arrive(std::move(r)); });
    }
    /// On the loop's thread, as all below: waits for the answer; nothing if none came in time.
    Task<std::optional<Response>> wait() {
        if (!response_)
            co_await net::async_initiate<const net::use_awaitable_t<Executor>, void()>([this](auto handler) { resume_.emplace(std::move(handler)); }, use_task);
        co_return std::move(response_);
    }
    void give_up() { go_on(); }
    void drop() { resume_.reset(); }

private:
    void arrive(Response response) {
        response_ = std::move(response);
        go_on();
    }
    void go_on() {
        if (!resume_) return;
        auto resume = std::move(*resume_);
        resume_.reset();
        resume();
    }
    std::shared_ptr<Loop> loop_;
    std::optional<Response> response_;
    std::optional<Resume> resume_;
};

void Loop::close() {
    for (auto* c : open)
        if (c->answer) c->answer->drop();
    std::unique_ptr<net::io_context> ended;
    {
        std::lock_guard guard(gate_);
        ended.swap(io);
    }
}

void Loop::gather(const std::shared_ptr<const AsyncHandler>& handler, Asked asked) {
    if (gathered_.empty()) net::post(*io, [self = shared_from_this()] { self->hand_over(); });  // behind what is ready already
    auto found = std::find_if(gathered_.begin(), gathered_.end(), [&](const auto& g) { return g.first == handler; });
    auto& together = found == gathered_.end() ? gathered_.emplace_back(handler, std::vector<Asked>()).second : found->second;
    together.push_back(std::move(asked));
}

void Loop::hand_over() {
    auto now = std::exchange(gathered_, {});
    for (auto& [handler, asked] : now) {
        auto count = asked.size();
        try {
            (*handler)(std::move(asked));
        } catch (const std::exception& e) {
            tel::error("handler failed", {{"requests", count}, {"why", e.what()}});
        }
    }
}

Task<void> Loop::watch_deadlines() {
    Timer timer(*io);
    for (;;) {
        timer.expires_after(sweep_);
        error_code error;
        co_await timer.async_wait(net::redirect_error(use_task, error));
        if (error) co_return;
        auto now = Steady::now();
        std::vector<std::shared_ptr<Answer>> late;
        for (auto* c : open) {
            if (c->deadline > now) continue;
            if (c->answer)
                late.push_back(c->answer);
            else
                c->socket.cancel(error);  // and again, until it has gone on
        }
        for (auto& answer : late) answer->give_up();
    }
}

/// A request as it comes in, written where it will stay.
class Incoming final : public wire::basic_parser<true> {
public:
    Request request;
    std::optional<Method> method;
    int version = 11, hosts = 0, lengths = 0, encodings = 0;
    bool only_chunked = true;

private:
    using Text = beast::string_view;
    void on_request_impl(wire::verb verb, Text, Text target, int said, error_code&) override {
        version = said;
        method = method_of(verb);
        request.target.assign(target.data(), target.size());
    }
    void on_response_impl(int, Text, int, error_code&) override {}
    void on_field_impl(wire::field field, Text name, Text value, error_code&) override {
        if (headers_done_) return;  // a trailer
        if (field == wire::field::host) ++hosts;
        if (field == wire::field::content_length) ++lengths;
        if (field == wire::field::transfer_encoding) {
            ++encodings;
            only_chunked = only_chunked && iequals({value.data(), value.size()}, "chunked");
        }
        request.headers.add(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
    }
    void on_header_impl(error_code&) override { headers_done_ = true; }
    void on_body_init_impl(const boost::optional<std::uint64_t>& length, error_code&) override {
        request.body.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(length.value_or(0), 64u << 10)));
    }
    std::size_t on_body_impl(Text piece, error_code&) override {
        request.body.append(piece.data(), piece.size());
        return piece.size();
    }
    void on_chunk_header_impl(std::uint64_t, Text, error_code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, Text piece, error_code& error) override { return on_body_impl(piece, error); }
    void on_finish_impl(error_code&) override {}

    bool headers_done_ = false;
};

}  // namespace

struct Server::Impl {
    ServerOptions options;
    std::shared_ptr<const Router> router;
    std::vector<std::shared_ptr<Loop>> loops;
    std::size_t next_loop = 0;
    std::optional<Acceptor> acceptor;
    std::unique_ptr<Workers> workers;
    std::vector<std::shared_ptr<Descriptor>> watched;
    std::atomic<bool> draining{false};
    std::atomic<std::size_t> connections{0}, unheard{0}, busy{0}, body_bytes{0};
    unsigned short bound = 0;

    /// What a connection does now: a request, and its answer; of one that is refused before a handler sees it, from then on.
    struct Exchange {
        Incoming in;
        const Route* route = nullptr;
        bool keep_alive = false;
        std::optional<Response> answer;
        std::optional<Held<std::size_t>> body;  ///< what it takes of the bodies' limit
        std::string_view label() const { return route ? std::string_view(route->path) : "-"; }
    };

    net::io_context& io() { return *loops.front()->io; }
    Task<void> accept_loop();
    void welcome(Loop&, Socket);
    void close_idle(Loop&, bool unheard_too);
    Task<void> serve(Loop&, std::shared_ptr<Connection>);
    Task<bool> exchange(Loop&, Connection&);
    Task<bool> receive(Connection&, Exchange&);
    void refuse(Exchange&, const Problem&, bool keep_alive = false);
    bool acceptable(Exchange&);
    Task<bool> reply(Loop&, Connection&, const Request&, std::string_view route, Response, bool keep_alive);
    Task<bool> send_file(Loop&, Connection&, const Request&, std::shared_ptr<const FileBody>);
    std::shared_ptr<Answer> ask(Loop&, const Route&, Request&);
    void measure(const Request&, std::string_view route, int status);
    const Router::Impl& routes() const { return *router->impl_; }
    void describe(Request&, const std::string& peer) const;
    std::string client_of(const Headers&, const std::string& peer) const;
};

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

Task<void> Server::Impl::serve(Loop& loop, std::shared_ptr<Connection> c) {
    Held<std::size_t> counted(connections, 1);
    struct Listed {
        Loop& loop;
        Connection* connection;
        Listed(Loop& l, Connection* k) : loop(l), connection(k) { loop.open.insert(connection); }
        ~Listed() { loop.open.erase(connection); }
    } listed(loop, c.get());
    try {
        bool more = true;
        while (more && !(draining && c->heard)) more = co_await exchange(loop, *c);
    } catch (const std::exception& e) {
        tel::debug("connection ended", {{"why", e.what()}});
    }
    if (!c->heard) --unheard;
    error_code ignored;
    c->socket.shutdown(tcp::socket::shutdown_send, ignored);
    // What the client is still sending is read for a moment: closing at once would reset the connection before it has read the answer.
    // A proxy sends all of a body that is too large before it looks for an answer.
    c->within(Millis{2'000});
    for (std::size_t drained = 0; drained < (64u << 20);) {
        c->buffer.clear();
        auto space = c->buffer.prepare(16u << 10);
        error_code error;
        auto n = co_await c->socket.async_read_some(space, net::redirect_error(use_task, error));
        if (error) break;
        drained += n;
    }
    c->socket.close(ignored);
}

Task<void> Server::Impl::accept_loop() {
    while (acceptor->is_open()) {
        error_code error;
        auto& loop = *loops[next_loop++ % loops.size()];
        Socket socket(*loop.io);
        co_await acceptor->async_accept(socket, net::redirect_error(use_task, error));
        if (error == net::error::operation_aborted || error == net::error::bad_descriptor) co_return;
        if (error) {  // out of descriptors: let some go before the next try
            Timer pause(io(), std::chrono::milliseconds(50));
            error_code ignored;
            co_await pause.async_wait(net::redirect_error(use_task, ignored));
            continue;
        }
        welcome(loop, std::move(socket));
    }
}

void Server::Impl::welcome(Loop& loop, Socket socket) {
    if (connections >= options.max_connections) return;  // the socket closes
    error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    ++unheard;
    auto connection = std::make_shared<Connection>(std::move(socket), options.head_limit + (64u << 10));
    net::co_spawn(*loop.io, serve(loop, std::move(connection)), net::detached);
}

/// Ends connections on which nothing has come; a request whose first bytes are here already is served.
void Server::Impl::close_idle(Loop& loop, bool unheard_too) {
    for (auto* c : loop.open) {
        if (!c->idle || (!c->heard && !unheard_too)) continue;
        error_code ignored;
        if (c->socket.available(ignored) == 0) c->socket.cancel(ignored);
    }
}

Server::Server(ServerOptions options, std::shared_ptr<const Router> router) : impl_(std::make_unique<Impl>()) {
    auto& s = *impl_;
    s.options = std::move(options);
    s.router = std::move(router);
    auto shortest = std::min({s.options.head_timeout, s.options.body_timeout, s.options.idle_timeout, s.options.answer_timeout});
    auto sweep = std::clamp(shortest / 8, Millis{5}, Millis{250});
    for (int i = 0; i < std::max(1, s.options.io_threads); ++i) s.loops.push_back(std::make_shared<Loop>(sweep));
    s.acceptor.emplace(s.io());
}

Server::~Server() {
    drain(Millis{0});
    for (auto& loop : impl_->loops) loop->stop();
    impl_->workers.reset();
    impl_->watched.clear();
    impl_->acceptor.reset();
    for (auto& loop : impl_->loops) loop->close();
}

Result<void> Server::start() {
    auto& s = *impl_;
    error_code error;
    auto address = net::ip::make_address(s.options.address, error);
    if (error) return Error("'" + s.options.address + "' is no address to listen on", "0.0.0.0 or 127.0.0.1");
    tcp::endpoint endpoint(address, s.options.port);
    s.acceptor->open(endpoint.protocol());
    s.acceptor->set_option(net::socket_base::reuse_address(true));
    s.acceptor->bind(endpoint, error);
    if (error)
        return Error("cannot listen on " + s.options.address + ":" + std::to_string(s.options.port) + ": " + error.message(), "is another program on this port? choose another");
    s.acceptor->listen(4096);
    s.bound = s.acceptor->local_endpoint().port();
    s.workers = std::make_unique<Workers>(s.options.workers);
    net::co_spawn(s.io(), s.accept_loop(), net::detached);
    for (auto& loop : s.loops) {
        net::co_spawn(*loop->io, loop->watch_deadlines(), net::detached);
        loop->start();
    }
    return {};
}

unsigned short Server::port() const { return impl_->bound; }

void Server::watch(int fd, std::function<void()> ready) {
    auto descriptor = std::make_shared<Descriptor>(impl_->io(), ::dup(fd));
    impl_->watched.push_back(descriptor);
    net::co_spawn(
        impl_->io(),
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
        impl_->io(),
        [](net::io_context& io, Millis pause, std::function<void()> work) -> Task<void> {
            Timer timer(io);
            error_code error;
            while (!error) {
                timer.expires_after(pause);
                co_await timer.async_wait(net::redirect_error(use_task, error));
                if (!error) work();
            }
        }(impl_->io(), period, std::move(job)),
        net::detached);
}

void Server::post(std::function<void()> job) { impl_->loops.front()->post(std::move(job)); }

bool Server::drain(Millis deadline) {
    auto& s = *impl_;
    if (s.draining.exchange(true)) return s.busy == 0;
    auto until = Steady::now() + deadline, patience = std::min(until, Steady::now() + kFirstRequest);
    auto accepted = std::make_shared<std::promise<void>>();
    auto close_all = [&s](bool unheard_too) {
        for (auto& loop : s.loops) loop->post([&s, &loop, unheard_too] { s.close_idle(*loop, unheard_too); });
    };
    s.loops.front()->post([&s, accepted, close_all] {
        // Who stands in the listening queue has a connection as far as he knows, and may have sent his request.
        error_code error;
        s.acceptor->non_blocking(true, error);
        while (s.acceptor->is_open() && !error) {
            auto& loop = *s.loops[s.next_loop++ % s.loops.size()];
            Socket socket(*loop.io);
            s.acceptor->accept(socket, error);
            if (!error) s.welcome(loop, std::move(socket));
        }
        s.acceptor->close(error);
        close_all(false);
        accepted->set_value();
    });
    if (s.workers) accepted->get_future().wait_until(until);
    while ((s.busy > 0 || s.unheard > 0) && Steady::now() < patience) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    close_all(true);
    while (s.busy > 0 && Steady::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return s.busy == 0;
}

}  // namespace otto::http
