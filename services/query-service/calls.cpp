#include "calls.hpp"

#include "api/analysis.hpp"
#include "api/resources.hpp"
#include "days.hpp"
#include "folded.hpp"
#include "pg/json.hpp"
#include "roles.hpp"
#include "search.hpp"
#include "timeline.hpp"
#include "words.hpp"

namespace otto::query_service {
namespace {

using api::Context;
using pg::Fields;

void write_analysis_state(JsonWriter& w, const Fields& f) {
    w.key("analysis_state");
    if (f.is_null("analysis_state")) {
        w.null();
        return;
    }
    w.begin_object().member("state", f.view("analysis_state"));
    pg::time_value(w.key("since"), f, "analysis_since");
    w.member("why", f.view("analysis_why")).member("cure", f.view("analysis_cure")).end_object();
}

}  // namespace

void Calls::routes(api::Api& api) const {
    api.get("/api/v1/calls", kEverybody, *this, &Calls::list);
    api.get("/api/v1/calls/{call_id}", kEverybody, *this, &Calls::one);
    api.get("/api/v1/calls/{call_id}/timeline", kEverybody, *this, &Calls::timeline);
}

http::Response Calls::list(Context& c) const {
    api::Asked asked(c.request,
                     {"status", "missed_call", "direction", "provider", "date_from", "date_to", "phone", "lead_id",
                      "contact_card_id", "owner_id", "booking_status", "lead_quality", "answered", "analysed", "search"});
    auto page = lists_.calls.page_of(asked);
    auto days = Days::of(c, asked.date("date_from"), asked.date("date_to"));
    auto found = Found::of(c, "calls", asked.search());
    return lists_.calls.answer(c, page,
                               {.status = asked.any_of("status", words::call_status),
                                .missed_call = asked.truth("missed_call"),
                                .direction = asked.any_of("direction", words::call_direction),
                                .provider = asked.any_of("provider", words::call_provider),
                                .since = days.since,
                                .till = days.till,
                                .phone = asked.phone("phone"),
                                .lead_id = asked.uuid("lead_id"),
                                .contact_card_id = asked.uuid("contact_card_id"),
                                .owner_id = asked.any_of("owner_id"),
                                .found = found.ids,
                                .words = found.patterns,
                                .booking_status = asked.any_of("booking_status", words::booking_status),
                                .lead_quality = asked.any_of("lead_quality", words::lead_quality),
                                .answered = asked.truth("answered"),
                                .analysed = asked.truth("analysed")},
                               resources::call_value, found.rows);
}

http::Response Calls::one(Context& c) const {
    api::takes_nothing(c);
    auto id = c.call_id();
    JsonWriter w;
    w.begin_object();
    read_call(c, id, [&](const Fields& f) {
        resources::call_columns(w, f, resources::Texts::whole);
        resources::nested_contact(w, f);
        resources::nested_lead(w, f, c.viewer());
        w.member("has_transcript", f.boolean("has_transcript"));
        write_analysis_state(w, f);
    });
    w.key("analysis");
    if (!resources::write_analysis(w, c.tx(), c.company(), id)) w.null();
    return c.ok(w.end_object().take());
}

http::Response Calls::timeline(Context& c) const {
    api::takes_nothing(c);
    auto id = c.call_id();
    Timeline entries;
    read_call(c, id, [&](const Fields& f) {
        add_call(entries, f);
        if (auto at = f.time("received_at"))
            entries.push_back({*at, "webhook", "First report received", f.text("provider") + " " + f.text("provider_call_id")});
        entries.push_back({*f.time("contact_created_at"), "contact", "Contact card created", f.text("contact_phone")});
        entries.push_back({*f.time("lead_created_at"), "lead", "Lead created", f.text("lead_state")});
    });
    for (auto& e : c.tx().many<TimelineEntry>(sql::call_moments, {c.company(), id, c.viewer().own()}))
        entries.push_back(std::move(e));
    JsonWriter w;
    auto total = entries.size();
    w.begin_object().key("items").raw(timeline_json(std::move(entries))).member("total", total);
    return c.ok(w.end_object().take());
}

}  // namespace otto::query_service
