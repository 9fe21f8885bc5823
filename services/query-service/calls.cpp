#include "calls.hpp"

#include "api/analysis.hpp"
#include "api/resources.hpp"
#include "folded.hpp"
#include "pg/json.hpp"
#include "roles.hpp"
#include "timeline.hpp"

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

http::Response Calls::list(Context& c) const { return answer_list(c, lists_.calls, resources::call_value); }

http::Response Calls::one(Context& c) const {
    api::takes_nothing(c);
    auto id = c.call_id();
    JsonWriter w;
    w.begin_object();
    read_call(c, id, [&](const Fields& f) {
        resources::call_columns(w, f, resources::Texts::whole);
        resources::nested_contact(w, f);
        resources::nested_lead(w, f, c.viewer());
        w.member("consent_notice_played", f.maybe_boolean("consent_notice_played"))
            .member("consent_notice_sha256", f.view("consent_notice_sha256"))
            .member("has_transcript", f.boolean("has_transcript"));
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
