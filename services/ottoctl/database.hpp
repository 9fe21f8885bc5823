#pragma once
#include <string>
#include <vector>

#include "app/common.hpp"
#include "arguments.hpp"
#include "pg/connection.hpp"
#include "report.hpp"

namespace otto::ottoctl {

inline const app::Setting<Secret> kPgUrlMaintenance = app::pg_url_setting(
    "pg-url-maintenance",
    "Postgres for operators' commands, as otto_maintenance or another role that sees the rows of all companies; else "
    "OTTO_PG_URL");
inline const app::Setting<Secret> kPgPasswordMaintenance =
    app::secret("pg-password-maintenance", "password for OTTO_PG_URL_MAINTENANCE if that has none; else OTTO_PG_PASSWORD");
inline const app::Setting<std::string> kOperator =
    app::text("operator", "", "who you are, for the record of what operators did; empty: the name you are logged in with");

/// A session that sees all rows. Throws Failure with the cure: no URL, a role that sees only some rows, a database behind this
/// build.
pg::Connection operators_database(const app::Settings&);
/// That URL, else OTTO_PG_URL, with the password beside it.
pg::Login login_of(const app::Settings&, const app::Setting<Secret>& url, const app::Setting<Secret>& password);

/// Rows of a statement whose only column is `j`, a JSON object: the statement says what is shown, under which names, in which
/// order.
std::vector<Record> records(pg::Tx&, const pg::Query&, pg::Params = {});

/// Who acts, for the record.
std::string operator_name(const app::Settings&);

/// Parses an id given by a person; throws UsageError that shows it.
Uuid id_of(const std::string& text);
std::vector<std::string> ids_of(const std::vector<std::string>& texts);

/// Prints the answer, as tables or JSON.
void print(const Invocation&, const Report&);
/// For what cannot be undone, or is many: prints what would be done and that nothing was. The exit code.
int refuse_without_yes(const Invocation&, Report);

}  // namespace otto::ottoctl
