#include "pg/background.hpp"

#include <algorithm>
#include <map>
#include <regex>
#include <thread>

#include "base/crypto.hpp"
#include "base/text.hpp"
#include "telemetry/log.hpp"

namespace otto::pg {
namespace {

using Steady = std::chrono::steady_clock;

constexpr Query kThere{"pg.background_there", "SELECT to_regclass('background_steps') IS NOT NULL AS there"};
constexpr Query kTryLock{"pg.try_background_lock", "SELECT pg_try_advisory_lock(hashtext('otto background')) AS got"};
constexpr Query kWalledOff{"pg.background_walled_off",
                           "SELECT NOT (rolsuper OR rolbypassrls) AS v FROM pg_roles WHERE rolname = current_user"};
constexpr Query kSteps{"pg.background_steps",
                       "SELECT version, name, checksum, rows_done, rows_total, started_at, changed_at, finished_at, error FROM "
                       "background_steps ORDER BY version"};
constexpr Query kBegin{"pg.background_begin",
                       "INSERT INTO background_steps (version, name, checksum, rows_total) SELECT $1, $2, $3, greatest((SELECT "
                       "reltuples::bigint FROM pg_class WHERE oid = to_regclass($4)), 0) ON CONFLICT (version) DO NOTHING"};
constexpr Query kCursor{"pg.background_cursor",
                        "SELECT to_jsonb(cursor) AS cursor FROM background_steps WHERE version = $1 AND cursor IS NOT NULL"};
constexpr Query kAdvance{"pg.background_advance",
                         "UPDATE background_steps SET cursor = coalesce($2::text[], cursor), rows_done = rows_done + $3, "
                         "changed_at = now(), error = '', finished_at = CASE WHEN $4::boolean THEN now() END WHERE version = $1"};
constexpr Query kFailed{"pg.background_failed", "UPDATE background_steps SET error = $2, changed_at = now() WHERE version = $1"};
constexpr Query kType{"pg.background_key_type", R"sql(
SELECT format_type(atttypid, atttypmod) AS v FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = $2 AND NOT attisdropped)sql"};
constexpr Query kAsMaintenance{"pg.background_as", "SET LOCAL ROLE otto_maintenance"};
constexpr Query kAsOneself{"pg.background_as_oneself", "RESET ROLE"};

struct Plan {
    std::string table;
    std::vector<std::string> keys;
    int rows = 0;
    std::string statement;
};

Result<Plan> plan_of(const Migration& m) {
    static const std::regex form(R"re(background\s+(\w+)\s*\(\s*(\w+(?:\s*,\s*\w+)*)\s*\)\s+(\d{1,6}))re");
    std::string said(instruction_of(m.sql));
    std::smatch found;
    if (!std::regex_match(said, found, form))
        return Error(
            "background step " + std::string(m.version) + "_" + std::string(m.name) + " begins with '-- otto: " + said + "'",
            "it says table, key and rows a batch: -- otto: background calls (company_id, call_id) 2000");
    auto statements = statements_of(m.sql);
    if (statements.size() != 1)
        return Error("background step " + std::string(m.version) + "_" + std::string(m.name) + " has " +
                         std::to_string(statements.size()) + " statements",
                     "it is one, about the keys in `batch`");
    return Plan{found[1].str(), split_list(found[2].str()), std::max(1, std::stoi(found[3].str())), statements.front()};
}

struct Batch {
    std::int64_t rows = 0, changed = 0;
    std::optional<std::vector<std::string>> last;
    static Batch from(const Fields& f) {
        Batch out{f.integer("n"), f.integer("changed"), std::nullopt};
        if (!f.is_null("last")) out.last = Value<std::vector<std::string>>::read(f, "last");
        return out;
    }
};

std::string joined(const std::vector<std::string>& parts, std::string_view before, std::string_view behind) {
    std::string out;
    for (const auto& p : parts) out.append(out.empty() ? "" : ", ").append(before).append(p).append(behind);
    return out;
}

class Runner {
public:
    Runner(Connection& db, const BackgroundOptions& options) : db_(db), options_(options) {}

