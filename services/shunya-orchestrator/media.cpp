#include "media.hpp"

#include "providers/sound.hpp"

namespace otto::shunya_orchestrator {

void add_media(http::Router& router, const providers::ObjectStore& store, const providers::MediaLinks& links,
               const Clock& clock) {
    router.add(http::Method::get, "/media/{token}", [&store, &links, &clock](const http::Request& request) {
        auto not_found = [&] {
            // The token is not repeated: it may be one that was good until a moment ago.
            http::Request nameless;
            nameless.path = "/media/";
            nameless.request_id = request.request_id;
            return http::problem({404, "Not found", "The link is wrong or over; ask for a new one where it came from."},
                                 nameless);
        };
        auto target = links.open(request.param("token"), clock.now());
        if (!target) return not_found();
        auto object = store.open(target->object_key);
        if (!object) throw Failure(object.error());
        if (!*object) return not_found();
        auto tag = (*object)->tag();
        auto answer = http::Response::file(
            request, (*object)->release(),
            std::string(providers::media_type(std::string_view(target->object_key).substr(target->object_key.rfind('.') + 1))),
            tag);
        answer.headers.add("Cache-Control", "private, no-store");  // a copy elsewhere would outlive the link
        answer.headers.add("X-Content-Type-Options", "nosniff");
        return answer;
    });
}

}  // namespace otto::shunya_orchestrator
