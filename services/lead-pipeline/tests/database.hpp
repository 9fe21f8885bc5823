#pragma once
// One database for the tests of this service.
#include <string>

#include "pg/connection.hpp"
#include "testkit/database.hpp"

namespace otto::lead_pipeline::tests {

struct Text {
    std::string v;
    static Text from(const pg::Fields& f) { return {f.text("v")}; }
};

struct Db : testkit::Database {
    Db() : Database("otto_lead_pipeline") {}
    static Db& shared() {
        static Db db;
        return db;
    }
};

/// What the company's rows say, a line each.
inline std::string lines(const std::string& sql, const std::string& company) { return Db::shared().lines(sql, {company}); }
inline void as_owner(const std::string& sql) { Db::shared().owner.execute(sql); }

}  // namespace otto::lead_pipeline::tests
