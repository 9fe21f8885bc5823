#pragma once
#include <atomic>
#include <string>
#include <thread>

#include "api/api.hpp"
#include "hub.hpp"

namespace otto::query_service {

/// GET /api/v1/stream: what changes, told as it happens. Reads all of otto.changes, of every company, on a thread of its own.
class Stream {
public:
    Stream(std::string brokers, std::shared_ptr<identity::Members> members);
    ~Stream();
    void routes(api::Api&) const;
    http::Response open(api::Context&) const;
    void start();
    void stop();

private:
    void read();
    const std::string brokers_;
    const std::shared_ptr<identity::Members> members_;
    mutable Hub hub_;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

}  // namespace otto::query_service
