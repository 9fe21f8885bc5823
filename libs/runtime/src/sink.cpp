#include "kafka/topics.hpp"
#include "outbox.hpp"
#include "records.hpp"
#include "runtime/consumer.hpp"
#include "runtime/handler.hpp"
#include "runtime/runtime.hpp"
#include "tables.hpp"
#include "telemetry/span.hpp"

namespace otto::rt {
namespace {

/// Of a record, beside its value: key and CloudEvents headers.
constexpr std::size_t kBesideValue = 8u << 10;

/// A record that can never leave fails where it is made.
events::Wire encode_checked(const google::protobuf::Message& m, const events::Meta& meta) {
    auto wire = events::encode(m, meta);
    auto bytes = wire.key.size() + wire.value.size();
    for (const auto& [name, value] : wire.headers) bytes += name.size() + value.size();
    if (auto most = kafka::largest_record(wire.topic); bytes > most) throw EventTooLarge(meta.type, bytes, most);
    return wire;
}

}  // namespace

EventTooLarge::EventTooLarge(const std::string& type, std::size_t bytes, std::size_t most)
    : std::length_error(type + " of " + std::to_string(bytes) + " bytes is larger than its topic takes (" + std::to_string(most) +
                        ")") {}

std::size_t largest_event(std::string_view topic) { return kafka::largest_record(topic) - kBesideValue; }

void Sink::emit(const Envelope& cause, const google::protobuf::Message& m, EmitOptions options) {
    const auto& type = events::type_info(*m.GetDescriptor()).type;
    int ordinal = ordinals_[{cause.id, type}]++;
    events::Meta meta;
    meta.id = events::derived_event_id(cause.id, consumer_, type, ordinal);
    meta.type = type;
    meta.source = "/" + consumer_;
    meta.time = cause.occurred_at;
    meta.cause = cause.id;
    meta.trace = tel::onward(cause.trace);
    items_.push_back({encode_checked(m, meta), std::move(options), false, cause.id});
}

void Sink::cancel(std::string_view replaces) {
    Item item;
    item.options.replaces = std::string(replaces);
    item.cancel = true;
    items_.push_back(std::move(item));
}

void Sink::reject(const EventId& which, std::string_view why) { rejected_.insert_or_assign(which, std::string(why)); }

void Sink::truncate(std::size_t size) {
    if (items_.size() > size) items_.resize(size);
}

std::vector<std::string> Consumer::topics() const {
    std::vector<std::string> out;
    for (const auto& h : handlers_)
        if (std::find(out.begin(), out.end(), h.type->topic) == out.end()) out.push_back(h.type->topic);
    return out;
}

int shard_of(std::string_view key) { return static_cast<int>(std::hash<std::string_view>{}(key) % 8); }

void write_to_shard(pg::Tx& tx, const std::string& consumer, const Sink::Item& item) {
    if (item.options.replaces) tx.write(sql::outbox_cancel, {consumer, item.options.replaces});
    if (item.cancel) return;
    const auto& w = item.wire;
    tx.write(sql::outbox_insert_shard, {consumer, shard_of(w.key), w.topic, w.key, pg::Param::bytes(w.value),
                                        headers_json(w.headers), item.options.not_before, item.options.replaces});
}

void UntypedEmitter::emit(pg::Tx& tx, const Envelope& cause, const google::protobuf::Message& m, EmitOptions options) const {
    Sink sink(consumer_);
    sink.emit(cause, m, std::move(options));
    write_to_shard(tx, consumer_, sink.items().front());
    tx.write(sql::outbox_notify, {consumer_});
}

void UntypedEmitter::emit(pg::Tx& tx, const google::protobuf::Message& m, const tel::TraceContext& trace,
                          EmitOptions options) const {
    events::Meta meta;
    auto now = system_clock().now();
    meta.id = EventId{Uuid::v7(now)};
    meta.type = events::type_info(*m.GetDescriptor()).type;
    meta.source = "/" + consumer_;
    meta.time = now;
    meta.trace = tel::onward(trace);
    write_to_shard(tx, consumer_, {encode_checked(m, meta), std::move(options)});
    tx.write(sql::outbox_notify, {consumer_});
}

}  // namespace otto::rt
