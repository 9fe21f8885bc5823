#include "schema/roles.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace otto::schema {
namespace {

constexpr std::string_view kSchedule = "pg_try_advisory_lock(bigint)";  // one process of a deployment runs a service's schedule
constexpr std::string_view kClaim = "pg_advisory_xact_lock(bigint)";    // a slot of a rep's day; a number that is claimed

constexpr pg::Query kDatabase{"schema.roles_database", R"sql(
SELECT d.datname, o.rolname AS owner, o.rolsuper, current_setting('server_version_num')::int AS server,
       pg_has_role(o.oid, n.nspowner, 'USAGE') AS owns_schema
  FROM pg_database d JOIN pg_roles o ON o.oid = d.datdba, pg_namespace n WHERE d.datname = current_database() AND n.nspname = 'public')sql"};
constexpr pg::Query kRoles{"schema.roles_there", R"sql(
SELECT rolname, rolcanlogin, rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, coalesce(rolvaliduntil < now(), false) AS expired,
       has_database_privilege(oid, current_database(), 'CONNECT') AS connects, pg_has_role($2, oid, 'USAGE') AS of_owner
  FROM pg_roles WHERE rolname = ANY ($1::text[]))sql"};
constexpr pg::Query kOwnerSets{
    "schema.roles_owner_sets",
    "SELECT rolname AS v FROM pg_roles WHERE rolname = ANY ($1::text[]) AND pg_has_role($2, oid, 'SET')"};
constexpr pg::Query kMemberships{"schema.roles_memberships", R"sql(
SELECT m.rolname AS member, g.rolname AS of FROM pg_auth_members x JOIN pg_roles g ON g.oid = x.roleid JOIN pg_roles m ON m.oid = x.member
 WHERE m.rolname = ANY ($1::text[]) ORDER BY 1, 2)sql"};
constexpr pg::Query kFunctions{"schema.roles_functions", R"sql(
SELECT p.oid::regprocedure::text AS f, p.proname ~ 'advisory' AS locks, has_function_privilege('public', p.oid, 'EXECUTE') AS everybody,
       has_function_privilege($1, p.oid, 'EXECUTE WITH GRANT OPTION') AS owner_grants
  FROM pg_proc p WHERE p.pronamespace = 'pg_catalog'::regnamespace AND (p.proname ~ '^lo_' OR p.proname IN ('loread', 'lowrite') OR p.proname ~ '^pg_(try_)?advisory_')
 ORDER BY 1)sql"};
constexpr pg::Query kMay{"schema.roles_may", R"sql(
SELECT r.rolname || ' ' || p.oid::regprocedure::text AS v FROM pg_roles r, pg_proc p
 WHERE r.rolname = ANY ($1::text[]) AND p.pronamespace = 'pg_catalog'::regnamespace AND p.proname ~ '^pg_(try_)?advisory_' AND has_function_privilege(r.oid, p.oid, 'EXECUTE'))sql"};

constexpr pg::Query kLogin{"schema.roles_login", R"sql(
SELECT r.rolname AS login, r.rolsuper, pg_has_role(r.oid, d.datdba, 'USAGE') AS owns
  FROM pg_roles r, pg_database d WHERE r.rolname = current_user AND d.datname = current_database())sql"};

/// A name as SQL has it.
std::string quoted(std::string_view name) {
    bool plain = !name.empty() && !(name.front() >= '0' && name.front() <= '9') &&
                 name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_") == std::string_view::npos;
    if (plain) return std::string(name);
    std::string out = "\"";
    for (char c : name) out.append(c == '"' ? 2 : 1, c);
    return out + "\"";
}

using Need = RoleStep::Need;

std::string attributes(const Role& r) {
    return std::string(r.login ? "LOGIN" : "NOLOGIN") + " NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION " +
           (r.sees_all ? "BYPASSRLS" : "NOBYPASSRLS");
}

struct There {
    bool login, super, createrole, createdb, replication, sees_all, expired, connects, of_owner;
    static There from(const pg::Fields& f) {
        return {f.boolean("rolcanlogin"), f.boolean("rolsuper"),       f.boolean("rolcreaterole"),
                f.boolean("rolcreatedb"), f.boolean("rolreplication"), f.boolean("rolbypassrls"),
                f.boolean("expired"),     f.boolean("connects"),       f.boolean("of_owner")};
    }
};

struct Planner {
    RolePlan plan;
    void add(Need need, std::string_view role, std::string why, std::string sql) {
        plan.steps.push_back({need, std::string(role), std::move(why), std::move(sql)});
    }

