#include "pg/migrate.hpp"

#include <algorithm>
#include <map>
#include <regex>
#include <set>
#include <thread>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "telemetry/log.hpp"

namespace otto::pg {
namespace {

constexpr Query kThere{"pg.migrations_there", "SELECT to_regclass('schema_migrations') IS NOT NULL AS there"};
constexpr Query kApplied{"pg.applied_migrations", "SELECT version, name, checksum FROM schema_migrations ORDER BY version"};
constexpr Query kLatest{"pg.latest_migration", "SELECT max(version) AS version FROM schema_migrations"};
constexpr Query kTryLock{"pg.try_migration_lock", "SELECT pg_try_advisory_lock(hashtext('otto schema')) AS got"};
constexpr Query kWalledOff{"pg.walled_off",
                           "SELECT NOT (rolsuper OR rolbypassrls) AS v FROM pg_roles WHERE rolname = current_user"};
constexpr Query kWalls{"pg.own_walls", R"sql(
SELECT c.relname::text AS v FROM pg_class c
 WHERE c.relforcerowsecurity AND c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace AND pg_has_role(c.relowner, 'USAGE'))sql"};
constexpr Query kOwnTables{"pg.own_tables", R"sql(
SELECT c.oid::regclass::text AS v FROM pg_class c
 WHERE c.relkind IN ('r', 'p', 'm') AND c.relnamespace = 'public'::regnamespace AND pg_has_role(c.relowner, 'USAGE') ORDER BY 1)sql"};
constexpr Query kIndex{"pg.index_state", R"sql(
SELECT CASE WHEN i.indisvalid AND i.indisready THEN 'valid' ELSE 'invalid' END AS v
  FROM pg_class c JOIN pg_index i ON i.indexrelid = c.oid WHERE c.relname = $1 AND c.relnamespace = 'public'::regnamespace)sql"};

struct Applied {
    std::string version, name, checksum;
    static Applied from(const Fields& f) { return {f.text("version"), f.text("name"), f.text("checksum")}; }
};

struct Latest {
    std::string version;
    static Latest from(const Fields& f) { return {f.text("version")}; }
};

std::string checksum(std::string_view sql) { return hex_encode(sha256(sql)); }
std::string name_of(const Migration& m) { return std::string(m.version) + "_" + std::string(m.name); }
std::string literal(std::string_view text) {
    std::string out = "'";
    for (char c : text) out.append(c == '\'' ? 2 : 1, c);
    return out + "'";
}

/// Somebody else's lock: the same again later.
bool lock_is_taken(const SqlFailure& e) { return e.sqlstate() == "55P03" || e.sqlstate() == "40P01" || e.sqlstate() == "40001"; }

using Wanted = std::map<std::string_view, const Migration*>;

/// What is applied against what is wanted.
SchemaState state_of(const std::map<std::string, Applied>& applied, const Wanted& wanted) {
    SchemaState out;
    for (const auto& [version, row] : applied) {
        out.version = version;
        auto m = wanted.find(version);
        if (m == wanted.end()) {
            bool later = wanted.empty() || version > wanted.rbegin()->first;
            (later ? out.newer : out.unknown).push_back(version + "_" + row.name);
            continue;
        }
        auto former = split_list(m->second->former, ' ');
        if (row.checksum != checksum(m->second->sql) && std::find(former.begin(), former.end(), row.checksum) == former.end())
            out.changed.push_back(version + "_" + row.name);
    }
    for (const auto& [version, m] : wanted)
        if (!applied.contains(std::string(version))) out.missing.push_back(name_of(*m));
    return out;
}

/// The table must be there.
std::map<std::string, Applied> applied_in(Connection& db) {
    std::map<std::string, Applied> out;
    auto tx = db.begin(Scope::none());
    for (auto& row : tx.many<Applied>(kApplied)) out.emplace(row.version, row);
    tx.commit();
    return out;
}

template <class T>
std::vector<T> ask(Connection& db, const Query& query, Params params = {}) {
    auto tx = db.begin(Scope::none());
    auto out = tx.values<T>(query, std::move(params));
    tx.commit();
    return out;
}

/// One run of migrate(), which holds the lock.
class Migrator {
public:
    Migrator(Connection& db, const MigrateOptions& options) : db_(db), options_(options) {}

