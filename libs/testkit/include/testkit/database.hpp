#pragma once
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.hpp"
#include "pg/connection.hpp"

namespace otto::testkit {

/// A migrated database of its own for a test, or for all tests of a file: as its owner, and as the service that is tested. The
/// migrations run once a process; each database is a copy of what they made.
///
///     testkit::Database db("otto_tenant_router");
///     db.owner.execute("INSERT INTO companies …");
///     auto tx = db.service.begin(pg::Scope::company(company));
///     CHECK(db.value("SELECT count(*) AS v FROM outbox") == "1");
///
/// A connection is made when it is used first.
class Database {
public:
    explicit Database(std::string role);

    const Secret url;  ///< the owner's, who sees all rows of all companies
    pg::Connection owner;
    pg::Connection service;  ///< as the role
    /// For pools and further sessions of the role, and of another one.
    Secret service_url() const { return as(role_); }
    Secret as(const std::string& role) const;

    /// The column `v` of all rows, as the owner sees them.
    std::vector<std::string> texts(const std::string& sql, pg::Params = {});
    /// The same, a line a row.
    std::string lines(const std::string& sql, pg::Params = {});
    /// `v` of the first row; "" if there is none, or if it is null.
    std::string value(const std::string& sql, pg::Params = {});
    /// A statement with parameters, committed.
    void write(const std::string& sql, pg::Params);

    /// Each statement that does not fit the schema or the grants of the role, with the reason, a line each; "" if all fit.
    /// Of `sql::all`, of what tables made (`pg::Statement::all()`), of each form of a list (`api::AnyList::all()`).
    template <class... Statements>
    std::string prepares_all(const Statements&... all) {
        std::string unfit;
        auto prepare = [&](const auto& some) {
            for (const auto& one : some) unfit += refusal_of(one.name, one.text);
        };
        (prepare(all), ...);
        return unfit;
    }

private:
    /// Why a statement does not fit, as a line; "" if it fits.
    std::string refusal_of(std::string_view name, std::string_view text);
    /// A session knows a statement by the places of its name and text, so both stay.
    pg::Query kept(const std::string& sql);

    std::string role_;
    std::map<std::string, std::string> names_;
};

}  // namespace otto::testkit
