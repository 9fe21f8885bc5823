#include "rules/message.hpp"

#include <algorithm>
#include <iterator>

#include "base/phone.hpp"
#include "base/spoken_time.hpp"
#include "base/text.hpp"
#include "words.hpp"

namespace otto::lead_pipeline {
namespace {

namespace pb = otto::inbound::v1;

constexpr std::size_t kMostBody = 64 * 1024, kMostText = 500, kMostUrl = 4'096;
constexpr int kMostMedia = 100;  // the last one's address has two digits
// Stages of statements: our own word on what we wrote is before all others', our count of its segments behind them.
constexpr int kOurs = -1, kBehindAll = 2;
// Of its time: when we asked, when we accepted it; then what reports say (time_of).
constexpr int kAsked = -2, kAccepted = -1;

/// As a row can hold it.
std::string kept(std::string text, std::size_t most) {
    std::erase(text, '\0');
    return clip_utf8(text, most);
}

/// The contract names statuses in the order in which a text goes through them; -1: it is none.
int rank(std::string_view status) {
    const auto& all = words::message_status;
    auto found = std::find(std::begin(all), std::end(all), status);
    return found == std::end(all) ? -1 : static_cast<int>(found - std::begin(all));
}

bool is_direction(std::string_view said) { return said == "inbound" || said == "outbound"; }

/// Nothing is sent after it was received: a provider's clock that runs ahead puts no STOP behind the START that follows it.
Order time_of(const pb::MessageReport& r, Instant received) {
    auto stated = r.has_sent_at_us() ? credible(from_micros(r.sent_at_us()), received) : std::nullopt;
    int worth = !says_what_was_written(r) ? 2 : stated ? 0 : 1;
    return {worth, to_micros(std::min(stated.value_or(received), received)), {}};
}

void take_status(Message& m, std::string_view status, const std::string& code, const std::string& why, const Order& told) {
    bool failed = !code.empty() && code != "0", explained = failed || !why.empty();
    // The highest first, and of equal ones that which says why.
    if (!m.origins.take_first("status", {-(2 * rank(status) + (explained ? 1 : 0)), told.received_us, told.id})) return;
    m.status = std::string(status);
    m.error_code = failed ? std::optional(kept(code, kMostText)) : std::nullopt;
    m.error_message = why.empty() ? std::nullopt : std::optional(kept(why, kMostText));
}

void take_status(Message& m, const pb::MessageReport& r, const Order& told) {
    std::string_view status = r.status();
    if (rank(status) < 0) status = {};
    if (status.empty() && says_what_was_written(r) && is_direction(r.direction()))
        status = r.direction() == "inbound" ? "received" : "sent";
    if (!status.empty()) take_status(m, status, r.error_code(), r.error_message(), told);
}

/// That nobody says how it ended holds as long as nobody does.
void settle_unknown(Message& m) { m.status_unknown = m.origins.of("status_unknown") && !is_final(m.status_or()); }

}  // namespace

std::string Message::direction_or() const {
    if (direction) return *direction;
    return status == "received" ? "inbound" : "outbound";
}

std::string Message::status_or() const {
    if (status) return *status;
    return direction == "inbound" ? "received" : "queued";
}

bool Message::ours() const {
    auto said = origins.of("body");
    return said && said->stage == kOurs;
}

bool is_final(std::string_view status) { return rank(status) >= rank("canceled"); }

bool is_copy(std::string_view listed, std::string_view ours) {
    constexpr std::string_view kTrial = "Sent from your Twilio trial account - ";
    auto plain = [](std::string_view body) {
        std::string out;
        for (std::size_t i = 0; i < body.size(); ++i)
            if (body[i] != '\r' || i + 1 == body.size() || body[i + 1] != '\n') out += body[i];
        return std::string(trim(out));
    };
    auto theirs = plain(listed);
    const auto wanted = plain(ours);
    return theirs == wanted || (theirs.starts_with(kTrial) && plain(theirs.substr(kTrial.size())) == wanted);
}

bool says_what_was_written(const pb::MessageReport& r) { return r.has_body() || r.media_size() > 0; }

void merge(Message& m, const pb::MessageReport& r, Instant received, const std::string& event_id, bool by_deployment) {
    const bool written = says_what_was_written(r);
    const Order told{written ? 0 : 1, to_micros(received), event_id};
    auto first = [&](std::string_view field, bool stated) { return stated && m.origins.take_first(field, told); };
    if (first("direction", is_direction(r.direction()))) m.direction = r.direction();
    if (first("customer", !r.customer_phone().empty())) m.customer = kept(normalize_phone(r.customer_phone()).text, kMostText);
    if (first("company_number", !r.company_number().empty())) m.company_number = kept(r.company_number(), kMostText);
    if (first("body", written)) m.body = kept(r.body(), kMostBody);
    if (first("agent", r.has_agent() && !r.agent().empty())) m.agent = kept(r.agent(), kMostText);
    if (first("segments", r.has_segments())) m.segments = std::clamp<std::int64_t>(r.segments(), 0, 1'000'000);
    if (first("media", r.media_size() > 0)) {
        m.media.clear();
        for (int i = 0; i < std::min(r.media_size(), kMostMedia); ++i)
            m.media.push_back({kept(r.media(i).url(), kMostUrl), kept(r.media(i).content_type(), kMostText), by_deployment});
    }
    take_status(m, r, told);
    if (auto at = time_of(r, received); m.origins.take_first("sent_at", at)) m.sent_at = from_micros(at.received_us);
    settle_unknown(m);
}

void merge(Message& m, const Written& w, Instant accepted) {
    const Order ours{kOurs, to_micros(accepted), {}};
    auto first = [&](std::string_view field) { return m.origins.take_first(field, ours); };
    if (first("direction")) m.direction = "outbound";
    if (first("customer")) m.customer = w.customer;
    if (first("company_number")) m.company_number = w.company_number;
    if (first("body")) {
        m.body = w.body;
        m.automatic = w.automatic;
        m.reason = w.reason;
    }
    if (w.by && first("agent")) m.agent = w.by;
    if (m.origins.take_first("segments", {kBehindAll, ours.received_us, {}})) m.segments = w.segments;
    if (m.origins.take_first("sent_at", {kAccepted, ours.received_us, {}})) m.sent_at = accepted;
    merge(m, OwnWord{.status = w.scheduled_at ? "scheduled" : "queued", .scheduled_at = w.scheduled_at}, accepted);
}

void merge(Message& m, const OwnWord& word, Instant at) {
    const auto said = to_micros(at);
    if (!word.status.empty())
        take_status(m, word.status, word.error_code.value_or(""), word.error_message.value_or(""), {kOurs, said, {}});
    if (word.scheduled_at) m.scheduled_at = std::max(m.scheduled_at.value_or(*word.scheduled_at), *word.scheduled_at);
    if (word.asked_at) {
        m.asked_at = std::max(m.asked_at.value_or(*word.asked_at), *word.asked_at);
        // The last one first.
        if (m.origins.take_first("sent_at", {kAsked, -to_micros(*word.asked_at), {}})) m.sent_at = *word.asked_at;
    }
    if (word.status_unknown) m.origins.take_first("status_unknown", {kOurs, said, {}});
    settle_unknown(m);
}

void merge(Message& m, const Message& other) {
    auto take = [&](const char* field, auto... slots) {
        auto theirs = other.origins.of(field);
        if (theirs && m.origins.take_first(field, *theirs)) ((m.*slots = other.*slots), ...);
    };
    take("direction", &Message::direction);
    take("customer", &Message::customer);
    take("company_number", &Message::company_number);
    take("body", &Message::body, &Message::automatic, &Message::reason);
    take("agent", &Message::agent);
    take("segments", &Message::segments);
    take("media", &Message::media);
    take("status", &Message::status, &Message::error_code, &Message::error_message);
    take("sent_at", &Message::sent_at);
    take("status_unknown");
    for (auto slot : {&Message::scheduled_at, &Message::asked_at})
        if (other.*slot) m.*slot = std::max((m.*slot).value_or(*(other.*slot)), *(other.*slot));
    settle_unknown(m);
}

}  // namespace otto::lead_pipeline
