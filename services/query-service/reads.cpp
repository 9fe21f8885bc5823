#include "reads.hpp"

#include <algorithm>

#include "query-service/sql.hpp"

namespace otto::query_service {
namespace {

using identity::Context;
using pg::Fields;

struct Number {
    std::int64_t n;
    static Number from(const Fields& f) { return {f.integer("n")}; }
};

/// Postgres's "2026-11-21 01:02:03.5+00" as RFC 3339: the same digits, so they are copied. Anything else (infinity, a year of five digits) is read and written.
void time_value(JsonWriter& w, const Fields& f, std::string_view column) {
    auto text = f.view(column);
    if (!text) {
        w.null();
        return;
    }
    if (text->size() >= 22 && text->size() <= 29 && (*text)[10] == ' ' && text->ends_with("+00")) {
        char out[] = "YYYY-MM-DDThh:mm:ss.000000Z";
        text->copy(out, text->size() - 3);
        out[10] = 'T';
        bool micros = text->size() > 22;
        if (!micros) out[19] = 'Z';
        w.value(std::string_view(out, micros ? 27 : 20));
        return;
    }
    if (auto at = f.time(column)) w.value(to_rfc3339(*at));
    else w.null();
}
void times(JsonWriter& w, const Fields& f, std::initializer_list<std::string_view> columns) {
    for (auto c : columns) time_value(w.key(c), f, c);
}
void texts(JsonWriter& w, const Fields& f, std::initializer_list<std::string_view> columns) {
    for (auto c : columns) w.member(c, f.view(c));
}

/// A call's own columns; our own address for its recording (the provider's may carry a key).
void call_columns(JsonWriter& w, const Fields& f) {
    auto id = f.integer("call_id");
    w.member("call_id", id);
    texts(w, f, {"company_id", "provider", "provider_call_id", "phone_number", "tracking_number", "direction", "status"});
    w.member("missed_call", f.boolean("missed_call")).member("answered", f.boolean("answered")).member("duration", f.maybe_integer("duration")).key("recording_url");
    if (f.is_null("recording_url")) w.null();
    else w.value("/api/v1/calls/" + std::to_string(id) + "/recording");
    times(w, f, {"started_at", "ended_at"});
    texts(w, f, {"contact_card_id", "lead_id", "owner_id", "source", "campaign", "keywords"});
    w.key("tags").raw(f.view("tags_json").value_or("[]"));
    texts(w, f, {"note", "value", "lead_status"});
    w.member("first_call", f.maybe_boolean("first_call")).key("booking_status").null();
    times(w, f, {"created_at", "updated_at"});
}

void nested_contact(JsonWriter& w, const Fields& f) {
    w.key("contact").begin_object().member("id", f.view("contact_card_id")).member("primary_phone", f.view("contact_phone"));
    w.member("first_name", f.view("contact_first_name")).member("last_name", f.view("contact_last_name")).end_object();
}

void call_value(JsonWriter& w, const Fields& f, bool detail) {
    w.begin_object();
    call_columns(w, f);
    nested_contact(w, f);
    w.key("lead").begin_object().member("id", f.view("lead_id")).member("status", f.view("lead_state")).member("assigned_rep_id", f.view("lead_rep")).end_object();
    if (detail) w.key("analysis").null();
    w.end_object();
}

void lead_columns(JsonWriter& w, const Fields& f) {
    texts(w, f, {"id", "company_id", "contact_card_id", "status", "source", "pool_status", "assigned_rep_id"});
    times(w, f, {"last_qualified_at", "last_contacted_at", "closed_at", "created_at", "updated_at"});
}

void contact_columns(JsonWriter& w, const Fields& f) {
    texts(w, f, {"id", "company_id", "primary_phone", "first_name", "last_name", "address", "city", "state"});
    times(w, f, {"created_at", "updated_at"});
}

/// A rep's own; nobody else is narrowed.
std::optional<std::string> only_of(const Context& c) { return c.who.role == identity::Role::sales_rep ? std::optional(c.who.user.value()) : std::nullopt; }

/// For the rest of the transaction Postgres plans with the values at hand.
constexpr pg::Query kPlanAnew{"query_service.plan_anew", "SELECT set_config('plan_cache_mode', 'force_custom_plan', true)"};

/// One page of a list: items, exact total up to 10,000, the cursor of what follows.
template <class Item>
http::Response list(Context& c, const Page& page, const ListQueries& queries, LongLists& long_lists, std::string_view name, const pg::Params& filters, const char* id_column, Item&& item) {
    auto& tx = c.tx();
    auto statement = queries.page(c.company(), page, filters);
    if (statement.plan_anew) tx.write(kPlanAnew);
    JsonWriter w;
    w.begin_object().key("items").begin_array();
    std::int64_t n = 0;
    std::string next;
    Instant last{};
    std::string last_id;
    tx.each(*statement.query, statement.params, [&](const Fields& f) {
        if (++n > page.limit) {
            if (next.empty()) next = page.cursor(last, last_id);
            return;
        }
        if (n == page.limit) {
            last = f.time("sort_at").value_or(Instant{});
            last_id = f.text(id_column);
        }
        item(w, f);
    });
    w.end_array();
    n = std::min(n, page.limit + 1);
    std::int64_t total = page.offset + n;
    bool whole = !page.after && page.offset == 0 && next.empty();  // all of it is here
    bool more = !whole && long_lists.knows(c.company(), name, filters);
    if (!whole && !more) {
        auto count = queries.count(c.company(), filters);
        total = tx.one<Number>(*count.query, count.params).n;
        more = total > 10'000;
        if (more) long_lists.remember(c.company(), name, filters);
    }
    w.member("total", more ? std::int64_t{10'000} : total);
    if (more) w.member("total_is_lower_bound", true);
    w.member("limit", page.limit).member("offset", page.offset).key("next_cursor");
    if (next.empty()) w.null();
    else w.value(next);
    return c.ok(w.end_object().take());
}

const std::vector<std::string_view> kCallStatuses{"ringing", "in_progress", "completed", "missed", "voicemail", "failed"};
const std::vector<std::string_view> kLeadStatuses{"new", "warm", "hot", "cold", "qualified_booked", "qualified_unbooked", "qualified_service_not_offered", "nurturing", "dormant", "abandoned", "closed_won", "closed_lost"};
const std::vector<std::string_view> kBooking{"booked", "not_booked", "service_not_offered"};

std::int64_t call_id(const Context& c) {
    auto text = c.request.param("call_id");
    if (text.empty() || text.size() > 16 || !std::all_of(text.begin(), text.end(), [](char ch) { return ch >= '0' && ch <= '9'; })) identity::not_found("call");
    return std::stoll(std::string(text));
}
Uuid uuid_of(const Context& c, std::string_view name, const char* what) {
    auto id = Uuid::parse(c.request.param(name));
    if (!id) identity::not_found(what);
    return *id;
}

struct Moment {
    Instant at;
    std::string kind, title, detail;
};

void call_moments(const Fields& f, std::vector<Moment>& out) {
    auto seconds = f.maybe_integer("duration");
    auto inbound = f.text("direction") == "inbound";
    auto call = std::to_string(f.integer("call_id"));
    auto began = f.time("started_at").value_or(f.time("received_at").value_or(*f.time("created_at")));
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
    for (const auto& m : moments) w.begin_object().member("at", to_rfc3339(m.at)).member("kind", m.kind).member("title", m.title).member("detail", m.detail).end_object();
    return w.end_array().take();
}

}  // namespace

Reads::Reads()
    : calls_(sql::calls_page, sql::calls_count, {{"created_at", "c.created_at"}, {"started_at", "c.happened_at"}}),
      leads_(sql::leads_page, sql::leads_count, {{"created_at", "l.created_at"}}),
      contacts_(sql::contacts_page, sql::contacts_count, {{"created_at", "k.created_at"}}) {}

std::vector<pg::Query> Reads::list_queries() const {
    std::vector<pg::Query> out;
    for (const auto* l : {&calls_, &leads_, &contacts_})
        for (auto& q : l->all()) out.push_back(q);
    return out;
}

Statement Reads::newest_calls(const CompanyId& company, std::int64_t limit) const {
    Page page;
    page.limit = limit;
    return calls_.page(company, page, pg::Params(13, nullptr));
}

http::Response Reads::calls(Context& c) const {
    Asked asked(c.request, {"status", "missed_call", "direction", "provider", "date_from", "date_to", "phone", "lead_id", "contact_card_id", "owner_id", "booking_status", "search"});
    auto page = Page::of(asked, {"created_at", "started_at"}, false);
    pg::Params filters{asked.any_of("status", kCallStatuses), asked.truth("missed_call"), asked.any_of("direction", {"inbound", "outbound"}), asked.any_of("provider", {"callrail", "twilio"}),
                       asked.date("date_from"), asked.date("date_to"), asked.phone("phone"), asked.uuid("lead_id"), asked.uuid("contact_card_id"), asked.any_of("owner_id"), asked.search(), only_of(c),
                       asked.any_of("booking_status", kBooking)};
    return list(c, page, calls_, long_lists_, "calls", filters, "call_id", [](JsonWriter& w, const Fields& f) { call_value(w, f, false); });
}

http::Response Reads::call(Context& c) const {
    JsonWriter w;
    c.tx().each(sql::one_call, {c.company(), call_id(c), only_of(c)}, [&](const Fields& f) { call_value(w, f, true); });
    if (w.text().empty()) identity::not_found("call");
    return c.ok(w.take());
}

http::Response Reads::call_timeline(Context& c) const {
    std::vector<Moment> moments;
    c.tx().each(sql::one_call, {c.company(), call_id(c), only_of(c)}, [&](const Fields& f) {
        call_moments(f, moments);
        if (auto at = f.time("received_at")) moments.push_back({*at, "webhook", "First report received", f.text("provider") + " " + f.text("provider_call_id")});
        moments.push_back({*f.time("contact_created_at"), "contact", "Contact card created", f.text("contact_phone")});
        moments.push_back({*f.time("lead_created_at"), "lead", "Lead created", f.text("lead_state")});
    });
    if (moments.empty()) identity::not_found("call");
    JsonWriter w;
    w.begin_object().key("items").raw(moments_json(moments)).member("total", moments.size());
    return c.ok(w.end_object().take());
}

http::Response Reads::leads(Context& c) const {
    Asked asked(c.request, {"status", "pool_status", "rep_id", "source", "date_from", "date_to", "search"});
    auto page = Page::of(asked, {"created_at"}, true);
    pg::Params filters{asked.any_of("status", kLeadStatuses), asked.any_of("pool_status", {"in_pool", "assigned", "closed", "archived"}), asked.any_of("rep_id"), asked.any_of("source"),
                       asked.date("date_from"), asked.date("date_to"), asked.search(), only_of(c)};
    return list(c, page, leads_, long_lists_, "leads", filters, "id", [](JsonWriter& w, const Fields& f) {
        w.begin_object();
        lead_columns(w, f);
        nested_contact(w, f);
        w.end_object();
    });
}

http::Response Reads::lead(Context& c) const {
    auto id = uuid_of(c, "lead_id", "lead");
    JsonWriter w;
    bool found = false;
    w.begin_object();
    c.tx().each(sql::one_lead, {c.company(), id, only_of(c)}, [&](const Fields& f) {
        found = true;
        lead_columns(w, f);
        nested_contact(w, f);
    });
    if (!found) identity::not_found("lead");
    w.key("calls").begin_array();
    c.tx().each(sql::calls_of_lead, {c.company(), id}, [&](const Fields& f) {
        w.begin_object();
        call_columns(w, f);
        w.end_object();
    });
    return c.ok(w.end_array().end_object().take());
}

http::Response Reads::contacts(Context& c) const {
    Asked asked(c.request, {"search", "phone"});
    auto page = Page::of(asked, {"created_at"}, true);
    return list(c, page, contacts_, long_lists_, "contacts", {asked.search(), asked.phone("phone"), only_of(c)}, "id", [](JsonWriter& w, const Fields& f) {
        w.begin_object();
        contact_columns(w, f);
        w.end_object();
    });
}

http::Response Reads::contact(Context& c) const {
    auto id = uuid_of(c, "contact_id", "contact");
    auto& tx = c.tx();
    std::vector<Moment> moments;
    JsonWriter w;
    bool found = false;
    w.begin_object();
    tx.each(sql::one_contact, {c.company(), id, only_of(c)}, [&](const Fields& f) {
        found = true;
        contact_columns(w, f);
        moments.push_back({*f.time("created_at"), "contact", "Contact card created", f.text("primary_phone")});
    });
    if (!found) identity::not_found("contact");
    w.key("leads").begin_array();
    tx.each(sql::leads_of_contact, {c.company(), id, only_of(c)}, [&](const Fields& f) {
        w.begin_object();
        lead_columns(w, f);
        w.end_object();
        moments.push_back({*f.time("created_at"), "lead", "Lead created", f.text("status")});
    });
    w.end_array().key("calls").begin_array();
    tx.each(sql::calls_of_contact, {c.company(), id}, [&](const Fields& f) {
        w.begin_object();
        call_columns(w, f);
        w.end_object();
        call_moments(f, moments);
    });
    w.end_array();
    for (auto later : {"messages", "voicemails", "appointments", "tasks"}) w.key(later).begin_array().end_array();
    w.key("timeline").raw(moments_json(std::move(moments)));
    return c.ok(w.end_object().take());
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
        for (auto json : {"service_area", "call_flow", "workflow_config"}) {
            w.key(json);
            if (auto text = f.maybe_text(json)) w.raw(*text);
            else w.null();
        }
        times(w, f, {"callrail_signing_key_former_until", "created_at", "updated_at"});
    });
    if (!found) identity::not_found("company");
    return c.ok(w.end_object().take());
}

http::Response Reads::numbers(Context& c) const {
    Asked asked(c.request, {});
    JsonWriter w;
    std::int64_t n = 0;
    w.begin_object().key("items").begin_array();
    c.tx().each(sql::numbers, {c.company()}, [&](const Fields& f) {
        ++n;
        w.begin_object();
        texts(w, f, {"id", "e164"});
        w.key("purposes").raw(f.text("purposes"));
        texts(w, f, {"provider", "provider_sid"});
        w.member("is_active", f.boolean("is_active")).member("voicemail_enabled", f.boolean("voicemail_enabled"));
        times(w, f, {"valid_from", "valid_to", "created_at"});
        texts(w, f, {"state"});
        w.end_object();
    });
    w.end_array().member("total", n).member("limit", n).member("offset", 0).key("next_cursor").null();
    return c.ok(w.end_object().take());
}

http::Response Reads::overview(Context& c, bool self) const {
    Asked asked(c.request, {"date_from", "date_to"});
    struct Today {
        std::string timezone, today, month_ago;
        static Today from(const Fields& f) { return {f.text("timezone"), f.text("today"), f.text("month_ago")}; }
    };
    auto today = c.tx().maybe<Today>(sql::today, {c.company()}).value_or(Today{"UTC", to_rfc3339(c.request.received_at).substr(0, 10), to_rfc3339(c.request.received_at - std::chrono::hours(29 * 24)).substr(0, 10)});
    auto from = asked.date("date_from").value_or(today.month_ago), to = asked.date("date_to").value_or(today.today);
    if (from > to) identity::refuse_field("date_from", "is after date_to");
    JsonWriter w;
    w.begin_object();
    pg::Param owner = self ? pg::Param(c.who.user) : pg::Param(nullptr);
    c.tx().each(sql::csr_overview, {c.company(), from, to, today.timezone, owner}, [&](const Fields& f) {
        auto total = f.integer("total_calls");
        w.member("total_calls", total).member("answered_calls", f.integer("answered_calls")).member("missed_calls", f.integer("missed_calls"));
        // What an analysis will fill: nothing is inferred without one.
        w.member("qualified_calls", 0).key("qualified_rate");
        if (total > 0) w.value(0.0);
        else w.null();
        w.member("booked_calls", 0).key("booking_rate").null().member("service_not_offered_calls", 0).key("service_not_offered_rate").null();
        w.key("avg_objections_per_qualified_call").null().member("qualified_but_unbooked_calls", 0).key("avg_compliance_score").null();
        w.member("open_followups", 0).member("overdue_followups", 0).key("top_reason_for_missed_bookings").null().member("pending_leads_count", f.integer("pending_leads"));
        if (self) w.key("top_missed_booking_reason").null();
    });
    w.member("date_from", from).member("date_to", to);
    return c.ok(w.end_object().take());
}

http::Response Reads::csr_overview(Context& c) const { return overview(c, false); }
http::Response Reads::csr_overview_self(Context& c) const { return overview(c, true); }

}  // namespace otto::query_service
