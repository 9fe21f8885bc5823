#pragma once
#include "base/ids.hpp"
#include "base/json.hpp"
#include "pg/tx.hpp"

namespace otto::resources {

/// The analysis of a call as it counts: what a person corrected before what the machine said, which stays visible. False if there
/// is none; then nothing is written. `with_raw`: with Shunya's whole answer, which may be megabytes. For services whose role
/// reads call_analyses and analysis_corrections.
bool write_analysis(JsonWriter&, pg::Tx&, const CompanyId&, CallId, bool with_raw = false);

}  // namespace otto::resources
