#include "rules/call.hpp"

#include <algorithm>
#include <array>
#include <tuple>

#include "base/spoken_time.hpp"
#include "rules/name.hpp"

namespace otto::lead_pipeline {
namespace {

namespace pb = otto::inbound::v1;

bool names(const pb::CallReport& r, std::string_view field) {
    return std::find(r.changed().begin(), r.changed().end(), field) != r.changed().end();
}

/// The later statement wins; absent or empty never clears, unless the provider says that the field changed.
template <class T, class V>
void take(Call& call, std::string_view field, std::optional<T>& slot, bool stated, V&& value, bool cleared, const Order& order) {
    if (!stated && !cleared) return;
    if (!call.origins.take(field, order)) return;
    if (stated)
        slot = std::forward<V>(value);
    else
        slot.reset();
}

template <class T>
void take_other(Call& call, const Call& other, std::string_view field, T Call::*slot) {
    auto theirs = other.origins.of(field);
    if (theirs && call.origins.take(field, *theirs)) call.*slot = other.*slot;
}

template <class T, class Pick>
void fold(std::optional<T>& mine, const std::optional<T>& theirs, Pick pick) {
    if (!theirs) return;
    mine = mine ? pick(*mine, *theirs) : *theirs;
}

/// A text of a report that is one of the call. Where the provider names the fields that changed (`clears`), an absent one of
/// these is empty now.
struct Text {
    std::string_view field;
    std::optional<std::string> Call::*slot;
    bool (pb::CallReport::*stated)() const;
    const std::string& (pb::CallReport::*said)() const;
    bool clears = false;
};
constexpr std::array<Text, 11> kTexts{{
    {"direction", &Call::direction, &pb::CallReport::has_direction, &pb::CallReport::direction},
    {"recording_url", &Call::stated_recording_url, &pb::CallReport::has_recording_url, &pb::CallReport::recording_url, true},
    {"source", &Call::source, &pb::CallReport::has_source, &pb::CallReport::source, true},
    {"campaign", &Call::campaign, &pb::CallReport::has_campaign, &pb::CallReport::campaign, true},
    {"keywords", &Call::keywords, &pb::CallReport::has_keywords, &pb::CallReport::keywords, true},
    {"note", &Call::note, &pb::CallReport::has_note, &pb::CallReport::note, true},
    {"value", &Call::value, &pb::CallReport::has_value, &pb::CallReport::value, true},
    {"lead_status", &Call::lead_status, &pb::CallReport::has_lead_status, &pb::CallReport::lead_status, true},
    {"owner_email", &Call::owner_email, &pb::CallReport::has_agent_email, &pb::CallReport::agent_email},
    {"customer_city", &Call::customer_city, &pb::CallReport::has_customer_city, &pb::CallReport::customer_city},
    {"customer_state", &Call::customer_state, &pb::CallReport::has_customer_state, &pb::CallReport::customer_state},
}};

constexpr auto earliest = [](Instant a, Instant b) { return std::min(a, b); };

/// Rank first, then order: within a rank the later statement counts, and a lower rank never undoes a higher one.
void take_status(Call& call, const std::string& status, const Order& order) {
    if (status.empty()) return;
    auto mine = call.origins.of("status");
    bool wins =
        !mine || rank(status) > rank(call.reported_status) || (rank(status) == rank(call.reported_status) && order >= *mine);
    if (!wins) return;
    call.reported_status = status;
    call.origins.set("status", order);
}

/// Twilio's have 34 characters, and its addresses 130.
constexpr std::size_t kLongestSid = 200, kLongestUrl = 4'000;

/// Of two reports of one recording, and of two recordings of one call, the first that was received counts.
bool comes_before(const Recording& a, const Recording& b) {
    return std::tie(a.received_us, a.told_by) < std::tie(b.received_us, b.told_by);
}

void take_recording(Call& call, const std::string& sid, const Recording& recording) {
    auto known = call.recordings.find(sid);
    if (known != call.recordings.end()) {
        if (comes_before(recording, known->second)) known->second = recording;
    } else if (call.recordings.size() < kMostRecordings) {
        call.recordings.emplace(sid, recording);
    }
}

void take_recording(Call& call, const pb::CallRecording& r, const Order& order, bool of_deployment) {
    const auto received = from_micros(order.received_us);
    if (r.status() == "absent" || r.status() == "failed") {
        if (call.origins.take("recording_unavailable", order)) call.recording_unavailable = r.status();
    } else if (r.status() == "completed" && !r.sid().empty() && r.sid().size() <= kLongestSid && r.url().size() <= kLongestUrl) {
        auto started = r.has_started_at_us() ? credible(from_micros(r.started_at_us()), received) : std::nullopt;
        take_recording(call, r.sid(),
                       {r.url(), r.has_duration_s() ? std::optional(r.duration_s()) : std::nullopt, r.voicemail(), of_deployment,
                        started.value_or(received), order.received_us, order.id});
    }
}

/// A notice that was played counts before one that was not: a flow may come to it late. Of equal ones the first.
void take_notice(Call& call, const std::string& sha256, bool played, const Order& order) {
    auto mine = call.origins.of("notice");
    bool before = call.notice_played.value_or(false);
    if (mine && (before != played ? before : *mine <= order)) return;
    call.notice_sha256 = sha256;
    call.notice_played = played;
    call.origins.set("notice", order);
}

bool has_voicemail(const Call& call) {
    return std::any_of(call.recordings.begin(), call.recordings.end(), [](const auto& r) { return r.second.voicemail; });
}

}  // namespace

/// Of a call's reports; a person who changes its note every day for months does not make its row grow without end.
constexpr std::size_t kMostSeen = 200;

int rank(std::string_view status) {
    if (status == "ringing") return 0;
    if (status == "in_progress") return 1;
    return 2;
}

Order order_of(const pb::CallReport& r, Instant received_at, const std::string& event_id) {
    return {static_cast<int>(r.stage()), to_micros(received_at), event_id,
            r.has_sequence() ? std::max<std::int64_t>(r.sequence(), -1) : -1};
}

std::string Call::status() const {
    if (reported_status.empty()) return "ringing";
    if (reported_status != "ended" && reported_status != "missed") return reported_status;
    return ever_answered ? "completed" : has_voicemail(*this) ? "voicemail" : "missed";
}

const std::pair<const std::string, Recording>* Call::recording() const {
    const std::pair<const std::string, Recording>* best = nullptr;
    for (const auto& one : recordings) {
        const auto& r = one.second;
        // Where nobody answered, what was recorded of the call besides is its notice, and the ringing.
        if (!best || (r.voicemail != best->second.voicemail ? r.voicemail != ever_answered : comes_before(r, best->second)))
            best = &one;
    }
    return best && best->second.voicemail && stated_recording_url ? nullptr : best;
}

std::optional<std::string> Call::recording_url() const {
    const auto* one = recording();
    if (!one) return stated_recording_url;
    return one->second.url.empty() ? std::nullopt : std::optional(one->second.url);
}

std::optional<std::string> Call::unavailable() const {
    return recordings.empty() && !recording_url() ? recording_unavailable : std::nullopt;
}

bool is_answered(std::string_view status) { return status == "completed"; }

bool is_missed(std::string_view direction, std::string_view status) {
    return direction == "inbound" && (status == "missed" || status == "voicemail" || status == "failed");
}

bool Call::answered() const { return is_answered(status()); }

bool Call::missed_call() const { return is_missed(direction_or_inbound(), status()); }

Phone customer_of(const pb::CallReport& r) { return normalize_phone(r.customer_phone()); }

void merge(Call& call, const pb::CallReport& r, const Order& order, bool of_deployment) {
    auto name = name_of(order.id);
    if (call.seen.contains(name)) return;
    if (call.seen.size() < kMostSeen) call.seen.insert(std::move(name));
    auto received = from_micros(order.received_us);
    call.received_at = call.received_at == Instant{} ? received : std::min(call.received_at, received);
    if (!r.customer_phone().empty() && call.origins.take("phone_number", order)) {
        auto phone = customer_of(r);
        call.phone_number = std::move(phone.text);
        call.phone_callable = phone.e164;
    }
    for (const auto& text : kTexts)
        take(call, text.field, call.*text.slot, (r.*text.stated)(), (r.*text.said)(), text.clears && names(r, text.field), order);
    take(call, "tracking_number", call.tracking_number, !r.tracking_number().empty(), r.tracking_number(), false, order);
    take(call, "customer_name", call.customer_name, split_name(r.customer_name()).has_value(), r.customer_name(), false, order);
    take_status(call, r.status(), order);
    call.ever_answered = call.ever_answered || (r.has_answered() && r.answered());
    take(call, "duration", call.duration_s, r.has_duration_s(), r.duration_s(), false, order);
    take(call, "first_call", call.first_call, r.has_first_call(), r.first_call(), false, order);
    // The earliest counts, for ever: none may that cannot have been, or the call would lie in 1970.
    if (r.has_started_at_us()) fold(call.started_at, credible(from_micros(r.started_at_us()), received), earliest);
    auto ended = credible(from_micros(r.ended_at_us()), received);
    take(call, "ended_at", call.ended_at, r.has_ended_at_us() && ended, ended.value_or(Instant{}), false, order);
    if (r.has_recording()) take_recording(call, r.recording(), order, of_deployment);
    if (r.has_consent_notice_sha256() || r.consent_notice_played())
        take_notice(call, r.consent_notice_sha256(), r.consent_notice_played(), order);
    if (r.has_tags() && call.origins.take("tags", order)) call.tags.assign(r.tags().begin(), r.tags().end());
}

void merge(Call& call, const Call& other) {
    call.seen.insert(other.seen.begin(), other.seen.end());
    call.received_at = call.received_at == Instant{} ? other.received_at : std::min(call.received_at, other.received_at);
    if (auto theirs = other.origins.of("phone_number"); theirs && call.origins.take("phone_number", *theirs)) {
        call.phone_number = other.phone_number;
        call.phone_callable = other.phone_callable;
    }
    for (const auto& text : kTexts) take_other(call, other, text.field, text.slot);
    take_other(call, other, "tracking_number", &Call::tracking_number);
    take_other(call, other, "customer_name", &Call::customer_name);
    if (auto theirs = other.origins.of("status")) take_status(call, other.reported_status, *theirs);
    call.ever_answered = call.ever_answered || other.ever_answered;
    take_other(call, other, "duration", &Call::duration_s);
    take_other(call, other, "first_call", &Call::first_call);
    fold(call.started_at, other.started_at, earliest);
    take_other(call, other, "ended_at", &Call::ended_at);
    take_other(call, other, "tags", &Call::tags);
    take_other(call, other, "recording_unavailable", &Call::recording_unavailable);
    for (const auto& [sid, recording] : other.recordings) take_recording(call, sid, recording);
    if (auto theirs = other.origins.of("notice"))
        take_notice(call, other.notice_sha256.value_or(""), other.notice_played.value_or(false), *theirs);
}

Statement statement_of(const Call& call, const std::vector<std::int64_t>& ids) {
    return {Voice::caller_id,
            call.customer_name,
            {},
            call.customer_city,
            call.customer_state,
            call.started_at.value_or(call.received_at),
            ids,
            0};
}

}  // namespace otto::lead_pipeline
