#include "routes.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace otto::http {
namespace {

constexpr std::size_t kLongestGuess = 128;

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

constexpr std::string_view kRest = "...}";

bool is_param(const std::string& s) { return s.size() > 2 && s.front() == '{' && s.back() == '}'; }
bool is_rest(const std::string& s) { return is_param(s) && s.ends_with(kRest); }
bool takes_rest(const Route& route) { return is_rest(route.segments.back()); }

/// What is left of a path from its segment `from` on.
std::string rest_of(const std::vector<std::string>& path, std::size_t from) {
    std::string out;
    for (auto i = from; i < path.size(); ++i) out.append(i == from ? "" : "/").append(path[i]);
    return out;
}

bool fits(const Route& route, const std::vector<std::string>& path, std::vector<std::pair<std::string, std::string>>& params) {
    if (takes_rest(route) ? route.segments.size() > path.size() : route.segments.size() != path.size()) return false;
    params.clear();
    for (std::size_t i = 0; i < route.segments.size(); ++i) {
        const auto& want = route.segments[i];
        if (is_rest(want)) {
            params.emplace_back(want.substr(1, want.size() - 1 - kRest.size()), rest_of(path, i));
        } else if (is_param(want)) {
            if (path[i].empty()) return false;
            params.emplace_back(want.substr(1, want.size() - 2), path[i]);
        } else if (want != path[i]) {
            return false;
        }
    }
    return true;
}

/// Letters that must be put in, taken out or changed to make one text of the other, whatever their case; 3 for more than two.
int distance(std::string_view a, std::string_view b) {
    constexpr int kMost = 3;
    if (a.size() > b.size()) std::swap(a, b);
    if (b.size() - a.size() >= kMost) return kMost;
    std::array<int, kLongestGuess + 1> row{};
    for (std::size_t j = 0; j <= a.size(); ++j) row[j] = static_cast<int>(j);
    for (std::size_t i = 1; i <= b.size(); ++i) {
        int before = std::exchange(row[0], static_cast<int>(i)), least = row[0];
        for (std::size_t j = 1; j <= a.size(); ++j) {
            int other = std::tolower(static_cast<unsigned char>(a[j - 1])) != std::tolower(static_cast<unsigned char>(b[i - 1]));
            int best = std::min({row[j] + 1, row[j - 1] + 1, before + other});
            before = std::exchange(row[j], best);
            least = std::min(least, best);
        }
        if (least >= kMost) return kMost;
    }
    return std::min(kMost, row[a.size()]);
}

/// How far apart, segment by segment; 3 a segment and more: too far.
std::optional<int> distance(const Route& route, const std::vector<std::string_view>& path) {
    if (route.segments.size() != path.size()) return std::nullopt;
    int sum = 0;
    for (std::size_t i = 0; i < path.size(); ++i) {
        const auto& want = route.segments[i];
        if (is_param(want)) continue;
        int apart = distance(want, path[i]);
        // Of a short word two wrong letters leave nothing.
        if (apart > 2 || (apart > 0 && static_cast<std::size_t>(apart) * 2 > want.size())) return std::nullopt;
        sum += apart;
    }
    return sum;
}

}  // namespace

Router::Router() : impl_(std::make_unique<Impl>()) {}
Router::~Router() = default;

void Router::Impl::add(Route route) {
    route.segments = segments_of(route.path);
    if (std::any_of(route.segments.begin(), route.segments.end() - 1, is_rest))
        throw std::logic_error(route.path + ": what takes the rest of a path stands at its end");
    for (const auto& other : routes)
        if (other.method == route.method && other.path == route.path)
            throw std::logic_error(std::string(to_text(route.method)) + " " + route.path + " is in the route table twice");
    if (std::none_of(route.segments.begin(), route.segments.end(), is_param))
        plain[route.method].emplace(route.path, routes.size());
    route.gate = gate;
    routes.push_back(std::move(route));
}

void Router::behind(std::shared_ptr<const Gate> gate) { impl_->gate = std::move(gate); }

void Router::add(Method method, std::string path, Handler handler, RouteLimits limits) {
    impl_->rooms.push_back(limits.body);
    impl_->add({method, std::move(path), {}, std::move(handler), {}, std::move(limits), impl_->rooms.size() - 1});
}

void Router::add_async(Method method, const std::vector<std::string>& paths, AsyncHandler handler, RouteLimits limits) {
    auto shared = std::make_shared<const AsyncHandler>(std::move(handler));
    impl_->rooms.push_back(limits.body);
    for (const auto& path : paths) impl_->add({method, path, {}, {}, shared, limits, impl_->rooms.size() - 1});
}

std::vector<Router::Entry> Router::entries() const {
    std::vector<Entry> out;
    for (const auto& r : impl_->routes) out.push_back({r.method, r.path});
    return out;
}

std::optional<Guess> Router::Impl::nearest(Method method, std::string_view raw_path) const {
    if (raw_path.size() > kLongestGuess) return std::nullopt;
    std::vector<std::string_view> path;
    for (auto rest = raw_path; !rest.empty();) {  // a slash too many is none
        auto end = std::min(rest.find('/'), rest.size());
        if (end > 0) path.push_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    std::optional<Guess> out;
    int least = 9;  // four letters all in all; between two equal ones the method decides
    for (const auto& route : routes) {
        auto apart = distance(route, path);
        bool whole = !apart && route.path.size() <= kLongestGuess && route.path.find('{') == std::string::npos;
        if (whole) apart = distance(route.path, raw_path);  // a slash is missing
        if (!apart || (whole && *apart > 2)) continue;
        int score = 2 * *apart + (route.method != method);
        if (score >= least) continue;
        least = score;
        Guess guess{&route, {}};
        for (std::size_t i = 0; i < path.size() && !whole; ++i)
            guess.written.append("/").append(is_param(route.segments[i]) ? route.segments[i] : path[i]);
        if (whole) guess.written = raw_path;
        out = std::move(guess);
    }
    return out;
}

Match Router::Impl::match(Method method, std::string_view raw_path) const {
    // Most requests name a route letter by letter.
    if (auto of_method = plain.find(method); of_method != plain.end())
        if (auto found = of_method->second.find(raw_path); found != of_method->second.end())
            return {&routes[found->second], {}, {}};
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
        // A route spelled out goes before one with a parameter in its place ("/calls/unbooked" before "/calls/{call_id}"), and
        // any before one that takes all the rest.
        if (wanted && (!out.route || (!exact && params.empty()) || (takes_rest(*out.route) && !takes_rest(route)))) {
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