    void say(const std::string& what) const {
        if (options_.say)
            options_.say(what);
        else
            tel::info(what);
    }

    /// Asks again and again, for a session that waits inside Postgres has a snapshot, and whoever builds an index concurrently
    /// would wait for that one: the two would wait for each other.
    Result<void> lock() {
        const auto begun = std::chrono::steady_clock::now();
        for (int n = 0;; ++n) {
            held_ = ask<bool>(db_, kTryLock).front();
            if (held_) return {};
            if (n == 0) say("another ottoctl migrates this database: this one waits for it");
            if (std::chrono::steady_clock::now() - begun > options_.wait)
                return Error("another ottoctl has been migrating this database for longer than this one waits",
                             "see what it does: SELECT * FROM pg_stat_activity WHERE application_name = 'ottoctl'");
            std::this_thread::sleep_for(Backoff{Millis{50}, Millis{1'000}, 2, 0.2}.pause(std::min(n, 6)));
        }
    }
    void unlock() noexcept {
        if (!held_) return;
        try {
            db_.execute("SELECT pg_advisory_unlock(hashtext('otto schema'))");
        } catch (const std::exception&) {
            db_.close();
        }
    }

    Result<int> run(const Wanted& wanted) {
        db_.execute(
            "SET client_min_messages = warning; CREATE TABLE IF NOT EXISTS schema_migrations (version text PRIMARY KEY, name "
            "text NOT NULL, checksum text NOT NULL,"
            " applied_at timestamptz NOT NULL DEFAULT now()); GRANT SELECT ON schema_migrations TO PUBLIC");
        auto applied = applied_in(db_);
        auto state = state_of(applied, wanted);
        if (!state.unknown.empty())
            return Error(
                "the database has migration " + state.unknown.front() + ", which this build does not know",
                "it is older than this build's latest and not one of its own: run the ottoctl of the release that applied it");
        if (!state.changed.empty())
            return Error("migration " + state.changed.front() + " was changed after it was applied",
                         "restore its file and add a new migration instead");
        if (!state.newer.empty()) {
            if (state.missing.empty()) return 0;
            return Error("the database has " + state.newer.front() + " of a later release, but lacks " + state.missing.front() +
                             ", which that release must have had",
                         "run the later release's ottoctl; it says what is the matter");
        }
        walled_off_ = ask<bool>(db_, kWalledOff).front();
        int ran = 0;
        for (const auto& [version, m] : wanted) {
            if (applied.contains(std::string(version))) continue;
            auto instruction = instruction_of(m->sql);
            if (!instruction.empty() && instruction != "no-transaction")
                return Error("migration " + name_of(*m) + " says '" + std::string(instruction) + "' in its first line",
                             "a migration may say: -- otto: no-transaction");
            auto done = instruction.empty() ? apply(*m) : apply_by_statement(*m);
            if (!done) return done.error();
            tel::info("migration applied", {{"version", version}, {"name", m->name}});
            if (options_.say) options_.say("applied " + name_of(*m));
            ++ran;
        }
        if (ran > 0) analyze();
        return ran;
    }

private:
    std::string on_record(const Migration& m) const {
        return "INSERT INTO schema_migrations (version, name, checksum) VALUES (" + literal(m.version) + ", " + literal(m.name) +
               ", " + literal(checksum(m.sql)) + ")";
    }

    Error failed(const Migration& m, const SqlFailure& e) {
        if (lock_is_taken(e))
            return Error(
                "migration " + name_of(m) + " gets no lock that it needs: " + e.what(),
                "nothing of it was applied; somebody has held it for long: SELECT pid, query FROM pg_stat_activity WHERE "
                "pid = ANY (pg_blocking_pids(pid)) or state LIKE 'idle in%'");
        if (e.sqlstate() == "42501")
            return Error("migration " + name_of(m) + " failed: " + e.what(),
                         "nothing of it was applied; the owner lacks a right: `ottoctl roles plan` says which");
        return Error("migration " + name_of(m) + " failed: " + e.what(),
                     e.kind() == FailureClass::transient
                         ? "nothing of it was applied, unless that answer alone was lost; run again"
                         : "nothing of it was applied; mend its SQL and run again");
    }

    bool again_after(const SqlFailure& e, const Migration& m, int& n) {
        if (!lock_is_taken(e) || ++n >= options_.tries) return false;
        say("migration " + name_of(m) + " does not get its locks (" + e.what() + "); it tries again");
        std::this_thread::sleep_for(options_.pause.pause(std::min(n - 1, 6)));
        return true;
    }

    /// Ends what a failed migration left open; the session keeps the lock.
    void roll_back() {
        try {
            db_.execute("ROLLBACK");
        } catch (const SqlFailure&) {
            lose();
        }
    }
    void lose() {
        db_.close();
        held_ = false;
    }

    Result<void> apply(const Migration& m) {
        // An owner that is subject to row-level security sees no row of a walled table: an UPDATE would do nothing, and say
        // nothing. So Postgres is asked to fail instead (row_security = off), and for the tables it names the owner's wall is
        // down until the migration's end; nobody else sees that, and they are locked until then.
        std::set<std::string> down;
        bool loud = walled_off_;
        int waited = 0;
        for (;;) {
            std::string text = "BEGIN;\n";
            for (const auto& table : down) text += "ALTER TABLE public." + table + " NO FORCE ROW LEVEL SECURITY;\n";
            if (loud) text += "SET LOCAL row_security = off;\n";
            text.append(m.sql).append("\n;");
            for (const auto& table : down) text += "ALTER TABLE IF EXISTS public." + table + " FORCE ROW LEVEL SECURITY;\n";
            try {
                // A simple query with several statements is one transaction of its own.
                db_.execute(text + on_record(m) + "; COMMIT");
                return {};
            } catch (const SqlFailure& e) {
                if (e.kind() == FailureClass::transient) {
                    lose();
                    return failed(m, e);
                }
                roll_back();
                if (again_after(e, m, waited)) continue;
                if (loud && e.sqlstate() == "42501") {
                    auto walled = walled_in(e.what());
                    if (!walled.empty() && down.insert(walled).second) continue;
                    // Some other role's wall (a function that runs in its name) or a table that the migration itself makes: what
                    // it names by itself is opened, and walls are as they are.
                    loud = false;
                    for (const auto& table : walls())
                        if (names(m.sql, table)) down.insert(table);
                    continue;
                }
                lose();
                return failed(m, e);
            }
        }
    }

    Result<void> apply_by_statement(const Migration& m) {
        static const std::regex index(
            R"re(\s*create\s+(?:unique\s+)?index\s+concurrently\s+(?:if\s+not\s+exists\s+)?("[^"]+"|\w+)\s+on\b[\s\S]*)re",
            std::regex::icase);
        static const std::regex concurrently(R"re(\b(index|index\s+if\s+exists|table|schema|database|view)\s+concurrently\b)re",
                                             std::regex::icase);
        db_.execute("SET statement_timeout = 0");
        for (const auto& statement : statements_of(m.sql)) {
            std::smatch found;
            std::string builds;
            if (std::regex_match(statement, found, index)) {
                builds = found[1].str();
                builds = builds.front() == '"' ? builds.substr(1, builds.size() - 2) : lower(builds);
            }
            // Building beside writers waits for transactions, not for a place in a queue: nobody waits behind it, so it may wait.
            bool patient = std::regex_search(statement, concurrently);
            for (int waited = 0;;) {
                try {
                    if (!builds.empty()) {
                        auto state = ask<std::string>(db_, kIndex, {builds});
                        if (!state.empty() && state.front() == "valid") break;
                        if (!state.empty()) {
                            say("index " + builds + " was left half-built: it is dropped and built anew");
                            db_.execute("SET lock_timeout = 0");
                            db_.execute("DROP INDEX CONCURRENTLY IF EXISTS public.\"" + builds + "\"");
                        }
                        say("index " + builds + " is being built, beside whoever writes");
                    }
                    if (patient) db_.execute("SET lock_timeout = 0");
                    db_.execute(statement);
                    if (patient) db_.execute("RESET lock_timeout");
                    break;
                } catch (const SqlFailure& e) {
                    if (again_after(e, m, waited)) continue;
                    auto error = failed(m, e);
                    lose();
                    error.hint = "what its former statements did stays, and is met again: mend it and run again";
                    return error;
                }
            }
        }
        db_.execute("RESET statement_timeout");
        db_.execute(on_record(m));
        return {};
    }

    /// Small batches on never-analyzed tables get bad plans. What is somebody else's (the catalogue) would only be complained of.
    void analyze() {
        std::string tables;
        for (const auto& table : ask<std::string>(db_, kOwnTables)) tables += (tables.empty() ? "ANALYZE " : ", ") + table;
        if (!tables.empty()) db_.execute(tables);
    }

    std::vector<std::string> walls() { return ask<std::string>(db_, kWalls); }

    static bool names(std::string_view text, std::string_view table) {
        auto word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
        for (auto at = text.find(table); at != std::string_view::npos; at = text.find(table, at + 1)) {
            auto behind = at + table.size();
            if ((at == 0 || !word(text[at - 1])) && (behind == text.size() || !word(text[behind]))) return true;
        }
        return false;
    }

    /// The walled table of ours that a message names, in whichever language it is.
    std::string walled_in(std::string_view message) {
        std::string longest;
        for (auto& table : walls())
            if (table.size() > longest.size() && names(message, table)) longest = table;
        return longest;
    }

    Connection& db_;
    const MigrateOptions& options_;
    bool held_ = false;        ///< the lock
    bool walled_off_ = false;  ///< the login is subject to row-level security
};

Result<Wanted> by_version(std::span<const Migration> migrations) {
    Wanted wanted;
    for (const auto& m : migrations)
        if (!wanted.emplace(m.version, &m).second)
            return Error("two migrations have the version " + std::string(m.version), "give one of them a later timestamp");
    return wanted;
}

}  // namespace

otto::Result<int> migrate(Connection& connection, std::span<const Migration> migrations, const MigrateOptions& options) {
    auto wanted = by_version(migrations);
    if (!wanted) return wanted.error();
    Migrator migrator(connection, options);
    try {
        if (auto locked = migrator.lock(); !locked) return locked.error();
    } catch (const SqlFailure& e) {
        if (e.sqlstate() != "42501") throw;
        return Error(std::string("this login may not migrate: ") + e.what(),
                     "`ottoctl roles plan` says what an administrator gives it");
    }
    struct Unlock {
        Migrator& m;
        ~Unlock() { m.unlock(); }
    } unlock{migrator};
    return migrator.run(*wanted);
}

SchemaState schema_state(Connection& db, std::span<const Migration> migrations) {
    std::map<std::string, Applied> applied;
    if (ask<bool>(db, kThere).front()) applied = applied_in(db);
    return state_of(applied, by_version(migrations).value());
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

otto::Result<void> require_schema(Connection& connection, std::span<const Migration> migrations) {
    auto state = schema_state(connection, migrations);
    if (state.missing.empty()) return {};
    auto n = state.missing.size();
    return Error((state.version.empty() ? "the database has no schema yet" : "the database's schema is at " + state.version) +
                     "; this build needs " + state.missing.back() +
                     (n > 1 ? " and " + std::to_string(n - 1) + " before it, from " + state.missing.front() + " on" : ""),
                 "run: ottoctl migrate");
}

}  // namespace otto::pg
