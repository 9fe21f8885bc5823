#pragma once
#include "base/result.hpp"
#include "checks.hpp"
#include "member_book.hpp"
#include "pg/connection.hpp"
#include "providers/clerk.hpp"

namespace otto::company_service {

/// Webhooks that never came: holds company_users against Clerk's memberships and repairs what differs.
class Members {
public:
    explicit Members(const providers::clerk::Client& clerk) : clerk_(clerk) {}
    CheckResult check(pg::Pool&, const CompanyId&) const;

private:
    /// All memberships, as Clerk has them at one time.
    struct Listing {
        std::vector<MemberFact> members;
        bool whole = true;          ///< false: whoever is not on it may be a member all the same
        std::int64_t asked_at = 0;  ///< ms
    };
    /// None: Clerk has no such organisation.
    Result<std::optional<Listing>> list(const CompanyId&) const;
    const providers::clerk::Client& clerk_;
};

}  // namespace otto::company_service
