#include "books/gate.hpp"

#include "base/time.hpp"
#include "lead-pipeline/sql.hpp"

namespace otto::lead_pipeline {

std::optional<std::string> closed_to(pg::Tx& tx, const NumberKey& number, bool automatic) {
    const auto& [company, phone] = number;
    if (auto at = tx.value<Instant>(sql::opted_out_at, {company, phone})) return "opted out at " + to_rfc3339(*at);
    if (automatic && tx.value<bool>(sql::opt_out_unclear, {company, phone}).value_or(false))
        return "a person is to ask first whether texts are wanted (task check_opt_out)";
    return std::nullopt;
}

}  // namespace otto::lead_pipeline
