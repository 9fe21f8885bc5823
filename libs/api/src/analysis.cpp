#include "api/analysis.hpp"

#include <map>
#include <optional>
#include <string>

#include "pg/json.hpp"

namespace otto::resources {

using pg::Fields;

namespace {

constexpr pg::Query kAnalysis{"resources.analysis", R"sql(
SELECT call_id, booking_status, lead_quality, call_outcome_category, objections, sop_compliance_score, sentiment_score, entities, summary, provider, model_version, to_jsonb(unknown_values) AS unknown_json,
       received_at, version, created_at, updated_at, machine_values
  FROM call_analyses WHERE company_id = $1 AND call_id = $2)sql"};
constexpr pg::Query kRaw{"resources.analysis_raw", "SELECT raw FROM call_analyses WHERE company_id = $1 AND call_id = $2"};
// The newest of each field: what people say against the machine.
constexpr pg::Query kCorrections{"resources.analysis_corrections", R"sql(
SELECT DISTINCT ON (field) field, value, user_id, created_at FROM analysis_corrections WHERE company_id = $1 AND call_id = $2 ORDER BY field, id DESC)sql"};

/// The newest word of a person on one field.
struct Correction {
    std::string field;
    std::optional<std::string> value;
    std::string user, at;
    static Correction from(const Fields& f) {
        return {f.text("field"), f.maybe_text("value"), f.text("user_id"), to_rfc3339(f.time("created_at").value_or(Instant{}))};
    }
};
using Corrections = std::map<std::string, Correction>;  // by field

/// What Shunya said for a field: a column of its own, or found in the conversation.
std::optional<std::string> machine_value(const Fields& f, const JsonView& entities, const std::string& field) {
    // Written beside each correction; the columns hold what counts.
    if (auto said = JsonDocument::parse(f.text("machine_values")); said && said->root()[field].exists())
        return said->root()[field].loose_text();
    for (std::string_view column : {"booking_status", "lead_quality", "call_outcome_category", "summary"})
        if (field == column) return f.maybe_text(column);
    return entities[field].loose_text();
}

void analysis_value(JsonWriter& w, const Fields& f, const Corrections& corrections, const std::optional<std::string>& raw) {
    auto document = JsonDocument::parse(f.text("entities"));
    auto entities = document.ok() ? document->root() : JsonView{};
    auto text = [&](const std::string& field) {
        auto found = corrections.find(field);
        w.member(field, found == corrections.end() ? f.maybe_text(field) : found->second.value);
    };
    w.begin_object().member("call_id", f.integer("call_id"));
    for (auto field : {"booking_status", "lead_quality", "call_outcome_category"}) text(field);
    json_value(w.key("objections"), f, "objections", "[]");
    number_value(w.key("sop_compliance_score"), f, "sop_compliance_score");
    number_value(w.key("sentiment_score"), f, "sentiment_score");
    w.key("entities").begin_object();
    for (auto [name, value] : entities.members())
        if (!corrections.contains(std::string(name))) w.key(name).raw(value.dump());
    for (const auto& [field, correction] : corrections)
        if (field == "appointment_date" || field == "service_type" || field == "address") w.member(field, correction.value);
    w.end_object();
    text("summary");
    texts(w, f, {"provider", "model_version"});
    json_value(w.key("unknown_values"), f, "unknown_json", "[]");
    w.member("version", f.integer("version"));
    times(w, f, {"received_at", "created_at", "updated_at"});
    w.key("machine_value").begin_object();
    for (const auto& [field, _] : corrections) w.member(field, machine_value(f, entities, field));
    w.end_object().key("corrections").begin_array();
    for (const auto& [field, correction] : corrections)
        w.begin_object()
            .member("field", field)
            .member("value", correction.value)
            .member("machine_value", machine_value(f, entities, field))
            .member("user_id", correction.user)
            .member("created_at", correction.at)
            .end_object();
    w.end_array();
    if (raw) w.key("raw").raw(*raw);
    w.end_object();
}

}  // namespace

bool write_analysis(JsonWriter& w, pg::Tx& tx, const CompanyId& company, CallId call, bool with_raw) {
    Corrections corrections;
    for (auto& correction : tx.many<Correction>(kCorrections, {company, call})) {
        auto field = correction.field;
        corrections.emplace(std::move(field), std::move(correction));
    }
    std::optional<std::string> raw;
    if (with_raw) tx.each(kRaw, {company, call}, [&](const Fields& f) { raw = f.text("raw"); });
    bool found = false;
    tx.each(kAnalysis, {company, call}, [&](const Fields& f) {
        found = true;
        analysis_value(w, f, corrections, raw);
    });
    return found;
}

}  // namespace otto::resources
