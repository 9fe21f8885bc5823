#include "testkit/database.hpp"

#include "testkit/postgres.hpp"

namespace otto::testkit {

Database::Database(std::string role)
    : url(TestPostgres::shared().migrated_database()), owner(url, "test"), service(as(role), "test"), role_(std::move(role)) {}

Secret Database::as(const std::string& role) const { return TestPostgres::as_role(url, role); }

pg::Query Database::kept(const std::string& sql) {
    const auto& [text, name] = *names_.try_emplace(sql, "test." + std::to_string(names_.size())).first;
    return {name, text};
}

std::vector<std::string> Database::texts(const std::string& sql, pg::Params params) {
    std::vector<std::string> out;
    auto tx = owner.begin(pg::Scope::none());
    tx.each(kept(sql), std::move(params), [&](const pg::Fields& f) { out.push_back(f.text("v")); });
    tx.commit();
    return out;
}

std::string Database::lines(const std::string& sql, pg::Params params) {
    std::string out;
    for (const auto& text : texts(sql, std::move(params))) out += text + "\n";
    return out;
}

std::string Database::value(const std::string& sql, pg::Params params) {
    auto all = texts(sql, std::move(params));
    return all.empty() ? "" : all.front();
}

void Database::write(const std::string& sql, pg::Params params) {
    auto tx = owner.begin(pg::Scope::none());
    tx.write(kept(sql), std::move(params));
    tx.commit();
}

std::string Database::refusal_of(std::string_view name, std::string_view text) {
    try {
        service.execute("PREPARE probe AS " + std::string(text));
        service.execute("DEALLOCATE probe");
    } catch (const pg::SqlFailure& e) {
        return std::string(name) + ": " + e.what() + "\n";
    }
    return "";
}

}  // namespace otto::testkit
