#include "media.hpp"

#include "providers/attachments.hpp"
#include "providers/sound.hpp"

namespace otto::shunya_orchestrator {
namespace {

/// How an object is served: as what its ending says, which whoever stored it knew; without one as what it is.
struct Served {
    std::string type;
    std::optional<std::string>
        saved_as;  ///< the name under which it is only saved: what is no image, audio or video may be a page that runs here
    static Served of(std::string_view key, const providers::StoredObject& object) {
        auto name = key.substr(key.rfind('/') + 1);
        auto dot = name.rfind('.');
        if (dot != std::string_view::npos) {
            Served s{std::string(providers::media_type(name.substr(dot + 1))), {}};
            if (!s.type.starts_with("audio/")) s.saved_as = name;
            return s;
        }
        auto kind = providers::file_kind(object.read(0, providers::kFirstLook).value_or(""));
        Served s{std::string(kind.type), {}};
        if (!kind.shown()) s.saved_as = std::string(name) + "." + std::string(kind.ending);
        return s;
    }
};

}  // namespace

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
        auto served = Served::of(target->object_key, **object);
        auto answer = http::Response::file(request, (*object)->release(), served.type, tag);
        // The key's name: letters, digits, '_', '-' and '.'.
        if (served.saved_as) answer.headers.add("Content-Disposition", "attachment; filename=\"" + *served.saved_as + "\"");
        answer.headers.add("Cache-Control", "private, no-store");  // a copy elsewhere would outlive the link
        answer.headers.add("X-Content-Type-Options", "nosniff");
        return answer;
    });
}

}  // namespace otto::shunya_orchestrator
