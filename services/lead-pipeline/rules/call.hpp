#pragma once
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/phone.hpp"
#include "base/time.hpp"
#include "otto/inbound/v1/inbound.pb.h"
#include "rules/contact.hpp"
#include "rules/order.hpp"

namespace otto::lead_pipeline {

/// A call as its reports say it is. Pure: any order, repetition and grouping of merges ends in the same call (runtime.md §8;
/// tested over all permutations).
struct Call {
    std::optional<std::string> phone_number, tracking_number, direction, recording_url, source, campaign, keywords, note, value,
        lead_status, owner_email;
    std::optional<std::string> customer_name, customer_city, customer_state;  ///< for the contact card
    bool phone_callable = false;
    std::string reported_status;  ///< the winning statement; see status()
    bool ever_answered = false;   ///< `answered: true` beats missed, in any order
    std::optional<std::int64_t> duration_s;
    std::optional<bool> first_call;
    std::vector<std::string> tags;
    std::optional<Instant> started_at, ended_at;
    Instant received_at{};  ///< of the first report
    Origins origins;
    std::set<std::string> seen;  ///< names of the reports that it is made of (see name_of)

    /// Derived, never stored apart from what they follow from.
    std::string status() const;
    bool answered() const;
    bool missed_call() const;
    std::string direction_or_inbound() const { return direction.value_or("inbound"); }
};

/// What a status says, and no flag beside it says otherwise: of inbound calls that are over each is one of the two.
bool is_answered(std::string_view status);                            ///< over, and somebody spoke to the customer
bool is_missed(std::string_view direction, std::string_view status);  ///< inbound, and nobody did: missed, voicemail or failed

/// The caller's number as numbers are read now, whatever was read when the report was made.
Phone customer_of(const inbound::v1::CallReport&);

/// Statuses only climb: ringing < in_progress < {missed, voicemail, completed, failed}.
int rank(std::string_view status);

Order order_of(const inbound::v1::CallReport&, Instant received_at, const std::string& event_id);
/// What a report's event is remembered by.
inline std::string name_of(std::string_view event_id) { return std::string(event_id.substr(0, 13)); }
/// What one more report makes of it. One that it is made of already changes nothing, whenever it is received again: a body that
/// somebody kept and posts anew, long after the inbox has forgotten it, would be the newest word about the call.
void merge(Call&, const inbound::v1::CallReport&, const Order&);
/// Two rows that prove to be one call.
void merge(Call&, const Call& other);

/// What a call says of its caller. `ids` are all under which the call was known, its own first.
Statement statement_of(const Call&, const std::vector<std::int64_t>& ids);

}  // namespace otto::lead_pipeline
