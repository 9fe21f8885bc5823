#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "base/ids.hpp"
#include "base/json.hpp"

namespace otto::identity {

class Context;

/// What a person did stands in audit_log, in the transaction that does it: who, what, to what, and the names of the fields that were given, never a value. For services whose role may insert there.
void audit(Context&, const CompanyId&, std::string_view action, const std::string& target, const std::vector<std::string>& fields = {});
/// The same with a detail of its own: an object that is still open.
void audit(Context&, const CompanyId&, std::string_view action, const std::string& target, JsonWriter detail);

}  // namespace otto::identity
