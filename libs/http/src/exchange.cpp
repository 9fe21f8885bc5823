#include <sys/ioctl.h>
#include <sys/socket.h>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>

#include "base/uuid.hpp"
#include "http/encoding.hpp"
#include "server_impl.hpp"
#include "telemetry/log.hpp"
#include "telemetry/span.hpp"

// Every coroutine here is awaited where it is called, by one that holds what is referred to until then.
// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
namespace otto::http {
namespace {

/// A caller's request id is taken if it can stand in a log line and a header.
bool sane_id(std::string_view id) {
    return !id.empty() && id.size() <= 128 &&
           id.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:") == std::string_view::npos;
}

/// Bytes read at a time: of a head, and at most of a body.
constexpr std::size_t kReadHead = 4'096, kReadBody = 32u << 10;

/// What has come of a body when the rest of it is a worker's to take in; how much of it at a time, and with one call.
constexpr std::size_t kLarge = 256u << 10, kPiece = 1u << 20, kOneCall = 256u << 10;

/// A body that needs no room once it is whole.
constexpr std::size_t kSmall = 64u << 10;

/// How long a client that has many connections may take to begin a request.
constexpr Millis kBrief{1'000};

/// Proxies on a request's way.
constexpr int kMostProxies = 16;

/// What a proxy beside us has for an address.
bool is_private(const std::string& address) {
    error_code error;
    auto ip = net::ip::make_address(address, error);
    if (error) return false;
    if (ip.is_v6() && ip.to_v6().is_v4_mapped()) ip = net::ip::make_address_v4(net::ip::v4_mapped, ip.to_v6());
    if (ip.is_v6()) return ip.is_loopback() || (ip.to_v6().to_bytes()[0] & 0xfe) == 0xfc;
    auto b = ip.to_v4().to_bytes();
    return ip.is_loopback() || b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168) ||
           (b[0] == 100 && (b[1] & 0xc0) == 64);
}

/// Takes in what has come of a large body, where it will stay; it does not wait for more. Of the address space that is asked for
/// ahead nothing is memory before bytes fill it, and what has come is copied two or three times on its way to 32 MiB instead of
/// seven.
error_code take_in(int socket, std::string& body, std::size_t rest) {
    for (std::size_t taken = 0, most = std::min(rest, kPiece); taken < most;) {
        int there = 0;
        if (::ioctl(socket, FIONREAD, &there) != 0) there = 0;
        if (there <= 0 && taken > 0) break;
        const auto has = body.size();
        const auto want =
            std::clamp<std::size_t>(static_cast<std::size_t>(std::max(there, 1)), 1, std::min(kOneCall, most - taken));
        if (body.capacity() < has + want) body.reserve(has + std::min(rest - taken, std::max(want, 7 * has)));
        body.resize(has + want);
        const auto got = ::recv(socket, body.data() + has, want, MSG_DONTWAIT);
        const auto why = errno;
        body.resize(has + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        if (got == 0) return net::error::eof;
        if (got < 0)
            return why == EAGAIN || why == EWOULDBLOCK || why == EINTR ? error_code()
                                                                       : error_code(why, boost::system::system_category());
        taken += static_cast<std::size_t>(got);
    }
    return {};
}

/// Under which address they were asked, others may say as they like: whoever believes it believes a trusted proxy.
void forget_forwarding(Headers& headers) {
    if (!headers.has("x-forwarded-proto") && !headers.has("x-forwarded-host")) return;
    Headers kept;
    for (const auto& [name, value] : headers.items())
        if (!iequals(name, "x-forwarded-proto") && !iequals(name, "x-forwarded-host")) kept.add(name, value);
    headers = std::move(kept);
}

}  // namespace

std::string Server::Impl::client_of(const Headers& headers, const std::string& peer) const {
    if (!trusted(peer)) {
        if (options.untrusted_proxy && !proxy_told && headers.has("x-forwarded-for") && is_private(peer) &&
            !proxy_told.exchange(true))
            options.untrusted_proxy(peer);
        return peer;
    }
    std::string client = peer;
    std::string chain;
    for (const auto& [name, value] : headers.items())
        if (iequals(name, "x-forwarded-for")) chain += (chain.empty() ? "" : ",") + value;
    // From the end, where the nearest proxy wrote: what stands before so many is nobody's to believe.
    std::string_view rest = chain;
    for (int hop = 0; hop < kMostProxies && !rest.empty();) {
        const auto comma = rest.rfind(',');
        const auto one = trim(comma == std::string_view::npos ? rest : rest.substr(comma + 1));
        rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(0, comma);
        if (one.empty()) continue;
        client = plain_address(one);
        if (!trusted(client)) break;
        ++hop;
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
    if (!trusted(peer)) forget_forwarding(request.headers);
}

/// Gives the request to its handler. What the answer still needs of it stays in `request`; the rest, its body too, is the
/// handler's.
std::shared_ptr<Answer> Server::Impl::ask(Loop& loop, Connection& c, const Route& route, Request& request) {
    auto answer = std::make_shared<Answer>(loop.shared_from_this());
    Responder responder(answer);
    Request given = std::move(request);
    request = Request();
    request.method = given.method;
    request.path = given.path;
    request.route = given.route;
    request.request_id = given.request_id;
    request.trace = given.trace;
    request.received_at = given.received_at;
    if (route.async) {
        loop.collect(route.async, {std::move(given), std::move(responder)});
        return answer;
    }
    auto shared = std::make_shared<Responder>(std::move(responder));
    auto share = given.share;
    c.asker = given.asker;
    auto job = [&route, given = std::move(given), shared] {
        // Who has hung up while it waited is not read for; what is to be changed is changed all the same.
        bool reads = given.method == Method::get || given.method == Method::head;
        if (reads && given.asker && given.asker->gone()) return;
        try {
            auto response = route.handler(given);
            pack(given, response);
            (*shared)(std::move(response));
        } catch (const std::exception& e) {
            tel::error("handler failed", {{"path", given.route}, {"request_id", given.request_id}, {"why", e.what()}});
            (*shared)(
                problem({500, "Internal error", "The request failed for a reason of ours; give its request_id to the operators."},
                        given));
        }
    };
    if (share.nobodys()) {
        workers->post(std::move(job));
    } else if (!workers->post(share, std::move(job))) {
        auto full = problem(
            {429, "Too many requests",
             "As many requests as may wait of one user and one company wait already; send the next one when some are answered."},
            request);
        full.headers.add("Retry-After", "1");
        (*shared)(std::move(full));
    }
    return answer;
}

void Server::Impl::refuse(Exchange& x, const Problem& p, bool keep_alive) {
    x.answer = problem(p, x.in.request);
    x.keep_alive = keep_alive;
}

/// Whether the request can be understood in one way only; else it is refused.
bool Server::Impl::well_formed(Exchange& x) {
    auto& in = x.in;
    const auto& target = in.request.target;
    if (in.encodings > 0 && in.version < 11)
        refuse(x, {400, "Malformed HTTP", "HTTP/1.0 knows no Transfer-Encoding: send Content-Length, or HTTP/1.1."});
    else if (target.empty() || target.front() != '/' || (in.chunked() && in.lengths > 0) || in.hosts > 1 ||
             (in.version >= 11 && in.hosts == 0) || in.lengths > 1 || in.encodings > 1 || !in.only_chunked)
        refuse(x, {400, "Malformed HTTP",
                   "Send one Host, and the length of the body in one way: Content-Length, or Transfer-Encoding: chunked."});
    else if (!in.method)
        refuse(x, {501, "Method not implemented",
                   "Methods are GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS, in capital letters."});
    return !x.answer;
}

/// Which route it asks for; refused if there is none.
bool Server::Impl::find_route(Loop& loop, Exchange& x) {
    auto& in = x.in;
    auto path = std::string_view(in.request.target).substr(0, in.request.target.find('?'));
    auto match = routes().match(*in.method, path);
    x.route = match.route;
    in.request.path_params = std::move(match.params);
    if (x.route) {
        in.request.route = x.route->path;
        return true;
    }
    bool more = x.keep_alive && !in.has_body();
    if (!match.allow.empty()) {
        refuse(x, {405, "Method not allowed", "This path takes " + match.allow + "."}, more);
        x.answer->headers.add("Allow", match.allow);
        return false;
    }
    std::string hint;
    if (auto guess = loop.may_guess() ? routes().nearest(*in.method, path) : std::nullopt) {
        auto meant = std::string(to_text(guess->route->method)) + " " + guess->route->path;
        hint = " Did you mean " + meant + "?";
        tel::warn("a path that is nearly one of ours was asked for", {{"method", to_text(*in.method)},
                                                                      {"path", guess->written},
                                                                      {"did_you_mean", meant},
                                                                      {"client", in.request.client_address},
                                                                      {"request_id", in.request.request_id}});
    }
    refuse(x, {404, "Not found", "There is no such path." + hint}, more);
    return false;
}

/// Whether its route takes it, by its head; else it is refused.
bool Server::Impl::acceptable(Loop& loop, Exchange& x) {
    auto& in = x.in;
    auto& request = in.request;
    x.keep_alive = in.keep_alive();
    if (!well_formed(x) || !find_route(loop, x)) return false;
    if (const auto* gate = x.route->gate.get(); gate && !gate->is_open()) {
        refuse(x, {503, "Not started yet", gate->why()}, x.keep_alive && !in.has_body());
        x.answer->headers.add("Retry-After", "5");
        return false;
    }
    const auto& limits = x.route->limits;
    auto length = in.content_length();
    if (length && *length > limits.body) {
        refuse(x, {413, "Body too large", "Send at most " + std::to_string(limits.body) + " bytes."});
        return false;
    }
    const auto& types = limits.content_types;
    if (in.has_body() && !types.empty() && !request.content_type().empty() &&
        std::find(types.begin(), types.end(), request.content_type()) == types.end()) {
        std::string list;
        for (const auto& t : types) list += (list.empty() ? "" : ", ") + t;
        refuse(x, {415, "Unsupported media type", "Send " + list + ".", {{"Content-Type", "is not one of " + list}}});
        return false;
    }
    if (auto expect = request.headers.get("expect"); !expect.empty() && !iequals(expect, "100-continue")) {
        refuse(x, {417, "Expectation failed", "Only 100-continue can be expected."});
        return false;
    }
    return true;
}

/// Runs it on a worker and waits for that. `work` and what it names stay where they are meanwhile: nothing else can go on with
/// the frame. It must not throw.
template <class Work>
Task<void> Server::Impl::on_worker(Loop& loop, Work& work) {
    auto wait = [this, &work, &loop](auto handler) {
        auto done = std::make_shared<decltype(handler)>(std::move(handler));
        workers->post([done, &work, loop = loop.shared_from_this()] {
            work();
            loop->post([done] { (*done)(); });
        });
    };
    co_await net::async_initiate<const net::use_awaitable_t<Executor>, void()>(wait, use_task);
}

/// What the route itself makes of the head: here if it can tell at once, else on a worker. False if it refuses.
Task<bool> Server::Impl::admitted(Loop& loop, Exchange& x) {
    auto& request = x.in.request;
    std::optional<Admission> admission;
    auto judge = [&x, &admission](bool may_wait) {
        const auto& head = x.in.request;
        try {
            admission = x.route->limits.admit(head, may_wait);
        } catch (const std::exception& e) {
            tel::error("handler failed", {{"path", head.route}, {"request_id", head.request_id}, {"why", e.what()}});
            admission.emplace();
            admission->refusal = problem(
                {500, "Internal error", "The request failed for a reason of ours; give its request_id to the operators."}, head);
        }
    };
    judge(false);
    if (!admission) {
        auto wait = [&judge] { judge(true); };
        co_await on_worker(loop, wait);
    }
    if (!admission) co_return true;
    if (admission->refusal) {
        x.answer = std::move(admission->refusal);
        x.keep_alive = x.keep_alive && !x.in.has_body();
        co_return false;
    }
    request.share = std::move(admission->share);
    request.known = std::move(admission->known);
    if (!request.share.nobodys() && x.in.version >= 11) request.asker = std::make_shared<Asker>();
    co_return true;
}

/// A request, to its end unless it is refused before. False if the connection is gone, or its client too slow.
Task<bool> Server::Impl::receive(Loop& loop, Connection& c, Exchange& x) {
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
    if (error) {
        in.request = Request();
        in.request.target = "/";
        c.caller = {};
        describe(in.request, c.peer);
        if (error == wire::error::header_limit)
            refuse(x,
                   {431, "Request head too large", "Send a head of at most " + std::to_string(options.head_limit) + " bytes."});
        else
            refuse(x, {400, "Malformed HTTP", "The request is not HTTP/1.1: " + error.message() + "."});
        co_return true;
    }
    if (in.method) in.request.method = *in.method;
    in.to_origin_form();
    if (tel::tracing()) {
        auto follows = tel::TraceContext::parse(in.request.headers.get("traceparent"));
        c.caller = follows ? follows->span_id : tel::SpanId{};
    }
    describe(in.request, c.peer);
    if (!acceptable(loop, x)) co_return true;
    if (x.route->limits.admit) {
        bool welcome = co_await admitted(loop, x);
        if (!welcome) co_return true;
    }
    in.body_limit(x.route->limits.body);
    in.eager(true);
    if (!in.has_body() || take_body(c, x)) co_return true;
    bool received = co_await receive_body(loop, c, x);
    co_return received;
}

/// Parses what is here of the body. True if it ends with that: it is whole, or refused.
bool Server::Impl::take_body(Connection& c, Exchange& x) {
    auto& in = x.in;
    while (!in.is_done()) {
        error_code error;
        auto used = in.put(c.buffer.data(), error);
        c.buffer.consume(used);
        if (error == wire::error::need_more || (!error && used == 0)) return false;
        if (!error) continue;  // a chunk of it, or what was there
        if (error == wire::error::body_limit)
            refuse(x, {413, "Body too large", "Send at most " + std::to_string(x.route->limits.body) + " bytes."});
        else
            refuse(x, {400, "Malformed HTTP", "The body is not as HTTP/1.1 frames it: " + error.message() + "."});
        return true;
    }
    return true;
}

/// Waits for more of a large body and takes it in: on a worker, for to copy megabytes and to find memory for them would hold the
/// loop up; a little that finds its place here, for less than the way there and back costs.
Task<error_code> Server::Impl::take_piece(Loop& loop, Connection& c, std::string& body, std::size_t rest) {
    error_code error;
    co_await c.socket.async_wait(tcp::socket::wait_read, net::redirect_error(use_task, error));
    if (error) co_return error;
    const auto there = c.socket.available(error);
    if (error) co_return error;
    const auto socket = c.socket.native_handle();
    if (there <= kReadBody && body.capacity() - body.size() >= there) {
        error = take_in(socket, body, std::min(rest, std::max<std::size_t>(there, 1)));
        co_return error;
    }
    auto work = [&error, &body, socket, rest] {
        try {
            error = take_in(socket, body, rest);
        } catch (const std::bad_alloc&) {
            error = net::error::no_memory;
        }
    };
    co_await on_worker(loop, work);
    co_return error;
}

/// The rest of a body that has not come at once. It takes room for what has come, never for what is announced.
Task<bool> Server::Impl::receive_body(Loop& loop, Connection& c, Exchange& x) {
    error_code error;
    auto& in = x.in;
    const auto end = Steady::now() + options.body_timeout;
    c.deadline = std::min(end, Steady::now() + options.still_timeout);
    if (in.request.headers.has("expect")) {
        static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        co_await net::async_write(c.socket, net::buffer(go_on), net::redirect_error(use_task, error));
        if (error) co_return false;
    }
    auto& room = loop.bodies[x.route->room];
    auto& body = x.body.emplace(c, in.request.client_address);
    const auto length = static_cast<std::size_t>(in.content_length().value_or(0));
    for (bool ended = false; !ended;) {
        const auto has = in.request.body.size();
        const bool large = has >= kLarge && has <= length && c.buffer.size() == 0;  // the parser has no part in it from here on
        body.moved = has;
        const bool stays = !body.ended && room.hold(body, has - body.held);
        if (stays && large && has == length) break;
        if (stays && large) {
            error = co_await take_piece(loop, c, in.request.body, length - has);
        } else if (stays) {
            auto want = std::clamp<std::uint64_t>(std::min<std::uint64_t>(in.content_length_remaining().value_or(kReadBody), has),
                                                  kReadHead, kReadBody);
            auto space = c.buffer.prepare(static_cast<std::size_t>(want));
            auto got = co_await c.socket.async_read_some(space, net::redirect_error(use_task, error));
            c.buffer.commit(got);
        }
        if (body.ended) {
            refuse(x, {503, "Busy", "Too many bodies are being read, and this one was the slowest; try again."});
            x.answer->headers.add("Retry-After", "1");
            co_return true;
        }
        if (error && c.late()) {
            refuse(x, {408, "Request timeout", "The body stood still, or took too long; send it again, at once and whole."});
            co_return true;
        }
        if (error) co_return false;
        c.deadline = std::min(end, Steady::now() + options.still_timeout);
        ended = !large && take_body(c, x);
    }
    // Its handler works on it: nothing that its client does makes room any more. A small one is let out, so that many that wait
    // for Kafka at once leave room for the next.
    body.whole = true;
    if (in.request.body.size() <= kSmall) room.leave(body);
    co_return true;
}

/// The answer of a handler, or what is said instead of it.
Response Server::Impl::settle(std::optional<Response> answer, const Request& request) {
    if (!answer) return problem({503, "No answer in time", "The request took too long; try again."}, request);
    if (answer->status == 500 && answer->body.empty())
        return problem({500, "Internal error", "The request failed for a reason of ours; give its request_id to the operators."},
                       request);
    return std::move(*answer);
}

/// One request and its answer. False if the connection ends with it.
Task<bool> Server::Impl::exchange(Loop& loop, Connection& c) {
    c.idle = c.buffer.size() == 0;
    auto patience = c.brief ? std::min(kBrief, options.idle_timeout) : options.idle_timeout;
    c.within(c.idle ? patience : options.head_timeout);
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
    bool received = co_await receive(loop, c, x);
    if (!received) co_return false;
    c.chunks = x.in.version >= 11;
    auto& request = x.in.request;
    if (!x.answer) {
        c.within(options.answer_timeout);
        c.answer = ask(loop, c, *x.route, request);
        auto answer = co_await c.answer->wait();
        c.answer.reset();
        c.asker.reset();
        if (c.gone) {
            measure(c, request, x.label(), 499);  // what others, too, count a client as that did not wait
            co_return false;
        }
        x.answer = settle(std::move(answer), request);
    }
    bool more = co_await reply(loop, c, request, x.label(), std::move(*x.answer), x.keep_alive && !c.brief);
    co_return more;
}

}  // namespace otto::http
// NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
