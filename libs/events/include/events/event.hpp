#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.hpp"
#include "base/result.hpp"
#include "base/time.hpp"
#include "telemetry/trace.hpp"

namespace google::protobuf {
class Message;
class Descriptor;
}  // namespace google::protobuf

/// Protobuf messages as CloudEvents on Kafka (binary content mode). Where a type lives and what orders it stand in the proto as
/// options; nothing repeats them.
namespace otto::events {

/// What a message's proto says of it.
struct TypeInfo {
    std::string type;                     ///< ce_type: the message's full name
    std::string topic;                    ///< "" for a message that is no event of its own
    std::vector<std::string> key_fields;  ///< joined by ':' they are the record's key
};
const TypeInfo& type_info(const google::protobuf::Descriptor&);
template <class E>
const TypeInfo& type_of() {
    return type_info(*E::descriptor());
}

/// The record key of an event, from the fields that its proto names.
std::string key_of(const google::protobuf::Message&);

/// What goes with an event and is not its content.
struct Meta {
    EventId id;
    std::string type;
    std::string source;            ///< "/callrail-ingress"
    Instant time{};                ///< when it happened; Kafka's own timestamp is when it was appended
    std::optional<EventId> cause;  ///< the event that it follows from
    tel::TraceContext trace;
};

/// A record to be, in plain types: topic, key, value, headers.
struct Wire {
    std::string topic, key, value;
    std::vector<std::pair<std::string, std::string>> headers;
};

/// Type, topic and key come from the message; throws std::logic_error for a message without a topic.
Wire encode(const google::protobuf::Message&, const Meta&);

/// The CloudEvents attributes of a record; the error names the header that is missing or wrong.
Result<Meta> read_meta(const std::vector<std::pair<std::string, std::string>>& headers);
/// False if the bytes are not such a message.
bool parse_into(google::protobuf::Message&, std::string_view bytes);

/// Ids are names, so that a repeat has the same one.
/// A provider's event: its own identity, and the SHA-256 of the raw body where it gives no sequence (architecture.md §2).
EventId provider_event_id(std::string_view provider, std::string_view kind, std::string_view identity, std::string_view raw_body);
/// The same of a body whose SHA-256 (raw bytes; "" of an empty body) is known.
EventId provider_event_id_of(std::string_view provider, std::string_view kind, std::string_view identity,
                             std::string_view body_sha256);
/// What a handler emits: cause, consumer, type, and which of its kind it is.
EventId derived_event_id(const EventId& cause, std::string_view consumer, std::string_view type, int ordinal);

}  // namespace otto::events
