#pragma once
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "testing/catch.hpp"

/// Peers that say what a test wants, for tests of whoever talks to them.
namespace otto::http::testing {

inline const std::string kSilence = "silence", kDeaf = "deaf:", kDrip = "drip:", kFlood = "flood:";

/// A peer that says what a test wants, byte by byte. Each connection has its script: one answer a request, and at its end the
/// connection is closed. The last script serves all further connections. kSilence: no answer, the connection stays. kDeaf +
/// answer: answered and closed once the head is there, the body unread. kDrip + answer: after it a byte every few milliseconds,
/// kFlood + answer: after it as many as can be sent, until the client hangs up.
class RawPeer {
public:
    using Script = std::vector<std::string>;
    explicit RawPeer(std::vector<Script> scripts) : scripts_(std::move(scripts)) {
        fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0);
        REQUIRE(::listen(fd_, 16) == 0);
        socklen_t n = sizeof a;
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&a), &n);
        port_ = ntohs(a.sin_port);
        acceptor_ = std::thread([this] { accept_all(); });
    }
    ~RawPeer() {
        ::shutdown(fd_, SHUT_RDWR);
        acceptor_.join();
        {
            std::lock_guard guard(lock_);
            for (int c : open_) ::shutdown(c, SHUT_RDWR);
        }
        for (auto& t : talks_) t.join();
        ::close(fd_);
    }
    std::string place() const { return "127.0.0.1:" + std::to_string(port_); }
    std::string url() const { return "http://" + place() + "/"; }
    int connections() const { return connections_; }
    std::vector<std::string> requests() const {
        std::lock_guard guard(lock_);
        return requests_;
    }
    /// Returns when that many connections have been closed from here.
    void wait_closed(int n) {
        std::unique_lock guard(lock_);
        REQUIRE(changed_.wait_for(guard, std::chrono::seconds(30), [&] { return closed_ >= n; }));
    }

private:
    void accept_all() {
        for (;;) {
            int c = ::accept(fd_, nullptr, nullptr);
            if (c < 0) return;
            auto n = static_cast<std::size_t>(connections_++);
            std::lock_guard guard(lock_);
            open_.push_back(c);
            talks_.emplace_back([this, c, &script = scripts_[std::min(n, scripts_.size() - 1)]] { talk(c, script); });
        }
    }
    void talk(int c, const Script& script) {
        std::string got;
        auto more = [&] {
            char buffer[4096];
            auto n = ::recv(c, buffer, sizeof buffer, 0);
            if (n > 0) got.append(buffer, static_cast<std::size_t>(n));
            return n > 0;
        };
        for (const auto& answer : script) {
            bool alive = true;
            while (got.find("\r\n\r\n") == std::string::npos && (alive = more())) {
            }
            if (!alive) break;
            bool deaf = answer.starts_with(kDeaf);
            auto size = got.find("\r\n\r\n") + 4;
            if (auto length = got.find("Content-Length: "); length < size && !deaf) size += std::stoul(got.substr(length + 16));
            while (got.size() < size && (alive = more())) {
            }
            if (!alive) break;
            {
                std::lock_guard guard(lock_);
                requests_.push_back(got.substr(0, size));
            }
            got.erase(0, size);
            if (answer == kSilence) {
                while (more()) {
                }
                break;
            }
            bool drips = answer.starts_with(kDrip), floods = answer.starts_with(kFlood);
            auto text = deaf     ? answer.substr(kDeaf.size())
                        : drips  ? answer.substr(kDrip.size())
                        : floods ? answer.substr(kFlood.size())
                                 : answer;
            ::send(c, text.data(), text.size(), MSG_NOSIGNAL);
            const std::string more_of_it(drips ? 1 : 65'536, 'x');
            pollfd hang_up{c, POLLIN, 0};
            while ((drips || floods) && ::poll(&hang_up, 1, drips ? 5 : 0) == 0 &&
                   ::send(c, more_of_it.data(), more_of_it.size(), MSG_NOSIGNAL) > 0) {
            }
        }
        std::lock_guard guard(lock_);
        std::erase(open_, c);
        ::close(c);
        ++closed_;
        changed_.notify_all();
    }

    std::vector<Script> scripts_;
    int fd_ = -1, port_ = 0;
    std::atomic<int> connections_{0};
    mutable std::mutex lock_;
    std::condition_variable changed_;
    std::vector<std::string> requests_;
    std::vector<int> open_;
    int closed_ = 0;
    std::vector<std::thread> talks_;
    std::thread acceptor_;
};

}  // namespace otto::http::testing
