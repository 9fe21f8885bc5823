#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "rules/order.hpp"

namespace otto::lead_pipeline {

/// What came with a text, as the provider says.
struct Medium {
    std::string url, content_type;
    bool operator==(const Medium&) const = default;
};

/// A text as its reports say it is. Each field is the least of its statements in an order that all of them have (merge()), so any
/// order, repetition, delay and grouping of reports ends in the same text.
struct Message {
    std::optional<std::string> direction, customer, company_number, body, status, error_code, error_message, agent;
    std::optional<std::int64_t> segments;
    std::vector<Medium> media;
    Instant sent_at{};  ///< its own time: the thread's order, and what opt-outs are compared by
    Origins origins;

    /// Somebody has said what was written; else only its delivery was told so far.
    bool written() const { return body.has_value(); }
    bool inbound() const { return direction_or() == "inbound"; }
    std::string direction_or() const;
    std::string status_or() const;
    bool operator==(const Message&) const = default;
};

/// It says what was written; else how the delivery stands.
bool says_what_was_written(const inbound::v1::MessageReport&);

/// What one more report makes of it. A text is written once, so the first word on a field counts, and a report of what was
/// written before one of its delivery: a body that somebody kept and posts anew, long after the inbox has forgotten it, changes
/// nothing. The highest status counts (in the order of the contract: received, scheduled, queued,
/// sending, sent, canceled, failed, undelivered, delivered, read), with what that status says of an error.
void merge(Message&, const inbound::v1::MessageReport&, Instant received, const std::string& event_id);

}  // namespace otto::lead_pipeline