    void attributes_of(const Role& r, const There& t) {
        struct {
            bool is, wanted;
            const char *name, *means;
        } list[]{{t.login, r.login, "LOGIN", "log in"},
                 {t.super, false, "SUPERUSER", "do everything"},
                 {t.createrole, false, "CREATEROLE", "make roles"},
                 {t.createdb, false, "CREATEDB", "make databases"},
                 {t.replication, false, "REPLICATION", "read the whole cluster"},
                 {t.sees_all, r.sees_all, "BYPASSRLS", "see the rows of all companies"}};
        for (const auto& a : list)
            if (a.is != a.wanted)
                add(Need::run, r.name, std::string(r.name) + (a.wanted ? " must " : " must not ") + a.means,
                    "ALTER ROLE " + quoted(r.name) + " " + (a.wanted ? "" : "NO") + a.name);
        if (r.login && t.expired)
            add(Need::run, r.name, std::string(r.name) + " has expired",
                "ALTER ROLE " + quoted(r.name) + " VALID UNTIL 'infinity'");
    }
};

}  // namespace

std::span<const Role> roles() {
    static const std::vector<Role> all{
        {.name = "otto_appointment_service", .locks = {kSchedule, kClaim}},
        {.name = "otto_company_service", .owner_is_member = true, .locks = {kSchedule}},  // members_wanted() runs in its name
        {.name = "otto_lead_pipeline", .locks = {kSchedule}},
        {.name = "otto_maintenance", .sees_all = true, .owner_is_member = true, .locks = {"*"}},  // people; background steps
        {.name = "otto_numbers", .login = false, .owner_is_member = true, .locks = {kClaim}},     // judges whose a number is
        {.name = "otto_query_service"},
        {.name = "otto_search", .login = false, .sees_all = true, .owner_is_member = true},  // searches behind no wall
        {.name = "otto_shunya_orchestrator", .locks = {kSchedule}},
        {.name = "otto_tenant_router", .locks = {kSchedule}},
        {.name = "otto_workflow_service", .locks = {kSchedule}},
    };
    return all;
}

bool RolePlan::needed() const {
    return std::any_of(steps.begin(), steps.end(), [](const RoleStep& s) { return s.need != Need::advised; });
}

