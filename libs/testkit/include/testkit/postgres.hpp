#pragma once
#include <cstdint>
#include <string>

#include "base/secret.hpp"

namespace otto::testkit {

/// A private Postgres 15 cluster for this test process: started at first use in a temporary folder on a free port, stopped and
/// deleted at exit. Nothing on it survives, so it does not wait for the disk. With OTTO_TEST_PG_URL set, that server is used
/// instead.
class TestPostgres {
public:
    static TestPostgres& shared();

    /// A new empty database; the URL of its superuser.
    Secret fresh_database();
    /// A new database with the schema of this build; the same. Tests of what is in it take a testkit::Database.
    Secret migrated_database();
    /// The same server and database as another role (trusted locally).
    static Secret as_role(const Secret& url, const std::string& role);

private:
    TestPostgres();
    ~TestPostgres();
    void execute(const std::string& sql);
    std::string new_name();
    std::string folder_, base_;
    std::string migrated_;  ///< the database that others are copies of
    int next_ = 0;
};

/// A free TCP port of the loopback interface (deploy/free-port).
int free_port();

/// Returns once the clock has passed this moment (ms since 1970). A restore takes longer than the millisecond of a database's
/// last write; what a test restores by hand must too.
void until_past(std::int64_t moment_ms);

/// Runs a shell command; returns what it printed, throws std::runtime_error with that if it fails.
std::string run_command(const std::string& command);

}  // namespace otto::testkit
