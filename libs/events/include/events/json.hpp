#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "events/event.hpp"

/// Events as JSON, for people: to look at, to mend, to put back. Field names are those of the proto; bytes are base64.
namespace otto::events {

/// An empty message of an event's type ("otto.routed.v1.CallReported"); null for a type that this build does not know.
std::shared_ptr<google::protobuf::Message> new_message(std::string_view type);

Result<std::string> to_json(const google::protobuf::Message&);
/// Replaces what the message holds. The error says where the JSON does not fit.
Result<void> from_json(google::protobuf::Message&, std::string_view json);
/// Sets one field: `path` is "call.duration_s", `value` its text (an enum by name, true or false). Of lists and whole messages it
/// says that JSON is the way.
Result<void> set_field(google::protobuf::Message&, std::string_view path, std::string_view value);

}  // namespace otto::events
