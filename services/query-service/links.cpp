#include "links.hpp"

#include "api/refusal.hpp"

namespace otto::query_service {
namespace {

constexpr Millis kLast{15 * 60'000};

}  // namespace

http::Response Link::lead(http::Response response) const {
    response.status = 302;
    response.headers.set("Location", url);
    response.headers.set("Cache-Control", "no-store");
    return response;
}

Links::Links(const std::string& public_url, app::LiveSecret keys, app::LiveSecret ring)
    : made_(providers::MediaLinks::make(public_url, std::move(keys), std::move(ring))) {}

Link Links::to(const api::Context& c, const std::string& object_key) const {
    if (!made_.ok())
        api::refuse(503, "Recordings and pictures cannot be handed out",
                    made_.error().message + (made_.error().hint.empty() ? "" : "; " + made_.error().hint));
    auto until = c.request.received_at + kLast;
    return {made_->url_until(c.company().value(), object_key, until), until};
}

}  // namespace otto::query_service
