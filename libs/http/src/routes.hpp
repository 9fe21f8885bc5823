#pragma once
#include <map>

#include "http/server.hpp"

namespace otto::http {

struct Route {
    Method method;
    std::string path;
    std::vector<std::string> segments;  // "{name}" = any one segment
    Handler handler;
    std::shared_ptr<const AsyncHandler> async;
    RouteLimits limits;
};

/// What a request line leads to.
struct Match {
    const Route* route = nullptr;
    std::vector<std::pair<std::string, std::string>> params;
    std::string allow;  ///< with no route: the methods that the path has, "" = no such path
};

struct Router::Impl {
    std::vector<Route> routes;
    std::map<Method, std::map<std::string, std::size_t, std::less<>>> plain;  ///< those without parameters
    void add(Route);
    Match match(Method, std::string_view raw_path) const;
};

}  // namespace otto::http
