#include "load.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>

namespace otto::bench {
namespace {

constexpr std::chrono::seconds kPatience{10};

/// How often an open loop sends what is due and reads what is there, as wrk2 does. To wake up for each costs half a core of the
/// two that the server is to have. What waits for it counts: latency is from when a request was due to when its answer has been
/// read.
constexpr std::chrono::milliseconds kTick{1};

int connected(int port) {
    int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int on = 1;
    if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0 ||
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0) {
        std::fprintf(stderr, "no connection to port %d: %s\n", port, std::strerror(errno));
        std::exit(1);
    }
    return fd;
}

/// Status and size of the answer at the front of `in`, once its head is there.
struct Head {
    int status = 0;
    std::size_t body_at = 0, body = 0;
};
std::optional<Head> head_of(std::string_view in) {
    auto end = in.find("\r\n\r\n");
    if (end == std::string_view::npos || in.size() < 12) return std::nullopt;
    Head h;
    h.status = std::atoi(in.substr(9, 3).data());
    h.body_at = end + 4;
    for (std::size_t at = 0; at < end;) {
        auto line = in.substr(at, in.find("\r\n", at) - at);
        if (line.size() > 15 && ::strncasecmp(line.data(), "content-length:", 15) == 0)
            h.body = static_cast<std::size_t>(std::atoll(line.data() + 15));
        at += line.size() + 2;
    }
    return h;
}

struct Connection {
    int fd = -1;
    const std::string* out = nullptr;
    std::size_t sent = 0;
    std::string in;
    std::optional<Steady::time_point> since;
};

}  // namespace

void Histogram::add(std::int64_t us) {
    us = std::clamp<std::int64_t>(us, 0, 3'600'000'000);
    auto v = static_cast<std::uint64_t>(us);
    auto power = v < 128 ? 0 : std::bit_width(v) - 7;  // v >> power is below 128
    ++buckets_[static_cast<std::size_t>(power) * 128 + (v >> power)];
    ++count_;
    max_ = std::max(max_, us);
}

double Histogram::at(double share) const {
    auto wanted = static_cast<std::uint64_t>(share * static_cast<double>(count_) + 0.999999);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets_.size(); ++i)
        if (seen += buckets_[i]; seen >= wanted && seen > 0)
            return std::min(max_ms(), static_cast<double>(((i % 128) + 1) << (i / 128)) / 1e3);
    return 0;
}

std::vector<std::string> read_requests(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    std::vector<std::string> out;
    for (std::string line; std::getline(in, line);) {
        std::string request(static_cast<std::size_t>(std::atoll(line.c_str())), '\0');
        in.read(request.data(), static_cast<std::streamsize>(request.size()));
        out.push_back(std::move(request));
    }
    if (out.empty()) {
        std::fprintf(stderr, "%s holds no requests\n", file.c_str());
        std::exit(1);
    }
    return out;
}

std::string LoadResult::json() const {
    char text[400];
    std::snprintf(
        text, sizeof text,
        R"({"requests": %lu, "seconds": %.3f, "requests_per_s": %.1f, "p50_ms": %.3f, "p90_ms": %.3f, "p99_ms": %.3f, "p999_ms": %.3f, "max_ms": %.3f, "not_2xx": %lu, "errors": %lu})",
        done, seconds, static_cast<double>(done) / seconds, latency.at(.5), latency.at(.9), latency.at(.99), latency.at(.999),
        latency.max_ms(), not_2xx, errors);
    return text;
}

