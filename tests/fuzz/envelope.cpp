// A Kafka record: lines of `name: value` are its headers, after an empty line comes its value.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <memory>

#include "base/text.hpp"
#include "events/event.hpp"
#include "harness.hpp"
#include "otto/calls/v1/calls.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "otto/directory/v1/directory.pb.h"
#include "otto/inbound/v1/inbound.pb.h"
#include "otto/routed/v1/routed.pb.h"

using namespace otto;

namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

bool same(const events::Meta& a, const events::Meta& b) {
    return a.id == b.id && a.type == b.type && a.source == b.source && a.time == b.time && a.cause == b.cause &&
           a.trace == b.trace;
}

bool named(const Headers& headers, const std::string& name) {
    return std::any_of(headers.begin(), headers.end(), [&](const auto& h) { return h.first == name; });
}

/// One message type, fed with the bytes whatever type the record says it is.
template <class Event>
void read_as(const events::Meta& meta, std::string_view value) {
    Event event;
    if (!events::parse_into(event, value)) return;
    auto bytes = event.SerializeAsString();
    Event again;
    OTTO_EXPECT(events::parse_into(again, bytes), event.ShortDebugString());
    OTTO_EXPECT(again.SerializeAsString() == bytes, event.ShortDebugString());
    // What was read can be sent on, and arrives as the same event.
    auto wire = events::encode(event, meta);
    OTTO_EXPECT(wire.topic == events::type_of<Event>().topic && !wire.topic.empty(), wire.topic);
    OTTO_EXPECT(wire.key == events::key_of(again), wire.key);
    OTTO_EXPECT(wire.value == bytes, event.ShortDebugString());
    auto arrived = events::read_meta(wire.headers);
    OTTO_EXPECT(arrived.ok(), arrived.error().message);
    auto expected = meta;
    expected.type = events::type_of<Event>().type;
    OTTO_EXPECT(same(*arrived, expected), expected.type);
}

}  // namespace

void fuzz(std::string_view text) {
    [[maybe_unused]] static const auto quiet = google::protobuf::SetLogHandler(nullptr);  // it prints each broken text
    fuzzing::Input input(text);
    Headers headers;
    while (!input.empty()) {
        auto line = input.line();
        if (line.empty()) break;
        auto colon = std::min(line.find(": "), line.size());
        headers.emplace_back(std::string(line.substr(0, colon)), std::string(line.substr(std::min(colon + 2, line.size()))));
    }
    auto meta = events::read_meta(headers);
    if (!meta) {
        OTTO_EXPECT(meta.error().message.find("header ce_") == 0, meta.error().message);  // it names the header
        meta = events::Meta{};                                                            // the value is looked at all the same
        meta->id = events::provider_event_id("fuzz", "fuzz", "fuzz", input.rest());
        meta->trace = tel::TraceContext::fresh();
    } else {
        for (const char* needed : {"ce_specversion", "ce_id", "ce_type", "ce_time"}) {
            OTTO_EXPECT(named(headers, needed), needed);
            auto without = headers;
            std::erase_if(without, [&](const auto& h) { return h.first == needed; });
            auto refused = events::read_meta(without);
            OTTO_EXPECT(!refused.ok() && refused.error().message.find(needed) != std::string::npos, needed);
        }
        OTTO_EXPECT(!meta->type.empty(), "");
        auto once_more = events::read_meta(headers);
        OTTO_EXPECT(once_more.ok(), "");
        if (tel::TraceContext::parse(meta->trace.traceparent()) == meta->trace && named(headers, "traceparent") &&
            once_more->trace == meta->trace)
            OTTO_EXPECT(same(*once_more, *meta), "");
        OTTO_EXPECT(tel::TraceContext::parse(meta->trace.traceparent()) == meta->trace,
                    meta->trace.traceparent());  // even where the record had none
        auto more = headers;
        for (const auto& [name, value] : headers)
            more.emplace_back(name, "something else");  // of doubled headers the first counts
        auto first = events::read_meta(more);
        OTTO_EXPECT(first.ok() && first->id == meta->id && first->type == meta->type && first->time == meta->time &&
                        first->cause == meta->cause && first->source == meta->source,
                    "");
    }
    read_as<inbound::v1::ProviderEvent>(*meta, input.rest());
    read_as<routed::v1::CallReported>(*meta, input.rest());
    read_as<calls::v1::CallRecorded>(*meta, input.rest());
    read_as<changes::v1::RowChanged>(*meta, input.rest());
    read_as<directory::v1::CompanyProfile>(*meta, input.rest());
}
