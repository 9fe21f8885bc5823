#pragma once
#include <optional>
#include <string>
#include <string_view>

#include "base/text.hpp"
#include "http/client.hpp"

/// Redirects, for those who want them followed.
namespace otto::http {

/// Scheme, host and port, "https://a.example:443": whom a key is for, and what paths are joined to.
std::string origin(const Url&);
/// How a place is named to people: without its path, which may hold a key.
std::string shown(const Url&);
/// Where a redirect leads (RFC 3986, 5.2). An Error says why nobody follows it: it is no usable URL, or leads from https to http.
Result<Url> redirect_target(const Url& from, std::string_view location);

struct FollowOptions {
    DownloadOptions download;  ///< the total time-out is for all of the way
    int most = 5;              ///< redirects
    Headers credentials;       ///< sent to the first address alone: never along a redirect, not even within one host
};

/// What a download along redirects came to.
struct Followed {
    Url place;          ///< who answered last
    int redirects = 0;  ///< that led there
    Download got;       ///< its answer
    std::optional<Error>
        astray;  ///< why that answer, a redirect, was not followed; to be read behind its place: "leads from https to http"
};

/// Client::download() along redirects, from https to https only; each address is judged, and refused if it is private, like the
/// first. Only the answer at the end of the way reaches the sink.
Followed follow(Client&, const ClientRequest&, const Sink&, const FollowOptions& = {});

}  // namespace otto::http
