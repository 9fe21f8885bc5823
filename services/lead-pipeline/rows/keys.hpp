#pragma once
#include <string>
#include <utility>

#include "base/ids.hpp"

namespace otto::lead_pipeline {

/// What a row is found by: a company, and what is its own there. Rows are locked in the order of their keys.
using ContactKey = std::pair<CompanyId, ContactId>;
using NumberKey = std::pair<CompanyId, std::string>;  ///< a callable number
using LeadKey = std::pair<CompanyId, LeadId>;
using CallKey = std::pair<CompanyId, CallId>;
using MessageKey = std::pair<CompanyId, Uuid>;

}  // namespace otto::lead_pipeline
