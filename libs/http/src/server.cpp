#include "http/server.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/redirect_error.hpp>
#include <future>

#include "server_impl.hpp"
#include "telemetry/log.hpp"

namespace otto::http {
namespace {

/// How long a drain waits for the first request of a connection that was opened just before.
constexpr std::chrono::milliseconds kFirstRequest{1'000};

/// To a client that has twice as many connections as one may have.
constexpr std::string_view kTooMany =
    "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\nConnection: close\r\nContent-Type: "
    "application/problem+json\r\nContent-Length: 138\r\n\r\n"
    R"({"type":"about:blank","title":"Too many connections","status":503,"detail":"Your address has too many connections open; close idle ones."})";

}  // namespace

Task<void> Server::Impl::serve(Loop& loop, std::shared_ptr<Connection> c) {
    Held<std::size_t> counted(connections, 1);
    struct Listed {
        Loop& loop;
        Connection* connection;
        Callers& callers;
        Listed(Loop& l, Connection* k, Callers& all) : loop(l), connection(k), callers(all) { loop.open.insert(connection); }
        ~Listed() {
            loop.open.erase(connection);
            callers.go(connection->peer);
        }
    } listed(loop, c.get(), callers);
    try {
        bool more = true;
        while (more && !(draining && c->heard)) more = co_await exchange(loop, *c);
    } catch (const std::exception& e) {
        tel::debug("connection ended", {{"why", e.what()}});
    }
    if (!c->heard) --unheard;
    error_code ignored;
    c->socket.shutdown(tcp::socket::shutdown_send, ignored);
    // What the client is still sending is read for a moment: closing at once would reset the connection before it has read the
    // answer. A proxy sends all of a body that is too large before it looks for an answer.
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
    error_code error;
    auto peer = plain_address(socket.remote_endpoint(error).address().to_string());
    if (error) return;  // gone already
    auto has = callers.come(peer);
    bool many = has > fair_share() && !trusted(peer);
    if (many && has > 2 * fair_share()) {
        callers.go(peer);
        (void)!::send(socket.native_handle(), kTooMany.data(), kTooMany.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        socket.shutdown(tcp::socket::shutdown_send, error);
        return;
    }
    socket.set_option(tcp::no_delay(true), error);
    ++unheard;
    auto connection = std::make_shared<Connection>(std::move(socket), options.head_limit + (64u << 10), std::move(peer));
    connection->brief = many;
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
    const auto& o = s.options;
    auto shortest =
        std::min({o.head_timeout, o.body_timeout, o.idle_timeout, o.answer_timeout, o.still_timeout, o.taking_timeout});
    auto sweep = std::clamp(shortest / 8, Millis{5}, Millis{250});
    const auto count = static_cast<std::size_t>(std::max(1, o.io_threads));
    for (std::size_t i = 0; i < count; ++i) {
        auto& loop = s.loops.emplace_back(std::make_shared<Loop>(sweep));
        for (auto one : s.routes().rooms) {
            auto room = std::max(one, std::clamp(8 * one, o.least_room, o.most_room) / count);
            loop->bodies.emplace_back(room, std::max(one, room / 8));
        }
        loop->answers.emplace(o.answers_room / count, o.answers_room / count);
    }
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
    if (error) return Error("'" + s.options.address + "' is no address to listen on", "0.0.0.0, 127.0.0.1, or :: for both");
    auto proxies = AddressRanges::parse(s.options.trusted_proxies);
    if (!proxies) return Error("trusted proxies: " + proxies.error().message, proxies.error().hint);
    s.proxies = std::move(*proxies);
    tcp::endpoint endpoint(address, s.options.port);
    s.acceptor->open(endpoint.protocol());
    s.acceptor->set_option(net::socket_base::reuse_address(true));
    if (address.is_v6()) s.acceptor->set_option(net::ip::v6_only(false), error);  // "::" is every address of version 4 too
    s.acceptor->bind(endpoint, error);
    if (error)
        return Error("cannot listen on " + s.options.address + ":" + std::to_string(s.options.port) + ": " + error.message(),
                     "is another program on this port? choose another");
    s.acceptor->listen(4096);
    s.bound = s.acceptor->local_endpoint().port();
    s.workers = std::make_unique<Workers>(s.options.workers);
    net::co_spawn(s.io(), s.accept_loop(), net::detached);
    for (auto& loop : s.loops) {
        net::co_spawn(*loop->io, loop->watch_deadlines(), net::detached);
        loop->start(*s.workers);
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

Millis Server::still_for() const {
    Millis most{0};
    for (const auto& loop : impl_->loops) most = std::max(most, loop->still_for());
    return most;
}

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
    const auto farewells = std::min(s.options.farewells, deadline / 2);
    for (auto& loop : s.loops) loop->post([&loop, farewells] { loop->end_streams(farewells); });
    if (s.workers) accepted->get_future().wait_until(until);
    while ((s.busy > 0 || s.unheard > 0) && Steady::now() < patience) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    close_all(true);
    while (s.busy > 0 && Steady::now() < until) std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return s.busy == 0;
}

}  // namespace otto::http
