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

void take_status(Message& m, const pb::MessageReport& r, const Order& told) {
    std::string_view status = r.status();
    if (rank(status) < 0) status = {};
    if (status.empty() && says_what_was_written(r) && is_direction(r.direction()))
        status = r.direction() == "inbound" ? "received" : "sent";
    if (status.empty()) return;
    bool failed = r.has_error_code() && !r.error_code().empty() && r.error_code() != "0";
    bool explained = failed || (r.has_error_message() && !r.error_message().empty());
    // The highest first, and of equal ones that which says why.
    if (!m.origins.take_first("status", {-(2 * rank(status) + (explained ? 1 : 0)), told.received_us, told.id})) return;
    m.status = std::string(status);
    m.error_code = failed ? std::optional(kept(r.error_code(), kMostText)) : std::nullopt;
    m.error_message = explained && !r.error_message().empty() ? std::optional(kept(r.error_message(), kMostText)) : std::nullopt;
}

}  // namespace

std::string Message::direction_or() const {
    if (direction) return *direction;
    return status == "received" ? "inbound" : "outbound";
}

std::string Message::status_or() const {
    if (status) return *status;
    return direction == "inbound" ? "received" : "queued";
}

bool says_what_was_written(const pb::MessageReport& r) { return r.has_body() || r.media_size() > 0; }

void merge(Message& m, const pb::MessageReport& r, Instant received, const std::string& event_id) {
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
            m.media.push_back({kept(r.media(i).url(), kMostUrl), kept(r.media(i).content_type(), kMostText)});
    }
    take_status(m, r, told);
    if (auto at = time_of(r, received); m.origins.take_first("sent_at", at)) m.sent_at = from_micros(at.received_us);
}

}  // namespace otto::lead_pipeline
