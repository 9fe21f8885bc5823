#pragma once
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"
#include "otto/analysis/v1/analysis.pb.h"

/// What Shunya's answers say, in our columns and events (providers.md §6.3, §6.6). Pure. Nothing is inferred: what Shunya does
/// not say, or says by a word for nothing ("N/A"), is absent; a word that is not known yet is kept as it was sent and reported.
namespace otto::shunya_orchestrator {

/// A thing to be done, in one of Shunya's three shapes.
struct PendingAction {
    std::string type;  ///< one of the known action types, else "custom"
    std::string raw_text;
    std::optional<std::string> due_at, contact_method, assignee, priority;
    bool operator==(const PendingAction&) const = default;
};

/// One analysis. `==` tells whether anybody would see a difference.
struct Analysis {
    std::optional<std::string> booking_status, lead_quality, call_outcome_category, summary, appointment_date, appointment_type,
        service_type, address, city, state, customer_name, model_version;
    std::optional<double> sop_compliance_score;  ///< 0–10: Shunya's 0–1 times ten; a value outside of 0–1 is none and reported
    std::optional<double> sentiment_score;       ///< as sent
    std::string objections = "[]";  ///< [{"key","label","objection_text","overcome","severity",…}]; see objection_key()
    std::string entities = "{}";    ///< as sent; null what says nothing
    std::vector<PendingAction> actions;
    std::vector<std::string> unknown;  ///< "booking_status=maybe": what is not in the lists of §6.6
    bool operator==(const Analysis&) const = default;
};

/// The object in which the content stands: the answer itself, or its `result`, `data` or `analysis`.
JsonView analysis_in(JsonView answer);
/// Whether there is anything of an analysis in it.
bool is_analysis(JsonView);
Analysis read_analysis(JsonView);
/// An analysis in whose place a former one stands: what in it is of another type than its field's leaves what the former one
/// said. nullopt: all is of its type.
std::optional<std::string> understood(JsonView analysis, JsonView former);
/// Names each member that is of another type than its field's.
void strange_members(JsonView analysis, const std::function<void(std::string_view name, JsonView)>&);

struct Transcript {
    std::string text;
    std::string speaker_labels = "[]";
    std::optional<double> confidence;
    std::optional<std::string> language;
    std::optional<std::int64_t> words;
    bool operator==(const Transcript&) const = default;
};
/// nullopt if there is none in it. An empty text is a transcript: nobody spoke.
std::optional<Transcript> read_transcript(JsonView answer);

/// The fields that people correct, and what they say; a value of nullopt: there is none.
using Corrections = std::map<std::string, std::optional<std::string>, std::less<>>;
/// The analysis as it counts: a person's word before the machine's.
Analysis corrected(Analysis, const Corrections&);
/// The machine's or person's value of a field that can be corrected.
std::optional<std::string> value_of(const Analysis&, std::string_view field);

/// Of the ten categories the key ("price_budget"), by number or by name; "" for others.
std::string objection_key(std::optional<std::int64_t> category, std::string_view text);
std::string objection_label(std::string_view key);

/// Fills in what of the event follows from the analysis.
void describe(const Analysis&, analysis::v1::AnalysisCompleted&);

/// JSON with sorted keys, without what differs from one telling to the next: when it was made or sent, and the envelope's names.
/// Source: providers.md §6.7.
std::string canonical(JsonView);
/// Hex SHA-256 of it.
std::string output_hash(JsonView);
/// The JSON again in a form that Postgres keeps: it has no NUL.
std::string storable(JsonView);
std::string storable(std::string_view text);

}  // namespace otto::shunya_orchestrator
