#pragma once
#include <compare>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace otto::lead_pipeline {

/// Where a statement about a call stands among all others: the stage of its report, the number that the provider gave it among
/// the call's reports (Twilio's SequenceNumber; -1: none), when it was received (stamped once at ingress), its event's id. The
/// later one wins, in whatever order they are processed (runtime.md §8).
struct Order {
    int stage = 0;
    std::int64_t received_us = 0;
    std::string id;
    std::int64_t sequence = -1;
    bool operator==(const Order&) const = default;
    auto operator<=>(const Order& o) const {
        return std::tie(stage, sequence, received_us, id) <=> std::tie(o.stage, o.sequence, o.received_us, o.id);
    }
};

/// Which report each field of a row comes from; kept beside the row as compact JSON. A field without an entry was never stated.
class Origins {
public:
    static Origins parse(const std::string& text);
    std::string text() const;
    /// Whether a statement of this order about the field wins; if so it is noted.
    bool take(std::string_view field, const Order&);
    /// The same, where the first statement counts and not the last.
    bool take_first(std::string_view field, const Order&);
    /// Notes it whatever stood there, for fields with a rule of their own.
    void set(std::string_view field, const Order&);
    std::optional<Order> of(std::string_view field) const;
    /// The events that any field comes from.
    std::vector<std::string> reports() const;
    bool operator==(const Origins&) const = default;

private:
    std::map<std::string, Order, std::less<>> fields_;
};

}  // namespace otto::lead_pipeline
