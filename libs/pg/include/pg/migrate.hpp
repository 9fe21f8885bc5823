#pragma once
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/backoff.hpp"
#include "base/result.hpp"
#include "pg/connection.hpp"

namespace otto::pg {

/// One forward-only step: "20261121000001", "companies", its SQL. Generated from the migrations/ folders of services and libs.
///
/// It is one transaction, with what it says of itself in its first line:
///   -- otto: no-transaction   each statement by itself (CREATE INDEX CONCURRENTLY). Killed between two, it begins anew, so each
///                             must do no harm a second time; an index that was left half-built is dropped and built again.
/// Background steps are in background.hpp.
struct Migration {
    std::string_view version, name, sql;
    /// Checksums of what its file held before it was replaced, separated by spaces: a database that was migrated with one of
    /// these is as good.
    std::string_view former = {};
};

struct MigrateOptions {
    /// A migration that does not get a lock within the session's lock_timeout gives up, so that nobody waits behind it, and tries
    /// again after a pause; this often.
    Backoff pause{Millis{1'000}, Millis{15'000}, 2, 0.2};
    int tries = 40;
    /// For how long another that is migrating is waited for.
    Millis wait{3'600'000};
    /// What is being done and waited for, for whoever watches; by default it is logged.
    std::function<void(const std::string&)> say;
};

/// Applies what is missing in order of version, each in its own transaction, under an advisory lock; ANALYZE at the end. Refuses
/// a changed applied version by name, and an unknown one that is older than this build's latest; newer ones are a later
/// release's, and nothing is done then. Returns how many ran.
///
/// The role must own the database and what is in it. It may be subject to row-level security: where a migration reads or writes a
/// walled table, the wall does not count for the owner until that migration's end.
Result<int> migrate(Connection&, std::span<const Migration>, const MigrateOptions& = {});

/// What a database has of a build's migrations, by "version_name" in their order.
struct SchemaState {
    std::string version;               ///< the newest that is applied; "" for none
    std::vector<std::string> missing;  ///< of this build
    std::vector<std::string> newer;    ///< a later release's: newer than this build's latest
    std::vector<std::string> unknown;  ///< neither: older than this build's latest, and not its own
    std::vector<std::string> changed;  ///< applied with another text than this build has
};
SchemaState schema_state(Connection&, std::span<const Migration>);

/// The gate of a service's start: an error that names the missing version and the command if the database is behind `required`.
Result<void> require_schema(Connection&, std::string_view required);
/// The same of a whole build: an error that names what is missing. A newer schema is none (N-1).
Result<void> require_schema(Connection&, std::span<const Migration>);

/// What an instruction in the first line of a migration says ("no-transaction", "background calls (id) 1000"); "" for none.
std::string_view instruction_of(std::string_view sql);
/// The statements of a text, without what stands between them; quotes, dollar quotes and comments are seen. For texts that cannot
/// go to the server as a whole, because that would be a transaction.
std::vector<std::string> statements_of(std::string_view sql);

}  // namespace otto::pg
