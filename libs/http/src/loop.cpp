#include "loop.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>

#include "stream.hpp"
#include "telemetry/log.hpp"

namespace otto::http {

thread_local const Loop* Loop::current = nullptr;

/// Whether nobody reads any more. A client that has ended its own half may still do so; it is asked: an interim answer, which any
/// client skips (RFC 9110, 15.2), makes the end of one that is gone reset the connection.
bool Connection::client_is_gone() {
    pollfd socket_of{socket.native_handle(), POLLRDHUP, 0};
    if (::poll(&socket_of, 1, 0) <= 0) return false;
    if (socket_of.revents & (POLLERR | POLLHUP | POLLNVAL)) return true;
    if (!probed) {
        static constexpr std::string_view are_you_there = "HTTP/1.1 100 Continue\r\n\r\n";
        (void)!::send(socket.native_handle(), are_you_there.data(), are_you_there.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
        probed = true;
    }
    return false;
}

void Loop::close() {
    for (auto* c : open) {
        if (c->answer) c->answer->drop();
        if (c->stream) c->stream->impl_->drop();
    }
    std::unique_ptr<net::io_context> ended;
    {
        std::lock_guard guard(gate_);
        ended.swap(io);
    }
}

void Loop::collect(const std::shared_ptr<const AsyncHandler>& handler, PendingRequest asked) {
    if (gathered_.empty()) net::post(*io, [self = shared_from_this()] { self->hand_over(); });  // behind what is ready already
    auto found = std::find_if(gathered_.begin(), gathered_.end(), [&](const auto& g) { return g.first == handler; });
    auto& together =
        found == gathered_.end() ? gathered_.emplace_back(handler, std::vector<PendingRequest>()).second : found->second;
    together.push_back(std::move(asked));
}

void Loop::hand_over() {
    auto now = std::exchange(gathered_, {});
    for (auto& [handler, asked] : now) {
        auto count = asked.size();
        try {
            (*handler)(std::move(asked));
        } catch (const std::exception& e) {
            tel::error("handler failed", {{"requests", count}, {"why", e.what()}});
        }
    }
}

void Loop::end_streams(Millis within) {
    std::vector<Connection*> streams;
    std::copy_if(open.begin(), open.end(), std::back_inserter(streams), [](const auto* c) { return c->stream != nullptr; });
    const auto now = Steady::now();
    for (std::size_t i = 0; i < streams.size(); ++i) streams[i]->farewell = now + within * i / streams.size();
}

Task<void> Loop::watch_deadlines() {
    Timer timer(*io);
    for (;;) {
        timer.expires_after(sweep_);
        error_code error;
        co_await timer.async_wait(net::redirect_error(use_task, error));
        if (error) co_return;
        turned();
        auto now = Steady::now();
        std::vector<std::shared_ptr<Answer>> unwanted;
        for (auto* c : open) {
            bool late = c->deadline <= now;
            if (c->stream && c->farewell <= now) {
                c->farewell = Steady::time_point::max();
                c->stream->impl_->say_farewell();
            }
            if (c->asker && !late) c->gone = c->client_is_gone();
            if (c->answer && (late || c->gone)) {
                unwanted.push_back(c->answer);
                if (c->asker) c->asker->leave();
            } else if (late) {
                c->socket.cancel(error);  // and again, until it has gone on
            }
        }
        for (auto& answer : unwanted) answer->give_up();
    }
}

}  // namespace otto::http
