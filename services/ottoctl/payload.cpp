#include "payload.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include "base/json.hpp"
#include "events/json.hpp"

namespace otto::ottoctl {
namespace {

std::string company_of(const google::protobuf::Message& m) {
    const auto* f = m.GetDescriptor()->FindFieldByName("company_id");
    return f && f->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_STRING ? m.GetReflection()->GetString(m, f)
                                                                                   : std::string{};
}

}  // namespace

Result<Letter> mend(const Letter& letter, const Edit& edit, Instant now) {
    auto type = edit.type.value_or(letter.type);
    if (type.empty()) return Error("the record does not say of which type it is", "name it: --type otto.routed.v1.CallReported");
    if (!letter.type.empty() && type != letter.type)
        return Error("the event is a " + letter.type + " and cannot become a " + type, "leave --type out");
    auto message = events::new_message(type);
    if (!message)
        return Error("there is no type '" + type + "'", "types are those of proto-schemas/events: otto.routed.v1.CallReported");
    const auto& info = events::type_info(*message->GetDescriptor());
    if (info.topic != letter.topic) return Error(type + " lives on " + info.topic + ", and the record was on " + letter.topic);
    if (edit.json) {
        if (auto done = events::from_json(*message, *edit.json); !done) return done.error();
    } else if (!events::parse_into(*message, letter.value)) {
        return Error("the payload is no " + type + ", so that no field of it can be set",
                     "give the whole payload: --file payload.json");
    }
    for (const auto& [path, value] : edit.fields)
        if (auto done = events::set_field(*message, path, value); !done) return done.error();
    auto company = company_of(*message);
    if (!letter.company_id.empty() && company != letter.company_id)
        return Error("company_id was " + letter.company_id + " and would be '" + company + "'",
                     "an event does not move to another company; discard it with a reason instead");

    Letter out = letter;
    out.type = type;
    out.company_id = company;
    if (letter.event_id) {
        out.key = events::key_of(*message);
        if (!message->SerializeToString(&out.value)) return Error("the payload cannot be serialized");
        return out;
    }
    events::Meta meta;
    meta.id = events::provider_event_id(
        "ottoctl", "dead-letter",
        letter.topic + "/" + std::to_string(letter.partition) + "/" + (letter.offset ? std::to_string(*letter.offset) : ""),
        letter.value);
    meta.source = "/ottoctl";
    meta.time = now;
    meta.trace = tel::TraceContext::fresh();
    auto wire = events::encode(*message, meta);
    out.event_id = meta.id.value();
    out.key = wire.key;
    out.value = wire.value;
    out.headers = wire.headers;
    return out;
}

Result<std::string> payload_json(const std::string& type, const std::string& value) {
    auto message = events::new_message(type);
    if (!message)
        return Error(type.empty() ? "the record does not say of which type it is" : "this build knows no type '" + type + "'");
    if (!events::parse_into(*message, value)) return Error("the payload is no " + type);
    return events::to_json(*message);
}

std::vector<std::pair<std::string, std::string>> headers_from(const std::string& json) {
    std::vector<std::pair<std::string, std::string>> out;
    auto parsed = JsonDocument::parse(json);
    if (!parsed) return out;
    for (std::size_t i = 0; i < parsed->root().size(); ++i)
        out.emplace_back(std::string(parsed->root().at(i).at(0).string().value_or("")),
                         std::string(parsed->root().at(i).at(1).string().value_or("")));
    return out;
}

std::string headers_json(const std::vector<std::pair<std::string, std::string>>& headers) {
    JsonWriter w;
    w.begin_array();
    for (const auto& [name, value] : headers) w.begin_array().value(name).value(value).end_array();
    return w.end_array().take();
}

}  // namespace otto::ottoctl
