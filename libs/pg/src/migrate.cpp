#include "pg/migrate.hpp"

#include <map>

#include "base/crypto.hpp"
#include "telemetry/log.hpp"

namespace otto::pg {
namespace {

constexpr Query kApplied{"pg.applied_migrations", "SELECT version, name, checksum FROM schema_migrations ORDER BY version"};
constexpr Query kLatest{"pg.latest_migration", "SELECT max(version) AS version FROM schema_migrations"};

struct Applied {
    std::string version, name, checksum;
    static Applied from(const Fields& f) { return {f.text("version"), f.text("name"), f.text("checksum")}; }
};

struct Latest {
    std::string version;
    static Latest from(const Fields& f) { return {f.text("version")}; }
};

}  // namespace

otto::Result<int> migrate(Connection& connection, std::span<const Migration> migrations) {
    std::map<std::string_view, const Migration*> wanted;
    for (const auto& m : migrations)
        if (!wanted.emplace(m.version, &m).second)
            return Error("two migrations have the version " + std::string(m.version), "give one of them a later timestamp");
    // Held by the session, so that two of us take turns; released when it closes at the latest.
    connection.execute("SELECT pg_advisory_lock(hashtext('otto schema'))");
    struct Unlock {
        Connection& c;
        ~Unlock() {
            try {
                c.execute("SELECT pg_advisory_unlock(hashtext('otto schema'))");
            } catch (const std::exception&) {
                c.close();
            }
        }
    } unlock{connection};
    connection.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations (version text PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
        " applied_at timestamptz NOT NULL DEFAULT now()); GRANT SELECT ON schema_migrations TO PUBLIC");

    std::map<std::string, Applied> applied;
    {
        auto tx = connection.begin(Scope::none());
        for (auto& row : tx.many<Applied>(kApplied)) applied.emplace(row.version, row);
        tx.commit();
    }
    for (const auto& [version, row] : applied) {
        auto m = wanted.find(version);
        if (m == wanted.end())
            return Error("the database has migration " + version + "_" + row.name + ", which this build does not know",
                         "run a newer ottoctl");
        if (hex_encode(sha256(m->second->sql)) != row.checksum)
            return Error("migration " + version + "_" + row.name + " was changed after it was applied",
                         "restore its file and add a new migration instead");
    }
    int ran = 0;
    for (const auto& [version, m] : wanted) {
        if (applied.contains(std::string(version))) continue;
        try {
            // A simple query with several statements is one transaction of its own.
            connection.execute("BEGIN;\n" + std::string(m->sql) +
                               "\n;INSERT INTO schema_migrations (version, name, checksum) VALUES ('" + std::string(version) +
                               "', '" + std::string(m->name) + "', '" + hex_encode(sha256(m->sql)) + "'); COMMIT");
        } catch (const SqlFailure& e) {
            connection.close();
            return Error("migration " + std::string(version) + "_" + std::string(m->name) + " failed: " + e.what(),
                         "nothing of it was applied; mend its SQL and run again");
        }
        tel::info("migration applied", {{"version", version}, {"name", m->name}});
        ++ran;
    }
    if (ran > 0) connection.execute("ANALYZE");  // small batches on never-analyzed tables get bad plans
    return ran;
}

otto::Result<void> require_schema(Connection& connection, std::string_view required) {
    try {
        auto tx = connection.begin(Scope::none());
        auto latest = tx.one<Latest>(kLatest).version;
        tx.commit();
        if (latest >= required) return {};
        return Error("the database's schema is at " + (latest.empty() ? std::string("nothing") : latest) + ", this build needs " +
                         std::string(required),
                     "run: ottoctl migrate");
    } catch (const SqlFailure& e) {
        if (e.sqlstate() == "42P01")
            return Error("the database has no schema yet, this build needs " + std::string(required), "run: ottoctl migrate");
        throw;
    }
}

}  // namespace otto::pg
