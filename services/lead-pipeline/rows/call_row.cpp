#include "rows/call_row.hpp"

#include "base/json.hpp"
#include "base/phone.hpp"

namespace otto::lead_pipeline {
namespace {

/// What is derived or not shown, and which report each field comes from.
std::string merge_state(const CallRow& row) {
    const auto& c = row.call;
    JsonWriter w;
    w.begin_object().member("status", c.reported_status).member("answered", c.ever_answered).member("callable", c.phone_callable);
    if (c.owner_email) w.member("owner", *c.owner_email);
    if (c.customer_name) w.member("name", *c.customer_name);
    if (c.customer_city) w.member("city", *c.customer_city);
    if (c.customer_state) w.member("state", *c.customer_state);
    if (!c.recordings.empty()) {
        w.key("recordings").begin_array();
        for (const auto& [sid, r] : c.recordings) {
            w.begin_array().value(sid).value(r.url).value(r.duration_s).value(r.voicemail).value(r.of_deployment);
            w.value(to_micros(r.recorded_at)).value(r.received_us).value(r.told_by).end_array();
        }
        w.end_array();
        if (c.stated_recording_url) w.member("stated_url", *c.stated_recording_url);
    }
    if (c.recording_unavailable) w.member("unavailable", *c.recording_unavailable);
    w.key("seen").begin_array();
    for (const auto& name : c.seen) w.value(name);
    return w.end_array().key("origins").raw(c.origins.text()).end_object().take();
}

void read_recordings(Call& c, JsonView list) {
    for (std::size_t i = 0; i < list.size(); ++i) {
        auto r = list.at(i);
        c.recordings.emplace(r.at(0).string().value_or(""),
                             Recording{std::string(r.at(1).string().value_or("")), r.at(2).integer(), r.at(3).boolean() == true,
                                       r.at(4).boolean() == true, from_micros(r.at(5).integer().value_or(0)),
                                       r.at(6).integer().value_or(0), std::string(r.at(7).string().value_or(""))});
    }
}

void read_merge_state(CallRow& row, const std::string& text) {
    auto& c = row.call;
    auto state = JsonDocument::parse(text);
    auto root = state ? state->root() : JsonView{};
    c.origins = Origins::parse(root["origins"].dump());
    c.reported_status = std::string(root["status"].string().value_or(""));
    c.ever_answered = root["answered"].boolean().value_or(false);
    for (std::size_t i = 0; i < root["seen"].size(); ++i) c.seen.emplace(root["seen"].at(i).string().value_or(""));
    for (const auto& id : c.origins.reports()) c.seen.insert(name_of(id));  // of rows that are older than the list
    auto kept = [&](const char* name, std::optional<std::string>& slot) {
        if (auto said = root[name].string()) slot = std::string(*said);
    };
    kept("owner", c.owner_email);
    kept("name", c.customer_name);
    kept("city", c.customer_city);
    kept("state", c.customer_state);
    kept("stated_url", c.stated_recording_url);
    kept("unavailable", c.recording_unavailable);
    read_recordings(c, root["recordings"]);
}

/// Else somebody wrote the row with SQL, and what stands there is all that is known.
bool is_made_of_reports(const CallRow& row) { return row.call.origins.of("status").has_value() || !row.call.seen.empty(); }

/// As numbers are read now, whenever it was written.
void read_number(CallRow& row, std::optional<std::string> number) {
    if (!number) return;
    auto phone = normalize_phone(*number);
    row.call.phone_number = std::move(phone.text);
    row.call.phone_callable = phone.e164;
}

const pg::Table<CallRow> kCalls("lead_pipeline", "calls",
                                {
                                    pg::col("company_id", &CallRow::company).key(),
                                    pg::col("call_id", &CallRow::id).key(),
                                    // First, because it tells what the columns behind it are worth.
                                    pg::derived<CallRow>("merge_state", merge_state, read_merge_state),
                                    pg::col("provider", &CallRow::provider).once(),
                                    pg::col("provider_call_id", &CallRow::provider_call_id),
                                    pg::derived<CallRow>(
                                        "phone_number", [](const CallRow& r) { return r.call.phone_number; }, read_number),
                                    pg::col("tracking_number", &CallRow::call, &Call::tracking_number),
                                    pg::derived<CallRow>(
                                        "direction", [](const CallRow& r) { return r.call.direction_or_inbound(); },
                                        [](CallRow& r, std::string direction) {
                                            if (r.call.origins.of("direction") || !is_made_of_reports(r))
                                                r.call.direction = std::move(direction);
                                        }),
                                    pg::derived<CallRow>(
                                        "status", [](const CallRow& r) { return r.call.status(); },
                                        [](CallRow& r, std::string status) {
                                            if (!is_made_of_reports(r)) r.call.reported_status = std::move(status);
                                        }),
                                    pg::derived<CallRow>(
                                        "answered", [](const CallRow& r) { return r.call.answered(); },
                                        [](CallRow& r, bool answered) {
                                            if (!is_made_of_reports(r)) r.call.ever_answered = answered;
                                        }),
                                    pg::derived<CallRow>(
                                        "missed_call", [](const CallRow& r) { return r.call.missed_call(); },
                                        [](CallRow& r, bool missed) { r.was_missed = missed && r.call.phone_callable; }),
                                    pg::col("duration", &CallRow::call, &Call::duration_s),
                                    pg::derived<CallRow>(
                                        "recording_url", [](const CallRow& r) { return r.call.recording_url(); },
                                        [](CallRow& r, std::optional<std::string> url) {
                                            if (r.call.recordings.empty()) r.call.stated_recording_url = std::move(url);
                                        }),
                                    pg::derived<CallRow>(
                                        "consent_notice_sha256",
                                        [](const CallRow& r) {
                                            const auto& sha = r.call.notice_sha256;
                                            return sha && !sha->empty() ? sha : std::nullopt;
                                        },
                                        [](CallRow& r, std::optional<std::string> sha) {
                                            r.call.notice_sha256 = std::move(sha);
                                        }),
                                    pg::col("consent_notice_played", &CallRow::call, &Call::notice_played),
                                    pg::col("started_at", &CallRow::call, &Call::started_at),
                                    pg::col("ended_at", &CallRow::call, &Call::ended_at),
                                    pg::col("contact_card_id", &CallRow::contact),
                                    pg::col("lead_id", &CallRow::lead),
                                    pg::col("owner_id", &CallRow::owner_id),
                                    pg::col("source", &CallRow::call, &Call::source),
                                    pg::col("campaign", &CallRow::call, &Call::campaign),
                                    pg::col("keywords", &CallRow::call, &Call::keywords),
                                    pg::col("tags", &CallRow::call, &Call::tags),
                                    pg::col("note", &CallRow::call, &Call::note),
                                    pg::col("value", &CallRow::call, &Call::value),
                                    pg::col("lead_status", &CallRow::call, &Call::lead_status),
                                    pg::col("first_call", &CallRow::call, &Call::first_call),
                                    pg::col("received_at", &CallRow::call, &Call::received_at),
                                    pg::col("version", &CallRow::version),
                                    pg::col("traceparent", &CallRow::traceparent).once(),
                                });

const pg::Table<AliasRow> kAliases("lead_pipeline", "call_aliases",
                                   {
                                       pg::col("company_id", &AliasRow::alias, &Alias::company),
                                       pg::col("provider", &AliasRow::alias, &Alias::provider),
                                       pg::col("alias", &AliasRow::alias, &Alias::alias),
                                       pg::col("call_id", &AliasRow::call),
                                   });

}  // namespace

// In the order of call_id: of rows that prove to be one call the older comes first.
const pg::Select<CallRow> lock_calls =
    kCalls.by("lock_calls", {"company_id", "call_id"}, "ORDER BY company_id, call_id FOR UPDATE");
const pg::Write<CallRow> save_calls = kCalls.upsert("save_calls");

const pg::Select<AliasRow> known_aliases =
    kAliases.select("known_aliases",
                    "SELECT {columns} FROM call_aliases JOIN unnest($1::text[], $2::text[], $3::text[]) AS i (company_id, "
                    "provider, alias) USING (company_id, provider, alias)");
// No ON CONFLICT: if another batch has just given the call a row under one of these ids, this batch must read it and begin again.
const pg::Write<AliasRow> add_aliases = kAliases.insert("add_aliases", "ORDER BY company_id, provider, alias");

}  // namespace otto::lead_pipeline
