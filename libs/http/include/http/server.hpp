#pragma once
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "http/message.hpp"

namespace otto::http {

/// A request that wants its answer, at once or later.
struct PendingRequest {
    Request request;
    Responder respond;
};
/// Runs on the server's I/O thread and must not block. It gets what has come in one turn of that thread, so that what many can
/// share is done once for all.
using AsyncHandler = std::function<void(std::vector<PendingRequest>)>;
/// Runs on the server's worker threads and may block on the database.
using Handler = std::function<Response(const Request&)>;

/// What a route makes of a request's head.
struct Admission {
    std::optional<Response> refusal = {};    ///< the answer: the body is not read, and no handler sees the request
    Share share = {};                        ///< whose work it is
    std::shared_ptr<const void> known = {};  ///< what was found out, for the handler
};
/// Judges a request by its head, before any of its body is read. It is asked on the I/O thread first, where it must not wait:
/// nothing means that it cannot tell without waiting, and it is asked again on a worker with `may_wait`.
using Admit = std::function<std::optional<Admission>(const Request&, bool may_wait)>;

struct RouteLimits {
    std::size_t body = 1u << 20;                  ///< 413 above
    std::vector<std::string> content_types = {};  ///< 415 for a body that says another type; empty = any
    Admit admit = {};                             ///< none: everybody is welcome, and the work is nobody's in particular
};

/// Holds back routes of a table: while it is shut they answer 503 with the reason, and no handler sees a request. Shut at first;
/// any thread opens it.
class Gate {
public:
    /// `why`: said to whoever comes meanwhile; asked on the I/O thread.
    explicit Gate(std::function<std::string()> why) : why_(std::move(why)) {}
    void open() { open_ = true; }
    bool is_open() const { return open_; }
    std::string why() const { return why_(); }

private:
    std::function<std::string()> why_;
    std::atomic<bool> open_{false};
};

/// One table of method, path ("/api/v1/calls/{call_id}"), handler. Fixed before the server starts. HEAD is served by GET. A path
/// that is there with other methods answers 405 with Allow; an unknown one 404, which names the one that was probably meant; a
/// trailing slash counts only if the table has it. A last segment {path...} takes all the rest, also an empty one; what is
/// spelled out goes before it, and a slash that came encoded looks like any other there. Bodies of one entry share a room of
/// their own: see ServerOptions.
class Router {
public:
    void add(Method, std::string path, Handler, RouteLimits = {});
    /// One handler of all these paths.
    void add_async(Method, const std::vector<std::string>& paths, AsyncHandler, RouteLimits = {});
    /// What is added from now on stands behind this gate; null: behind none.
    void behind(std::shared_ptr<const Gate>);
    struct Entry {
        Method method;
        std::string path;
    };
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
    unsigned short port = 0;  ///< 0 = any free one; see Server::port()
    int io_threads = 1, workers = 8;
    std::size_t head_limit = 32u << 10;  ///< 431 above
    /// Bodies that are being read share a room for each entry of the route table: eight of its largest ones, but at least
    /// `least_room` and at most `most_room`. A client address has an eighth of a room, and always one body. What counts is what
    /// has come; where room is short the slowest body ends (503).
    std::size_t least_room = 32u << 20, most_room = 256u << 20;
    std::size_t answers_room =
        32u << 20;  ///< bytes of answers over 16 KiB that clients have not taken yet; where it is short the slowest taker ends
    std::size_t max_connections = 10'000;  ///< a tenth of them, but at least 64, a client address; the next ones get one request
                                           ///< each, and over twice as many 503
    Millis head_timeout{10'000}, body_timeout{30'000}, idle_timeout{75'000}, answer_timeout{60'000};
    Millis still_timeout{5'000};  ///< a body that stands still for so long is 408
    Millis taking_timeout{
        15'000};  ///< a client that takes nothing of its answer for so long is ended; after 2 s if over 1 MiB of it waits
    Millis farewells{
        5'000};  ///< a drain ends streams one after another within so long, so that they do not come back all at once
    std::vector<std::string>
        trusted_proxies;  ///< addresses and ranges (10.0.0.0/8) whose X-Forwarded-For, -Proto and -Host are believed
    std::function<void(const std::string&)> untrusted_proxy =
        {};                            ///< called once, on an I/O thread: the private address of a proxy that is not among them
    std::string metrics_name = "api";  ///< the label `server` of what is measured
};

/// HTTP/1.1 on Beast: keep-alive, pipelining, Expect: 100-continue, both lengths in one request refused, per-request access line
/// and metrics. Workers are shared by what Admit names: a company has at most a quarter of them (at least two; all but two while
/// only one company has asked since the start) and 64 requests that wait (429), a user half of both (at least one); companies,
/// and users of one, take turns. What is nobody's in particular is no part of it.
class Server {
public:
    Server(ServerOptions, std::shared_ptr<const Router>);
    ~Server();
    Result<void> start();  ///< binds and listens; the error names the port
    unsigned short port() const;
    /// Runs `ready` on the I/O thread whenever `fd` is readable; for delivery reports. Before start() only.
    void watch(int fd, std::function<void()> ready);
    /// Runs `job` on the I/O thread every `period`.
    void every(Millis period, std::function<void()> job);
    void post(std::function<void()> job);
    /// For how long the stillest of its I/O threads has not turned. They turn four times a second and more, whether anything
    /// comes or not: one that does not is held up, and with it all of its connections. Any thread.
    Millis still_for() const;
    /// Stops accepting, lets what is under way finish until `deadline`, streams with their farewell, then closes; a connection on
    /// which nothing has come yet may send its first request for another second. False if something had to be cut off.
    bool drain(Millis deadline);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace otto::http
