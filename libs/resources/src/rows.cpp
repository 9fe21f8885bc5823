#include "resources/rows.hpp"

#include <string>

#include "pg/json.hpp"

namespace otto::resources {

using pg::Fields;
using pg::json_value;
using pg::texts;
using pg::times;

void call_columns(JsonWriter& w, const Fields& f) {
    auto id = f.integer("call_id");
    w.member("call_id", id);
    texts(w, f, {"company_id", "provider", "provider_call_id", "phone_number", "tracking_number", "direction", "status"});
    w.member("missed_call", f.boolean("missed_call")).member("answered", f.boolean("answered")).member("duration", f.maybe_integer("duration")).key("recording_url");
    if (f.is_null("recording_url")) w.null();
    else w.value("/api/v1/calls/" + std::to_string(id) + "/recording");
    times(w, f, {"started_at", "ended_at"});
    texts(w, f, {"contact_card_id", "lead_id", "owner_id", "source", "campaign", "keywords"});
    json_value(w.key("tags"), f, "tags_json", "[]");
    texts(w, f, {"note", "value", "lead_status"});
    w.member("first_call", f.maybe_boolean("first_call"));
    texts(w, f, {"booking_status"});
    times(w, f, {"created_at", "updated_at"});
}

void nested_contact(JsonWriter& w, const Fields& f) {
    w.key("contact");
    if (f.is_null("contact_card_id")) {
        w.null();
        return;
    }
    w.begin_object().member("id", f.view("contact_card_id")).member("primary_phone", f.view("contact_phone"));
    w.member("first_name", f.view("contact_first_name")).member("last_name", f.view("contact_last_name")).end_object();
}

void nested_lead(JsonWriter& w, const Fields& f) {
    w.key("lead");
    if (f.is_null("lead_id") || f.is_null("lead_state")) w.null();
    else w.begin_object().member("id", f.view("lead_id")).member("status", f.view("lead_state")).member("assigned_rep_id", f.view("lead_rep")).end_object();
}

void lead_columns(JsonWriter& w, const Fields& f) {
    texts(w, f, {"id", "company_id", "contact_card_id", "status", "source", "pool_status", "assigned_rep_id"});
    times(w, f, {"last_qualified_at", "last_contacted_at", "closed_at", "created_at", "updated_at"});
}

void contact_columns(JsonWriter& w, const Fields& f) {
    texts(w, f, {"id", "company_id", "primary_phone", "first_name", "last_name", "address", "city", "state"});
    times(w, f, {"created_at", "updated_at"});
}

void customer_name(JsonWriter& w, const Fields& f) {
    auto name = f.text("contact_first_name");
    if (auto last = f.text("contact_last_name"); !last.empty()) name += (name.empty() ? "" : " ") + last;
    if (name.empty()) w.null();
    else w.value(name);
}

void appointment_value(JsonWriter& w, const Fields& f, std::string_view user) {
    w.begin_object();
    texts(w, f, {"id", "company_id", "lead_id", "contact_card_id"});
    w.member("call_id", f.maybe_integer("call_id"));
    times(w, f, {"scheduled_start", "scheduled_end"});
    texts(w, f, {"status", "outcome", "location_address", "service_type", "appointment_type", "assigned_rep_id"});
    w.member("needs_time", f.boolean("needs_time")).member("deal_size_cents", f.maybe_integer("deal_size_cents"));
    texts(w, f, {"notes", "touched_by"});
    times(w, f, {"touched_at", "created_at", "updated_at"});
    customer_name(w.key("customer_name"), f);
    w.member("is_assigned_to_me", f.view("assigned_rep_id") == user).member("pending_tasks_count", f.integer("pending_tasks"));
    nested_contact(w, f);
    nested_lead(w, f);
    w.end_object();
}

void task_value(JsonWriter& w, const Fields& f) {
    w.begin_object();
    texts(w, f, {"id", "company_id", "description", "assigned_to", "assignee_id", "source", "action_type"});
    times(w, f, {"due_at"});
    texts(w, f, {"status", "priority", "contact_card_id", "lead_id"});
    w.member("call_id", f.maybe_integer("call_id"));
    texts(w, f, {"appointment_id", "contact_method", "raw_text"});
    times(w, f, {"completed_at"});
    texts(w, f, {"completed_by", "created_by"});
    times(w, f, {"created_at", "updated_at"});
    w.member("overdue", f.boolean("overdue"));
    nested_contact(w, f);
    nested_lead(w, f);
    w.end_object();
}

}  // namespace otto::resources
