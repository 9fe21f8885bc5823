#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/time.hpp"

namespace otto::inbound::v1 {
class Addressee;
class ProviderEvent;
}  // namespace otto::inbound::v1

/// What Twilio says of a text, in our words; the same for its webhooks and for its API's list of messages, so that what both say
/// ends in one row.
namespace otto::providers::twilio {

/// In Twilio's words; "" and nothing: it does not say.
struct MessageFacts {
    std::string sid, account_sid, from, to;
    std::string status;     ///< "received", "delivered"; "": a text that came in
    std::string direction;  ///< "inbound", "outbound-api"; "": the status tells
    std::optional<std::string> body = {};
    std::vector<std::pair<std::string, std::string>> media = {};  ///< URL and content type
    std::optional<std::int64_t> segments = {};
    std::string error_code = {}, error_message = {};  ///< of a code that explain() knows its words are told, not these
    std::string opt_out_type = {};
    std::string our_message_id = {};
    std::optional<Instant> sent_at = {};
};

/// How a text stands in our words (MessageStatus of the HTTP contract), "" for a word that Twilio does not have.
std::string message_status(std::string_view twilio);

/// A text that somebody wrote to the company; else it is one that was sent, and the facts may be only how that stands.
bool came_in(const MessageFacts&);

/// More media of one text are not read.
inline constexpr std::size_t kMostMedia = 100;

/// Whose it could be. The company's end is `to` of a text that came in, else `from`.
inbound::v1::Addressee addressee_of(const MessageFacts&);

/// Sets kind, key, addressee and the report; a status that nobody knows is not understood. A text that came in is
/// "message.received", one that was sent "message.sent" where its body is known, and "message.status" where it is not. Returns
/// the identity, which with the kind makes the event's id, and no body's hash: sid and "received", or sid and how it stands.
std::string tell(const MessageFacts&, inbound::v1::ProviderEvent&);

}  // namespace otto::providers::twilio
