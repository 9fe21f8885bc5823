#include "database.hpp"

#include <cstdio>
#include <cstdlib>

#include "app/common.hpp"
#include "ottoctl/sql.hpp"
#include "pg/migrate.hpp"
#include "schema/schema.hpp"

namespace otto::ottoctl {

pg::Login login_of(const app::Settings& settings, const app::Setting<Secret>& url, const app::Setting<Secret>& password) {
    auto of = [&](const app::Setting<Secret>& own, const app::Setting<Secret>& common) -> pg::Login::Ask {
        return [live = settings.live(settings.get(own).empty() ? common : own)] { return live.now(); };
    };
    return {of(url, app::kPgUrl), of(password, app::kPgPassword)};
}

pg::Connection operators_database(const app::Settings& settings) {
    auto login = login_of(settings, kPgUrlMaintenance, kPgPasswordMaintenance);
    if (login.url().empty())
        throw Failure(Error("OTTO_PG_URL_MAINTENANCE is not set",
                            "it names the database as otto_maintenance (deploy/env --secrets shows it)"));
    pg::SessionLimits patient;
    patient.statement = Millis{120'000};
    patient.deadline = Millis{125'000};
    patient.idle_in_transaction = Millis{60'000};
    pg::Connection db(login, "ottoctl", patient);
    db.execute("SET timezone TO 'UTC'");
    if (auto fits = pg::require_schema(db, schema::all()); !fits) throw Failure(fits.error());
    auto tx = db.begin(pg::Scope::none());
    tx.each(sql::who, {}, [](const pg::Fields& f) {
        if (!f.boolean("sees_all"))
            throw Failure(Error(
                "the role " + f.text("role") + " sees only some rows",
                "operators' commands log in as otto_maintenance (OTTO_PG_URL_MAINTENANCE), or another role with BYPASSRLS"));
    });
    tx.commit();
    return db;
}

std::vector<Record> records(pg::Tx& tx, const pg::Query& query, pg::Params params) {
    std::vector<Record> out;
    tx.each(query, std::move(params), [&](const pg::Fields& f) {
        auto parsed = JsonDocument::parse(f.text("j"));
        if (!parsed) throw Failure(Error("the answer of " + std::string(query.name) + " is no JSON: " + parsed.error().message));
        out.push_back(record_from(parsed->root()));
    });
    return out;
}

std::string operator_name(const app::Settings& settings) {
    auto given = settings.get(kOperator);
    for (const char* variable : {"SUDO_USER", "USER", "LOGNAME"})
        if (const char* name = std::getenv(variable); given.empty() && name) given = name;
    return given.empty() ? "unknown" : given;
}

Uuid id_of(const std::string& text) {
    auto id = Uuid::parse(text);
    if (!id) throw UsageError("'" + text + "' is no id", "ids are 36 characters long: 0192f0c1-7c3e-7bbb-8a55-000000000001");
    return *id;
}

std::vector<std::string> ids_of(const std::vector<std::string>& texts) {
    std::vector<std::string> out;
    for (const auto& t : texts) out.push_back(id_of(t).to_string());
    return out;
}

void print(const Invocation& call, const Report& report) {
    auto text = call.json() ? report.json() + "\n" : report.text();
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
}

int refuse_without_yes(const Invocation& call, Report report) {
    report.note("Nothing was done. Say it again with --yes to do it.");
    print(call, report);
    return kRefused;
}

}  // namespace otto::ottoctl
