#include "records.hpp"

#include <google/protobuf/descriptor.h>

#include <algorithm>

#include "base/json.hpp"
#include "base/text.hpp"
#include "tables.hpp"

namespace otto::rt {

std::string headers_json(const kafka::Headers& headers) {
    JsonWriter w;
    w.begin_array();
    auto text = [&](const std::string& t) { t.find('\0') == std::string::npos ? w.value(t) : w.value(storable(t)); };
    for (const auto& [name, value] : headers) {
        w.begin_array();
        text(name);
        text(value);
        w.end_array();
    }
    return w.end_array().take();
}

kafka::Headers headers_from(const std::string& json) {
    kafka::Headers out;
    auto parsed = JsonDocument::parse(json);
    if (!parsed) return out;
    auto root = parsed->root();
    for (std::size_t i = 0; i < root.size(); ++i) {
        auto pair = root.at(i);
        out.emplace_back(std::string(pair.at(0).string().value_or("")), std::string(pair.at(1).string().value_or("")));
    }
    return out;
}

std::string longer_history(const std::string& history, std::string_view error, Instant now) {
    JsonWriter w;
    w.begin_array();
    if (auto parsed = JsonDocument::parse(history))
        for (std::size_t i = 0; i < parsed->root().size() && i < 100; ++i) w.raw(parsed->root().at(i).dump());
    w.begin_object().member("at", to_rfc3339(now)).member("error", storable(error)).end_object();
    return w.end_array().take();
}

std::string storable(std::string_view text) {
    auto out = mend_utf8(text);
    std::replace(out.begin(), out.end(), '\0', '?');
    return out;
}

void dead_letter(pg::Tx& tx, const std::string& consumer, const kafka::TopicPartition& tp, std::optional<std::int64_t> offset,
                 const kafka::Record& r, const Decoded& d, const std::string& why, const std::string& history) {
    const auto& meta = d.event.meta;
    pg::Param id = meta.type.empty() ? pg::Param(nullptr) : pg::Param(meta.id);
    tx.write(sql::dead_letter, {consumer, tp.topic, tp.partition, offset, storable(r.key), id, storable(meta.company.value()),
                                storable(meta.type), pg::Param::bytes(r.value), headers_json(r.headers), storable(why), history});
}

namespace {

std::string company_of(const google::protobuf::Message& m) {
    const auto* field = m.GetDescriptor()->FindFieldByName("company_id");
    if (!field || field->is_repeated() || field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_STRING) return {};
    return m.GetReflection()->GetString(m, field);
}

}  // namespace

std::string company_of(const std::string& type, std::string_view value) {
    const auto* described = google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(type);
    if (!described) return {};
    std::unique_ptr<google::protobuf::Message> m(
        google::protobuf::MessageFactory::generated_factory()->GetPrototype(described)->New());
    return events::parse_into(*m, value) ? company_of(*m) : std::string();
}

Decoded decode(const kafka::Record& r, const std::vector<detail::Handler>& handlers, google::protobuf::Arena& arena) {
    return decode(r, handlers, [&arena](const detail::Handler& h) { return h.prototype->New(&arena); });
}

Decoded decode(const kafka::Record& r, const std::vector<detail::Handler>& handlers,
               const std::function<google::protobuf::Message*(const detail::Handler&)>& room) {
    Decoded d;
    auto meta = events::read_meta(r.headers);
    if (!meta) {
        d.unreadable = meta.error().message;
        return d;
    }
    d.event.meta.id = meta->id;
    d.event.meta.type = meta->type;
    d.event.meta.key = r.key;
    d.event.meta.occurred_at = meta->time;
    d.event.meta.caused_by = meta->cause;
    d.event.meta.trace = meta->trace;
    if (tel::tracing()) {
        d.follows = meta->trace.span_id;
        d.event.meta.trace = meta->trace.child();
    }
    for (const auto& h : handlers) {
        if (h.type->type != meta->type) continue;
        auto* message = room(h);
        if (r.tombstone || !events::parse_into(*message, r.value)) {
            d.unreadable = "the value is no " + meta->type;
            return d;
        }
        d.event.message = message;
        d.event.meta.company = CompanyId{company_of(*message)};
        if (d.event.meta.company.value().find_first_of(std::string_view(",\0", 2)) != std::string::npos) {
            d.unreadable = "company_id holds a comma or a NUL";
            return d;
        }
        d.handler = &h;
        return d;
    }
    return d;
}

void tell_step(const char* what, const std::string& consumer, const Decoded& d, Instant began, const char* outcome, bool failed,
               std::size_t events) {
    const auto now = system_clock().now();
    const auto& meta = d.event.meta;
    if (!tel::told(meta.trace, now - began, failed)) return;
    tel::tell({meta.trace,
               d.follows,
               tel::SpanKind::consumer,
               std::string(what) + " " + meta.type,
               began,
               now,
               failed,
               {{"messaging.system", "kafka"},
                {"messaging.consumer.group.name", consumer},
                {"messaging.batch.message_count", static_cast<std::int64_t>(events)},
                {"otto.outcome", outcome}}});
}

StoredRecord StoredRecord::from(const pg::Fields& f) {
    StoredRecord s;
    s.id = f.integer("id");
    s.record.topic = f.text("topic");
    s.record.key = f.text("key");
    s.record.value = f.bytes("value");
    s.record.headers = headers_from(f.text("headers"));
    return s;
}

kafka::Record to_record(events::Wire w) {
    kafka::Record r;
    r.topic = std::move(w.topic);
    r.key = std::move(w.key);
    r.value = std::move(w.value);
    r.headers = std::move(w.headers);
    return r;
}

}  // namespace otto::rt
