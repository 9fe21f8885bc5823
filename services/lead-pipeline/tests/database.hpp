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
        // Postgres tells statements apart by 63 bytes of their names; the session keeps a view of the text.
        const auto& [text, name] = *names.try_emplace(sql, "lines" + std::to_string(names.size())).first;
        auto tx = owner.begin(pg::Scope::none());
        std::string out;
        for (auto& r : tx.many<Text>({name, text}, std::move(params))) out += r.v + "\n";
        return out;
    }
    std::map<std::string, std::string> names;  ///< of statements; a query's texts must last
};

}  // namespace otto::lead_pipeline::tests
