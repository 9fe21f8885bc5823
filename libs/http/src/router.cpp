#include "routes.hpp"

#include <algorithm>

namespace otto::http {
namespace {

/// Segments as written, still encoded; a trailing slash is an empty last segment.
std::vector<std::string> segments_of(std::string_view path) {
    std::vector<std::string> out;
    if (!path.empty() && path.front() == '/') path.remove_prefix(1);
    for (;;) {
        auto end = std::min(path.find('/'), path.size());
        out.emplace_back(path.substr(0, end));
        if (end == path.size()) return out;
        path.remove_prefix(end + 1);
    }
}

bool is_param(const std::string& s) { return s.size() > 2 && s.front() == '{' && s.back() == '}'; }

bool fits(const Route& route, const std::vector<std::string>& path, std::vector<std::pair<std::string, std::string>>& params) {
    if (route.segments.size() != path.size()) return false;
    params.clear();
    for (std::size_t i = 0; i < path.size(); ++i) {
        const auto& want = route.segments[i];
        if (is_param(want)) {
            if (path[i].empty()) return false;
            params.emplace_back(want.substr(1, want.size() - 2), path[i]);
        } else if (want != path[i]) {
            return false;
        }
    }
    return true;
}

}  // namespace

Router::Router() : impl_(std::make_unique<Impl>()) {}
Router::~Router() = default;

void Router::Impl::add(Route route) {
    route.segments = segments_of(route.path);
    for (const auto& other : routes)
        if (other.method == route.method && other.path == route.path) throw std::logic_error(std::string(to_text(route.method)) + " " + route.path + " is in the route table twice");
    if (std::none_of(route.segments.begin(), route.segments.end(), is_param)) plain[route.method].emplace(route.path, routes.size());
    routes.push_back(std::move(route));
}

void Router::add(Method method, std::string path, Handler handler, RouteLimits limits) {
    impl_->add({method, std::move(path), {}, std::move(handler), {}, std::move(limits)});
}

void Router::add_async(Method method, const std::vector<std::string>& paths, AsyncHandler handler, RouteLimits limits) {
    auto shared = std::make_shared<const AsyncHandler>(std::move(handler));
    for (const auto& path : paths) impl_->add({method, path, {}, {}, shared, limits});
}

std::vector<Router::Entry> Router::entries() const {
    std::vector<Entry> out;
    for (const auto& r : impl_->routes) out.push_back({r.method, r.path});
    return out;
}

Match Router::Impl::match(Method method, std::string_view raw_path) const {
    // Most requests name a route letter by letter.
    if (auto of_method = plain.find(method); of_method != plain.end())
        if (auto found = of_method->second.find(raw_path); found != of_method->second.end()) return {&routes[found->second], {}, {}};
    // Split first, decode after: an encoded slash is part of a segment.
    auto path = segments_of(raw_path);
    for (auto& s : path) s = percent_decode(s, false);
    Match out;
    std::vector<std::string> allowed;
    std::vector<std::pair<std::string, std::string>> params;
    bool exact = false;
    for (const auto& route : routes) {
        if (!fits(route, path, params)) continue;
        bool wanted = route.method == method || (method == Method::head && route.method == Method::get);
        // A route spelled out goes before one with a parameter in its place ("/calls/unbooked" before "/calls/{call_id}").
        if (wanted && (!out.route || (!exact && params.empty()))) {
            out.route = &route;
            out.params = params;
            exact = params.empty();
        }
        allowed.emplace_back(to_text(route.method));
        if (route.method == Method::get) allowed.emplace_back("HEAD");
    }
    if (!out.route) {
        std::sort(allowed.begin(), allowed.end());
        allowed.erase(std::unique(allowed.begin(), allowed.end()), allowed.end());
        for (const auto& m : allowed) out.allow += (out.allow.empty() ? "" : ", ") + m;
    }
    return out;
}

}  // namespace otto::http
