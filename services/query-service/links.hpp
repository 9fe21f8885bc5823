#pragma once
#include <string>

#include "api/context.hpp"
#include "base/result.hpp"
#include "providers/media_links.hpp"

namespace otto::query_service {

/// A link to what is stored.
struct Link {
    std::string url;
    Instant until;
    /// Leads who asked there; nothing on the way keeps it.
    http::Response lead(http::Response) const;
};

/// What is stored, for people: links under /media that last long enough to hear a call through.
class Links {
public:
    /// As MediaLinks::make() takes them. If they are not set up, that is the answer to whoever asks for one.
    Links(const std::string& public_url, app::LiveSecret keys, app::LiveSecret ring);
    /// To an object of the caller's company; 503 if links are not set up.
    Link to(const api::Context&, const std::string& object_key) const;
    const Result<providers::MediaLinks>& made() const { return made_; }

private:
    const Result<providers::MediaLinks> made_;
};

}  // namespace otto::query_service
