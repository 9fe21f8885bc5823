#include "members.hpp"

#include "company-service/sql.hpp"
#include "identity/token.hpp"

namespace otto::company_service {
namespace {

constexpr std::size_t kMost = 10'000;

}  // namespace

CheckResult Members::check(pg::Pool& db, const CompanyId& company) const {
    if (!clerk_.keyed()) return {};
    pg::Columns rows(4);
    bool whole = true, understood = true;
    for (std::size_t read = 0, total = 1; read < total;) {
        auto reply = clerk_.memberships(company.value(), read, tel::TraceContext::fresh());
        if (const auto* error = std::get_if<providers::clerk::ApiError>(&reply)) {
            if (error->status == 404) return {};  // a company that was made here, not there
            return {error->why};
        }
        const auto& page = std::get<providers::clerk::MemberPage>(reply);
        for (const auto& m : page.members)  // whose role is none of ours may nothing here
            if (auto role = identity::role_from(m.role))
                rows.row({m.user, m.email, m.name, std::string(identity::to_text(*role))});
        read += page.read;
        understood = understood && page.whole;
        whole = understood && page.total <= kMost && (page.read > 0 || read >= page.total);
        total = page.read == 0 ? read : std::min(page.total, kMost);
    }
    auto params = rows.params();
    params.insert(params.begin(), pg::Param(company));
    auto tx = db.begin(pg::Scope::company(company));
    tx.write(sql::keep_members, params);
    if (whole) tx.write(sql::remove_members, {company, params[1]});
    tx.commit();
    return {};
}

}  // namespace otto::company_service
