// Produces a backlog straight into a topic: what the ingress (otto.inbound) or tenant-router (otto.routed) would have put there,
// with the same bytes, keys, headers and ids. Three reports of each call, in any order within --spread-s. --recorded 0: nothing
// that anybody would fetch and have analysed. --texts 1: reports of texts in their stead.
#include <cstdio>

#include "events/event.hpp"
#include "kafka/producer.hpp"
#include "tenant-router/kinds.hpp"
#include "webhooks.hpp"

int main(int argc, char** argv) {
    using namespace otto;
    using namespace otto::bench;
    Args args(argc, argv, "brokers topic company seed calls numbers first-call first-number spread-s start-us recorded texts");
    auto companies = Company::of(args);
    auto seed = static_cast<std::uint64_t>(args.number("seed"));
    auto first_call = static_cast<std::uint64_t>(args.number("first-call", 0)),
         first_number = static_cast<std::uint64_t>(args.number("first-number", 0));
    bool recorded = args.number("recorded", 1) != 0;
    bool texts = args.number("texts", 0) != 0;
    bool routed = args.text("topic") == "otto.routed";
    auto start = from_micros(args.number("start-us"));
    auto due = backlog_of(seed + first_call, static_cast<std::uint64_t>(args.number("calls")),
                          static_cast<std::uint64_t>(args.number("numbers")), args.number("spread-s", 30));

    kafka::ProducerOptions options;
    options.brokers = args.text("brokers");
    options.client_id = "bench-backlog";
    options.linger_ms = 5;
    kafka::Producer producer(options, true);
    if (auto warm = producer.warm_up({args.text("topic")}, Millis{10'000}); !warm) {
        std::fprintf(stderr, "%s\n", warm.error().describe().c_str());
        return 1;
    }
    std::atomic<std::size_t> failed{0};
    std::size_t bytes = 0;
    for (const auto& d : due) {
        auto call =
            call_of(seed, first_call + d.call, first_number + d.number, companies, start + std::chrono::milliseconds(3 * d.call));
        call.recorded = recorded;
        auto received = start + std::chrono::microseconds(d.at_us);
        auto event = texts ? text_event_of(call, d.stage, received) : event_of(call, d.stage, received);
        events::Meta meta;
        meta.id = texts ? text_event_id_of(event) : event_id_of(event);
        meta.source = texts ? "/twilio-ingress" : "/callrail-ingress";
        meta.time = received;
        meta.trace = tel::TraceContext::fresh();
        events::Wire wire;
        auto hand_over = [&](const auto& message) {
            meta.cause = meta.id;
            meta.id = events::derived_event_id(meta.id, "tenant-router", message.GetTypeName(), 0);
            meta.source = "/tenant-router";
            wire = events::encode(message, meta);
        };
        const tenant_router::Owner owner{CompanyId{call.company->id}};
        if (routed && texts) {
            hand_over(tenant_router::handed_over<tenant_router::MessageKind>(event, owner));
        } else if (routed) {
            hand_over(tenant_router::handed_over<tenant_router::CallKind>(event, owner));
        } else {
            wire = events::encode(event, meta);
        }
        bytes += wire.value.size();
        kafka::Record record;
        record.topic = std::move(wire.topic);
        record.key = std::move(wire.key);
        record.value = std::move(wire.value);
        record.headers = std::move(wire.headers);
        while (!producer.produce(record, [&failed](const kafka::Delivery& delivery) { failed += !delivery.ok; })) {
            if (failed > 0) break;
            std::this_thread::sleep_for(Millis{5});  // the queue is full
        }
    }
    if (!producer.flush(Millis{60'000}) || failed > 0) {
        std::fprintf(stderr, "%zu records were not taken\n", failed.load());
        return 1;
    }
    std::printf("{\"events\": %zu, \"bytes_each\": %.0f}\n", due.size(),
                static_cast<double>(bytes) / static_cast<double>(due.size()));
}
