#pragma once
#include <string>
#include <tuple>
#include <utility>

#include "base/ids.hpp"

namespace otto::lead_pipeline {

/// What a row is found by: a company, and what is its own there. Rows are locked in the order of their keys.
using ContactKey = std::pair<CompanyId, ContactId>;
using NumberKey = std::pair<CompanyId, std::string>;  ///< a callable number
using LeadKey = std::pair<CompanyId, LeadId>;
using CallKey = std::pair<CompanyId, CallId>;
using MessageKey = std::pair<CompanyId, Uuid>;
using ProviderKey = std::tuple<CompanyId, std::string, std::string>;  ///< a text's provider, and the id that it has there

}  // namespace otto::lead_pipeline
