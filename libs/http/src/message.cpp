#include "http/message.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <ctime>

#include "base/json.hpp"

namespace otto::http {
namespace {

/// What a Range header asks of `size` bytes.
struct Part {
    enum class Kind { whole, some, beyond } kind = Kind::whole;
    std::uint64_t first = 0, last = 0;
};

/// What is no single range of bytes is as if it were not there (RFC 9110, 14.2).
Part part_of(std::string_view header, std::uint64_t size) {
    auto equals = header.find('=');
    if (equals == std::string_view::npos || !iequals(trim(header.substr(0, equals)), "bytes")) return {};
    auto range = trim(header.substr(equals + 1));
    auto dash = range.find('-');
    if (dash == std::string_view::npos) return {};
    auto number = [](std::string_view text) -> std::optional<std::uint64_t> {
        if (text.empty() || text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
        std::uint64_t n = 0;
        auto read = std::from_chars(text.data(), text.data() + text.size(), n);
        return read.ec == std::errc{} ? n : ~std::uint64_t{0};
    };
    auto from = number(range.substr(0, dash)), to = number(range.substr(dash + 1));
    bool open_end = dash + 1 == range.size();
    if (dash == 0) {  // the last so many
        if (!to) return {};
        if (*to == 0 || size == 0) return {Part::Kind::beyond};
        return {Part::Kind::some, *to < size ? size - *to : 0, size - 1};
    }
    if (!from || (!to && !open_end) || (to && *to < *from)) return {};
    if (*from >= size) return {Part::Kind::beyond};
    return {Part::Kind::some, *from, open_end ? size - 1 : std::min(*to, size - 1)};
}

/// Whether a list of tags names this one; weak ones count, as they do for If-None-Match.
bool names_tag(std::string_view list, const std::string& quoted) {
    for (auto tag : split_list(list)) {
        if (tag.starts_with("W/")) tag.erase(0, 2);
        if (tag == "*" || tag == quoted) return true;
    }
    return false;
}

}  // namespace

std::string_view to_text(Method m) {
    switch (m) {
        case Method::get:
            return "GET";
        case Method::head:
            return "HEAD";
        case Method::post:
            return "POST";
        case Method::put:
            return "PUT";
        case Method::patch:
            return "PATCH";
        case Method::del:
            return "DELETE";
        case Method::options:
            return "OPTIONS";
    }
    return "?";
}

void Headers::set(std::string_view name, std::string value) {
    std::erase_if(items_, [&](const auto& item) { return iequals(item.first, name); });
    add(std::string(name), std::move(value));
}

std::string_view Headers::get(std::string_view name) const {
    for (const auto& [key, value] : items_)
        if (iequals(key, name)) return value;
    return {};
}

bool Headers::has(std::string_view name) const { return count(name) > 0; }

std::size_t Headers::count(std::string_view name) const {
    std::size_t n = 0;
    for (const auto& item : items_) n += iequals(item.first, name);
    return n;
}

bool Asker::gone() const {
    std::lock_guard guard(lock_);
    return gone_;
}

void Asker::when_gone(std::function<void()> then) {
    {
        std::lock_guard guard(lock_);
        if (!gone_) {
            then_ = std::move(then);
            return;
        }
    }
    then();
}

void Asker::leave() {
    std::function<void()> then;
    {
        std::lock_guard guard(lock_);
        gone_ = true;
        then.swap(then_);
    }
    if (then) then();
}

std::string_view Request::param(std::string_view name) const {
    for (const auto& [key, value] : path_params)
        if (key == name) return value;
    return {};
}

std::string media_type(std::string_view type) { return lower(trim(type.substr(0, type.find(';')))); }

Response Response::text(int status, std::string body, std::string content_type) {
    Response r;
    r.status = status;
    r.body = std::move(body);
    r.headers.add("Content-Type", std::move(content_type));
    return r;
}

Response Response::json(int status, std::string body) { return text(status, std::move(body), "application/json"); }

Response Response::empty(int status) {
    Response r;
    r.status = status;
    return r;
}

Response Response::events(std::shared_ptr<StreamBody> body) {
    Response r;
    r.headers.add("Content-Type", "text/event-stream; charset=utf-8");
    r.headers.add("Cache-Control", "no-store");
    r.headers.add("X-Accel-Buffering", "no");
    r.stream_body = std::move(body);
    return r;
}

FileBody::~FileBody() { ::close(descriptor_); }

Response Response::file(const Request& request, const std::string& path, std::string content_type, std::string etag) {
    int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (descriptor >= 0) return file(request, descriptor, std::move(content_type), std::move(etag));
    if (errno == ENOENT || errno == ENOTDIR) return problem({404, "Not found", "There is no such file."}, request);
    return problem({500, "Internal error", "The file cannot be read; give the request_id to the operators."}, request);
}

Response Response::file(const Request& request, int descriptor, std::string content_type, std::string etag) {
    auto body = std::make_unique<FileBody>(descriptor, 0, 0);  // closes it, whatever comes
    struct stat about {};
    if (::fstat(descriptor, &about) != 0 || !S_ISREG(about.st_mode))
        return problem({404, "Not found", "There is no such file."}, request);
    auto size = static_cast<std::uint64_t>(about.st_size);
    Response r;
    r.headers.add("Accept-Ranges", "bytes");
    auto quoted = "\"" + etag + "\"";
    if (!etag.empty()) r.headers.add("ETag", quoted);
    if (!etag.empty() && names_tag(request.headers.get("if-none-match"), quoted)) {
        r.status = 304;
        return r;
    }
    Part part;
    // A part of what has changed meanwhile is of no use to who has the rest of the former; a date in If-Range is never the
    // file's, for none is said.
    bool same = !request.headers.has("if-range") || (!etag.empty() && trim(request.headers.get("if-range")) == quoted);
    if (request.method == Method::get && same && request.headers.count("range") == 1)
        part = part_of(request.headers.get("range"), size);
    if (part.kind == Part::Kind::beyond) {
        auto answer = problem(
            {416, "Range not satisfiable", "The file has " + std::to_string(size) + " bytes; ask for a range within them."},
            request);
        answer.headers.add("Content-Range", "bytes */" + std::to_string(size));
        answer.headers.add("Accept-Ranges", "bytes");
        return answer;
    }
    std::uint64_t first = 0, length = size;
    if (part.kind == Part::Kind::some) {
        r.status = 206;
        first = part.first;
        length = part.last - part.first + 1;
        r.headers.add("Content-Range",
                      "bytes " + std::to_string(part.first) + "-" + std::to_string(part.last) + "/" + std::to_string(size));
    }
    r.headers.add("Content-Type", std::move(content_type));
    r.file_body = std::make_shared<FileBody>(body->release(), first, length);
    return r;
}

Response problem(const Problem& p, const Request& request) {
    JsonWriter w;
    w.begin_object().member("type", p.type).member("title", p.title).member("status", p.status).member("detail", p.detail);
    w.member("instance", request.path).member("request_id", request.request_id);
    if (!p.fields.empty()) {
        w.key("errors").begin_array();
        for (const auto& [field, message] : p.fields)
            w.begin_object().member("field", field).member("message", message).end_object();
        w.end_array();
    }
    w.end_object();
    return Response::text(p.status, w.take(), "application/problem+json");
}

Responder::Responder(std::function<void(Response)> send) {
    struct Function : Sink {
        std::function<void(Response)> send;
        explicit Function(std::function<void(Response)> f) : send(std::move(f)) {}
        void answer(Response r) override { send(std::move(r)); }
    };
    sink_ = std::make_shared<Function>(std::move(send));
}

Responder::~Responder() {
    if (sink_) (*this)(Response::empty(500));
}

void Responder::offload(std::function<void()> work, std::function<void()> then) const {
    if (sink_) sink_->offload(std::move(work), std::move(then));
}

void Responder::operator()(Response response) {
    if (auto sink = std::move(sink_)) sink->answer(std::move(response));
}

std::optional<Millis> retry_after(std::string_view text, Instant now) {
    text = trim(text);
    if (text.empty()) return std::nullopt;
    if (text.find_first_not_of("0123456789") == std::string_view::npos)
        return std::chrono::seconds(text.size() > 9 ? 999'999'999 : std::stoll(std::string(text)));
    std::tm date{};
    const char* end = ::strptime(std::string(text).c_str(), "%a, %d %b %Y %H:%M:%S GMT", &date);
    if (!end) return std::nullopt;
    return std::max(Millis{0}, std::chrono::ceil<Millis>(std::chrono::system_clock::from_time_t(::timegm(&date)) - now));
}

}  // namespace otto::http
