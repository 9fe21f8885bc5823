#include "events/event.hpp"

#include <set>

#include "otto/calls/v1/calls.pb.h"
#include "otto/changes/v1/changes.pb.h"
#include "otto/directory/v1/directory.pb.h"
#include "otto/inbound/v1/inbound.pb.h"
#include "otto/routed/v1/routed.pb.h"
#include "testing/catch.hpp"

using namespace otto;

namespace {
std::string header(const events::Wire& w, std::string_view name) {
    for (const auto& [key, value] : w.headers)
        if (key == name) return value;
    return "(none)";
}

events::Meta meta() {
    events::Meta m;
    m.id = events::provider_event_id("callrail", "call.completed", "CAL1", "{}");
    m.source = "/callrail-ingress";
    m.time = *parse_time("2025-01-15T10:30:00.5Z");
    m.trace = *tel::TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    return m;
}
}  // namespace

TEST_CASE("topic and key of each event stand in its proto") {
    CHECK(events::type_of<inbound::v1::ProviderEvent>().topic == "otto.inbound");
    CHECK(events::type_of<routed::v1::CallReported>().topic == "otto.routed");
    CHECK(events::type_of<calls::v1::CallRecorded>().topic == "otto.calls");
    CHECK(events::type_of<changes::v1::RowChanged>().topic == "otto.changes");
    CHECK(events::type_of<directory::v1::CompanyProfile>().topic == "otto.directory");
    CHECK(events::type_of<inbound::v1::Receipt>().topic.empty());
    routed::v1::CallReported e;
    e.set_company_id("org_1");
    e.set_phone("+12148654559");
    CHECK(events::key_of(e) == "org_1:+12148654559");
}

TEST_CASE("an event on Kafka is a CloudEvent in binary mode, and comes back as it was") {
    routed::v1::CallReported e;
    e.set_company_id("org_1");
    e.set_phone("+12148654559");
    e.mutable_receipt()->set_raw_body(std::string("\0\xff raw", 6));
    auto sent = meta();
    sent.cause = events::derived_event_id(sent.id, "tenant-router", "x", 0);
    auto wire = events::encode(e, sent);
    CHECK(wire.topic == "otto.routed");
    CHECK(wire.key == "org_1:+12148654559");
    CHECK(header(wire, "ce_specversion") == "1.0");
    CHECK(header(wire, "ce_id") == sent.id.value().to_string());
    CHECK(header(wire, "ce_type") == "otto.routed.v1.CallReported");
    CHECK(header(wire, "ce_source") == "/callrail-ingress");
    CHECK(header(wire, "ce_time") == "2025-01-15T10:30:00.500000Z");
    CHECK(header(wire, "content-type") == "application/protobuf");
    CHECK(header(wire, "traceparent") == sent.trace.traceparent());
    auto got = events::read_meta(wire.headers).value();
    CHECK(got.id == sent.id);
    CHECK(got.time == sent.time);
    CHECK(got.cause == sent.cause);
    CHECK(got.trace == sent.trace);
    routed::v1::CallReported back;
    REQUIRE(events::parse_into(back, wire.value));
    CHECK(back.receipt().raw_body() == e.receipt().raw_body());
    CHECK_FALSE(events::parse_into(back, "\xff\xff\xff"));
}

TEST_CASE("a record without its attributes names what is missing") {
    auto wire = [] {
        calls::v1::CallRecorded e;
        return events::encode(e, meta());
    }();
    for (std::string name : {"ce_specversion", "ce_id", "ce_type", "ce_time"}) {
        auto headers = wire.headers;
        std::erase_if(headers, [&](const auto& h) { return h.first == name; });
        auto read = events::read_meta(headers);
        REQUIRE_FALSE(read);
        CHECK(read.error().message.find(name) != std::string::npos);
    }
    auto headers = wire.headers;
    std::erase_if(headers, [](const auto& h) { return h.first == "traceparent"; });
    CHECK(events::read_meta(headers));
    CHECK_THROWS_AS(events::encode(inbound::v1::Receipt{}, meta()), std::logic_error);
}

TEST_CASE("ids are names: a repeat has the same, everything else another") {
    auto id = [](auto... parts) { return events::provider_event_id(parts...).value().to_string(); };
    CHECK(id("callrail", "call.completed", "CAL1", "{}") == id("callrail", "call.completed", "CAL1", "{}"));
    std::set<std::string> all{id("callrail", "call.completed", "CAL1", "{}"), id("callrail", "call.completed", "CAL1", "{ }"),
                              id("callrail", "call.completed", "CAL2", "{}"), id("callrail", "call.answered", "CAL1", "{}"),
                              id("callrail", "call.completedC", "AL1", "{}"), id("twilio", "call.completed", "CAL1", "{}"),
                              id("callrail", "call.completed", "CAL1", "")};
    CHECK(all.size() == 7);
    auto cause = meta().id;
    CHECK(events::derived_event_id(cause, "a", "t", 0) == events::derived_event_id(cause, "a", "t", 0));
    CHECK(events::derived_event_id(cause, "a", "t", 0) != events::derived_event_id(cause, "a", "t", 1));
    // Stored for ever: this very value must never change.
    CHECK(id("callrail", "call.completed", "CAL1", "{}").substr(14, 1) == "5");
}
