#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "http/message.hpp"

namespace otto::http {

struct ClientOptions {
    Millis connect_timeout{5'000};      ///< for one connection: looking the name up, connecting, TLS
    Millis total_timeout{15'000};       ///< for one send(), its retries and pauses included
    std::size_t body_limit = 8u << 20;  ///< bytes of an answer's body; a larger one is an Error
    int retries = 2;                    ///< of idempotent methods, on connection loss, 429, 502–504
    double retry_budget = 0.2;          ///< retries as a share of requests (and 10 at once), so that a sick peer is not stormed
    std::size_t pool_per_host = 8;      ///< idle connections kept per scheme, host and port, for 30 s
    std::vector<std::string>
        private_addresses;  ///< host:port ([host]:port for IPv6) that may be reached although private (OTTO_PRIVATE_ADDRESSES)
    std::string ca_file;    ///< PEM of authorities to trust instead of the system's store; empty = the system's
    std::string metrics_name = "other";  ///< the label `client` of otto_http_client_requests_total
};

struct ClientRequest {
    Method method = Method::get;
    std::string url;  ///< http or https, percent-encoded
    Headers headers;  ///< Host, Content-Length and Transfer-Encoding are the client's own and refused here
    std::string body;
    tel::TraceContext trace;  ///< sent as traceparent; empty = a new journey
};

struct DownloadOptions {
    Millis total_timeout{600'000};          ///< for one download(), connecting included
    Millis idle_timeout{30'000};            ///< until the answer begins, and from each piece of it to the next
    std::uint64_t byte_limit = 1ull << 30;  ///< bytes of a body that goes to the sink
};

/// Takes a body piece by piece, in order; false = no more is wanted.
using Sink = std::function<bool(std::string_view)>;

/// How a download ended.
struct Download {
    enum class End {
        answered,   ///< `response` is what the peer said; a 2xx body is in the sink, whole
        stopped,    ///< the sink wanted no more
        too_large,  ///< the body is over the byte limit, or says that it will be
        broken,     ///< no connection, out of time, or less than the whole body: another attempt may fare better
        refused,    ///< a URL, a header or a private address that this client does not use: another attempt fares no better
    };
    End end = End::broken;
    Response
        response;  ///< status and headers if any came; the body of a status other than 2xx, its first `body_limit` bytes at most
    std::uint64_t bytes = 0;     ///< that the sink was given
    std::optional<Error> error;  ///< unless answered
    bool answered() const { return end == End::answered; }
};

/// What came of a request: an answer of whatever status, or what kept one from coming.
class [[nodiscard]] Sent : public Result<Response> {
public:
    Sent(Response response) : Result(std::move(response)) {}
    Sent(Error error, bool unsent = false) : Result(std::move(error)), unsent_(unsent) {}
    /// No byte of the request has left, in any attempt: the peer cannot have acted on it. After any other error it may have.
    bool unsent() const { return unsent_; }

private:
    bool unsent_ = false;
};

/// Blocking calls over pooled keep-alive connections. Thread-safe; callers do not wait for one another. One client is made and
/// kept: its pool, its retry budget and the trusted authorities are its own. TLS is 1.2 or later and always verified, authority
/// and name. Addresses that are loopback, private, link-local or otherwise not public are refused: each is judged after the name
/// is looked up, and that very one is connected to. Redirects are not followed: a 3xx is a Response like others. A `Retry-After`
/// (seconds or date) is the pause before a retry; one that would not end within the total time-out is not begun, and the answer
/// that asked for it is returned. A kept connection that ends before the first byte of an answer is replaced once for an
/// idempotent method, whatever the budget.
class Client {
public:
    /// Throws Failure if `ca_file` or the system's store cannot be read.
    explicit Client(ClientOptions);
    ~Client();
    Sent send(const ClientRequest&);
    /// A body of any size in constant memory: that of a 2xx answer goes to `sink`, on the caller's thread. One attempt: what has
    /// reached the sink cannot be taken back, so only the caller can begin again. The time-outs are those of `options`, not the
    /// client's own. A body that says neither its length nor its end ends with the connection; whether it is whole, nobody can
    /// tell.
    Download download(const ClientRequest&, const Sink& sink, const DownloadOptions& options = {});

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace otto::http
