#include "identity/audit.hpp"

#include "identity/api.hpp"

namespace otto::identity {
namespace {

constexpr pg::Query kAudit{"api.audit", "INSERT INTO audit_log (company_id, user_id, action, target, detail) VALUES ($1, $2, $3, $4, $5)"};

}  // namespace

void audit(Context& c, const CompanyId& company, std::string_view action, const std::string& target, const std::vector<std::string>& fields) {
    JsonWriter detail;
    detail.begin_object().key("fields").begin_array();
    for (const auto& f : fields) detail.value(f);
    detail.end_array();
    audit(c, company, action, target, std::move(detail));
}

void audit(Context& c, const CompanyId& company, std::string_view action, const std::string& target, JsonWriter detail) {
    if (c.who.impersonated) detail.member("impersonated", true);
    c.tx_as(company).write(kAudit, {company, c.who.user, std::string(action), target, detail.end_object().take()});
}

}  // namespace otto::identity
