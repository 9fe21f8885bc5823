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

}  // namespace otto::lead_pipeline::tests
