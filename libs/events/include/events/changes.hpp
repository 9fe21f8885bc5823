#pragma once
#include <cstdint>
#include <string>

#include "base/ids.hpp"

namespace otto::changes::v1 {
class RowChanged;
}

namespace otto::events {

/// What dashboards are told of a row that people look at. `kind` as RowChanged names them; `version` 0 where it was not read.
changes::v1::RowChanged row_changed(const CompanyId&, const char* kind, const std::string& id, std::int64_t version);

}  // namespace otto::events
