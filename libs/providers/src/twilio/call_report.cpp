// Calls of Twilio. Source: providers.md §2.5.
#include "twilio/call_report.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/phone.hpp"
#include "base/says_nothing.hpp"
#include "base/text.hpp"
#include "keepable.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/twilio.hpp"

namespace otto::providers::twilio {

namespace pb = otto::inbound::v1;

namespace {

constexpr std::size_t kLongest = 200, kLongestUrl = 4'000;
constexpr std::int64_t kLongestCall = 7 * 86'400;  ///< seconds

std::string word(std::string_view text) { return keepable(trim(text), kLongest); }
/// Untrimmed: a space in front is the plus of who did not encode it.
Phone phone(std::string_view text) { return normalize_phone(keepable(text, kLongest)); }

/// Twilio's words for how a call stands, and ours. That a call was completed says that it is over: a voicemail was completed too.
constexpr std::pair<std::string_view, std::string_view> kStatuses[] = {
    {"queued", "ringing"},       {"initiated", "ringing"}, {"ringing", "ringing"}, {"in-progress", "in_progress"},
    {"answered", "in_progress"}, {"completed", "ended"},   {"busy", "missed"},     {"no-answer", "missed"},
    {"canceled", "missed"},      {"failed", "failed"}};

/// "" for a word that Twilio does not have.
std::string_view status_of(std::string_view twilio) {
    auto known =
        std::find_if(std::begin(kStatuses), std::end(kStatuses), [&](const auto& s) { return iequals(s.first, twilio); });
    return known == std::end(kStatuses) ? std::string_view() : known->second;
}
bool is_over(std::string_view status) { return status == "ended" || status == "missed" || status == "failed"; }

/// A whole number from 0 on.
std::optional<std::int64_t> count_in(std::string_view text, std::int64_t most = INT64_MAX) {
    text = trim(text);
    std::int64_t n = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), n);
    if (error != std::errc{} || end != text.data() + text.size() || n < 0 || n > most) return std::nullopt;
    return n;
}

std::optional<std::int64_t> seconds_in(std::string_view text) { return count_in(text, kLongestCall); }

/// When a call began and ended, as far as one of its status callbacks tells: each has the time of what it reports.
struct Times {
    std::optional<Instant> began, ended;
    static Times in(const CallFacts& said) {
        Times t;
        auto at = read_time(word(said.timestamp));
        auto status = status_of(trim(said.status));
        if (!at || is_leg(said)) return t;
        if (status == "ringing") t.began = at;
        if (is_over(status)) t.ended = at;
        if (auto lasted = seconds_in(said.duration); t.ended && lasted) t.began = *t.ended - std::chrono::seconds(*lasted);
        return t;
    }
};

/// The id under which all of a call's reports go.
std::string call_of(const CallFacts& said) { return word(is_leg(said) ? said.parent_sid : said.sid); }

/// A person took the leg: not a machine that answers, nor a fax. Twilio calls a leg completed that was answered and is over.
bool was_taken(const CallFacts& leg) {
    const auto status = trim(leg.status);
    const auto by = lower(trim(leg.answered_by));
    if (by.starts_with("machine") || by == "fax") return false;
    if (iequals(status, "in-progress") || iequals(status, "answered")) return true;
    return iequals(status, "completed") && seconds_in(leg.duration).value_or(0) > 0;
}

void tell_customer(const CallFacts& said, pb::CallReport& r) {
    const bool in = came_in(said);
    auto customer = phone(in ? said.from : said.to);
    r.set_customer_phone(std::move(customer.text));
    r.set_customer_phone_callable(customer.e164);
    r.set_tracking_number(phone(in ? said.to : said.from).text);
    if (!trim(said.direction).empty()) r.set_direction(in ? "inbound" : "outbound");
    if (auto city = word(said.city); !says_nothing(city)) r.set_customer_city(std::move(city));
    if (auto state = word(said.state); !says_nothing(state)) r.set_customer_state(std::move(state));
    if (auto country = word(said.country); !says_nothing(country)) r.set_customer_country(std::move(country));
    auto name = word(said.name);  // of who calls: of a call that went out it is the company's
    if (in && !says_nothing(name, Of::person) && !says_place(name, r.customer_city(), r.customer_state()))
        r.set_customer_name(std::move(name));
}

