#pragma once
// One migrated database for the tests of this service, as its owner and as the service's role.
#include <map>
#include <memory>
#include <string>

#include "pg/connection.hpp"
#include "pg/migrate.hpp"
#include "schema/schema.hpp"
#include "testkit/postgres.hpp"

namespace otto::lead_pipeline::tests {

struct Text {
    std::string v;
    static Text from(const pg::Fields& f) { return {f.text("v")}; }
};

struct Db {
    Secret url = testkit::TestPostgres::shared().fresh_database();
    pg::Connection owner{url, "test"};
    std::unique_ptr<pg::Connection> role;
    Db() {
        pg::migrate(owner, schema::all()).value();
        role = std::make_unique<pg::Connection>(testkit::TestPostgres::as_role(url, "otto_lead_pipeline"), "test");
    }
    static Db& shared() {
        static Db db;
        return db;
    }
    /// One column `v`, one line a row, as the owner sees it.
    std::string lines(const std::string& sql, pg::Params params = {}) {
        auto name = names.try_emplace(sql, "lines" + std::to_string(names.size())).first->second;  // Postgres tells statements apart by 63 bytes of their names
        auto tx = owner.begin(pg::Scope::none());
        std::string out;
        for (auto& r : tx.many<Text>({name, sql}, std::move(params))) out += r.v + "\n";
        return out;
    }
    std::map<std::string, std::string> names;
};

}  // namespace otto::lead_pipeline::tests
