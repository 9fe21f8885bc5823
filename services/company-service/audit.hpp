#pragma once
#include <string>
#include <vector>

#include "identity/api.hpp"

namespace otto::company_service {

/// Who did what, for the company's managers to read: names of what changed, never a secret.
void audit(identity::Context&, const CompanyId&, const char* action, const std::string& target, const std::vector<std::string>& fields = {});

}  // namespace otto::company_service
