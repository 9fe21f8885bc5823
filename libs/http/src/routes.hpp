#pragma once
#include <map>

#include "http/server.hpp"

namespace otto::http {

struct Route {
    Method method;
    std::string path;
    std::vector<std::string> segments;  // "{name}" = any one segment; "{name...}" at the end = one and more, also an empty one
    Handler handler;
    std::shared_ptr<const AsyncHandler> async;
    RouteLimits limits;
    std::size_t room = 0;  // see Impl::rooms
    std::shared_ptr<const Gate> gate = {};
};

/// What a request line leads to.
struct Match {
    const Route* route = nullptr;
    std::vector<std::pair<std::string, std::string>> params;
    std::string allow = {};  ///< with no route: the methods that the path has, "" = no such path
};

/// A route that was probably meant, and what was written, without the values of its parameters, which may be secret.
struct Guess {
    const Route* route;
    std::string written;
};

struct Router::Impl {
    std::vector<Route> routes;
    std::map<Method, std::map<std::string, std::size_t, std::less<>>> plain;  ///< those without parameters
    std::vector<std::size_t> rooms;    ///< the largest body of each entry; an entry is what one add() registered
    std::shared_ptr<const Gate> gate;  ///< of what is added next
    void add(Route);
    /// For a path that is none of ours but nearly one: up to two letters of a segment wrong, a slash or a dot too many or too
    /// few.
    std::optional<Guess> nearest(Method, std::string_view raw_path) const;
    Match match(Method, std::string_view raw_path) const;
};

}  // namespace otto::http