RolePlan plan_roles(pg::Connection& db) {
    std::vector<std::string> names, confined;
    for (const auto& r : roles()) {
        names.emplace_back(r.name);
        if (r.name != "otto_maintenance") confined.emplace_back(r.name);
    }
    Planner p;
    auto& plan = p.plan;
    int server = 0;
    bool owns_schema = true;
    auto tx = db.begin(pg::Scope::none());
    tx.each(kDatabase, {}, [&](const pg::Fields& f) {
        plan.database = f.text("datname");
        plan.owner = f.text("owner");
        plan.owner_is_superuser = f.boolean("rolsuper");
        server = static_cast<int>(f.integer("server"));
        owns_schema = f.boolean("owns_schema");
    });
    const auto owner = quoted(plan.owner);
    std::map<std::string, There> there;
    tx.each(kRoles, {pg::Param::array(names), plan.owner},
            [&](const pg::Fields& f) { there.emplace(f.text("rolname"), There::from(f)); });
    std::set<std::string> sets;  // roles that the owner may act as; before 16 whoever is a member may
    if (server >= 160000)
        for (auto& name : tx.values<std::string>(kOwnerSets, {pg::Param::array(names), plan.owner})) sets.insert(name);

    for (const auto& r : roles()) {
        auto found = there.find(std::string(r.name));
        if (found == there.end()) {
            p.add(Need::migrate, r.name,
                  "the role " + std::string(r.name) + " is missing" + (r.login ? "; it needs a password, too" : ""),
                  "CREATE ROLE " + quoted(r.name) + " " + attributes(r));
        } else {
            p.attributes_of(r, found->second);
        }
        bool member = found != there.end() && found->second.of_owner && (server < 160000 || sets.contains(std::string(r.name)));
        if (r.owner_is_member && !plan.owner_is_superuser && !member)
            p.add(Need::migrate, r.name,
                  plan.owner + ", the database's owner, must be a member of " + std::string(r.name) +
                      ": it gives functions to it, or works in its name",
                  "GRANT " + quoted(r.name) + " TO " + owner + (server >= 160000 ? " WITH INHERIT TRUE, SET TRUE" : ""));
        if (r.login && found != there.end() && !found->second.connects)
            p.add(Need::run, r.name, std::string(r.name) + " may not connect to this database",
                  "GRANT CONNECT ON DATABASE " + quoted(plan.database) + " TO " + quoted(r.name));
    }
    tx.each(kMemberships, {pg::Param::array(confined)}, [&](const pg::Fields& f) {
        p.add(Need::run, f.text("member"), f.text("member") + " has the rights of " + f.text("of") + ", which no service needs",
              "REVOKE " + quoted(f.text("of")) + " FROM " + quoted(f.text("member")));
    });
    if (!owns_schema)
        p.add(Need::migrate, plan.owner, "the schema public is not the database owner's (a database from before Postgres 15)",
              "ALTER SCHEMA public OWNER TO pg_database_owner");

    struct Function {
        std::string name;
        bool locks, everybody, owner_grants;
    };
    std::vector<Function> functions;
    tx.each(kFunctions, {plan.owner}, [&](const pg::Fields& f) {
        functions.push_back({f.text("f"), f.boolean("locks"), f.boolean("everybody"), f.boolean("owner_grants")});
    });
    std::set<std::string> may;
    for (auto& one : tx.values<std::string>(kMay, {pg::Param::array(names)})) may.insert(one);
    tx.commit();
    for (const auto& f : functions) {
        auto grant = "GRANT EXECUTE ON FUNCTION " + f.name + " TO ";
        // While everybody may, whoever needs it is named before that ends.
        auto need = f.everybody ? Need::advised : Need::migrate;
        if (f.locks && !f.owner_grants)
            p.add(need, plan.owner, plan.owner + " takes locks by " + f.name + ", and lets services",
                  grant + owner + " WITH GRANT OPTION");
        for (const auto& r : roles()) {
            bool needs = f.locks && std::any_of(r.locks.begin(), r.locks.end(), [&](auto l) { return l == "*" || l == f.name; });
            if (needs && (f.everybody || !may.contains(std::string(r.name) + " " + f.name)))
                p.add(f.everybody ? Need::advised : Need::run, r.name, std::string(r.name) + " takes locks by " + f.name,
                      grant + quoted(r.name));
        }
        if (f.everybody)
            p.add(Need::advised, "PUBLIC",
                  f.locks ? "any login could make another wait for ever by " + f.name
                          : "any login could fill the disk by " + f.name,
                  "REVOKE EXECUTE ON FUNCTION " + f.name + " FROM PUBLIC");
    }
    return plan;
}

Result<void> may_migrate(pg::Connection& db) {
    std::string login;
    bool superuser = false, owns = false;
    {
        auto tx = db.begin(pg::Scope::none());
        tx.each(kLogin, {}, [&](const pg::Fields& f) {
            login = f.text("login");
            superuser = f.boolean("rolsuper");
            owns = f.boolean("owns");
        });
        tx.commit();
    }
    if (superuser) return {};
    auto plan = plan_roles(db);
    if (!owns)
        return Error(login + " does not own the database " + plan.database,
                     "ottoctl migrate logs in by OTTO_PG_URL as " + plan.owner + ", its owner");
    std::string lacks;
    for (const auto& s : plan.steps)
        if (s.need == Need::migrate) lacks += (lacks.empty() ? "" : "; ") + s.why;
    if (lacks.empty()) return {};
    return Error(login + " may not make roles, and not all that Otto needs are as they must be: " + lacks,
                 "an administrator runs what `ottoctl roles plan` prints (or `ottoctl roles apply` with OTTO_PG_URL_ADMIN)");
}

std::vector<std::string> apply_roles(pg::Connection& db, const RolePlan& plan) {
    std::vector<std::string> not_done;
    auto run = [&](bool advised) {
        std::string all = "BEGIN;\n";
        for (const auto& s : plan.steps)
            if ((s.need == Need::advised) == advised) all += s.sql + ";\n";
        try {
            db.execute(all + "COMMIT");
        } catch (const pg::SqlFailure& e) {
            db.close();
            if (!advised) throw;
            not_done.push_back(e.what());
        }
    };
    run(false);
    if (std::any_of(plan.steps.begin(), plan.steps.end(), [](const auto& s) { return s.need == Need::advised; })) run(true);
    return not_done;
}

void set_password(pg::Connection& db, std::string_view role, const Secret& password) {
    db.execute("ALTER ROLE " + quoted(role) + " PASSWORD '" + db.password_verifier(role, password) + "'");
}

}  // namespace otto::schema
