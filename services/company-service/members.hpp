#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "checks.hpp"
#include "config.hpp"
#include "http/client.hpp"
#include "pg/connection.hpp"

namespace otto::company_service {

/// A member of an organisation at Clerk who has one of our roles.
struct Member {
    std::string user, role;
    std::optional<std::string> email, name;
};
/// One page of an organisation's memberships, and how many memberships there are in all.
struct MemberPage {
    std::vector<Member> members;
    std::size_t read = 0, total = 0;
    bool whole = true;  ///< false: somebody on it could not be made out, so that nobody may be taken for gone
};
Result<MemberPage> read_members(std::string_view json);

/// Keeps company_users true to Clerk's memberships: who is new, who changed, who is gone.
class Members {
public:
    Members(const app::Settings&, http::Client&);
    CheckResult check(pg::Pool&, const CompanyId&) const;

private:
    std::string api_;
    Secret key_;
    http::Client& client_;
};

}  // namespace otto::company_service
