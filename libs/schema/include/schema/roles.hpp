#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"
#include "pg/connection.hpp"

/// Who Otto logs in as, and in whose name its functions run: what must be there before a database can be migrated by an owner
/// that may not make roles itself (managed Postgres, CloudNativePG).
namespace otto::schema {

struct Role {
    std::string_view name;
    bool login = true;
    bool sees_all = false;                     ///< BYPASSRLS
    bool owner_is_member = false;              ///< the database's owner gives functions to it, or works in its name
    std::vector<std::string_view> locks = {};  ///< functions of Postgres's own that it takes locks by; "*": all of them
};
std::span<const Role> roles();

/// One thing that is missing, with the statement that mends it.
struct RoleStep {
    enum class Need {
        migrate,  ///< without it `ottoctl migrate` stops
        run,      ///< without it Otto does not run, or a login may do more than it should
        advised   ///< less for everybody; only a superuser can do it, and Otto runs without
    } need;
    std::string role, why, sql;
};
struct RolePlan {
    std::string database, owner;
    bool owner_is_superuser = false;
    std::vector<RoleStep> steps;
    bool needed() const;  ///< more than advice
};

/// What this database's roles lack. Any login can ask. Passwords are not looked at: nobody but a superuser could.
RolePlan plan_roles(pg::Connection&);

/// Whether this login can migrate what is missing: a superuser, or the database's owner with all that a plan calls needed for it.
/// The error names what is not there and the command that says how it gets there.
Result<void> may_migrate(pg::Connection&);

/// Does what the plan says, as an administrator: what is needed in one transaction, throwing what failed; then what is advised,
/// and returns why not where that failed.
std::vector<std::string> apply_roles(pg::Connection&, const RolePlan&);

/// Sets a login's password. What goes to the server is its SCRAM verifier, which no log can give away.
void set_password(pg::Connection&, std::string_view role, const Secret& password);

}  // namespace otto::schema
