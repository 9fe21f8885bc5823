#pragma once
#include <string>
#include <string_view>

namespace otto::pg {

/// How sessions of a login plan their statements: settings as "-c name=value …", which travel with a connection's first message
/// (no round trip, and in force before its first statement). Every session of a program has them, because Connection sees to it.
///
/// They are not set on the roles: ALTER ROLE needs CREATEROLE, which the owner of a managed database has not.
/// "" for whoever is no service: the database's owner, otto_maintenance, people.
std::string session_settings(std::string_view login);

/// Who logs in by a URL or "key=value …" as libpq takes it, and what it sets by `options`. A URL that names nobody: as libpq has
/// it (PGUSER, else the name of the process's user). Of what libpq cannot read both are empty; connecting says why.
struct LoginOf {
    std::string user, options;
};
LoginOf login_of(const std::string& url);

}  // namespace otto::pg
