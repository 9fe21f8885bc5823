// roles: whom Otto needs at Postgres, beside who is there.
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "app/common.hpp"
#include "base/text.hpp"
#include "commands.hpp"
#include "database.hpp"
#include "pg/connection.hpp"
#include "schema.hpp"
#include "schema/roles.hpp"

namespace otto::ottoctl {
namespace {

using Need = schema::RoleStep::Need;

pg::Connection administrators_database(const app::Settings& settings) {
    auto login = login_of(settings, kPgUrlAdmin, app::kPgPassword);
    if (login.url().empty())
        throw Failure(Error("neither OTTO_PG_URL_ADMIN nor OTTO_PG_URL is set",
                            "OTTO_PG_URL_ADMIN names Otto's database as an administrator; to look, its owner is enough"));
    return {login, "ottoctl"};
}

const char* word(Need need) { return need == Need::migrate ? "to migrate" : need == Need::run ? "to run" : "advised"; }

Report report_of(const schema::RolePlan& plan) {
    std::vector<Record> list;
    for (const auto& s : plan.steps)
        list.push_back({{"need", word(s.need)}, {"role", s.role}, {"why", s.why}, {"sql", s.sql + ";"}});
    Report report;
    report.one("database", {{"name", plan.database}, {"owner", plan.owner}});
    report.many("missing", std::move(list));
    return report;
}

/// What psql takes, with what each is for.
void print_sql(const schema::RolePlan& plan) {
    for (bool advised : {false, true}) {
        bool first = true;
        for (const auto& s : plan.steps) {
            if ((s.need == Need::advised) != advised) continue;
            if (first)
                std::printf("%s", advised ? "-- Advised; only a superuser can, and Otto runs without.\n"
                                          : ("-- Needed. Run it in the database " + plan.database +
                                             " as a superuser, or as a role that "
                                             "may make roles with these attributes.\n")
                                                .c_str());
            first = false;
            std::printf("%s;  -- %s\n", s.sql.c_str(), s.why.c_str());
        }
    }
    if (plan.steps.empty())
        std::printf("-- All roles that Otto needs are there and as they must be.\n");
    else if (!plan.needed())
        std::printf("-- Nothing that Otto needs is missing.\n");
}

/// Passwords from a folder with a file for each login, as a mounted Secret is: checked before anything is changed.
std::vector<std::pair<std::string, Secret>> passwords_in(const std::string& folder) {
    std::vector<std::pair<std::string, Secret>> out;
    if (!std::filesystem::is_directory(folder))
        throw UsageError("--passwords names no folder: " + folder,
                         "it holds a file for each login, named like it: otto_lead_pipeline");
    for (const auto& r : schema::roles()) {
        if (!r.login) continue;
        auto path = std::filesystem::path(folder) / r.name;
        if (!std::filesystem::exists(path)) continue;
        std::ifstream file(path);
        std::stringstream text;
        text << file.rdbuf();
        Secret password{std::string(trim(text.str()))};
        if (!file || password.empty())
            throw UsageError("the password file " + path.string() + " is empty or cannot be read",
                             "it holds the password and nothing else");
        out.emplace_back(r.name, std::move(password));
    }
    if (out.empty())
        throw UsageError("no file in " + folder + " is named like a login of Otto's",
                         "such as otto_lead_pipeline; ottoctl roles plan names them");
    return out;
}

}  // namespace

int roles_plan(const Invocation& call) {
    auto db = administrators_database(call.settings());
    auto plan = schema::plan_roles(db);
    if (call.json())
        print(call, report_of(plan));
    else
        print_sql(plan);
    return plan.needed() ? kRefused : kDone;
}

int roles_apply(const Invocation& call) {
    std::vector<std::pair<std::string, Secret>> passwords;
    if (auto folder = call.option("passwords")) passwords = passwords_in(*folder);
    auto db = administrators_database(call.settings());
    auto plan = schema::plan_roles(db);
    std::vector<std::string> not_advised;
    try {
        not_advised = schema::apply_roles(db, plan);
        for (const auto& [role, password] : passwords) schema::set_password(db, role, password);
    } catch (const pg::SqlFailure& e) {
        if (e.sqlstate() != "42501") throw;
        throw Failure(
            Error(std::string("this login may not do it: ") + e.what(),
                  "OTTO_PG_URL_ADMIN logs in as a superuser, or as a role that may make roles; or give the SQL of `ottoctl "
                  "roles plan` to who is"));
    }
    auto left = schema::plan_roles(db);
    Report report = report_of(left);
    if (call.json()) {
        print(call, report);
    } else {
        std::size_t done = plan.steps.size() - std::min(plan.steps.size(), left.steps.size());
        std::printf("%zu of %zu things done; passwords of %zu logins set\n", done, plan.steps.size(), passwords.size());
        for (const auto& why : not_advised) std::printf("What is advised was not done: %s\n", why.c_str());
        if (left.needed()) print_sql(left);
    }
    return left.needed() ? kRefused : kDone;
}

}  // namespace otto::ottoctl
