#include "messages.hpp"

#include "api/resources.hpp"
#include "base/json.hpp"
#include "folded.hpp"
#include "roles.hpp"

namespace otto::query_service {
namespace {

using api::Context;
using pg::Fields;

/// The text of the path, if whoever asks may see it; else 404.
void read_message(Context& c, const std::function<void(const Fields&)>& row) {
    api::takes_nothing(c);
    bool there = false;
    c.tx().each(sql::one_message, {c.company(), c.id("message_id", "message"), c.viewer().own()}, [&](const Fields& f) {
        there = true;
        row(f);
    });
    if (!there) api::not_found("message");
}

/// Something that came with a text, as its column has it.
struct Medium {
    std::string state, why, object_key;
    static std::optional<Medium> in(std::string_view column, std::string_view n) {
        auto all = JsonDocument::parse(column);
        for (std::size_t i = 0; all.ok() && i < all->root().size(); ++i) {
            auto item = all->root().at(i);
            auto text = [&](std::string_view name) { return std::string(item[name].string().value_or("")); };
            if (item["n"].loose_text() == n) return Medium{text("state"), text("why"), text("object_key")};
        }
        return std::nullopt;
    }
    /// Why it is not there, and what to do.
    std::string lack() const {
        if (!why.empty()) return why + ".";
        return "it is being fetched. Ask again in a moment.";
    }
};

}  // namespace

void Messages::routes(api::Api& api) const {
    api.get("/api/v1/messages", kEverybody, *this, &Messages::list);
    api.get("/api/v1/messages/{message_id}", kEverybody, *this, &Messages::one);
    api.get("/api/v1/messages/{message_id}/media/{n}", kEverybody, *this, &Messages::media);
    api.get("/api/v1/contacts/{contact_id}/messages", kEverybody, *this, &Messages::thread);
    api.get("/api/v1/opt-outs", kDesk, *this, &Messages::opt_outs);
}

http::Response Messages::list(Context& c) const { return answer_list(c, lists_.messages, resources::message_value); }

http::Response Messages::opt_outs(Context& c) const { return answer_list(c, lists_.opt_outs, resources::opt_out_value); }

http::Response Messages::one(Context& c) const {
    JsonWriter w;
    read_message(c, [&](const Fields& f) { resources::message_value(w, f, c.viewer(), resources::Texts::whole); });
    return c.ok(w.take());
}

http::Response Messages::thread(Context& c) const {
    const api::Asked asked(c.request, {});
    auto id = c.id("contact_id", "contact");
    read_folded(c, id, "contact", sql::one_contact, [](const Fields&) {});
    auto page = lists_.messages.page_of(asked);
    if (!asked.text("sort") && !asked.text("cursor")) page.descending = false;  // as people read it
    return lists_.messages.answer(c, page, {.contact_card_id = id}, resources::message_value);
}

http::Response Messages::media(Context& c) const {
    std::optional<Medium> medium;
    std::string id;
    read_message(c, [&](const Fields& f) {
        id = f.text("id");
        medium = Medium::in(f.text("media"), c.request.param("n"));
    });
    if (!medium) api::refuse(404, "No such attachment", "Message " + id + " came without it; its \"media\" lists what came.");
    if (medium->state != "stored")
        api::refuse(404, "No attachment", "What came with message " + id + " cannot be shown: " + medium->lack());
    return links_.to(c, medium->object_key).lead(http::Response::empty(302));
}

}  // namespace otto::query_service
