#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "http/message.hpp"

namespace otto::http {

struct ClientOptions {
    Millis connect_timeout{5'000}, total_timeout{15'000};
    std::size_t body_limit = 8u << 20;
    int retries = 2;                              ///< of idempotent methods, on connection loss, 429, 502–504
    double retry_budget = 0.2;                    ///< retries as a share of requests, so that a sick peer is not stormed
    std::size_t pool_per_host = 8;
    std::vector<std::string> private_addresses;   ///< host:port that may be reached although private (OTTO_PRIVATE_ADDRESSES)
    std::string ca_file;                          ///< PEM of authorities to trust instead of the system's store; empty = the system's
    std::string metrics_name = "http_client";
};

struct ClientRequest {
    Method method = Method::get;
    std::string url;
    Headers headers;
    std::string body;
    tel::TraceContext trace;
};

/// Blocking calls over pooled keep-alive connections; TLS with verification against the system's store. Refuses addresses that are loopback,
/// private, link-local or otherwise not public, after resolution and again at connect. Redirects are not followed. Thread-safe.
class Client {
public:
    explicit Client(ClientOptions);
    ~Client();
    /// Any HTTP status is a Response; an Error says what kept one from coming.
    Result<Response> send(const ClientRequest&);

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace otto::http
