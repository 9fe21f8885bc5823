#pragma once
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "base/text.hpp"
#include "http/server.hpp"
#include "providers/twilio.hpp"
#include "testing/catch.hpp"

/// Who stands in for Twilio's API.
namespace otto::providers::twilio {

inline const std::string kSid = "AC" + std::string(32, 'a');
inline const Account kAccount = Account::with_token(kSid, Secret("token"));

inline std::string refusal(int status, int code, const std::string& message = "Said by Twilio.") {
    return R"({"code":)" + std::to_string(code) + R"(,"message":")" + message +
           R"(","more_info":"https://www.twilio.com/docs/errors/)" + std::to_string(code) + R"(","status":)" +
           std::to_string(status) + "}";
}

/// Answers what it is told, and keeps what it was asked.
class Peer {
public:
    Peer() {
        auto routes = std::make_shared<http::Router>();
        for (std::string path : {"/2010-04-01/Accounts/{sid}/{list}", "/2010-04-01/Accounts/{sid}/{list}/{id}",
                                 "/2010-04-01/Accounts/{sid}/AvailablePhoneNumbers/{country}/Local.json"})
            for (auto method : {http::Method::get, http::Method::post})
                routes->add(method, path, [this](const http::Request& r) {
                    std::lock_guard guard(lock_);
                    asked_ = r;
                    return http::Response::json(status_, body_);
                });
        server_ = std::make_unique<http::Server>(http::ServerOptions{}, routes);
        REQUIRE(server_->start().ok());
    }
    std::string place() const { return "127.0.0.1:" + std::to_string(server_->port()); }
    http::Request asked() {
        std::lock_guard guard(lock_);
        return asked_;
    }
    void answers(int status, std::string body) {
        std::lock_guard guard(lock_);
        status_ = status;
        body_ = std::move(body);
    }

private:
    std::mutex lock_;
    int status_ = 200;
    std::string body_;
    http::Request asked_;
    std::unique_ptr<http::Server> server_;
};

/// A port that is taken and where nobody answers; `listens`: who connects may even write.
class Silence {
public:
    explicit Silence(bool listens) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0);
        if (listens) REQUIRE(::listen(fd_, 4) == 0);
        socklen_t n = sizeof a;
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&a), &n);
        port_ = ntohs(a.sin_port);
    }
    ~Silence() { ::close(fd_); }
    std::string place() const { return "127.0.0.1:" + std::to_string(port_); }

private:
    int fd_, port_ = 0;
};

inline http::ClientOptions once(const std::string& place) {
    http::ClientOptions o;
    o.private_addresses = {place};
    o.total_timeout = Millis{200};
    o.retries = 0;
    return o;
}

}  // namespace otto::providers::twilio
