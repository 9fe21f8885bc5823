#pragma once
// A provider of the test's own that has recordings, over real sockets, and sound to give.
#include <unistd.h>

#include <filesystem>
#include <mutex>

#include "http/server.hpp"
#include "providers/recordings.hpp"
#include "testing/catch.hpp"

namespace otto::providers::tests {

namespace fs = std::filesystem;

inline bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

inline std::string bytes_of(std::uint32_t n, std::size_t count) {
    std::string out;
    for (std::size_t i = 0; i < count; ++i) out += static_cast<char>(n >> 8 * i & 255);
    return out;
}

/// A WAVE file of 8,000 bytes a second that says it has `said` bytes of sound and has `has`.
inline std::string wav(std::size_t sound, std::optional<std::size_t> said = {}, const std::string& before = "") {
    auto length = static_cast<std::uint32_t>(said.value_or(sound));
    return "RIFF" + bytes_of(36 + length, 4) + "WAVE" + "fmt " + bytes_of(16, 4) + bytes_of(1, 2) + bytes_of(1, 2) +
           bytes_of(8000, 4) + bytes_of(8000, 4) + bytes_of(1, 2) + bytes_of(8, 2) + before + "data" + bytes_of(length, 4) +
           std::string(sound, '\x80');
}

/// So many frames of MPEG 2.5 layer III, 16 kbit/s, 8,000 Hz, one channel: 144 bytes and 72 ms each.
inline std::string mp3(int frames) {
    std::string out;
    for (int i = 0; i < frames; ++i) out += std::string("\xff\xe3\x28\xc4", 4) + std::string(140, '\x11');
    return out;
}

inline std::string id3(std::size_t length) {
    return std::string("ID3\x03\0\0\0\0", 8) + static_cast<char>(length >> 7) + static_cast<char>(length & 0x7f) +
           std::string(length, '\0');
}

struct Folder {
    fs::path path;
    Folder() {
        char text[] = "/tmp/otto-recordings-XXXXXX";
        REQUIRE(::mkdtemp(text));
        path = text;
    }
    ~Folder() { fs::remove_all(path); }
    std::size_t files() const {
        std::size_t n = 0;
        for (const auto& entry : fs::recursive_directory_iterator(path)) n += entry.is_regular_file();
        return n;
    }
};

struct Seen {
    std::string path, authorization;
};

/// A server whose answers a test gives; it notes who came with which key.
class Peer {
public:
    using Answer = std::function<http::Response(const http::Request&)>;
    Peer() {
        for (auto path : {"/v3/a/{account}/calls/{call}/recording.json", "/calls/{call}/recording/redirect", "/audio/{name}",
                          "/2010-04-01/Accounts/{account}/Recordings/{recording}"})
            router_->add(http::Method::get, path, [this](const http::Request& r) {
                std::lock_guard guard(lock_);
                seen_.push_back({r.target, std::string(r.headers.get("authorization"))});
                auto found = answers_.find(r.path);
                return found == answers_.end() ? http::Response::empty(404) : found->second(r);
            });
        server_ = std::make_unique<http::Server>(http::ServerOptions{}, router_);
        REQUIRE(server_->start());
    }
    std::string place() const { return "127.0.0.1:" + std::to_string(server_->port()); }
    std::string url(const std::string& path = "") const { return "http://" + place() + path; }
    void on(const std::string& path, Answer answer) {
        std::lock_guard guard(lock_);
        answers_[path] = std::move(answer);
    }
    void on(const std::string& path, const std::string& body, const std::string& type = "audio/mpeg") {
        on(path, [=](const http::Request&) { return http::Response::text(200, body, type); });
    }
    void redirects(const std::string& path, const std::string& to, int status = 302) {
        on(path, [=](const http::Request&) {
            auto r = http::Response::empty(status);
            r.headers.add("Location", to);
            return r;
        });
    }
    void says(const std::string& path, int status, const std::string& retry_after = "") {
        on(path, [=](const http::Request&) {
            auto r = http::Response::text(status, "{\"error\":\"x\"}", "application/json");
            if (!retry_after.empty()) r.headers.add("Retry-After", retry_after);
            return r;
        });
    }
    std::vector<Seen> seen() const {
        std::lock_guard guard(lock_);
        return seen_;
    }

private:
    mutable std::mutex lock_;
    std::map<std::string, Answer> answers_;
    std::vector<Seen> seen_;
    std::shared_ptr<http::Router> router_ = std::make_shared<http::Router>();
    std::unique_ptr<http::Server> server_;
};

/// Outcome in words: "fetched", or what it is and why.
inline std::string told(const FetchOutcome& o) {
    if (auto* x = std::get_if<NotYet>(&o)) return "not yet: " + x->why;
    if (auto* x = std::get_if<Again>(&o)) return "again: " + x->why;
    if (auto* x = std::get_if<Never>(&o)) return "never: " + x->why + " (" + x->cure + ")";
    if (auto* x = std::get_if<NotLetIn>(&o)) return "not let in: " + x->why;
    return "fetched";
}

}  // namespace otto::providers::tests
