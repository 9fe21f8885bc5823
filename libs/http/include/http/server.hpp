#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "http/message.hpp"

namespace otto::http {

/// A request that wants its answer, at once or later.
struct Asked {
    Request request;
    Responder respond;
};
/// Runs on the server's I/O thread and must not block. It gets what has come in one turn of that thread, so that what many can share is done once for all.
using AsyncHandler = std::function<void(std::vector<Asked>)>;
/// Runs on the server's worker threads and may block on the database.
using Handler = std::function<Response(const Request&)>;

struct RouteLimits {
    std::size_t body = 1u << 20;                          ///< 413 above
    std::vector<std::string> content_types = {};          ///< 415 for a body that says another type; empty = any
};

/// One table of method, path ("/api/v1/calls/{call_id}"), handler. Fixed before the server starts. HEAD is served by GET. A path that is there with
/// other methods answers 405 with Allow; an unknown one 404; a trailing slash counts only if the table has it.
class Router {
public:
    void add(Method, std::string path, Handler, RouteLimits = {});
    /// One handler of all these paths.
    void add_async(Method, const std::vector<std::string>& paths, AsyncHandler, RouteLimits = {});
    struct Entry { Method method; std::string path; };
    std::vector<Entry> entries() const;
    Router();
    ~Router();

private:
    friend class Server;
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

struct ServerOptions {
    std::string address = "127.0.0.1";
    unsigned short port = 0;                  ///< 0 = any free one; see Server::port()
    int io_threads = 1, workers = 8;
    std::size_t head_limit = 32u << 10;       ///< 431 above
    std::size_t bodies_limit = 256u << 20;    ///< bytes of all bodies being read; 503 above
    std::size_t max_connections = 10'000;
    Millis head_timeout{10'000}, body_timeout{30'000}, idle_timeout{75'000}, answer_timeout{60'000};
    std::vector<std::string> trusted_proxies; ///< addresses whose X-Forwarded-For is believed
    std::string metrics_name = "http";
};

/// HTTP/1.1 on Beast: keep-alive, pipelining, Expect: 100-continue, both lengths in one request refused, per-request access line and metrics.
class Server {
public:
    Server(ServerOptions, std::shared_ptr<const Router>);
    ~Server();
    Result<void> start();                       ///< binds and listens; the error names the port
    unsigned short port() const;
    /// Runs `ready` on the I/O thread whenever `fd` is readable; for delivery reports. Before start() only.
    void watch(int fd, std::function<void()> ready);
    /// Runs `job` on the I/O thread every `period`.
    void every(Millis period, std::function<void()> job);
    void post(std::function<void()> job);
    /// Stops accepting, lets what is under way finish until `deadline`, then closes; a connection on which nothing has come yet may send its first
    /// request for another second. False if something had to be cut off.
    bool drain(Millis deadline);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace otto::http
