#include "testkit/postgres.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "base/time.hpp"
#include "pg/connection.hpp"
#include "pg/migrate.hpp"
#include "schema/schema.hpp"

namespace otto::testkit {

int free_port() { return std::stoi(run_command(OTTO_SOURCE_DIR "/deploy/free-port")); }

void until_past(std::int64_t moment_ms) {
    while (to_micros(system_clock().now()) / 1000 <= moment_ms) std::this_thread::yield();
}

std::string run_command(const std::string& command) {
    std::FILE* out = ::popen(("(" + command + ") 2>&1 </dev/null").c_str(), "r");
    if (!out) throw std::runtime_error("cannot run: " + command);
    std::string text;
    char buffer[4096];
    while (std::size_t n = std::fread(buffer, 1, sizeof buffer, out)) text.append(buffer, n);
    if (::pclose(out) != 0) throw std::runtime_error(command + " failed:\n" + text);
    return text;
}

TestPostgres& TestPostgres::shared() {
    static TestPostgres postgres;
    return postgres;
}

namespace {

constexpr const char* kBin = "/usr/lib/postgresql/15/bin/";

/// Postgres refuses to run as root: its commands run as the user that its package made.
std::string as_postgres(const std::string& command) { return ::geteuid() == 0 ? "runuser -u postgres -- " + command : command; }

}  // namespace

TestPostgres::TestPostgres() {
    if (const char* url = std::getenv("OTTO_TEST_PG_URL"); url && *url) {
        base_ = url;
        return;
    }
    char name[] = "/tmp/otto-test-pg-XXXXXX";
    if (!::mkdtemp(name)) throw std::runtime_error("no temporary folder");
    folder_ = name;
    auto port = std::to_string(free_port());
    if (::geteuid() == 0) run_command("chown postgres " + folder_);
    run_command(as_postgres(std::string(kBin) + "initdb -D " + folder_ +
                            "/data -U postgres -A trust -E UTF8 --locale=C.UTF-8 --lc-collate=C --no-sync"));
    run_command(as_postgres(
        std::string(kBin) + "pg_ctl -D " + folder_ + "/data -w -t 60 -l " + folder_ + "/log -o '-p " + port + " -k " + folder_ +
        " -c listen_addresses=127.0.0.1 -c fsync=off -c full_page_writes=off -c max_connections=100' start >/dev/null"));
    base_ = "postgresql://postgres@127.0.0.1:" + port;
}

TestPostgres::~TestPostgres() {
    if (folder_.empty()) return;
    try {
        run_command(as_postgres(std::string(kBin) + "pg_ctl -D " + folder_ + "/data -m immediate -w stop"));
        run_command("rm -rf " + folder_);
    } catch (const std::exception& e) {
        std::fprintf(stderr, "%s\n", e.what());
    }
}

std::string TestPostgres::new_name() { return "test_" + std::to_string(::getpid()) + "_" + std::to_string(next_++); }

void TestPostgres::execute(const std::string& sql) { pg::Connection(Secret(base_ + "/postgres"), "testkit").execute(sql); }

Secret TestPostgres::fresh_database() {
    auto name = new_name();
    execute("CREATE DATABASE " + name);
    return Secret(base_ + "/" + name);
}

Secret TestPostgres::migrated_database() {
    if (migrated_.empty()) {
        auto name = new_name();
        execute("CREATE DATABASE " + name);
        pg::Connection owner(Secret(base_ + "/" + name), "testkit");
        pg::migrate(owner, schema::all()).value();
        migrated_ = name;
    }
    auto copy = new_name();
    execute("CREATE DATABASE " + copy + " TEMPLATE " + migrated_);
    // A copy is without what is set and granted for a whole database.
    auto both = " FROM pg_database o, pg_database c WHERE o.datname = '" + migrated_ + "' AND c.datname = '" + copy + "'";
    execute("UPDATE pg_database SET datacl = o.datacl" + both +
            " AND pg_database.oid = c.oid; "
            "INSERT INTO pg_db_role_setting SELECT to_oid, setrole, setconfig FROM pg_db_role_setting JOIN (SELECT o.oid AS "
            "from_oid, c.oid AS to_oid" +
            both + ") b ON setdatabase = from_oid");
    return Secret(base_ + "/" + copy);
}

Secret TestPostgres::as_role(const Secret& url, const std::string& role) {
    auto text = url.reveal();
    auto at = text.find('@'), scheme = text.find("://");
    if (at == std::string::npos || scheme == std::string::npos) throw std::runtime_error("the test database's URL names no user");
    return Secret(text.substr(0, scheme + 3) + role + text.substr(at));
}

}  // namespace otto::testkit
