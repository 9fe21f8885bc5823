#include "stream.hpp"

#include <sys/socket.h>

#include <array>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>
#include <charconv>

#include "server_impl.hpp"
#include "telemetry/log.hpp"

// Every coroutine here is awaited where it is called, by one that holds what is referred to until then.
// NOLINTBEGIN(cppcoreguidelines-avoid-reference-coroutine-parameters)
namespace otto::http {
namespace {

/// What the kernel holds of a stream beside us (it takes twice as much): without a limit that is megabytes of each slow client.
constexpr int kKernelHolds = 32 << 10;

/// What a client may send while it is told things: nobody reads it, for the connection ends with the stream.
constexpr std::size_t kMayBeSaid = 64u << 10;

/// Writes all of it, for as long as the client takes some of it in time.
Task<error_code> send_all(Connection& c, std::vector<net::const_buffer>& parts, Millis still) {
    error_code error;
    std::size_t from = 0;
    while (from < parts.size()) {
        c.within(still);
        // A few at a time: the kernel takes no more with one call, and the list is copied for it.
        std::array<net::const_buffer, 16> some;
        const auto count = std::min(some.size(), parts.size() - from);
        std::copy_n(parts.begin() + static_cast<std::ptrdiff_t>(from), count, some.begin());
        auto taken = co_await c.socket.async_write_some(some, net::redirect_error(use_task, error));
        if (error) break;
        while (from < parts.size() && taken >= parts[from].size()) taken -= parts[from++].size();
        if (taken > 0) parts[from] += taken;
    }
    c.deadline = Steady::time_point::max();
    co_return error;
}

}  // namespace

StreamBody::StreamBody(Options options) : impl_(std::make_shared<Impl>(std::move(options))) {}
StreamBody::~StreamBody() = default;
bool StreamBody::write(Piece piece) { return impl_->write(std::move(piece)); }
bool StreamBody::replace(Piece piece) { return impl_->replace(std::move(piece)); }
void StreamBody::end(Piece last) { impl_->end(std::move(last)); }
bool StreamBody::ended() const {
    std::lock_guard guard(impl_->lock);
    return impl_->ending;
}
std::size_t StreamBody::waiting() const {
    std::lock_guard guard(impl_->lock);
    return impl_->waits + impl_->leaving;
}

bool StreamBody::Impl::write(Piece piece) {
    std::lock_guard guard(lock);
    if (ending || waits + leaving + piece->size() > options.room) return false;
    if (piece->empty()) return true;
    waits += piece->size();
    pieces.push_back(std::move(piece));
    wake();
    return true;
}

bool StreamBody::Impl::replace(Piece piece) {
    std::lock_guard guard(lock);
    if (ending) return false;
    pieces.clear();
    waits = piece->size();
    if (!piece->empty()) pieces.push_back(std::move(piece));
    wake();
    return true;
}

void StreamBody::Impl::end(Piece last) {
    std::lock_guard guard(lock);
    if (ending) return;
    ending = true;
    if (last && !last->empty()) {
        waits += last->size();
        pieces.push_back(std::move(last));
    }
    wake();
}

void StreamBody::Impl::say_farewell() { end(std::make_shared<const std::string>(options.farewell)); }

void StreamBody::Impl::wake() {
    if (woken_ || !loop_) return;
    woken_ = true;
    loop_->post([self = shared_from_this()] { self->go_on(); });
}

void StreamBody::Impl::taken_by(std::shared_ptr<Loop> loop) {
    std::lock_guard guard(lock);
    loop_ = std::move(loop);
}

std::vector<StreamBody::Piece> StreamBody::Impl::next(bool& is_last) {
    std::lock_guard guard(lock);
    woken_ = false;
    leaving = std::exchange(waits, 0);
    is_last = ending;
    return std::exchange(pieces, {});
}

Task<void> StreamBody::Impl::wait() {
    co_await net::async_initiate<const net::use_awaitable_t<Executor>, void()>(
        [this](auto handler) { resume_.emplace(std::move(handler)); }, use_task);
}

void StreamBody::Impl::go_on() {
    if (!resume_) return;
    auto resume = std::move(*resume_);
    resume_.reset();
    resume();
}

void StreamBody::Impl::close() {
    std::lock_guard guard(lock);
    watched = nullptr;
    ending = true;
    pieces.clear();
    waits = leaving = 0;
    loop_.reset();
}

void StreamBody::Impl::watch() {
    watched->socket.async_wait(tcp::socket::wait_read, [self = shared_from_this()](error_code error) {
        if (!error && self->watched) self->look();
    });
}

void StreamBody::Impl::look() {
    std::array<char, 4'096> said;
    const auto got = ::recv(watched->socket.native_handle(), said.data(), said.size(), MSG_DONTWAIT);
    const bool nothing = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR);
    if (got > 0) said_ += static_cast<std::size_t>(got);
    if (nothing || (got > 0 && said_ <= kMayBeSaid)) return watch();
    gone = true;
    go_on();
}

Task<void> Server::Impl::send_stream(Loop& loop, Connection& c, const Request& request, std::string& head,
                                     std::shared_ptr<StreamBody> body) {
    struct Taken {
        Connection& c;
        Taken(Connection& k, Loop& l, std::shared_ptr<StreamBody> b) : c(k) {
            c.stream = std::move(b);
            c.stream->impl_->taken_by(l.shared_from_this());
            c.stream->impl_->watched = &c;
        }
        ~Taken() {
            c.stream->impl_->close();
            c.stream.reset();
        }
    } taken(c, loop, std::move(body));
    auto& stream = *c.stream->impl_;
    if (draining) c.farewell = Steady::now();
    error_code error;
    c.buffer.clear();
    c.buffer.shrink_to_fit();
    c.socket.set_option(net::socket_base::send_buffer_size(kKernelHolds), error);
    std::vector<net::const_buffer> parts{net::buffer(head)};
    error = co_await send_all(c, parts, stream.options.still);
    head = {};
    if (!error) stream.watch();
    while (!error && !stream.gone) {
        bool last = false;
        auto pieces = stream.next(last);
        if (pieces.empty() && last) break;
        if (pieces.empty()) {
            co_await stream.wait();
            continue;
        }
        std::size_t size = 0;
        for (const auto& piece : pieces) size += piece->size();
        std::array<char, 20> line{};
        auto* end = std::to_chars(line.data(), line.data() + 16, size, 16).ptr;
        *end++ = '\r';
        *end++ = '\n';
        parts.clear();
        if (c.chunks) parts.emplace_back(line.data(), static_cast<std::size_t>(end - line.data()));
        for (const auto& piece : pieces) parts.push_back(net::buffer(*piece));
        if (c.chunks) parts.push_back(net::buffer("\r\n", 2));
        error = co_await send_all(c, parts, stream.options.still);
    }
    if (error == net::error::operation_aborted && !stream.gone) {
        tel::info(
            "a stream was not taken",
            {{"path", request.route}, {"request_id", request.request_id}, {"client", c.peer}, {"why", "the client stood still"}});
    } else if (!error && !stream.gone && c.chunks) {
        parts.assign(1, net::buffer("0\r\n\r\n", 5));
        error = co_await send_all(c, parts, stream.options.still);
    }
    c.socket.cancel(error);  // what watches
}

}  // namespace otto::http
// NOLINTEND(cppcoreguidelines-avoid-reference-coroutine-parameters)
