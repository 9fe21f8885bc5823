#include "events/changes.hpp"

#include "otto/changes/v1/changes.pb.h"

namespace otto::events {

changes::v1::RowChanged row_changed(const CompanyId& company, const char* kind, const std::string& id, std::int64_t version) {
    changes::v1::RowChanged row;
    row.set_company_id(company.value());
    row.set_kind(kind);
    row.set_id(id);
    row.set_version(version);
    return row;
}

}  // namespace otto::events
