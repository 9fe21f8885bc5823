#include <algorithm>

#include "analysis.hpp"

namespace otto::shunya_orchestrator {
namespace {

enum class Shape { any, text, address, number, list, block };

Shape shape_of(std::string_view name) {
    static constexpr std::pair<std::string_view, Shape> shapes[] = {{"booking_status", Shape::text},
                                                                    {"lead_quality", Shape::text},
                                                                    {"qualification_status", Shape::text},
                                                                    {"call_outcome_category", Shape::text},
                                                                    {"appointment_date", Shape::text},
                                                                    {"scheduled_time", Shape::text},
                                                                    {"appointment_type", Shape::text},
                                                                    {"service_requested", Shape::text},
                                                                    {"service_type", Shape::text},
                                                                    {"service", Shape::text},
                                                                    {"city", Shape::text},
                                                                    {"state", Shape::text},
                                                                    {"name", Shape::text},
                                                                    {"person_name", Shape::text},
                                                                    {"customer_name", Shape::text},
                                                                    {"summary_text", Shape::text},
                                                                    {"address", Shape::address},
                                                                    {"compliance_score", Shape::number},
                                                                    {"sop_compliance_score", Shape::number},
                                                                    {"sentiment_score", Shape::number},
                                                                    {"sentiment", Shape::number},
                                                                    {"objections", Shape::list},
                                                                    {"pending_actions", Shape::list},
                                                                    {"visit_actions", Shape::list},
                                                                    {"qualification", Shape::block},
                                                                    {"compliance", Shape::block},
                                                                    {"entities", Shape::block},
                                                                    {"summary", Shape::block}};
    for (auto [n, shape] : shapes)
        if (n == name) return shape;
    return Shape::any;
}

bool fits(std::string_view name, JsonView v, bool outermost) {
    if (v.is_null()) return true;
    switch (shape_of(name)) {
        case Shape::any:
            return true;
        case Shape::text:
        case Shape::number:
            return v.is_string() || v.is_number();
        case Shape::address:
            return v.is_string() || v.is_number() || v.is_object();
        case Shape::list:
            return !v.is_bool();
        case Shape::block:
            return name == "summary" ? v.is_string() || (outermost && v.is_object()) : v.is_object();
    }
    return true;
}

/// Writes an object again; true if anything had to be left to the former one.
bool write(JsonWriter& w, JsonView v, JsonView former, bool outermost) {
    bool left = false;
    w.begin_object();
    for (auto [name, value] : v.members()) {
        auto was = former[name];
        if (!fits(name, value, outermost)) {
            left = true;
            if (was.exists() && fits(name, was, outermost)) w.key(name).raw(was.dump());
        } else if (outermost && value.is_object() && shape_of(name) == Shape::block) {
            left = write(w.key(name), value, was, false) || left;
        } else {
            w.key(name).raw(value.dump());
        }
    }
    w.end_object();
    return left;
}

}  // namespace

std::optional<std::string> understood(JsonView analysis, JsonView former) {
    JsonWriter w;
    if (!write(w, analysis, former, true)) return std::nullopt;
    return w.take();
}

void strange_members(JsonView analysis, const std::function<void(std::string_view, JsonView)>& report) {
    for (auto [name, value] : analysis.members()) {
        if (!fits(name, value, true)) report(name, value);
        if (shape_of(name) != Shape::block) continue;
        for (auto [inner, v] : value.members())
            if (!fits(inner, v, false)) report(inner, v);
    }
}

}  // namespace otto::shunya_orchestrator
