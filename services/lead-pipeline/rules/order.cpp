#include "rules/order.hpp"

#include "base/json.hpp"

namespace otto::lead_pipeline {

// {"from":[[stage,received_us,"id"],…],"by":{"duration":0,…}}: most fields come from the same report, which then stands there
// once. A sequence stands behind the id, where there is one.

Origins Origins::parse(const std::string& text) {
    Origins o;
    if (text.empty()) return o;
    auto parsed = JsonDocument::parse(text);
    if (!parsed) return o;
    auto from = parsed->root()["from"], by = parsed->root()["by"];
    for (auto [field, index] : by.members()) {
        auto i = index.integer().value_or(-1);
        if (i < 0 || static_cast<std::size_t>(i) >= from.size()) continue;
        auto entry = from.at(static_cast<std::size_t>(i));
        o.fields_[std::string(field)] = {static_cast<int>(entry.at(0).integer().value_or(0)), entry.at(1).integer().value_or(0),
                                         std::string(entry.at(2).string().value_or("")), entry.at(3).integer().value_or(-1)};
    }
    return o;
}

std::string Origins::text() const {
    std::map<Order, std::size_t> index;
    for (const auto& [field, order] : fields_) index.emplace(order, 0);
    JsonWriter w;
    w.begin_object().key("from").begin_array();
    std::size_t n = 0;
    for (auto& [order, i] : index) {
        i = n++;
        w.begin_array().value(order.stage).value(order.received_us).value(order.id);
        if (order.sequence >= 0) w.value(order.sequence);
        w.end_array();
    }
    w.end_array().key("by").begin_object();
    for (const auto& [field, order] : fields_) w.member(field, index.at(order));
    return w.end_object().end_object().take();
}

bool Origins::take(std::string_view field, const Order& order) {
    auto found = fields_.find(field);
    if (found == fields_.end()) {
        fields_.emplace(std::string(field), order);
        return true;
    }
    if (order < found->second) return false;
    found->second = order;
    return true;
}

bool Origins::take_first(std::string_view field, const Order& order) {
    auto found = fields_.find(field);
    if (found != fields_.end() && found->second <= order) return false;
    set(field, order);
    return true;
}

void Origins::set(std::string_view field, const Order& order) { fields_.insert_or_assign(std::string(field), order); }

std::vector<std::string> Origins::reports() const {
    std::vector<std::string> out;
    for (const auto& [field, order] : fields_) out.push_back(order.id);
    return out;
}

std::optional<Order> Origins::of(std::string_view field) const {
    auto found = fields_.find(field);
    return found == fields_.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace otto::lead_pipeline
