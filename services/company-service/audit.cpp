#include "audit.hpp"

#include "base/json.hpp"
#include "company-service/sql.hpp"

namespace otto::company_service {

void audit(identity::Context& c, const CompanyId& company, const char* action, const std::string& target, const std::vector<std::string>& fields) {
    JsonWriter w;
    w.begin_object().key("fields").begin_array();
    for (const auto& f : fields) w.value(f);
    w.end_array().end_object();
    c.tx_as(company).write(sql::audit, {company, c.who.user, action, target, w.take()});
}

}  // namespace otto::company_service
