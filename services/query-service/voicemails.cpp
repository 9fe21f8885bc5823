#include "voicemails.hpp"

#include "api/resources.hpp"
#include "roles.hpp"

namespace otto::query_service {

using api::Context;
using pg::Fields;

void Voicemails::routes(api::Api& api) const {
    api.get("/api/v1/voicemails", kEverybody, *this, &Voicemails::list);
    api.get("/api/v1/voicemails/{voicemail_id}", kEverybody, *this, &Voicemails::one);
}

http::Response Voicemails::list(Context& c) const { return answer_list(c, lists_.voicemails, resources::voicemail_value); }

http::Response Voicemails::one(Context& c) const {
    api::takes_nothing(c);
    JsonWriter w;
    c.tx().each(sql::one_voicemail, {c.company(), c.id("voicemail_id", "voicemail"), c.viewer().own()},
                [&](const Fields& f) { resources::voicemail_value(w, f, c.viewer(), resources::Texts::whole); });
    if (w.text().empty()) api::not_found("voicemail");
    return c.ok(w.take());
}

}  // namespace otto::query_service
