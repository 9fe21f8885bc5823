#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text.hpp"
#include "base/time.hpp"
#include "telemetry/trace.hpp"

namespace otto::http {

enum class Method { get, head, post, put, patch, del, options };
std::string_view to_text(Method);

/// Header fields in order; names compare without case.
class Headers {
public:
    void add(std::string name, std::string value) { items_.emplace_back(std::move(name), std::move(value)); }
    void set(std::string_view name, std::string value);
    /// First value, "" if absent.
    std::string_view get(std::string_view name) const;
    bool has(std::string_view name) const;
    std::size_t count(std::string_view name) const;
    const std::vector<std::pair<std::string, std::string>>& items() const { return items_; }

private:
    std::vector<std::pair<std::string, std::string>> items_;
};

/// The media type of a Content-Type field: lower-case, without parameters.
std::string media_type(std::string_view content_type);

/// Whose work a request is: companies share the workers evenly, and so do the users of one. Empty: nobody's in particular, as a
/// webhook is.
struct Share {
    std::string company, user;
    bool nobodys() const { return company.empty() && user.empty(); }
};

/// The client at the other end, while its request is worked on. It may hang up before there is an answer.
class Asker {
public:
    bool gone() const;
    /// Runs `then` when the client goes, on the server's I/O thread: it must not block. At once, here, if the client is gone
    /// already. A later call takes the place of the former one.
    void when_gone(std::function<void()> then);
    /// The server's: the client is gone.
    void leave();

private:
    mutable std::mutex lock_;
    bool gone_ = false;
    std::function<void()> then_;
};

/// A request as the server understood it. `path` is percent-decoded and without query; `target` is what stood in the request
/// line, in origin form.
struct Request {
    Method method = Method::get;
    std::string target, path, query;
    Headers headers;
    std::string body;
    std::vector<std::pair<std::string, std::string>> path_params;
    std::string route;  ///< its route's path, "/media/{token}": what a log tells, for what stands in the path itself may be a key
                        ///< to something
    std::string client_address;  ///< the peer, or what a trusted proxy says
    std::string request_id;      ///< the caller's X-Request-Id if it is sane, else ours
    tel::TraceContext trace;
    Instant received_at{};
    Share share;                        ///< as its route's Admit named it
    std::shared_ptr<const void> known;  ///< what that found out; its route knows what it is
    std::shared_ptr<Asker> asker;       ///< null for what is nobody's in particular

    std::string_view param(std::string_view name) const;  ///< {name} of the route's path
    FormFields query_fields() const { return parse_form(query); }
    std::string content_type() const { return media_type(headers.get("content-type")); }
};

/// Part of an open file that is an answer's body. The file stays readable although it is removed meanwhile.
class FileBody {
public:
    /// Takes the descriptor over.
    FileBody(int descriptor, std::uint64_t offset, std::uint64_t length)
        : descriptor_(descriptor), offset_(offset), length_(length) {}
    ~FileBody();
    FileBody(const FileBody&) = delete;
    FileBody& operator=(const FileBody&) = delete;
    int descriptor() const { return descriptor_; }
    /// The descriptor, which is the caller's from now on.
    int release() { return std::exchange(descriptor_, -1); }
    std::uint64_t offset() const { return offset_; }
    std::uint64_t length() const { return length_; }

private:
    int descriptor_;
    std::uint64_t offset_, length_;
};

/// The body of an answer that goes on: what is written leaves as it comes, until somebody ends it or the client goes. No worker
/// is held, and whoever writes waits for nobody: what a client has not taken waits here, up to `room`. Any thread.
///
/// The server owns it from the answer on; whoever writes keeps a weak_ptr, and once that has expired nobody is there any more.
class StreamBody {
public:
    struct Options {
        std::size_t room = 64u << 10;  ///< bytes that may wait for the client
        Millis still{20'000};          ///< a client that takes nothing of what waits for so long is ended
        std::string farewell = {};     ///< said last when the server drains
    };
    using Piece = std::shared_ptr<const std::string>;  ///< many streams may share one; it is never cut by replace()
    explicit StreamBody(Options);
    ~StreamBody();
    StreamBody(const StreamBody&) = delete;
    StreamBody& operator=(const StreamBody&) = delete;
    /// False: there is no room, or it has ended; nothing of it is taken.
    bool write(Piece);
    /// Takes the place of all that has not begun to leave; has room always. False: it has ended.
    bool replace(Piece);
    /// Nothing is taken after this; what waits still leaves, and `last` behind it.
    void end(Piece last = {});
    bool ended() const;
    /// Bytes that the client has not taken; of what is on its way all counts until all has gone.
    std::size_t waiting() const;

private:
    friend class Server;
    friend class Loop;
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

struct Response {
    int status = 200;
    Headers headers;
    std::string body;
    std::shared_ptr<const FileBody> file_body;  ///< sent instead of `body`, in constant memory, if it is set
    std::shared_ptr<StreamBody> stream_body;    ///< likewise; the connection ends with it

    static Response json(int status, std::string body);
    static Response text(int status, std::string body, std::string content_type = "text/plain; charset=utf-8");
    static Response empty(int status);
    /// text/event-stream: no proxy keeps or gathers it.
    static Response events(std::shared_ptr<StreamBody>);
    /// A file as the request asks for it: whole, or one range (206; 416 if the file ends before it; several ranges are answered
    /// with the whole), and 304 for an If-None-Match that names `etag`. If-Range is minded. `etag` is opaque text without quotes
    /// that changes with the content; "" = none is said. Opens the file, so it belongs on a worker; one that is not there is a
    /// 404, one that cannot be read a 500.
    static Response file(const Request&, const std::string& path, std::string content_type, std::string etag = {});
    /// Likewise of a file that is open; takes the descriptor over.
    static Response file(const Request&, int descriptor, std::string content_type, std::string etag = {});
};

/// What a Retry-After field asks for (RFC 9110 §10.2.3): seconds, or a date of HTTP's own form; zero if that has passed, nothing
/// if it is neither. A peer may ask for years: the caller knows what is too long.
std::optional<Millis> retry_after(std::string_view text, Instant now);

/// RFC 9457. `detail` says what to do next; `fields` name what is wrong in the request.
struct Problem {
    int status = 500;
    std::string title, detail;
    std::vector<std::pair<std::string, std::string>> fields;
    std::string type = "about:blank";
};
Response problem(const Problem&, const Request&);

/// Answers one request, once, from any thread; dropped without an answer it answers 500. Cheap to move.
class Responder {
public:
    /// Where the answer goes.
    struct Sink {
        virtual ~Sink() = default;
        virtual void answer(Response) = 0;
        virtual void offload(std::function<void()> work, std::function<void()> then) {
            work();
            then();
        }
    };
    explicit Responder(std::shared_ptr<Sink> sink) : sink_(std::move(sink)) {}
    explicit Responder(std::function<void(Response)> send);
    Responder(Responder&&) noexcept = default;
    Responder& operator=(Responder&&) noexcept = default;
    ~Responder();
    void operator()(Response);
    /// For the handler of an asynchronous route whose next step would hold the I/O thread for long (over about 10 ms: the digest
    /// of a body of megabytes, its parsing): `work` runs on a worker, and after it `then` on the I/O thread that the request came
    /// by, where the handler goes on; both own what they use. If `work` throws, that is logged and `then` is dropped; with it
    /// goes the responder that it owns, which answers 500. Nothing runs once the server has ended.
    void offload(std::function<void()> work, std::function<void()> then) const;

private:
    std::shared_ptr<Sink> sink_;
};

}  // namespace otto::http