/// Why a recording's report is not understood; "" if it is.
std::string tell_recording(const CallFacts& said, pb::CallReport& r) {
    static constexpr std::pair<std::string_view, std::string_view> statuses[] = {
        {"in-progress", "in_progress"}, {"completed", "completed"}, {"absent", "absent"}, {"failed", "failed"}};
    auto& recording = *r.mutable_recording();
    recording.set_sid(word(said.recording_sid));
    const auto url = trim(said.recording_url);
    if (url.size() <= kLongestUrl && (url.starts_with("https://") || url.starts_with("http://")))
        recording.set_url(keepable(url, kLongestUrl));
    const auto theirs = word(said.recording_status);
    auto known = std::find_if(std::begin(statuses), std::end(statuses), [&](const auto& s) { return iequals(s.first, theirs); });
    if (known != std::end(statuses)) recording.set_status(std::string(known->second));
    if (auto lasted = seconds_in(said.recording_duration)) recording.set_duration_s(*lasted);
    recording.set_voicemail(iequals(trim(said.recording_source), "RecordVerb"));
    if (auto at = read_time(word(said.recording_started))) recording.set_started_at_us(to_micros(*at));
    if (recording.status().empty())
        return theirs.empty() ? "it says of no recording how it stands (RecordingStatus)"
                              : "status '" + clip_utf8(theirs, 60) + "' of a recording is not known";
    const bool there_is_none = recording.status() == "absent" || recording.status() == "failed";
    return recording.sid().empty() && !there_is_none ? "it names no recording (RecordingSid)" : "";
}

}  // namespace

std::string_view kind_of(CallHook hook) {
    switch (hook) {
        case CallHook::incoming:
            return "call.incoming";
        case CallHook::status:
            return "call.status";
        case CallHook::step:
            return "call.step";
        case CallHook::recording:
            return "call.recording";
    }
    return "";
}

bool came_in(const CallFacts& said) { return !lower(trim(said.direction)).starts_with("outbound"); }

bool is_leg(const CallFacts& said) { return !trim(said.parent_sid).empty() && !came_in(said); }

pb::Addressee addressee_of(const CallFacts& said) {
    pb::Addressee a;
    if (!is_leg(said) && said.hook != CallHook::recording) a.set_number(phone(came_in(said) ? said.to : said.from).text);
    a.set_purpose(pb::PURPOSE_VOICE);
    a.set_account_id(word(said.account_sid));
    if (a.number().empty()) a.set_provider_call_id(call_of(said));
    auto times = Times::in(said);  // whose the number was when the call began
    if (auto at = times.began ? times.began : times.ended) a.set_at_us(to_micros(*at));
    return a;
}

CallIdentity tell(const CallFacts& said, pb::ProviderEvent& event) {
    auto& r = *event.mutable_call();
    const auto sid = word(said.sid), theirs = lower(word(said.status));
    r.set_provider_call_id(call_of(said));
    for (const auto& alias : {r.provider_call_id(), sid})
        if (!alias.empty() && (r.aliases_size() == 0 || r.aliases(0) != alias)) r.add_aliases(alias);
    r.set_stage(pb::STAGE_PROGRESS);
    event.set_kind(std::string(kind_of(said.hook)));
    *event.mutable_addressee() = addressee_of(said);
    event.set_key(r.provider_call_id().empty() ? "twilio:unknown" : r.provider_call_id());
    if (r.provider_call_id().empty()) event.set_not_understood("it names no call (CallSid)");
    if (said.hook == CallHook::recording) {
        if (auto why = tell_recording(said, r); !why.empty()) event.set_not_understood(std::move(why));
        const auto& recording = r.recording();
        return {(recording.sid().empty() ? sid : recording.sid()) + ":" + recording.status(), !recording.sid().empty()};
    }
    const auto sequence = count_in(said.sequence);
    const bool whole = sequence && !theirs.empty() && !sid.empty();
    auto identity = sid + ":" + theirs;
    if (whole)
        identity.append(":").append(std::to_string(*sequence));
    else
        identity.append(" ").append(word(said.flow)).append(" ").append(word(said.step));
    if (is_leg(said)) {  // how it stands is not how the call stands, and its numbers count for itself
        if (was_taken(said)) r.set_answered(true);
        return {std::move(identity), whole};
    }
    tell_customer(said, r);
    if (r.customer_phone_callable()) event.set_key(r.customer_phone());
    r.set_status(std::string(status_of(theirs)));
    if (r.status().empty() && !theirs.empty() && said.hook == CallHook::status)
        event.set_not_understood("status '" + clip_utf8(theirs, 60) + "' is not known");
    const auto dial = trim(said.dial_status);
    if (iequals(dial, "completed") || iequals(dial, "answered") || iequals(trim(said.stream_event), "stream-started"))
        r.set_answered(true);
    if (sequence) r.set_sequence(*sequence);
    if (auto lasted = seconds_in(said.duration)) r.set_duration_s(*lasted);
    const auto times = Times::in(said);
    if (times.began) r.set_started_at_us(to_micros(*times.began));
    if (times.ended) r.set_ended_at_us(to_micros(*times.ended));
    return {std::move(identity), whole};
}

CallMoment moment_of(const CallFacts& said) {
    CallMoment m;
    m.kind = said.hook == CallHook::step ? CallMoment::Kind::next_step : CallMoment::Kind::incoming;
    m.call_sid = word(said.sid);
    m.from = phone(said.from).text;
    m.flow = word(said.flow);
    m.step = word(said.step);
    m.dial_status = lower(word(said.dial_status));
    m.stream_event = lower(word(said.stream_event));
    m.over = is_over(status_of(trim(said.status)));
    return m;
}

}  // namespace otto::providers::twilio
