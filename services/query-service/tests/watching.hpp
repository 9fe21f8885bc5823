#pragma once
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <deque>
#include <map>
#include <string>

#include "base/json.hpp"
#include "http/server.hpp"
#include "testing/catch.hpp"

namespace otto::query_service {

/// A dashboard's side of a stream, and a server between it and what the test lets in.
class Watching {
public:
    struct Frame {
        std::string id, event, data;  ///< a comment: event is ":"
        std::string at(const char* member) const {
            auto value = JsonDocument::parse(data).value().root()[member].dump();
            return value.starts_with('"') ? value.substr(1, value.size() - 2) : value;
        }
    };
    Watching(unsigned short port, const std::string& query = {}, int buffer = 0) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
        timeval patience{10, 0};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        if (buffer > 0) ::setsockopt(fd_, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
        sockaddr_in a{};
        a.sin_family = AF_INET;
        a.sin_port = htons(port);
        a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(::connect(fd_, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0);
        auto request = "GET /stream?" + query + " HTTP/1.0\r\n\r\n";  // no chunks
        REQUIRE(::send(fd_, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size()));
        head_ = until("\r\n\r\n");
    }
    Watching(Watching&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)), got_(std::move(other.got_)), head_(std::move(other.head_)) {}
    ~Watching() { leave(); }
    void leave() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    int status() const { return std::stoi(head_.substr(head_.find(' '))); }
    /// The next frame; one without anything is the end.
    Frame next() {
        Frame frame;
        auto text = until("\n\n");
        for (std::size_t at = 0; at < text.size();) {
            auto end = std::min(text.find('\n', at), text.size());
            auto line = text.substr(at, end - at);
            at = end + 1;
            if (line.starts_with("id: ")) frame.id = line.substr(4);
            if (line.starts_with("event: ")) frame.event = line.substr(7);
            if (line.starts_with("data: ")) frame.data = line.substr(6);
            if (line.starts_with(":")) frame.event = ":";
        }
        return frame;
    }
    /// All until that event, it included, as "change call 7".
    std::vector<Frame> until_event(const std::string& event) {
        std::vector<Frame> all;
        do all.push_back(next());
        while (!all.back().event.empty() && all.back().event != event);
        return all;
    }

private:
    std::string until(const std::string& marker) {
        std::size_t at;
        while ((at = got_.find(marker)) == std::string::npos) {
            char buffer[16'384];
            auto n = ::recv(fd_, buffer, sizeof buffer, 0);
            if (n <= 0) return std::exchange(got_, {});
            got_.append(buffer, static_cast<std::size_t>(n));
        }
        auto out = got_.substr(0, at);
        got_.erase(0, at + marker.size());
        return out;
    }
    int fd_;
    std::string got_, head_;
};

}  // namespace otto::query_service
