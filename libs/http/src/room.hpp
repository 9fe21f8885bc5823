#pragma once
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "asio_types.hpp"

namespace otto::http {

struct Connection;
class Room;

/// A text that comes or goes bit by bit, and the memory that it takes meanwhile. It leaves its room when it ends.
struct Moving {
    Moving(Connection& c, std::string client_address) : connection(&c), client(std::move(client_address)) {}
    ~Moving();
    Moving(const Moving&) = delete;
    Moving& operator=(const Moving&) = delete;
    Connection* connection;
    std::string client;
    std::size_t held = 0;   ///< bytes in memory
    std::size_t moved = 0;  ///< bytes that have come or gone
    bool whole = false;     ///< all has come: it is no longer the client whom it waits for
    bool ended = false;     ///< it had to make room
    Steady::time_point since = Steady::now();
    Room* room = nullptr;
};

/// Memory that texts share while they move, on one loop, of its thread. Where it is short the slowest one ends: who holds it and
/// does not use it. Who has come less than a second ago is not judged yet.
class Room {
public:
    /// A client address may hold `share` of `size` bytes.
    Room(std::size_t size, std::size_t share) : size_(size), share_(share) {}
    Room(const Room&) = delete;
    /// More of it is in memory. False if it is this one that had to end; another's connection is cut off from what it waits for.
    bool hold(Moving&, std::size_t more);
    void leave(Moving&);

private:
    void end(Moving&);
    Moving* slowest(const Moving& asks, bool of_client) const;
    std::size_t of(const std::string& client) const;
    const std::size_t size_, share_;
    std::size_t held_ = 0;
    std::unordered_set<Moving*> all_;
    std::unordered_map<std::string, std::size_t> clients_;  ///< bytes of each
};

}  // namespace otto::http
