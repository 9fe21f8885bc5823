#pragma once
#include <atomic>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <unordered_map>

#include "http/addresses.hpp"
#include "incoming.hpp"
#include "loop.hpp"
#include "routes.hpp"
#include "workers.hpp"

namespace otto::http {

using Acceptor = net::basic_socket_acceptor<tcp, Executor>;
using Descriptor = net::posix::basic_stream_descriptor<Executor>;

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

/// How many connections each address has. Any thread.
class Callers {
public:
    /// The new one counted.
    std::size_t come(const std::string& address) {
        std::lock_guard guard(lock_);
        return ++counts_[address];
    }
    void go(const std::string& address) {
        std::lock_guard guard(lock_);
        auto found = counts_.find(address);
        if (--found->second == 0) counts_.erase(found);
    }

private:
    std::mutex lock_;
    std::unordered_map<std::string, std::size_t> counts_;
};

/// Connections come and go in server.cpp; what happens on one of them stands in exchange.cpp, how an answer leaves in reply.cpp.
struct Server::Impl {
    ServerOptions options;
    AddressRanges proxies;  ///< those that are trusted
    std::shared_ptr<const Router> router;
    std::vector<std::shared_ptr<Loop>> loops;
    std::size_t next_loop = 0;
    std::optional<Acceptor> acceptor;
    std::unique_ptr<Workers> workers;
    std::vector<std::shared_ptr<Descriptor>> watched;
    std::atomic<bool> draining{false};
    std::atomic<std::size_t> connections{0}, unheard{0}, busy{0};
    Callers callers;
    mutable std::atomic<bool> proxy_told{false};
    unsigned short bound = 0;

    /// What a connection does now: a request, and its answer; of one that is refused before a handler sees it, from then on.
    struct Exchange {
        Incoming in;
        const Route* route = nullptr;
        bool keep_alive = false;
        std::optional<Response> answer;
        std::optional<Moving> body;  ///< while it needs room: if it has not come at once
        std::string_view label() const { return route ? std::string_view(route->path) : "-"; }
    };

    net::io_context& io() { return *loops.front()->io; }
    Task<void> accept_loop();
    void welcome(Loop&, Socket);
    void close_idle(Loop&, bool unheard_too);
    Task<void> serve(Loop&, std::shared_ptr<Connection>);
    Task<bool> exchange(Loop&, Connection&);
    Task<bool> receive(Loop&, Connection&, Exchange&);
    bool take_body(Connection&, Exchange&);
    Task<bool> receive_body(Loop&, Connection&, Exchange&);
    Task<error_code> take_piece(Loop&, Connection&, std::string& body, std::size_t rest);
    template <class Work>
    Task<void> on_worker(Loop&, Work&);
    static Response settle(std::optional<Response>, const Request&);
    Task<bool> admitted(Loop&, Exchange&);
    void refuse(Exchange&, const Problem&, bool keep_alive = false);
    bool acceptable(Loop&, Exchange&);
    bool well_formed(Exchange&);
    bool find_route(Loop&, Exchange&);
    Task<bool> reply(Loop&, Connection&, const Request&, std::string_view route, Response, bool keep_alive);
    Task<bool> send_text(Loop&, Connection&, const Request&, std::string& head, const std::string& body);
    Task<void> send_stream(Loop&, Connection&, const Request&, std::string& head, std::shared_ptr<StreamBody>);
    Task<bool> send_file(Loop&, Connection&, const Request&, std::shared_ptr<const FileBody>);
    std::shared_ptr<Answer> ask(Loop&, Connection&, const Route&, Request&);
    void measure(const Connection&, const Request&, std::string_view route, int status);
    const Router::Impl& routes() const { return *router->impl_; }
    void describe(Request&, const std::string& peer) const;
    std::string client_of(const Headers&, const std::string& peer) const;
    bool trusted(std::string_view address) const { return proxies.contains(address); }
    std::size_t fair_share() const { return std::max<std::size_t>(64, options.max_connections / 10); }
};

}  // namespace otto::http
