#include <algorithm>
#include <charconv>

#include "base/phone.hpp"
#include "base/text.hpp"
#include "keepable.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "providers/twilio.hpp"
#include "providers/twilio_report.hpp"

namespace otto::providers::twilio {

namespace pb = otto::inbound::v1;

namespace {

constexpr std::size_t kLongestText = 64u << 10, kLongestId = 200, kLongestUrl = 4'000;

std::string id(std::string_view text) { return keepable(trim(text), kLongestId); }

/// Twilio's words for how a text stands, and ours.
constexpr std::pair<std::string_view, std::string_view> kStatuses[] = {{"receiving", "received"},
                                                                       {"received", "received"},
                                                                       {"accepted", "queued"},
                                                                       {"scheduled", "scheduled"},
                                                                       {"queued", "queued"},
                                                                       {"sending", "sending"},
                                                                       {"sent", "sent"},
                                                                       {"canceled", "canceled"},
                                                                       {"failed", "failed"},
                                                                       {"undelivered", "undelivered"},
                                                                       {"partially_delivered", "delivered"},
                                                                       {"delivered", "delivered"},
                                                                       {"read", "read"}};

/// How a text stands, in our words; what nobody knows as it is.
std::string status_of(const MessageFacts& said) {
    if (came_in(said)) return "received";
    auto word = lower(id(said.status));
    auto ours = message_status(word);
    return ours.empty() ? word : ours;
}

/// Untrimmed: a space in front is the plus of who did not encode it.
Phone phone(std::string_view text) { return normalize_phone(keepable(text, kLongestId)); }

/// 0: it is none.
int number_of(std::string_view code) {
    int n = 0;
    std::from_chars(code.data(), code.data() + code.size(), n);
    return n;
}

bool is_url(std::string_view text) {
    return text.size() <= kLongestUrl && (text.starts_with("https://") || text.starts_with("http://"));
}

}  // namespace

std::string message_status(std::string_view word) {
    auto known = std::find_if(std::begin(kStatuses), std::end(kStatuses), [&](const auto& s) { return s.first == word; });
    return known == std::end(kStatuses) ? "" : std::string(known->second);
}

bool came_in(const MessageFacts& said) {
    if (!said.direction.empty()) return iequals(trim(said.direction), "inbound");
    auto status = trim(said.status);
    return status.empty() || iequals(status, "received") || iequals(status, "receiving");
}

pb::Addressee addressee_of(const MessageFacts& said) {
    pb::Addressee a;
    a.set_number(phone(came_in(said) ? said.to : said.from).text);
    a.set_purpose(pb::PURPOSE_TEXT);
    a.set_account_id(id(said.account_sid));
    if (said.sent_at) a.set_at_us(to_micros(*said.sent_at));
    return a;
}

std::string tell(const MessageFacts& said, pb::ProviderEvent& event) {
    const bool in = came_in(said);
    const auto customer = phone(in ? said.from : said.to);
    auto& r = *event.mutable_message();
    r.set_provider_message_id(id(said.sid));
    r.set_direction(in ? "inbound" : "outbound");
    r.set_customer_phone(customer.text);
    r.set_customer_phone_callable(customer.e164);
    r.set_company_number(phone(in ? said.to : said.from).text);
    r.set_status(status_of(said));
    r.set_has_body(in || said.body);  // a text without words has an empty one
    r.set_body(keepable(said.body.value_or(""), kLongestText));
    for (const auto& [url, type] : said.media) {
        if (!is_url(url) || static_cast<std::size_t>(r.media_size()) == kMostMedia) continue;
        auto& m = *r.add_media();
        m.set_url(keepable(url, kLongestUrl));
        m.set_content_type(id(type));
    }
    if (said.sent_at) r.set_sent_at_us(to_micros(*said.sent_at));
    auto code = id(said.error_code);
    if (code == "0") code.clear();
    auto why = std::string(explain(number_of(code)));
    if (why.empty()) why = keepable(trim(said.error_message), kLongestText);
    if (!code.empty()) r.set_error_code(std::move(code));
    if (!why.empty()) r.set_error_message(std::move(why));
    if (said.segments && *said.segments >= 0 && *said.segments <= 1'000) r.set_segments(*said.segments);
    for (std::string_view type : {"STOP", "START", "HELP"})
        if (iequals(trim(said.opt_out_type), type)) r.set_opt_out_type(std::string(type));
    r.set_our_message_id(id(said.our_message_id));

    event.set_kind(in ? "message.received" : r.has_body() ? "message.sent" : "message.status");
    event.set_key(r.customer_phone_callable() ? r.customer_phone() : r.provider_message_id());
    if (event.key().empty()) event.set_key("twilio:unknown");
    *event.mutable_addressee() = addressee_of(said);
    if (r.provider_message_id().empty())
        event.set_not_understood("it names no text (MessageSid)");
    else if (!in && message_status(lower(id(said.status))).empty())
        event.set_not_understood("status '" + clip_utf8(r.status(), 60) + "' is not known");
    return r.provider_message_id() + ":" + r.status();
}

}  // namespace otto::providers::twilio
