#include "lead.hpp"

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
    return lead.source != former.source || lead.source_at != former.source_at || lead.source_call != former.source_call || lead.last_contacted_at != former.last_contacted_at;
}

bool is_open(std::string_view status) { return status != "closed_won" && status != "closed_lost" && status != "abandoned"; }

}  // namespace otto::lead_pipeline
