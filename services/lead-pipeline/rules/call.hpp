#pragma once
#include <map>
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

/// A recording of a call that the provider has whole, as the first report of it says it is.
struct Recording {
    std::string url;
    std::optional<std::int64_t> duration_s;
    bool voicemail = false;      ///< the caller left it; else it is of the call
    bool of_deployment = false;  ///< the deployment's own account at the provider told of it
    Instant recorded_at{};       ///< its start, else when it was told of
    std::int64_t received_us = 0;
    std::string told_by;  ///< its event
    bool operator==(const Recording&) const = default;
};

/// A call as its reports say it is. Pure: any order, repetition and grouping of merges ends in the same call (runtime.md §8;
/// tested over all permutations).
struct Call {
    std::optional<std::string> phone_number, tracking_number, direction, source, campaign, keywords, note, value, lead_status,
        owner_email;
    std::optional<std::string> stated_recording_url;  ///< of a provider that says no more of it; see recording_url()
    std::optional<std::string> customer_name, customer_city, customer_state;  ///< for the contact card
    bool phone_callable = false;
    std::string reported_status;  ///< the winning statement, perhaps "ended"; see status()
    bool ever_answered = false;   ///< `answered: true` beats missed, in any order
    std::optional<std::int64_t> duration_s;
    std::optional<bool> first_call;
    std::vector<std::string> tags;
    std::optional<Instant> started_at, ended_at;
    std::map<std::string, Recording> recordings;       ///< by the provider's id
    std::optional<std::string> recording_unavailable;  ///< why one is not had: absent, failed; see unavailable()
    std::optional<std::string> notice_sha256;  ///< of the consent notice that was played, else of the one that could be; "": none
    std::optional<bool> notice_played;         ///< nothing: Otto did not answer the call
    Instant received_at{};                     ///< of the first report
    Origins origins;
    std::set<std::string> seen;  ///< names of the reports that it is made of (see name_of)

    /// Derived, never stored apart from what they follow from.
    std::string status() const;
    bool answered() const;
    bool missed_call() const;
    /// The recording that counts for the analysis: of a call that somebody answered the first one that is no voicemail, of any
    /// other the first voicemail; else the first of the other kind. Null if none is known with its id.
    const std::pair<const std::string, Recording>* recording() const;
    /// Of the call, as the provider has it: of a voicemail only if there is no other.
    std::optional<std::string> recording_url() const;
    /// Why there is no recording and will be none; nothing while there is one, or nobody said so.
    std::optional<std::string> unavailable() const;
    std::string direction_or_inbound() const { return direction.value_or("inbound"); }
};

/// What a status says, and no flag beside it says otherwise: of inbound calls that are over each is one of the two.
bool is_answered(std::string_view status);                            ///< over, and somebody spoke to the customer
bool is_missed(std::string_view direction, std::string_view status);  ///< inbound, and nobody did: missed, voicemail or failed

/// Of a call: a flow makes a few, and whoever signs as the company may tell of any number.
inline constexpr std::size_t kMostRecordings = 20;

/// The caller's number as numbers are read now, whatever was read when the report was made.
Phone customer_of(const inbound::v1::CallReport&);

/// Statuses only climb: ringing < in_progress < {ended, missed, voicemail, completed, failed}.
int rank(std::string_view status);

Order order_of(const inbound::v1::CallReport&, Instant received_at, const std::string& event_id);
/// What a report's event is remembered by.
inline std::string name_of(std::string_view event_id) { return std::string(event_id.substr(0, 13)); }
/// What one more report makes of it. One that it is made of already changes nothing, whenever it is received again: a body that
/// somebody kept and posts anew, long after the inbox has forgotten it, would be the newest word about the call.
/// `of_deployment`: the deployment's own account at the provider proved it.
void merge(Call&, const inbound::v1::CallReport&, const Order&, bool of_deployment = false);
/// Two rows that prove to be one call.
void merge(Call&, const Call& other);

/// What a call says of its caller. `ids` are all under which the call was known, its own first.
Statement statement_of(const Call&, const std::vector<std::int64_t>& ids);

}  // namespace otto::lead_pipeline
