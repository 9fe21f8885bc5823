#include "contacts.hpp"

#include "api/resources.hpp"
#include "folded.hpp"
#include "hanging.hpp"
#include "roles.hpp"

namespace otto::query_service {

using api::Context;
using pg::Fields;
using resources::Texts;

void Contacts::routes(api::Api& api) const {
    api.get("/api/v1/contacts", kEverybody, *this, &Contacts::list);
    api.get("/api/v1/contacts/{contact_id}", kEverybody, *this, &Contacts::one);
}

http::Response Contacts::list(Context& c) const { return answer_list(c, lists_.contacts, resources::contact_value); }

http::Response Contacts::one(Context& c) const {
    api::takes_nothing(c);
    auto id = c.id("contact_id", "contact");
    Timeline timeline;
    JsonWriter w;
    w.begin_object();
    read_folded(c, id, "contact", sql::one_contact, [&](const Fields& f) {
        resources::contact_columns(w, f, Texts::whole);
        timeline.push_back({*f.time("created_at"), "contact", "Contact card created", f.text("primary_phone")});
    });
    lists_.leads.write_first(w.key("leads"), c, api::Page::newest("created_at"), {.contact_card_id = id},
                             [&](JsonWriter& out, const Fields& f) {
                                 out.begin_object();
                                 resources::lead_columns(out, f, Texts::cut);
                                 out.end_object();
                                 timeline.push_back({*f.time("created_at"), "lead", "Lead created", f.text("status")});
                             });
    hang_calls(w.key("calls"), c, lists_, {.contact_card_id = id}, &timeline);
    hang_messages(w.key("messages"), c, lists_, {.contact_card_id = id}, &timeline);
    hang_voicemails(w.key("voicemails"), c, lists_, {.contact_card_id = id}, &timeline);
    hang_appointments(w.key("appointments"), c, lists_, {.contact_card_id = id}, &timeline);
    hang_tasks(w.key("tasks"), c, lists_, {.contact_card_id = id}, &timeline);
    w.key("timeline").raw(timeline_json(std::move(timeline)));
    return c.ok(w.end_object().take());
}

}  // namespace otto::query_service
