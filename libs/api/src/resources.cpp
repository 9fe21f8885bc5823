#include "api/resources.hpp"

#include <string>

#include "base/text.hpp"
#include "pg/json.hpp"

namespace otto::resources {

using pg::Fields;
using pg::json_value;
using pg::texts;
using pg::times;

namespace {

/// Columns that hold what people and providers wrote, of whatever length.
void words(JsonWriter& w, const Fields& f, std::initializer_list<std::string_view> columns, Texts length) {
    for (auto c : columns) {
        auto text = f.view(c);
        if (text && length == Texts::cut)
            w.member(c, brief(*text));
        else
            w.member(c, text);
    }
}

/// Our own address for a call's recording, if the provider has one.
void recording_address(JsonWriter& w, const Fields& f) {
    w.key("recording_url");
    if (f.is_null("recording_url"))
        w.null();
    else
        w.value("/api/v1/calls/" + std::to_string(f.integer("call_id")) + "/recording");
}

/// As many of them as fit into what one text may take.
void some_of(JsonWriter& w, std::string_view list) {
    w.begin_array();
    std::size_t room = kBrief;
    if (auto all = JsonDocument::parse(list); all.ok())
        for (std::size_t i = 0; i < all->root().size(); ++i) {
            auto one = brief(all->root().at(i).string().value_or(""));
            if (one.size() > room) break;
            room -= one.size();
            w.value(one);
        }
    w.end_array();
}

/// What came with a text, of which the column also keeps the provider's addresses.
void media_items(JsonWriter& w, const Fields& f) {
    w.begin_array();
    auto column = f.view("media").value_or("[]");
    auto all = column == "[]" ? Result<JsonDocument>(Error("nothing")) : JsonDocument::parse(column);
    for (std::size_t i = 0; all.ok() && i < all->root().size(); ++i) {
        auto item = all->root().at(i);
        auto n = item["n"].integer().value_or(static_cast<std::int64_t>(i));
        auto state = item["state"].string().value_or("pending");
        w.begin_object()
            .member("n", n)
            .member("content_type", item["content_type"].string())
            .member("bytes", item["bytes"].integer())
            .member("state", state)
            .member("why", item["why"].string())
            .key("url");
        if (state == "stored")
            w.value("/api/v1/messages/" + f.text("id") + "/media/" + std::to_string(n));
        else
            w.null();
        w.end_object();
    }
    w.end_array();
}

/// Member "owner" from owner_id and owner_name; null if it is nobody's, and no name for an id that is none of the company's
/// people.
void person(JsonWriter& w, const Fields& f, std::string_view member) {
    w.key(member);
    const auto id = f.view(std::string(member) + "_id");
    if (id)
        w.begin_object().member("id", *id).member("name", f.view(std::string(member) + "_name")).end_object();
    else
        w.null();
}

}  // namespace

std::string brief(std::string_view text) { return clip_utf8(text, kBrief); }

void call_columns(JsonWriter& w, const Fields& f, Texts length) {
    w.member("call_id", f.integer("call_id"));
    texts(w, f, {"company_id", "provider"});
    words(w, f, {"provider_call_id", "phone_number", "tracking_number"}, length);
    texts(w, f, {"direction", "status"});
    w.member("missed_call", f.boolean("missed_call"))
        .member("answered", f.boolean("answered"))
        .member("duration", f.maybe_integer("duration"));
    recording_address(w, f);
    times(w, f, {"started_at", "ended_at"});
    texts(w, f, {"contact_card_id", "lead_id", "owner_id"});
    person(w, f, "owner");
    words(w, f, {"source", "campaign", "keywords"}, length);
    w.key("tags");
    if (auto tags = f.view("tags_json"); length == Texts::cut && tags && tags->size() > kBrief)
        some_of(w, *tags);
    else
        w.raw(tags.value_or("[]"));
    words(w, f, {"note", "value", "lead_status"}, length);
    w.member("first_call", f.maybe_boolean("first_call"));
    words(w, f, {"booking_status"}, length);
    times(w, f, {"created_at", "updated_at"});
}

void nested_contact(JsonWriter& w, const Fields& f) {
    w.key("contact");
    if (f.is_null("contact_card_id")) {
        w.null();
        return;
    }
    w.begin_object().member("id", f.view("contact_card_id"));
    for (std::string_view column : {"primary_phone", "first_name", "last_name"}) {
        auto text = f.view(column == "primary_phone" ? "contact_phone" : "contact_" + std::string(column));
        if (text)
            w.member(column, brief(*text));
        else
            w.key(column).null();
    }
    w.end_object();
}

void nested_lead(JsonWriter& w, const Fields& f, const Viewer& viewer) {
    w.key("lead");
    if (f.is_null("lead_id") || f.is_null("lead_state") || (viewer.rep && f.view("lead_rep") != viewer.user))
        w.null();
    else
        w.begin_object()
            .member("id", f.view("lead_id"))
            .member("status", f.view("lead_state"))
            .member("assigned_rep_id", f.view("lead_rep"))
            .end_object();
}

void lead_columns(JsonWriter& w, const Fields& f, Texts length) {
    texts(w, f, {"id", "company_id", "contact_card_id", "status"});
    words(w, f, {"source"}, length);
    texts(w, f, {"pool_status", "assigned_rep_id"});
    person(w, f, "assigned_rep");
    times(w, f, {"last_qualified_at", "last_contacted_at", "closed_at", "created_at", "updated_at"});
}

void contact_columns(JsonWriter& w, const Fields& f, Texts length) {
    texts(w, f, {"id", "company_id"});
    words(w, f, {"primary_phone", "first_name", "last_name", "address", "city", "state"}, length);
    times(w, f, {"created_at", "updated_at"});
}

void message_columns(JsonWriter& w, const Fields& f, Texts length) {
    texts(w, f, {"id", "company_id", "provider"});
    words(w, f, {"provider_message_id"}, length);
    texts(w, f, {"direction"});
    words(w, f, {"from_number", "to_number", "body"}, length);
    media_items(w.key("media"), f);
    w.member("segments", f.maybe_integer("segments"));
    texts(w, f, {"status"});
    words(w, f, {"error_code", "error_message"}, length);
    texts(w, f, {"contact_card_id", "lead_id"});
    words(w, f, {"sent_by"}, length);
    w.member("automatic", f.boolean("automatic"));
    words(w, f, {"reason"}, length);
    times(w, f, {"scheduled_at", "asked_at"});
    w.member("status_unknown", f.boolean("status_unknown"));
    words(w, f, {"paused_why"}, length);
    times(w, f, {"sent_at", "created_at", "updated_at"});
}

void call_value(JsonWriter& w, const Fields& f, const Viewer& viewer, Texts length) {
    w.begin_object();
    call_columns(w, f, length);
    nested_contact(w, f);
    nested_lead(w, f, viewer);
    w.end_object();
}

void lead_value(JsonWriter& w, const Fields& f, const Viewer&, Texts length) {
    w.begin_object();
    lead_columns(w, f, length);
    nested_contact(w, f);
    w.end_object();
}

void contact_value(JsonWriter& w, const Fields& f, const Viewer&, Texts length) {
    w.begin_object();
    contact_columns(w, f, length);
    w.end_object();
}

void message_value(JsonWriter& w, const Fields& f, const Viewer& viewer, Texts length) {
    w.begin_object();
    message_columns(w, f, length);
    nested_contact(w, f);
    nested_lead(w, f, viewer);
    w.end_object();
}

void opt_out_value(JsonWriter& w, const Fields& f, const Viewer&, Texts length) {
    w.begin_object();
    texts(w, f, {"id", "company_id"});
    words(w, f, {"phone"}, length);
    texts(w, f, {"channel", "source", "message_id", "created_by"});
    words(w, f, {"reason"}, length);
    times(w, f, {"opted_out_at", "revoked_at"});
    texts(w, f, {"revoked_source", "revoked_by"});
    times(w, f, {"created_at"});
    w.end_object();
}

void voicemail_columns(JsonWriter& w, const Fields& f, Texts length) {
    texts(w, f, {"id", "company_id"});
    w.member("call_id", f.integer("call_id"));
    texts(w, f, {"recording_sid"});
    recording_address(w, f);
    w.member("duration", f.maybe_integer("duration"));
    words(w, f, {"transcript", "summary"}, length);
    texts(w, f, {"status"});
    times(w, f, {"created_at", "updated_at"});
}

void voicemail_value(JsonWriter& w, const Fields& f, const Viewer& viewer, Texts length) {
    w.begin_object();
    voicemail_columns(w, f, length);
    nested_contact(w, f);
    nested_lead(w, f, viewer);
    w.end_object();
}

void company_number_value(JsonWriter& w, const Fields& f, const Viewer&, Texts) {
    w.begin_object();
    texts(w, f, {"id", "company_id", "e164"});
    json_value(w.key("purposes"), f, "purposes");
    texts(w, f, {"provider", "provider_sid"});
    w.member("is_active", f.boolean("is_active")).member("voicemail_enabled", f.boolean("voicemail_enabled"));
    times(w, f, {"valid_from", "valid_to", "created_at", "updated_at"});
    texts(w, f, {"state", "note"});
    w.key("webhooks_problem");
    if (f.is_null("webhooks_problem"))
        w.null();
    else
        w.begin_object().member("cause", f.text("webhooks_problem")).member("cure", f.text("webhooks_problem_cure")).end_object();
    w.end_object();
}

void user_value(JsonWriter& w, const Fields& f, const Viewer&, Texts) {
    w.begin_object();
    texts(w, f, {"id", "email", "name", "role", "role_unknown", "status"});
    json_value(w.key("changing"), f, "changing");
    times(w, f, {"removed_at", "created_at", "updated_at"});
    w.end_object();
}

void customer_name(JsonWriter& w, const Fields& f) {
    auto name = f.text("contact_first_name");
    if (auto last = f.text("contact_last_name"); !last.empty()) name += (name.empty() ? "" : " ") + last;
    if (name.empty())
        w.null();
    else
        w.value(brief(name));
}

void appointment_value(JsonWriter& w, const Fields& f, const Viewer& viewer, Texts length) {
    w.begin_object();
    texts(w, f, {"id", "company_id", "lead_id", "contact_card_id"});
    w.member("call_id", f.maybe_integer("call_id"));
    times(w, f, {"scheduled_start", "scheduled_end"});
    texts(w, f, {"status", "outcome"});
    words(w, f, {"location_address", "service_type", "appointment_type"}, length);
    texts(w, f, {"assigned_rep_id"});
    person(w, f, "assigned_rep");
    w.member("needs_time", f.boolean("needs_time"));
    times(w, f, {"moved_from", "moved_at"});
    w.member("moved_by_call_id", f.maybe_integer("moved_by_call")).member("deal_size_cents", f.maybe_integer("deal_size_cents"));
    words(w, f, {"notes"}, length);
    texts(w, f, {"touched_by"});
    times(w, f, {"touched_at", "created_at", "updated_at"});
    customer_name(w.key("customer_name"), f);
    w.member("is_assigned_to_me", f.view("assigned_rep_id") == viewer.user)
        .member("pending_tasks_count", f.integer("pending_tasks"));
    nested_contact(w, f);
    nested_lead(w, f, viewer);
    w.end_object();
}

void task_value(JsonWriter& w, const Fields& f, const Viewer& viewer, Texts length) {
    w.begin_object();
    texts(w, f, {"id", "company_id"});
    words(w, f, {"description"}, length);
    texts(w, f, {"assigned_to", "assignee_id"});
    person(w, f, "assignee");
    texts(w, f, {"source", "action_type"});
    times(w, f, {"due_at"});
    texts(w, f, {"status", "priority", "contact_card_id", "lead_id"});
    w.member("call_id", f.maybe_integer("call_id"));
    texts(w, f, {"appointment_id"});
    words(w, f, {"contact_method", "raw_text"}, length);
    times(w, f, {"completed_at"});
    texts(w, f, {"completed_by", "created_by"});
    times(w, f, {"created_at", "updated_at"});
    w.member("overdue", f.boolean("overdue"));
    nested_contact(w, f);
    nested_lead(w, f, viewer);
    w.end_object();
}

}  // namespace otto::resources
