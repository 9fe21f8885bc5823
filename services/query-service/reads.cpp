#include "reads.hpp"

#include <algorithm>

#include "list.hpp"
#include "query-service/sql.hpp"
#include "pg/json.hpp"
#include "resources/rows.hpp"

namespace otto::query_service {
namespace {

using identity::Context;
using pg::Fields;

using Ids = Page::Ids;
using resources::Texts;

/// A row that hangs on something else, without what hangs on it.
void call_alone(JsonWriter& w, const Fields& f) {
    w.begin_object();
    resources::call_columns(w, f, Texts::cut);
    w.end_object();
}
void lead_alone(JsonWriter& w, const Fields& f) {
    w.begin_object();
    resources::lead_columns(w, f, Texts::cut);
    w.end_object();
}
/// Nothing of `size` filters is asked for but these.
pg::Params only(std::size_t size, std::initializer_list<std::pair<std::size_t, pg::Param>> given) {
    pg::Params all(size, nullptr);
    for (const auto& [place, value] : given) all[place] = value;
    return all;
}
// Where the filters of sql/lists.sql stand, behind the viewer's own.
constexpr std::size_t kCallFilters = 16, kCallLead = 7, kCallContact = 8, kLeadFilters = 10, kLeadContact = 8, kAppointmentFilters = 9, kAppointmentLead = 2, kAppointmentContact = 6, kTaskFilters = 8, kTaskLead = 4, kTaskContact = 5;

const std::vector<std::string_view> kCallStatuses{"ringing", "in_progress", "completed", "missed", "voicemail", "failed"};
const std::vector<std::string_view> kLeadStatuses{"new", "warm", "hot", "cold", "qualified_booked", "qualified_unbooked", "qualified_service_not_offered", "nurturing", "dormant", "abandoned", "closed_won", "closed_lost"};
const std::vector<std::string_view> kBooking{"booked", "not_booked", "service_not_offered"};
const std::vector<std::string_view> kQualities{"hot", "warm", "cold", "unqualified"};
const std::vector<std::string_view> kAppointmentStatuses{"scheduled", "confirmed", "completed", "cancelled", "no_show"};
const std::vector<std::string_view> kOutcomes{"pending", "won", "lost", "no_show", "rescheduled"};
const std::vector<std::string_view> kTaskStatuses{"open", "completed", "overdue", "cancelled"};

void call_moments(const Fields& f, std::vector<Moment>& out) {
    auto seconds = f.maybe_integer("duration");
    auto inbound = f.text("direction") == "inbound";
    auto call = std::to_string(f.integer("call_id"));
    auto began = f.time("started_at").value_or(*f.time("created_at"));
    out.push_back({began, "call", inbound ? "Call from the customer" : "Call to the customer", "call " + call + ", " + f.text("status") + (seconds ? ", " + std::to_string(*seconds) + " s" : "")});
    if (f.boolean("missed_call")) out.push_back({f.time("ended_at").value_or(began), "missed_call", f.text("status") == "voicemail" ? "The customer left a voicemail" : "Nobody answered", "call " + call});
    else if (auto ended = f.time("ended_at")) out.push_back({*ended, "call_ended", "The call ended", seconds ? std::to_string(*seconds) + " s" : ""});
    if (!f.is_null("recording_url")) out.push_back({f.time("ended_at").value_or(*f.time("updated_at")), "recording", "A recording is available", "/api/v1/calls/" + call + "/recording"});
    if (auto note = f.maybe_text("note")) out.push_back({*f.time("updated_at"), "note", "Note", *note});
}

std::string moments_json(std::vector<Moment> moments) {
    std::stable_sort(moments.begin(), moments.end(), [](const auto& a, const auto& b) { return a.at < b.at; });
    JsonWriter w;
    w.begin_array();
    for (const auto& m : moments) w.begin_object().member("at", to_rfc3339(m.at)).member("kind", m.kind).member("title", m.title).member("detail", resources::brief(m.detail)).end_object();
    return w.end_array().take();
}

}  // namespace

Reads::Reads(Result<providers::MediaLinks> links)
    : links_(std::move(links)),
      calls_(sql::calls_page, sql::calls_count, {{"created_at", "c.created_at"}, {"started_at", "c.happened_at"}}, "calls"),
      leads_(sql::leads_page, sql::leads_count, {{"created_at", "l.created_at"}}, "leads"),
      contacts_(sql::contacts_page, sql::contacts_count, {{"created_at", "k.created_at"}}, "contact_cards"),
      appointments_(sql::appointments_page, sql::appointments_count, {{"created_at", "a.created_at"}, {"scheduled_start", "coalesce(a.scheduled_start,a.created_at)"}}),
      tasks_(sql::tasks_page, sql::tasks_count, {{"created_at", "t.created_at"}, {"due_at", "coalesce(t.due_at,t.created_at)"}}),
      users_(sql::users_page, sql::users_count, {{"created_at", "u.created_at"}}),
      numbers_(sql::numbers_page, sql::numbers_count, {{"created_at", "n.created_at"}}) {}

std::vector<pg::Query> Reads::list_queries() const {
    std::vector<pg::Query> out;
    for (const auto* l : {&calls_, &leads_, &contacts_, &appointments_, &tasks_, &users_, &numbers_})
        for (auto& q : l->all()) out.push_back(q);
    return out;
}

Statement Reads::newest_calls(const CompanyId& company, std::int64_t limit) const {
    return calls_.page(Viewer{{}, company}, Page::newest("created_at", limit), only(kCallFilters, {}));
}

http::Response Reads::calls(Context& c) const {
    Asked asked(c.request, {"status", "missed_call", "direction", "provider", "date_from", "date_to", "phone", "lead_id", "contact_card_id", "owner_id", "booking_status", "lead_quality", "answered", "analysed", "search"});
    auto page = Page::of(asked, {"created_at", "started_at"}, Ids::numbers);
    auto days = days_of(c, asked.date("date_from"), asked.date("date_to"));
    auto found = Found::of(c, "calls", asked.search());
    pg::Params filters{asked.any_of("status", kCallStatuses), asked.truth("missed_call"), asked.any_of("direction", {"inbound", "outbound"}), asked.any_of("provider", {"callrail", "twilio"}),
                       days.since, days.till, asked.phone("phone"), asked.uuid("lead_id"), asked.uuid("contact_card_id"), asked.any_of("owner_id"), found.ids, found.patterns,
                       asked.any_of("booking_status", kBooking), asked.any_of("lead_quality", kQualities), asked.truth("answered"), asked.truth("analysed")};
    return list(c, page, calls_, long_lists_, "calls", filters, "call_id", [viewer = Viewer::of(c)](JsonWriter& w, const Fields& f) {
        w.begin_object();
        resources::call_columns(w, f, Texts::cut);
        resources::nested_contact(w, f);
        resources::nested_lead(w, f, viewer);
        w.end_object();
    }, &found);
}

http::Response Reads::call_timeline(Context& c) const {
    auto id = call_id_of(c);
    std::vector<Moment> moments;
    read_call(c, id, [&](const Fields& f) {
        call_moments(f, moments);
        if (auto at = f.time("received_at")) moments.push_back({*at, "webhook", "First report received", f.text("provider") + " " + f.text("provider_call_id")});
        moments.push_back({*f.time("contact_created_at"), "contact", "Contact card created", f.text("contact_phone")});
        moments.push_back({*f.time("lead_created_at"), "lead", "Lead created", f.text("lead_state")});
    });
    for (auto& m : c.tx().many<Moment>(sql::call_moments, {c.company(), id, Viewer::of(c).own()})) moments.push_back(std::move(m));
    JsonWriter w;
    auto total = moments.size();
    w.begin_object().key("items").raw(moments_json(std::move(moments))).member("total", total);
    return c.ok(w.end_object().take());
}

http::Response Reads::leads(Context& c) const {
    Asked asked(c.request, {"status", "pool_status", "rep_id", "source", "date_from", "date_to", "qualified", "search"});
    auto page = Page::of(asked, {"created_at"}, Ids::uuids);
    auto days = days_of(c, asked.date("date_from"), asked.date("date_to"));
    auto found = Found::of(c, "leads", asked.search());
    pg::Params filters{asked.any_of("status", kLeadStatuses), asked.any_of("pool_status", {"in_pool", "assigned", "closed", "archived"}), asked.any_of("rep_id"), asked.any_of("source"),
                       days.since, days.till, found.ids, found.patterns, nullptr, asked.truth("qualified")};
    return list(c, page, leads_, long_lists_, "leads", filters, "id", [](JsonWriter& w, const Fields& f) {
        w.begin_object();
        resources::lead_columns(w, f, Texts::cut);
        resources::nested_contact(w, f);
        w.end_object();
    }, &found);
}

http::Response Reads::lead(Context& c) const {
    auto id = uuid_of(c, "lead_id", "lead");
    JsonWriter w;
    w.begin_object();
    read_folded(c, id, "lead", sql::one_lead, [&](const Fields& f) {
        resources::lead_columns(w, f, Texts::whole);
        resources::nested_contact(w, f);
    });
    write_hanging(w.key("calls"), c, Page::newest("started_at"), calls_, only(kCallFilters, {{kCallLead, id}}), call_alone);
    hanging_on(w, c, "lead", id, nullptr);
    return c.ok(w.end_object().take());
}

void Reads::hanging_on(JsonWriter& w, Context& c, std::string_view what, const Uuid& id, std::vector<Moment>* moments) const {
    auto viewer = Viewer::of(c);
    auto page = Page::newest("created_at");
    bool lead = what == "lead";
    write_hanging(w.key("appointments"), c, page, appointments_, only(kAppointmentFilters, {{lead ? kAppointmentLead : kAppointmentContact, id}}), [&](JsonWriter& out, const Fields& f) {
        resources::appointment_value(out, f, viewer, Texts::cut);
        if (!moments) return;
        auto start = f.time("scheduled_start"), former = f.time("moved_from"), moved = f.time("moved_at");
        auto made = start || former ? "An appointment was made" : "An appointment was made, without a time";
        moments->push_back({*f.time("created_at"), "appointment", made, start && !former ? "for " + to_rfc3339(*start) : ""});
        if (former && moved) moments->push_back({*moved, "appointment", "The appointment was moved", "from " + to_rfc3339(*former) + (start ? " to " + to_rfc3339(*start) : ", to no time yet")});
    });
    write_hanging(w.key("tasks"), c, page, tasks_, only(kTaskFilters, {{lead ? kTaskLead : kTaskContact, id}}), [&](JsonWriter& out, const Fields& f) {
        resources::task_value(out, f, viewer, Texts::cut);
        if (!moments) return;
        moments->push_back({*f.time("created_at"), "task", "A task was made", f.text("description")});
        if (auto at = f.time("completed_at")) moments->push_back({*at, "task", "A task was completed", f.text("description")});
    });
}

http::Response Reads::contacts(Context& c) const {
    Asked asked(c.request, {"search", "phone"});
    auto page = Page::of(asked, {"created_at"}, Ids::uuids);
    auto found = Found::of(c, "contacts", asked.search());
    return list(c, page, contacts_, long_lists_, "contacts", {found.ids, found.patterns, asked.phone("phone")}, "id", [](JsonWriter& w, const Fields& f) {
        w.begin_object();
        resources::contact_columns(w, f, Texts::cut);
        w.end_object();
    }, &found);
}

http::Response Reads::contact(Context& c) const {
    auto id = uuid_of(c, "contact_id", "contact");
    std::vector<Moment> moments;
    JsonWriter w;
    w.begin_object();
    read_folded(c, id, "contact", sql::one_contact, [&](const Fields& f) {
        resources::contact_columns(w, f, Texts::whole);
        moments.push_back({*f.time("created_at"), "contact", "Contact card created", f.text("primary_phone")});
    });
    write_hanging(w.key("leads"), c, Page::newest("created_at"), leads_, only(kLeadFilters, {{kLeadContact, id}}), [&](JsonWriter& out, const Fields& f) {
        lead_alone(out, f);
        moments.push_back({*f.time("created_at"), "lead", "Lead created", f.text("status")});
    });
    write_hanging(w.key("calls"), c, Page::newest("started_at"), calls_, only(kCallFilters, {{kCallContact, id}}), [&](JsonWriter& out, const Fields& f) {
        call_alone(out, f);
        call_moments(f, moments);
    });
    for (auto later : {"messages", "voicemails"}) w.key(later).begin_array().end_array();
    hanging_on(w, c, "contact", id, &moments);
    w.key("timeline").raw(moments_json(std::move(moments)));
    return c.ok(w.end_object().take());
}

http::Response Reads::appointments(Context& c) const {
    Asked asked(c.request, {"date", "date_from", "date_to", "lead_id", "contact_card_id", "status", "outcome", "rep_id", "search"});
    auto page = Page::of(asked, {"created_at", "scheduled_start"}, Ids::uuids);
    auto date = asked.date("date"), from = asked.date("date_from"), to = asked.date("date_to");
    if (date && (from || to)) identity::refuse_field("date", "does not go with date_from and date_to; use one of them");
    if (date) from = to = date;
    auto found = Found::of(c, "appointments", asked.search());
    return appointments_of(c, page, days_of(c, from, to), asked.uuid("lead_id"), asked.any_of("status", kAppointmentStatuses), asked.any_of("outcome", kOutcomes), asked.any_of("rep_id"), asked.uuid("contact_card_id"), found);
}

http::Response Reads::appointments_today(Context& c) const {
    Asked asked(c.request, {"status", "outcome"});
    auto page = Page::of(asked, {"created_at", "scheduled_start"}, Ids::uuids);
    if (!asked.text("sort") && !asked.text("cursor")) {
        page.sort = "scheduled_start";
        page.descending = false;
    }
    struct Day {
        std::string until;
        static Day from(const Fields& f) { return {f.text("until")}; }
    };
    auto today = c.tx().maybe<Day>(sql::window, {c.company(), nullptr, nullptr});
    auto day = today ? today->until : to_rfc3339(c.request.received_at).substr(0, 10);
    return appointments_of(c, page, days_of(c, day, day), nullptr, asked.any_of("status", kAppointmentStatuses), asked.any_of("outcome", kOutcomes), pg::Param::array(std::vector<std::string>{c.who.user.value()}), nullptr, {});
}

http::Response Reads::appointments_of(Context& c, const Page& page, const Days& days, pg::Param lead, pg::Param status, pg::Param outcome, pg::Param reps, pg::Param contact, const Found& found) const {
    return list(c, page, appointments_, long_lists_, "appointments", {days.since, days.till, lead, status, outcome, reps, contact, found.ids, found.patterns}, "id",
                [viewer = Viewer::of(c)](JsonWriter& w, const Fields& f) { resources::appointment_value(w, f, viewer, Texts::cut); }, &found);
}

http::Response Reads::appointment(Context& c) const {
    JsonWriter w;
    auto viewer = Viewer::of(c);
    c.tx().each(sql::one_appointment, {c.company(), uuid_of(c, "appointment_id", "appointment"), viewer.own()}, [&](const Fields& f) { resources::appointment_value(w, f, viewer, Texts::whole); });
    if (w.text().empty()) identity::not_found("appointment");
    return c.ok(w.take());
}

http::Response Reads::tasks(Context& c) const {
    Asked asked(c.request, {"status", "assigned_to", "assignee_id", "overdue", "lead_id", "contact_card_id", "search"});
    auto page = Page::of(asked, {"created_at", "due_at"}, Ids::uuids);
    auto found = Found::of(c, "tasks", asked.search());
    pg::Params filters{asked.any_of("status", kTaskStatuses), asked.any_of("assigned_to", {"csr", "rep", "manager", "ai"}), asked.any_of("assignee_id"), asked.truth("overdue"), asked.uuid("lead_id"),
                       asked.uuid("contact_card_id"), found.ids, found.patterns};
    return list(c, page, tasks_, long_lists_, "tasks", filters, "id", [viewer = Viewer::of(c)](JsonWriter& w, const Fields& f) { resources::task_value(w, f, viewer, Texts::cut); }, &found);
}

http::Response Reads::task(Context& c) const {
    JsonWriter w;
    auto viewer = Viewer::of(c);
    c.tx().each(sql::one_task, {c.company(), uuid_of(c, "task_id", "task"), viewer.own()}, [&](const Fields& f) { resources::task_value(w, f, viewer, Texts::whole); });
    if (w.text().empty()) identity::not_found("task");
    return c.ok(w.take());
}

http::Response Reads::users(Context& c) const {
    Asked asked(c.request, {});
    return list(c, Page::of(asked, {"created_at"}, Ids::texts), users_, long_lists_, "users", {}, "id", [](JsonWriter& w, const Fields& f) {
        w.begin_object();
        texts(w, f, {"id", "email", "name", "role", "status"});
        times(w, f, {"created_at", "updated_at"});
        w.end_object();
    });
}

http::Response Reads::company(Context& c) const {
    if (c.request.param("id") != c.company().value()) identity::not_found("company");
    JsonWriter w;
    bool found = false;
    w.begin_object();
    c.tx().each(sql::company, {c.company()}, [&](const Fields& f) {
        found = true;
        texts(w, f, {"id", "name", "phone_number", "primary_tracking_number", "address", "timezone", "call_provider", "callrail_account_id", "callrail_company_id", "twilio_account_sid", "onboarding_step", "status"});
        w.member("onboarding_completed", f.boolean("onboarding_completed"));
        for (std::string secret : {"callrail_api_key", "callrail_signing_key", "twilio_auth_token"})
            w.member(secret + "_set", !f.is_null(secret + "_last4")).member(secret + "_last4", f.maybe_text(secret + "_last4"));
        for (auto json : {"service_area", "call_flow", "workflow_config", "held"}) {
            w.key(json);
            if (auto text = f.maybe_text(json)) w.raw(*text);
            else w.null();
        }
        if (auto problem = f.maybe_text("callrail_problem")) w.key("callrail_problem").begin_object().member("cause", *problem).member("cure", f.text("callrail_problem_cure")).end_object();
        else w.key("callrail_problem").null();
        times(w, f, {"callrail_signing_key_former_until", "created_at", "updated_at"});
    });
    if (!found) identity::not_found("company");
    return c.ok(w.end_object().take());
}

http::Response Reads::numbers(Context& c) const {
    Asked asked(c.request, {});
    return list(c, Page::of(asked, {"created_at"}, Ids::texts), numbers_, long_lists_, "numbers", {}, "key", [](JsonWriter& w, const Fields& f) {
        w.begin_object();
        texts(w, f, {"id", "e164"});
        w.key("purposes").raw(f.text("purposes"));
        texts(w, f, {"provider", "provider_sid"});
        w.member("is_active", f.boolean("is_active")).member("voicemail_enabled", f.boolean("voicemail_enabled"));
        times(w, f, {"valid_from", "valid_to", "created_at"});
        texts(w, f, {"state", "note"});
        w.end_object();
    });
}

}  // namespace otto::query_service
