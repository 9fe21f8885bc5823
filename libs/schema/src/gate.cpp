#include "schema/gate.hpp"

#include "pg/migrate.hpp"
#include "pg/url.hpp"
#include "schema/schema.hpp"

namespace otto::schema {
namespace {

pg::SessionLimits brief() {
    pg::SessionLimits limits;
    limits.connect = Millis{3'000};
    limits.statement = Millis{3'000};
    limits.deadline = Millis{5'000};
    return limits;
}

}  // namespace

Gate::Gate(const pg::Login& login, const std::string& service) : db_(login, service + "-start", brief()) {
    pg::check_url(login.url()).value();
}

std::optional<Gate::Missing> Gate::look() {
    struct Close {
        pg::Connection& db;
        ~Close() { db.close(); }
    } close{db_};
    try {
        auto there = pg::require_schema(db_, latest());
        if (there) return std::nullopt;
        return Missing{false, there.error().describe()};
    } catch (const pg::SqlFailure& e) {
        // A role that may not read yet gets its rights from a migration.
        return Missing{e.kind() != pg::FailureClass::schema, e.what()};
    }
}

}  // namespace otto::schema
