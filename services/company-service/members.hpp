#pragma once
#include "checks.hpp"
#include "pg/connection.hpp"
#include "providers/clerk.hpp"

namespace otto::company_service {

/// Keeps company_users true to Clerk's memberships: who is new, who changed, who is gone.
class Members {
public:
    explicit Members(const providers::clerk::Client& clerk) : clerk_(clerk) {}
    CheckResult check(pg::Pool&, const CompanyId&) const;

private:
    const providers::clerk::Client& clerk_;
};

}  // namespace otto::company_service
