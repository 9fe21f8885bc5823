#pragma once
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

/// Clients that say what a test wants, byte by byte.
namespace otto::http::testing {

/// A connection that says exactly what it is told to.
class Raw {
public:
    /// `buffer`: bytes that the kernel takes in for a client that does not read; 0 = as many as it likes.
    explicit Raw(unsigned short port, const char* from = "127.0.0.1", int buffer = 0) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in a{};
        a.sin_family = AF_INET;
        timeval patience{10, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
        ::inet_pton(AF_INET, from, &a.sin_addr);
        if (::bind(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a) != 0)
            throw std::runtime_error("no address");  // Catch's macros are for one thread
        a.sin_port = htons(port);
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a) != 0) throw std::runtime_error("no connection");
        int at_once = 1;
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);  // what is said in pieces goes out in pieces
    }
    Raw(Raw&& other) noexcept : fd_(std::exchange(other.fd_, -1)), got_(std::move(other.got_)) {}
    ~Raw() { hang_up(); }
    Raw& say(const std::string& text) {
        (void)!::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
        return *this;
    }
    /// Ends its own half only.
    Raw& says_no_more() {
        ::shutdown(fd_, SHUT_WR);
        return *this;
    }
    void hang_up() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    /// Reads until `marker` has come (it included), or the end.
    std::string until(const std::string& marker) {
        auto at = got_.find(marker);
        while (at == std::string::npos) {
            char buffer[16'384];
            auto n = ::recv(fd_, buffer, sizeof buffer, 0);
            if (n <= 0) return std::exchange(got_, {});
            auto seen = got_.size() - std::min(got_.size(), marker.size());
            got_.append(buffer, static_cast<std::size_t>(n));
            at = got_.find(marker, seen);
        }
        auto end = at + marker.size();
        auto out = got_.substr(0, end);
        got_.erase(0, end);
        return out;
    }
    std::string to_end() { return until(std::string("\0never\0", 7)); }

private:
    int fd_;
    std::string got_;
};

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline std::string post(const std::string& path, const std::string& headers, const std::string& body) {
    return "POST " + path + " HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n" + body;
}

}  // namespace otto::http::testing
