#include "loop.hpp"

#include <algorithm>
#include <boost/asio/redirect_error.hpp>

#include "telemetry/log.hpp"

namespace otto::http {

thread_local const Loop* Loop::current = nullptr;

void Loop::close() {
    for (auto* c : open)
        if (c->answer) c->answer->drop();
    std::unique_ptr<net::io_context> ended;
    {
        std::lock_guard guard(gate_);
        ended.swap(io);
    }
}

void Loop::gather(const std::shared_ptr<const AsyncHandler>& handler, Asked asked) {
    if (gathered_.empty()) net::post(*io, [self = shared_from_this()] { self->hand_over(); });  // behind what is ready already
    auto found = std::find_if(gathered_.begin(), gathered_.end(), [&](const auto& g) { return g.first == handler; });
    auto& together = found == gathered_.end() ? gathered_.emplace_back(handler, std::vector<Asked>()).second : found->second;
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

Task<void> Loop::watch_deadlines() {
    Timer timer(*io);
    for (;;) {
        timer.expires_after(sweep_);
        error_code error;
        co_await timer.async_wait(net::redirect_error(use_task, error));
        if (error) co_return;
        auto now = Steady::now();
        std::vector<std::shared_ptr<Answer>> late;
        for (auto* c : open) {
            if (c->deadline > now) continue;
            if (c->answer)
                late.push_back(c->answer);
            else
                c->socket.cancel(error);  // and again, until it has gone on
        }
        for (auto& answer : late) answer->give_up();
    }
}

}  // namespace otto::http