LoadResult run_load(const LoadOptions& o, const std::function<const std::string&(std::uint64_t)>& request,
                    const std::function<void(std::uint64_t, Steady::time_point)>& due) {
    int poller = ::epoll_create1(0);
    std::vector<std::unique_ptr<Connection>> connections;
    std::vector<Connection*> idle;
    for (int i = 0; i < o.connections; ++i) {
        auto& c = *connections.emplace_back(std::make_unique<Connection>());
        c.fd = connected(o.port);
        ::fcntl(c.fd, F_SETFL, O_NONBLOCK);
        epoll_event e{};
        e.events = EPOLLIN;
        e.data.ptr = &c;
        ::epoll_ctl(poller, EPOLL_CTL_ADD, c.fd, &e);
        idle.push_back(&c);
    }
    LoadResult result;
    std::size_t busy = 0;
    auto lost = [&](Connection& c) {
        ++result.errors;
        ::close(c.fd);
        c.fd = -1;
        if (c.since) --busy;
        c.since.reset();
    };
    auto push = [&](Connection& c) {  // what does not fit into the socket's buffer is waited for: it always does in practice
        while (c.sent < c.out->size()) {
            auto n = ::send(c.fd, c.out->data() + c.sent, c.out->size() - c.sent, MSG_NOSIGNAL);
            if (n < 0 && errno == EAGAIN) continue;
            if (n <= 0) return lost(c);
            c.sent += static_cast<std::size_t>(n);
        }
    };
    const auto start = Steady::now();
    const auto end = start + std::chrono::duration_cast<Steady::duration>(std::chrono::duration<double>(o.seconds));
    std::uint64_t next = 0;
    auto due_at = [&](std::uint64_t n) {
        return start +
               std::chrono::duration_cast<Steady::duration>(std::chrono::duration<double>(static_cast<double>(n) / o.rate));
    };
    const auto all = o.rate > 0 ? static_cast<std::uint64_t>(o.rate * o.seconds) : ~0ULL;
    epoll_event events[256];
    std::vector<char> buffer(256 << 10);
    while (true) {
        auto now = Steady::now();
        bool open = o.rate > 0;
        while (!idle.empty() && next < all && (open ? due_at(next) <= now : now < end)) {
            auto& c = *idle.back();
            idle.pop_back();
            c.out = &request(next);
            c.sent = 0;
            c.since = open ? due_at(next) : now;
            if (due) due(next, *c.since);
            ++next;
            ++busy;
            push(c);
        }
        bool more = open ? next < all : now < end;
        if (!more && busy == 0) break;
        if (now > end + kPatience) {
            result.errors += busy;
            break;
        }
        if (open) std::this_thread::sleep_until(now + kTick - (now - start) % kTick);
        int n = ::epoll_wait(poller, events, 256, open ? 0 : 100);
        for (int i = 0; i < n; ++i) {
            auto& c = *static_cast<Connection*>(events[i].data.ptr);
            auto got = ::recv(c.fd, buffer.data(), buffer.size(), 0);
            if (got <= 0) {
                if (got < 0 && errno == EAGAIN) continue;
                lost(c);
                continue;
            }
            c.in.append(buffer.data(), static_cast<std::size_t>(got));
            auto head = head_of(c.in);
            if (!head || c.in.size() < head->body_at + head->body) continue;
            c.in.erase(0, head->body_at + head->body);
            if (!c.since) continue;
            result.latency.add(std::chrono::duration_cast<std::chrono::microseconds>(Steady::now() - *c.since).count());
            c.since.reset();
            --busy;
            ++result.done;
            if (head->status / 100 != 2) ++result.not_2xx;
            idle.push_back(&c);
        }
        if (std::all_of(connections.begin(), connections.end(), [](const auto& c) { return c->fd < 0; })) break;
    }
    result.seconds = std::chrono::duration<double>(Steady::now() - start).count();
    for (auto& c : connections)
        if (c->fd >= 0) ::close(c->fd);
    ::close(poller);
    return result;
}

Client::Client(int port) : fd_(connected(port)) {}
Client::~Client() { ::close(fd_); }

std::pair<int, std::string> Client::ask(const std::string& request) {
    auto gone = [] {
        std::fprintf(stderr, "the server closed a connection\n");
        std::exit(1);
    };
    for (std::size_t sent = 0; sent < request.size();) {
        auto n = ::send(fd_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
        if (n <= 0) gone();
        sent += static_cast<std::size_t>(n);
    }
    std::vector<char> buffer(256 << 10);
    while (true) {
        if (auto head = head_of(in_); head && in_.size() >= head->body_at + head->body) {
            std::pair<int, std::string> answer{head->status, in_.substr(head->body_at, head->body)};
            in_.erase(0, head->body_at + head->body);
            return answer;
        }
        auto n = ::recv(fd_, buffer.data(), buffer.size(), 0);
        if (n <= 0) gone();
        in_.append(buffer.data(), static_cast<std::size_t>(n));
    }
}

}  // namespace otto::bench
