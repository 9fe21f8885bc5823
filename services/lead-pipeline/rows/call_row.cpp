#include "rows/call_row.hpp"

#include "base/json.hpp"
#include "base/phone.hpp"

namespace otto::lead_pipeline {

CallRow CallRow::from(const pg::Fields& f) {
    CallRow r;
    r.company = f.text("company_id");
    r.provider = f.text("provider");
    r.provider_call_id = f.text("provider_call_id");
    r.traceparent = f.text("traceparent");
    r.call_id = f.integer("call_id");
    r.version = f.integer("version");
    r.contact = f.uuid("contact_card_id");
    r.lead = f.uuid("lead_id");
    r.owner_id = f.maybe_text("owner_id");
    auto& c = r.call;
    // What is derived or not shown stands in the merge state.
    auto state = JsonDocument::parse(f.text("merge_state"));
    auto root = state ? state->root() : JsonView{};
    c.origins = Origins::parse(root["origins"].dump());
    c.reported_status = std::string(root["status"].string().value_or(""));
    c.ever_answered = root["answered"].boolean().value_or(false);
    for (std::size_t i = 0; i < root["seen"].size(); ++i) c.seen.emplace(root["seen"].at(i).string().value_or(""));
    for (const auto& id : c.origins.reports()) c.seen.insert(name_of(id));  // of rows that are older than the list
    bool by_reports = c.origins.of("status").has_value() || !c.seen.empty();
    if (!by_reports) {  // somebody wrote the row with SQL: what stands there is all that is known
        c.reported_status = f.text("status");
        c.ever_answered = f.boolean("answered");
    }
    auto kept = [&](const char* name, std::optional<std::string>& slot) {
        if (auto text = root[name].string()) slot = std::string(*text);
    };
    kept("owner", c.owner_email);
    kept("name", c.customer_name);
    kept("city", c.customer_city);
    kept("state", c.customer_state);
    if (auto number = f.maybe_text("phone_number")) {  // as numbers are read now, whenever it was written
        auto phone = normalize_phone(*number);
        c.phone_number = std::move(phone.text);
        c.phone_callable = phone.e164;
    }
    c.tracking_number = f.maybe_text("tracking_number");
    if (c.origins.of("direction") || !by_reports) c.direction = f.maybe_text("direction");
    c.recording_url = f.maybe_text("recording_url");
    c.source = f.maybe_text("source");
    c.campaign = f.maybe_text("campaign");
    c.keywords = f.maybe_text("keywords");
    c.note = f.maybe_text("note");
    c.value = f.maybe_text("value");
    c.lead_status = f.maybe_text("lead_status");
    c.duration_s = f.maybe_integer("duration");
    c.first_call = f.maybe_boolean("first_call");
    auto tags = JsonDocument::parse(f.text("tags_json"));
    for (std::size_t i = 0; tags && i < tags->root().size(); ++i) c.tags.emplace_back(tags->root().at(i).string().value_or(""));
    c.started_at = f.time("started_at");
    c.ended_at = f.time("ended_at");
    c.received_at = f.time("received_at").value_or(Instant{});
    r.was_missed = f.boolean("missed_call") && c.phone_callable;
    return r;
}

std::string merge_state(const Call& c) {
    JsonWriter w;
    w.begin_object().member("status", c.reported_status).member("answered", c.ever_answered).member("callable", c.phone_callable);
    if (c.owner_email) w.member("owner", *c.owner_email);
    if (c.customer_name) w.member("name", *c.customer_name);
    if (c.customer_city) w.member("city", *c.customer_city);
    if (c.customer_state) w.member("state", *c.customer_state);
    w.key("seen").begin_array();
    for (const auto& name : c.seen) w.value(name);
    return w.end_array().key("origins").raw(c.origins.text()).end_object().take();
}

std::string tags_json(const Call& c) {
    JsonWriter w;
    w.begin_array();
    for (const auto& t : c.tags) w.value(t);
    return w.end_array().take();
}

}  // namespace otto::lead_pipeline
