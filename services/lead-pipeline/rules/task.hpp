#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "base/uuid.hpp"
#include "otto/analysis/v1/analysis.pb.h"

namespace otto::lead_pipeline {

/// When something is to be done: a moment, or what a clock shows then, of which Postgres makes one. Neither: nobody knows.
struct Due {
    std::optional<Instant> at;
    std::optional<std::string> wall;  ///< "2026-11-24 10:00:00"
    std::string place;                ///< whose clock; empty: the company's
};
/// As parse_spoken_time() reads it; a bare day lasts until its end. Anything else ("tomorrow") is neither.
Due parse_due(std::string_view text);

/// One of Shunya's action types, else "custom".
std::string action_type(std::string_view said);

/// hex SHA-256 of source, call, action type and raw text: what makes a task the same one.
std::string unique_key(std::string_view source, std::string_view call, std::string_view action_type, std::string_view raw_text);

/// What a pending action asks for.
struct Wanted {
    std::string key, action_type, description, assigned_to = "csr", priority = "medium";
    std::optional<std::string> raw_text, contact_method;
    Due due;
};
/// nullopt: it says nothing that could be done.
std::optional<Wanted> understand(const analysis::v1::PendingAction&, std::int64_t call);

/// A task of an analysis, as it is on record.
struct Kept {
    Uuid id;
    std::string key, action_type;
    int slot = 0;
    std::int64_t version = 0;  ///< the analysis whose words stand there
    bool touched = false;      ///< a person had a hand in it
};

/// What one more analysis of a call makes of the tasks of the former ones. An action that has its task makes no second one; one
/// in other words than before takes the place of the former, unless a person had a hand in it or a later analysis filled it; what
/// an analysis no longer says stays, for a person to close. Pure.
struct Plan {
    struct Change {
        std::size_t kept;
        Wanted wanted;
    };
    struct Fresh {
        int slot;
        Wanted wanted;
    };
    std::vector<Change> changes;
    std::vector<Fresh> fresh;
};
Plan plan_tasks(const std::vector<Kept>&, const std::vector<Wanted>&, std::int64_t version);

}  // namespace otto::lead_pipeline
