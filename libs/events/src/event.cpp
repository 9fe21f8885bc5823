#include "events/event.hpp"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>

#include <map>
#include <memory>
#include <mutex>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "otto/options/v1/options.pb.h"

namespace otto::events {
namespace {

/// The space of all ids that are names. Fixed for ever: changing it makes every repeat a new event.
const Uuid& space() {
    static const Uuid id = *Uuid::parse("6f74746f-6576-5e6e-a473-000000000001");
    return id;
}

/// Parts separated so that ("ab", "c") and ("a", "bc") differ.
std::string joined(std::initializer_list<std::string_view> parts) {
    std::string out;
    for (auto p : parts) out.append(std::to_string(p.size())).append(":").append(p);
    return out;
}

std::string field_text(const google::protobuf::Message& m, const std::string& name) {
    const auto* field = m.GetDescriptor()->FindFieldByName(name);
    const auto* reflection = m.GetReflection();
    using Field = google::protobuf::FieldDescriptor;
    if (field && !field->is_repeated()) {
        if (field->cpp_type() == Field::CPPTYPE_STRING) return reflection->GetString(m, field);
        if (field->cpp_type() == Field::CPPTYPE_INT64) return std::to_string(reflection->GetInt64(m, field));
    }
    throw std::logic_error("the key of " + m.GetDescriptor()->full_name() + " names '" + name +
                           "', which is no text or int64 field of it");
}

std::string_view header(const std::vector<std::pair<std::string, std::string>>& headers, std::string_view name) {
    for (const auto& [key, value] : headers)
        if (key == name) return value;
    return {};
}

}  // namespace

const TypeInfo& type_info(const google::protobuf::Descriptor& descriptor) {
    static std::mutex lock;
    static std::map<const google::protobuf::Descriptor*, std::unique_ptr<TypeInfo>> known;
    std::lock_guard guard(lock);
    auto& entry = known[&descriptor];
    if (!entry) {
        const auto& options = descriptor.options().GetExtension(otto::options::v1::event);
        entry = std::make_unique<TypeInfo>(TypeInfo{descriptor.full_name(), options.topic(), split_list(options.key())});
    }
    return *entry;
}

std::string key_of(const google::protobuf::Message& m) {
    std::string key;
    for (const auto& field : type_info(*m.GetDescriptor()).key_fields) {
        if (!key.empty()) key += ':';
        key += field_text(m, field);
    }
    return key;
}

Wire encode(const google::protobuf::Message& m, const Meta& meta) {
    const auto& info = type_info(*m.GetDescriptor());
    if (info.topic.empty())
        throw std::logic_error(info.type + " has no topic: its proto lacks the option (otto.options.v1.event)");
    Wire w;
    w.topic = info.topic;
    w.key = key_of(m);
    if (!m.SerializeToString(&w.value)) throw std::logic_error(info.type + " cannot be serialized");
    w.headers = {{"ce_specversion", "1.0"},
                 {"ce_id", meta.id.value().to_string()},
                 {"ce_type", info.type},
                 {"ce_source", meta.source},
                 {"ce_time", to_rfc3339(meta.time)},
                 {"content-type", "application/protobuf"},
                 {"traceparent", meta.trace.traceparent()}};
    if (meta.cause) w.headers.emplace_back("ce_causationid", meta.cause->value().to_string());
    return w;
}

Result<Meta> read_meta(const std::vector<std::pair<std::string, std::string>>& headers) {
    Meta meta;
    if (header(headers, "ce_specversion") != "1.0")
        return Error("header ce_specversion is not 1.0", "was the record written past Otto?");
    auto id = Uuid::parse(header(headers, "ce_id"));
    if (!id) return Error("header ce_id is no UUID");
    meta.id = EventId{*id};
    meta.type = header(headers, "ce_type");
    if (meta.type.empty()) return Error("header ce_type is missing");
    meta.source = header(headers, "ce_source");
    auto time = parse_time(header(headers, "ce_time"));
    if (!time) return Error("header ce_time is no time");
    meta.time = *time;
    if (auto cause = Uuid::parse(header(headers, "ce_causationid"))) meta.cause = EventId{*cause};
    auto trace = tel::TraceContext::parse(header(headers, "traceparent"));
    meta.trace = trace ? *trace : tel::TraceContext::fresh();  // a lost trace must not lose the event
    return meta;
}

bool parse_into(google::protobuf::Message& m, std::string_view bytes) {
    return m.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

EventId provider_event_id(std::string_view provider, std::string_view kind, std::string_view identity,
                          std::string_view raw_body) {
    return provider_event_id_of(provider, kind, identity, raw_body.empty() ? std::string{} : sha256(raw_body));
}

EventId provider_event_id_of(std::string_view provider, std::string_view kind, std::string_view identity,
                             std::string_view body_sha256) {
    return EventId{Uuid::v5(space(), joined({provider, kind, identity, body_sha256}))};
}

EventId derived_event_id(const EventId& cause, std::string_view consumer, std::string_view type, int ordinal) {
    return EventId{Uuid::v5(space(), joined({cause.value().to_string(), consumer, type, std::to_string(ordinal)}))};
}

}  // namespace otto::events
