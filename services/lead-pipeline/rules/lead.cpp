#include "rules/lead.hpp"

#include <algorithm>
#include <tuple>

namespace otto::lead_pipeline {

bool touch(Lead& lead, const std::optional<std::string>& source, Instant started_at, const std::string& provider_call_id) {
    Lead former = lead;
    if (!lead.last_contacted_at || *lead.last_contacted_at < started_at) lead.last_contacted_at = started_at;
    if (source) {
        bool mine = lead.source_call == provider_call_id;
        bool earlier = !lead.source_at || std::tie(started_at, provider_call_id) < std::tie(*lead.source_at, *lead.source_call);
        if (mine || earlier) {
            lead.source = source;
            lead.source_at = mine && lead.source_at ? std::min(*lead.source_at, started_at) : started_at;
            lead.source_call = provider_call_id;
        }
    }
    return lead.source != former.source || lead.source_at != former.source_at || lead.source_call != former.source_call ||
           lead.last_contacted_at != former.last_contacted_at;
}

bool is_open(std::string_view status) { return status != "closed_won" && status != "closed_lost" && status != "abandoned"; }

std::string pool_status(std::string_view status, bool assigned) {
    if (status == "abandoned") return "archived";
    if (!is_open(status)) return "closed";
    return assigned ? "assigned" : "in_pool";
}

std::optional<std::string> qualify(const Verdict& v) {
    auto quality = v.lead_quality.value_or("");
    bool qualified = quality == "hot" || quality == "warm" || quality == "cold";
    auto booking = v.booking_status.value_or("");
    if (booking == "booked") return "qualified_booked";
    if (booking == "service_not_offered") return "qualified_service_not_offered";
    if (quality == "unqualified") return "closed_lost";
    // Shunya's own summary of the two stands in where it did not repeat the quality.
    if (booking == "not_booked" && (qualified || v.call_outcome_category == "qualified_but_unbooked"))
        return "qualified_unbooked";
    if (booking != "not_booked" && qualified) return quality;
    return std::nullopt;
}

std::optional<std::string> decide(const std::optional<Edit>& edit, const std::vector<Verdict>& verdicts) {
    const Verdict* deciding = nullptr;
    bool booked = false;
    for (const auto& v : verdicts) {
        if (edit && v.call_started_at <= edit->at) continue;
        auto status = qualify(v);
        if (!status) continue;
        bool books = *status == "qualified_booked";
        bool later = !deciding || std::tie(deciding->call_started_at, deciding->call) < std::tie(v.call_started_at, v.call);
        if ((books && !booked) || (books == booked && later)) deciding = &v;
        booked = booked || books;
    }
    if (deciding) return qualify(*deciding);
    return edit ? std::optional(edit->status) : std::nullopt;
}

std::optional<Instant> last_qualified(const std::vector<Verdict>& verdicts) {
    std::optional<Instant> at;
    for (const auto& v : verdicts) {
        auto status = qualify(v);
        if (status && *status != "closed_lost" && (!at || *at < v.received_at)) at = v.received_at;
    }
    return at;
}

bool take(std::vector<Verdict>& verdicts, const Verdict& v) {
    auto mine = std::find_if(verdicts.begin(), verdicts.end(), [&](const Verdict& other) { return other.call == v.call; });
    if (mine == verdicts.end()) {
        verdicts.push_back(v);
        return true;
    }
    if (v.version <= mine->version) return false;
    *mine = v;
    return true;
}

}  // namespace otto::lead_pipeline
