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
    bool of_deployment = false;  ///< it came by the deployment's own account at the provider, which alone proved it
    bool operator==(const Medium&) const = default;
};

/// A text of ours as it is accepted.
struct Written {
    std::string customer, company_number, body;
    std::optional<std::string> by, reason;
    bool automatic = false;
    std::int64_t segments = 1;  ///< as we count them; the provider's own count wins
    std::optional<Instant> scheduled_at;
};

/// What we ourselves say of a text of ours, once it is accepted.
struct OwnWord {
    std::string status = {};  ///< queued, sending, canceled, failed; "": nothing about it
    std::optional<std::string> error_code = {}, error_message = {};
    std::optional<Instant> scheduled_at = {}, asked_at = {};
    bool status_unknown = false;  ///< the provider was asked for a day and never said how it ended
};

/// A text as its reports say it is. Each field is the least of its statements in an order that all of them have (merge()), so any
/// order, repetition, delay and grouping of reports ends in the same text.
struct Message {
    std::optional<std::string> direction, customer, company_number, body, status, error_code, error_message, agent;
    std::optional<std::int64_t> segments;
    std::vector<Medium> media;
    Instant sent_at{};  ///< its own time: the thread's order, and what opt-outs are compared by
    // Of a text of ours:
    bool automatic = false, status_unknown = false;
    std::optional<std::string> reason;
    std::optional<Instant> scheduled_at, asked_at;
    Origins origins;

    /// Somebody has said what was written; else only its delivery was told so far.
    bool written() const { return body.has_value(); }
    bool inbound() const { return direction_or() == "inbound"; }
    /// It was accepted here, and not found at the provider.
    bool ours() const;
    std::string direction_or() const;
    std::string status_or() const;
    bool operator==(const Message&) const = default;
};

/// Nothing is to come after it: canceled, failed, undelivered, delivered, read.
bool is_final(std::string_view status);

/// Whether the provider's copy of a text may be that of ours: the same words, however ends of lines are written and whatever
/// surrounds them, also behind what a trial account is made to say first. Whoever looks for a text of ours, in a list or in a
/// sweep, looks by this alone: two rules would find two texts where there is one, and send it again.
bool is_copy(std::string_view listed, std::string_view ours);

/// It says what was written; else how the delivery stands.
bool says_what_was_written(const inbound::v1::MessageReport&);

/// What one more report makes of it. A text is written once, so the first word on a field counts, and a report of what was
/// written before one of its delivery: a body that somebody kept and posts anew, long after the inbox has forgotten it, changes
/// nothing. The highest status counts (in the order of the contract: received, scheduled, queued,
/// sending, sent, canceled, failed, undelivered, delivered, read), with what that status says of an error.
/// `by_deployment`: the deployment's own account at the provider proved the report, and no company's.
void merge(Message&, const inbound::v1::MessageReport&, Instant received, const std::string& event_id,
           bool by_deployment = false);

/// What we say of a text of ours is said in the same order: what it is before anybody else's word, its status by the same rank.
/// Its time is when it was accepted, and once the provider was asked that moment, of several the last, whatever whole second the
/// provider gives.
void merge(Message&, const Written&, Instant accepted);
void merge(Message&, const OwnWord&, Instant at);

/// Of two rows that prove to be one text, what either was told.
void merge(Message&, const Message& other);

}  // namespace otto::lead_pipeline