    void say(const std::string& what) const {
        if (options_.say)
            options_.say(what);
        else
            tel::info(what);
    }

    /// Never waits inside Postgres, where it would have a snapshot that others wait for.
    void lock() {
        for (int n = 0;; ++n) {
            auto tx = db_.begin(Scope::none());
            auto got = tx.value<bool>(kTryLock);
            tx.commit();
            held_ = got.value_or(false);
            if (held_) return;
            if (n == 0) say("another ottoctl is at the background steps: this one waits for it");
            std::this_thread::sleep_for(Backoff{Millis{50}, Millis{1'000}, 2, 0.2}.pause(std::min(n, 6)));
        }
    }
    void unlock() noexcept {
        if (!held_) return;
        try {
            db_.execute("SELECT pg_advisory_unlock(hashtext('otto background'))");
        } catch (const std::exception&) {
            db_.close();
        }
    }

    Result<void> run(const Migration& m) {
        auto plan = plan_of(m);
        if (!plan) return plan.error();
        std::vector<std::string> types;
        {
            auto tx = db_.begin(Scope::none());
            walled_off_ = tx.value<bool>(kWalledOff).value_or(false);
            for (const auto& key : plan->keys) {
                auto type = tx.value<std::string>(kType, {plan->table, key});
                if (!type)
                    return Error("background step " + std::string(m.version) + "_" + std::string(m.name) +
                                     ": there is no column " + plan->table + "." + key,
                                 "mend its first line");
                types.push_back(*type);
            }
            tx.write(kBegin, {m.version, m.name, hex_encode(sha256(m.sql)), plan->table});
            tx.commit();
        }
        const std::string first = statement_of(*plan, {}), next = statement_of(*plan, types);
        auto told = Steady::now();
        for (int waited = 0;;) {
            const auto begun = Steady::now();
            try {
                bool finished = batch(m, *plan, first, next);
                waited = 0;
                if (finished || Steady::now() - told > options_.tell) {
                    told = Steady::now();
                    tell(m);
                }
                if (finished) return {};
            } catch (const SqlFailure& e) {
                bool again = (e.kind() == FailureClass::contention) && ++waited < options_.tries;
                note(m, e.what());
                if (!again)
                    return Error("background step " + std::string(m.version) + "_" + std::string(m.name) + " failed: " + e.what(),
                                 e.sqlstate() == "42501" ? "the owner lacks a right: `ottoctl roles plan` says which"
                                                         : "what its former batches did stays; run it again, it goes on there");
                say("a batch of " + std::string(m.name) + " does not get its locks (" + e.what() + "); it tries again");
                std::this_thread::sleep_for(options_.pause.pause(std::min(waited - 1, 6)));
                continue;
            }
            if (options_.rest)
                std::this_thread::sleep_for(std::min<Steady::duration>(Steady::now() - begun, std::chrono::seconds(1)));
        }
    }

private:
    static std::string statement_of(const Plan& p, const std::vector<std::string>& types) {
        std::string behind;
        for (std::size_t i = 0; i < types.size(); ++i) behind += (i ? ", $" : "$") + std::to_string(i + 1) + "::" + types[i];
        auto keys = joined(p.keys, "", "");
        return "WITH batch AS MATERIALIZED (SELECT " + keys + " FROM " + p.table +
               (types.empty() ? "" : " WHERE (" + keys + ") > (" + behind + ")") + " ORDER BY " + keys + " LIMIT " +
               std::to_string(p.rows) + "),\nwork AS (" + p.statement +
               "\nRETURNING 1)\nSELECT (SELECT count(*) FROM batch) AS n, (SELECT count(*) FROM work) AS changed, (SELECT "
               "to_jsonb(ARRAY[" +
               joined(p.keys, "", "::text") + "]) FROM batch ORDER BY " + joined(p.keys, "", " DESC") + " LIMIT 1) AS last";
    }

    /// One transaction: the rows, and how far it came. True: it was the last.
    bool batch(const Migration& m, const Plan& plan, const std::string& first, const std::string& next) {
        auto tx = db_.begin(Scope::none());
        auto cursor = tx.value<std::vector<std::string>>(kCursor, {m.version});
        if (walled_off_) tx.write(kAsMaintenance);
        Params at;
        if (cursor)
            for (const auto& part : *cursor) at.push_back(Param(part));
        std::string name = "pg.background." + std::string(m.version) + (cursor ? ".next" : ".first");
        auto done = tx.one<Batch>(Query{name, cursor ? next : first}, std::move(at));
        if (walled_off_) tx.write(kAsOneself);
        bool finished = done.rows < plan.rows;
        tx.write(kAdvance, {m.version, done.last ? Param::array(*done.last) : Param(nullptr), done.rows, finished});
        tx.commit();
        return finished;
    }

    void note(const Migration& m, const std::string& error) {
        try {
            auto tx = db_.begin(Scope::none());
            tx.write(kFailed, {m.version, error});
            tx.commit();
        } catch (const SqlFailure&) {
            db_.close();
            held_ = false;
        }
    }

    void tell(const Migration& m) {
        for (const auto& p : background_progress(db_, {&m, 1}))
            say(p.name + ": " + std::to_string(p.done) + " of about " + std::to_string(std::max(p.total, p.done)) + " rows (" +
                std::to_string(p.percent()) + " %)" + (p.finished ? ", finished" : ""));
    }

    Connection& db_;
    const BackgroundOptions& options_;
    bool held_ = false;        ///< the lock
    bool walled_off_ = false;  ///< the login sees only some rows
};

}  // namespace

int BackgroundProgress::percent() const {
    if (finished) return 100;
    if (total <= 0) return 0;
    return static_cast<int>(std::min<std::int64_t>(99, done * 100 / total));
}

std::vector<BackgroundProgress> background_progress(Connection& db, std::span<const Migration> steps) {
    struct Row {
        BackgroundProgress progress;
        std::string checksum;
    };
    std::map<std::string, Row> begun;
    auto tx = db.begin(Scope::none());
    if (tx.value<bool>(kThere).value_or(false))
        tx.each(kSteps, {}, [&](const Fields& f) {
            begun[f.text("version")] = {
                {f.text("version"), f.text("name"), f.integer("rows_done"), f.integer("rows_total"), f.time("started_at"),
                 f.time("changed_at"), f.time("finished_at"), f.text("error"), false},
                f.text("checksum")};
        });
    tx.commit();
    std::vector<BackgroundProgress> out;
    for (const auto& m : steps) {
        auto found = begun.find(std::string(m.version));
        if (found == begun.end()) {
            out.push_back({std::string(m.version), std::string(m.name)});
            continue;
        }
        out.push_back(found->second.progress);
        out.back().changed_text = found->second.checksum != hex_encode(sha256(m.sql));
    }
    std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) { return a.version < b.version; });
    return out;
}

otto::Result<int> run_background(Connection& db, std::span<const Migration> steps, const BackgroundOptions& options) {
    Runner runner(db, options);
    try {
        runner.lock();
    } catch (const SqlFailure& e) {
        if (e.sqlstate() != "42501") throw;
        return Error(std::string("this login may not migrate: ") + e.what(),
                     "`ottoctl roles plan` says what an administrator gives it");
    }
    struct Unlock {
        Runner& r;
        ~Unlock() { r.unlock(); }
    } unlock{runner};
    int finished = 0;
    for (const auto& p : background_progress(db, steps)) {
        if (p.finished) continue;
        if (p.changed_text)
            return Error("background step " + p.version + "_" + p.name + " was changed after it began",
                         "restore its file and add a new step instead");
        auto m = std::find_if(steps.begin(), steps.end(), [&](const Migration& s) { return s.version == p.version; });
        if (auto done = runner.run(*m); !done) return done.error();
        ++finished;
    }
    return finished;
}

}  // namespace otto::pg
