#include "http/follow.hpp"

#include <algorithm>
#include <chrono>
#include <vector>

namespace otto::http {
namespace {

/// A path without "." and ".." (RFC 3986, 5.2.4).
std::string without_dots(std::string_view path) {
    std::vector<std::string_view> parts;
    bool open_end = false;  // ends with a slash
    for (std::size_t at = 1; at <= path.size();) {
        auto end = std::min(path.find('/', at), path.size());
        auto part = path.substr(at, end - at);
        open_end = part == "." || part == "..";
        if (part == ".." && !parts.empty()) parts.pop_back();
        if (!open_end) parts.push_back(part);
        at = end + 1;
    }
    std::string out;
    for (auto part : parts) out.append("/").append(part);
    return open_end || out.empty() ? out + "/" : out;
}

bool redirects(int status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }

}  // namespace

std::string origin(const Url& u) {
    return u.scheme + "://" + (u.host.find(':') == std::string::npos ? u.host : "[" + u.host + "]") + ":" + u.port;
}

std::string shown(const Url& u) {
    return u.scheme + "://" + u.host + (u.port == (u.scheme == "https" ? "443" : "80") ? "" : ":" + u.port);
}

Result<Url> redirect_target(const Url& from, std::string_view location) {
    location = location.substr(0, location.find('#'));
    auto colon = location.find(':');
    bool has_scheme = colon != std::string_view::npos && colon < location.find_first_of("/?");
    auto whole = [&]() -> std::string {
        if (has_scheme) return std::string(location);
        if (location.starts_with("//")) return from.scheme + ":" + std::string(location);
        auto path = std::string_view(from.target).substr(0, from.target.find('?'));
        if (location.empty() || location.starts_with("?")) return origin(from) + std::string(path) + std::string(location);
        auto query = std::min(location.find('?'), location.size());
        auto joined = location.starts_with("/")
                          ? std::string(location.substr(0, query))
                          : std::string(path.substr(0, path.rfind('/') + 1)).append(location.substr(0, query));
        return origin(from) + without_dots(joined) + std::string(location.substr(query));
    };
    auto to = Url::parse(whole());
    if (!to) return Error("leads to an address that is no usable URL");  // which is not repeated: it may hold a key
    if (from.scheme == "https" && to->scheme != "https") return Error("leads from https to http");
    return to;
}

Followed follow(Client& client, const ClientRequest& asked, const Sink& sink, const FollowOptions& options) {
    Followed way;
    auto first = Url::parse(asked.url);
    if (!first) {
        way.got.end = Download::End::refused;
        way.got.error = first.error();
        return way;
    }
    way.place = std::move(*first);
    const auto end = std::chrono::steady_clock::now() + options.download.total_timeout;
    for (;;) {
        auto request = asked;
        request.url = origin(way.place) + way.place.target;
        if (way.redirects == 0)
            for (const auto& [name, value] : options.credentials.items()) request.headers.add(name, value);
        auto limits = options.download;
        limits.total_timeout = std::max(Millis{1}, std::chrono::ceil<Millis>(end - std::chrono::steady_clock::now()));
        way.got = client.download(request, sink, limits);
        auto status = way.got.response.status;
        if (!way.got.answered() || !redirects(status)) return way;
        auto location = way.got.response.headers.get("location");
        auto next =
            location.empty() ? Result<Url>(Error("answers with status " + std::to_string(status) + " and does not say where to"))
            : way.redirects == options.most ? Result<Url>(Error("leads on more than " + std::to_string(options.most) + " times"))
                                            : redirect_target(way.place, location);
        if (!next) {
            way.astray = next.error();
            return way;
        }
        way.place = std::move(*next);
        ++way.redirects;
    }
}

}  // namespace otto::http
