#include "room.hpp"

#include <limits>

#include "loop.hpp"

namespace otto::http {
namespace {

constexpr std::chrono::seconds kNotJudged{1};

double speed(const Moving& m, Steady::time_point now) {
    return static_cast<double>(m.moved) / std::chrono::duration<double>(now - m.since + kNotJudged).count();
}

}  // namespace

Moving::~Moving() {
    if (room) room->leave(*this);
}

std::size_t Room::of(const std::string& client) const {
    auto found = clients_.find(client);
    return found == clients_.end() ? 0 : found->second;
}

bool Room::hold(Moving& m, std::size_t more) {
    if (m.ended) return false;
    if (!m.room) {
        m.room = this;
        all_.insert(&m);
    }
    if (more == 0) return true;
    m.held += more;
    held_ += more;
    clients_[m.client] += more;
    while (!m.ended && m.held < of(m.client) && of(m.client) > share_) end(*slowest(m, true));
    while (!m.ended && m.held < held_ && held_ > size_) end(*slowest(m, false));
    return !m.ended;
}

/// Of those that can be ended and whose end would be felt; the one that asks, if there is no other.
Moving* Room::slowest(const Moving& asks, bool of_client) const {
    auto now = Steady::now();
    auto felt = (of_client ? share_ : size_) / 1'024;
    auto* slow = const_cast<Moving*>(&asks);
    auto least = now - asks.since < kNotJudged ? std::numeric_limits<double>::infinity() : speed(asks, now);
    for (auto* m : all_) {
        if (m == &asks || m->whole || m->held < felt || now - m->since < kNotJudged || (of_client && m->client != asks.client))
            continue;
        if (auto is = speed(*m, now); is < least) {
            slow = m;
            least = is;
        }
    }
    return slow;
}

void Room::end(Moving& m) {
    m.ended = true;
    leave(m);
    error_code ignored;
    m.connection->socket.cancel(ignored);
}

void Room::leave(Moving& m) {
    if (!m.room) return;
    m.room = nullptr;
    all_.erase(&m);
    if (m.held == 0) return;
    held_ -= m.held;
    auto client = clients_.find(m.client);
    client->second -= m.held;
    if (client->second == 0) clients_.erase(client);
    m.held = 0;
}

}  // namespace otto::http
