#pragma once
// Events between Kafka, memory and rows: the conversions that lanes, parked events, intents and outbox share.
#include <google/protobuf/arena.h>
#include <google/protobuf/message.h>

#include <memory>
#include <string>

#include "base/result.hpp"
#include "kafka/record.hpp"
#include "kafka/source.hpp"
#include "pg/tx.hpp"
#include "runtime/handler.hpp"
#include "telemetry/span.hpp"

namespace otto::rt {

std::string headers_json(const kafka::Headers&);
kafka::Headers headers_from(const std::string& json);
/// `[{"at","error"}, …]` with one more.
std::string longer_history(const std::string& history, std::string_view error, Instant now);

/// A text as Postgres holds it: what came from outside may have bytes that are no character, and NULs.
std::string storable(std::string_view);

/// One record as its handlers see it.
struct Decoded {
    detail::Event event;
    const detail::Handler* handler = nullptr;  ///< null: no handler for this type
    std::string unreadable;                    ///< why it cannot be an event
    tel::SpanId follows{};  ///< where steps are told: the one that sent it; `event.meta.trace` is then that of this one
    Retry retry() const { return handler ? handler->policy.retry : Retry{}; }
};

/// The company that an event is of, "" if its type is not known here or names none.
std::string company_of(const std::string& type, std::string_view value);

/// Reads headers and value, into the message that `room` gives for a handler.
Decoded decode(const kafka::Record&, const std::vector<detail::Handler>&,
               const std::function<google::protobuf::Message*(const detail::Handler&)>& room);
Decoded decode(const kafka::Record&, const std::vector<detail::Handler>&, google::protobuf::Arena&);

/// A row of outbox, parked or intents, as a record.
struct StoredRecord {
    std::int64_t id = 0;
    kafka::Record record;
    int attempt = 0;
    std::string history, intent_key;
    EventId event;
    std::string company, type;
    static StoredRecord from(const pg::Fields&);
};

kafka::Record to_record(events::Wire);

/// Tells what a consumer did with an event, as a step of its journey (telemetry/span.hpp). `what` is the step, `outcome` a
/// constant; `events` is how many were done together.
void tell_step(const char* what, const std::string& consumer, const Decoded&, Instant began, const char* outcome, bool failed,
               std::size_t events = 1);

/// A row for operators: an event that was given up, and all that is known of it.
void dead_letter(pg::Tx&, const std::string& consumer, const kafka::TopicPartition&, std::optional<std::int64_t> offset,
                 const kafka::Record&, const Decoded&, const std::string& why, const std::string& history);

}  // namespace otto::rt
