#pragma once
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"
#include "directory/companies.hpp"
#include "pg/tx.hpp"
#include "rows/keys.hpp"

namespace otto::lead_pipeline {

/// A company's numbers from which texts leave now, the oldest first.
std::vector<std::string> text_numbers(const std::vector<directory::Number>&, Instant now);

/// From which of these a contact is written to unless somebody says otherwise: that of the last text with them, else the oldest;
/// "" if there is none.
std::string usual_number(pg::Tx&, const CompanyId&, const std::optional<ContactId>&, const std::vector<std::string>& numbers);

}  // namespace otto::lead_pipeline
